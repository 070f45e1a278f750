"""Random configs and markets for the strategies that quote: every order is aligned, and none is bumped.

Those of market_maker are in its own playbook. The grid of scenario 8 (tick 0.1, lot 0.001, least notional 5) is one of
those that are drawn from.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import pytest

from core.market.book import OrderBook
from core.market.commands import Quote, Quotes
from core.market.instrument import Instrument
from core.market.order import Side
from core.market.position import Position
from core.market.reports import Balance
from core.market.risk_limits import RiskLimits
from core.market.risk_room import trim_quotes
from strategies.avellaneda_stoikov import AvellanedaStoikov
from strategies.base import Strategy, View
from strategies.grid_strategy import GridStrategy
from strategies.perp_grid_strategy import PerpGridStrategy
from strategies.perp_market_maker import PerpMarketMaker
from tests.market_parts import NOW, book, instrument, risk_state
from tests.playbooks.test_market_maker import GRIDS, MODES
from tests.scripts import Scripted

Make = Callable[[random.Random, Instrument, int, Decimal], tuple[Strategy, dict[str, Any]]]


class Drawn(Scripted):
    """A strategy in a market, both drawn, that is flat and has as much as it likes."""

    def __init__(self, dice: random.Random, make: Make, kind: str) -> None:
        tick, lot, least = dice.choice(GRIDS)
        self.instrument = instrument(
            kind=kind, tick_size=Decimal(tick), lot_size=Decimal(lot), min_notional=Decimal(least)
        )
        bid = dice.randint(50, 10**7)
        self.picture = book(bid, bid + dice.randint(1, 30), dice.randint(1, 9), dice.randint(1, 9))
        self.most = Decimal(lot) * dice.randint(1, 100_000) / 7  # never a whole number of lots, but for multiples
        self.strategy, self.config = make(dice, self.instrument, bid, self.most)
        self.view = View(now_ns=NOW, utc_ns=NOW, instruments={"main": self.instrument}, books={"main": self.picture})
        self.view.positions["main"] = Position("main")
        self.view.position_limits["main"] = 10**12
        self.view.limits["main"] = RiskLimits()
        amounts = {self.instrument.base: self.most * 1000, self.instrument.quote: Decimal(10) ** 15}
        self.view.balances["main"] = {asset: Balance(asset, amount, amount) for asset, amount in amounts.items()}

    def placed(self) -> Sequence[Quote]:
        """Return what passes the limits, after the laws were checked for what is wanted and for what passes."""
        wanted = [quote for one in self.due() if isinstance(one, Quotes) for quote in one.quotes]
        check(wanted, self.picture, self.instrument, self.most, self.config)
        available = {asset: balance.total for asset, balance in self.view.balances["main"].items()}
        state = risk_state(instrument=self.instrument, available=available, book=self.picture)
        allowed = trim_quotes(wanted, RiskLimits(), state).allowed
        sizes = {one.slot_name: one.size_lots for one in wanted}
        for one in allowed:
            assert self.instrument.unplaceable_reason(one.price_ticks, one.size_lots) is None
            assert one.size_lots <= sizes[one.slot_name]
        return allowed


def check(
    wanted: Sequence[Quote], picture: OrderBook, traded: Instrument, most: Decimal, config: dict[str, Any]
) -> None:
    """Assert that every order is on the grid, behind the touch, apart from the others, not larger than configured."""
    assert len({one.slot_name for one in wanted}) == len(wanted)
    for one in wanted:
        assert type(one.price_ticks) is int and type(one.size_lots) is int
        touch = picture.best_ask_ticks if one.side is Side.BUY else picture.best_bid_ticks
        assert one.price_ticks * one.side.sign < touch * one.side.sign
        assert one.size_lots > 0
    for side in Side:
        prices = [one.price_ticks for one in wanted if one.side is side]
        assert len(set(prices)) == len(prices)
        sizes = [one.size_lots * traded.lot_size for one in wanted if one.side is side]
        if "grid_num" in config:
            assert all(size <= most for size in sizes)
        else:  # layers that come to one price are one order
            ratio, count = (
                Decimal(str(config["size_ratio"])),
                len(config.get("layer_spreads_pct", range(config["layers"]))),
            )
            assert sum(sizes) <= sum(most * ratio**layer for layer in range(count)) * (1 + Decimal("1e-11"))


def layers(dice: random.Random, most: Decimal) -> dict[str, Any]:
    return {"layers": dice.randint(1, 10), "size_ratio": dice.choice([0.5, 1.0, 1.3]), "order_size": float(most)}


def perp_market_maker(dice: random.Random, _: Instrument, __: int, most: Decimal) -> tuple[Strategy, dict[str, Any]]:
    config = layers(dice, most) | dice.choice(MODES)
    config |= {
        "spread_pct": dice.choice([0, 0.01, 0.2, 1.3, 20]),
        "price_source": dice.choice(["mid", "micro"]),
        "inventory_skew": dice.choice([0, 0.5, 3]),
    }
    return PerpMarketMaker(PerpMarketMaker.params_from(config)), config


def avellaneda_stoikov(dice: random.Random, _: Instrument, __: int, most: Decimal) -> tuple[Strategy, dict[str, Any]]:
    config = layers(dice, most) | {
        "layer_spacing_pct": dice.choice([0.001, 0.05, 3]),
        "model": dice.choice(["as", "glft"]),
        "gamma": dice.choice([0.01, 1, 30]),
        "kappa": dice.choice([10, 1000, 100_000]),
        "order_intensity": 1,
        "sigma_method": "fixed",
        "sigma": dice.choice([0, 1e-5, 1e-3]),
        "min_spread_bps": dice.choice([0.001, 5]),
        "max_spread_bps": dice.choice([10, 9000]),
    }
    return AvellanedaStoikov(AvellanedaStoikov.params_from(config)), config


def lines(dice: random.Random, traded: Instrument, bid: int, most: Decimal) -> dict[str, Any]:
    """Return the bounds of a grid around the price that are on no tick, and how it is laid."""
    price, width = traded.to_price(bid), Decimal(dice.choice([3, 17, 50])) / 100
    return {
        "lower": float(price * (1 - width / 3)),
        "upper": float(price * (1 + width / 7 * 3)),
        "grid_num": dice.randint(2, 60),
        "grid_mode": dice.choice(["arithmetic", "geometric"]),
        "quantity": float(most),
        "min_profit_check": False,
    }


def grid_strategy(dice: random.Random, traded: Instrument, bid: int, most: Decimal) -> tuple[Strategy, dict[str, Any]]:
    config = lines(dice, traded, bid, most)
    return GridStrategy(GridStrategy.params_from(config)), config


def perp_grid_strategy(
    dice: random.Random, traded: Instrument, bid: int, most: Decimal
) -> tuple[Strategy, dict[str, Any]]:
    config = lines(dice, traded, bid, most) | {"grid_type": dice.choice(["neutral", "long", "short"])}
    return PerpGridStrategy(PerpGridStrategy.params_from(config)), config


@pytest.mark.parametrize(
    ("make", "kind", "runs"),
    [
        (perp_market_maker, "perp", 2500),
        (avellaneda_stoikov, "perp", 2500),
        (grid_strategy, "spot", 150),  # each with up to sixty lines
        (perp_grid_strategy, "perp", 150),
    ],
)
def test_random_configurations_give_aligned_orders_and_none_is_bumped(make: Make, kind: str, runs: int) -> None:
    dice = random.Random(f"{make.__name__} 20240808")
    quoting = sum(bool(Drawn(dice, make, kind).placed()) for _ in range(runs))
    assert quoting > runs * 0.8  # the laws above were not held by an empty set
