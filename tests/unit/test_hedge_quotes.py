"""Prices from the hedge leg's depth, sizes from its depth and its money."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.market.book import Level, OrderBook
from core.market.hedge_params import HedgeParams, params_of
from core.market.hedge_quotes import (
    PriceLink,
    depth_of,
    hedge_price,
    kept_ticks,
    lots_within,
    no_better,
    room_lots,
    wanted_ticks,
)
from core.market.order import Side
from core.market.position import Position
from core.market.reports import Balance
from core.market.risk_limits import RiskLimits
from tests.market_parts import book, instrument, order
from utils.errors import ConfigError

MAKER = instrument(maker_fee_bps=Decimal(-1), min_notional=Decimal(0))
HEDGE = instrument(taker_fee_bps=Decimal(5), lot_size=Decimal("0.01"), min_notional=Decimal(0))
LINK = PriceLink(MAKER, HEDGE, 1.0, 1.0, 5.0)
DEEP = OrderBook((Level(1000, 3), Level(998, 5), Level(990, 50)), (Level(1001, 3), Level(1003, 5), Level(1011, 50)))


def test_depth_is_the_average_and_the_last_price_of_what_is_taken() -> None:
    found = depth_of(DEEP.bids, 6)
    assert found is not None
    assert (found.average_ticks, found.last_ticks, found.lots) == (999.0, 998, 6)


def test_what_a_book_does_not_show_is_priced_like_its_last_level() -> None:
    found = depth_of(DEEP.bids[:1], 6)
    assert found is not None
    assert (found.average_ticks, found.last_ticks, found.lots) == (1000.0, 1000, 3)
    assert depth_of((), 6) is None


def test_only_levels_within_the_slippage_count_as_depth() -> None:
    assert [lots_within(DEEP.bids, bps) for bps in (0, 20, 100)] == [3, 8, 58]


def test_a_hedge_reaches_beyond_the_price_of_its_depth_and_never_farther() -> None:
    assert hedge_price(DEEP, Side.SELL, 6, 10, HEDGE) == 998  # 997.002, rounded to what it may still take
    assert hedge_price(DEEP, Side.BUY, 6, 10, HEDGE) == 1004
    assert hedge_price(OrderBook((), DEEP.asks), Side.SELL, 6, 10, HEDGE) is None


def test_a_bid_earns_nothing_where_the_fees_and_the_slippage_eat_it() -> None:
    fair = LINK.break_even_ticks(Side.BUY, 1000.0)
    assert fair == pytest.approx(1000 * (1 - 0.001) / (1 - 0.0001))
    assert LINK.break_even_ticks(Side.SELL, 1000.0) == pytest.approx(1000 * (1 + 0.001) / (1 + 0.0001))


def test_conversion_and_ratio_scale_the_price() -> None:
    scaled = PriceLink(MAKER, HEDGE, 2.0, 1.1, 5.0)
    assert scaled.break_even_ticks(Side.BUY, 1000.0) == pytest.approx(2.2 * LINK.break_even_ticks(Side.BUY, 1000.0))


@given(st.sampled_from(list(Side)), st.floats(500, 5000), st.floats(-100, 100))
def test_a_quote_at_the_wanted_price_earns_the_wanted_profit(side: Side, hedge_ticks: float, target: float) -> None:
    ticks = LINK.price_at(side, hedge_ticks, target)
    profit = side.sign * (LINK.break_even_ticks(side, hedge_ticks) / ticks - 1) * 10_000
    assert profit == pytest.approx(target, abs=1.1)  # the share is of the fair price, not of the quote's


@given(st.sampled_from(list(Side)), st.integers(-50, 50), st.integers(900, 1000), st.integers(1, 50), st.integers(0, 5))
def test_no_quote_meets_the_other_side_or_improves_too_much(
    side: Side, off: int, bid: int, spread: int, improve: int
) -> None:
    ask = bid + spread
    price = no_better(bid + off, side, bid, ask, improve)
    assert price < ask if side is Side.BUY else price > bid
    assert price <= bid + improve if side is Side.BUY else price >= ask - improve


def params(**keys: object) -> HedgeParams:
    return params_of({"order_size": 1, "mode": "cross_venue", **keys})


def test_touch_quotes_the_best_prices() -> None:
    assert [wanted_ticks(params(), side, book(990, 1010), MAKER, None, None) for side in Side] == [990, 1010]


def test_spread_quotes_round_the_mid() -> None:
    wide = params(quote_mode="spread", spread_pct=4)
    assert [wanted_ticks(wide, side, book(990, 1010), MAKER, None, None) for side in Side] == [980, 1020]


def test_profit_quotes_from_the_hedge_legs_price_and_not_without_one() -> None:
    wanted = params(quote_mode="profit")
    assert wanted_ticks(wanted, Side.BUY, book(990, 1010), MAKER, LINK, None) is None
    price = wanted_ticks(wanted, Side.BUY, book(1100, 1110), MAKER, LINK, 1000.0)
    assert price is not None
    assert LINK.profit_bps(Side.BUY, price, 1000.0) >= 4.9


def test_a_profit_quote_stays_between_its_bounds_and_goes_below_the_least() -> None:
    wanted = params(quote_mode="profit", min_profit_bps=2, max_profit_bps=50)
    prices = (994, 998, 999)  # 51, 11 and 1 bps
    kept = [kept_ticks(wanted, Side.BUY, order(Side.BUY, price, 1), LINK, 1000.0, 0) for price in prices]
    assert kept == [None, 998, None]


def test_a_young_quote_keeps_its_price_unless_it_would_earn_too_little() -> None:
    slow = params(quote_mode="profit", anti_hysteresis_s=5, max_profit_bps=6)
    assert kept_ticks(slow, Side.BUY, order(Side.BUY, 990, 1), LINK, 1000.0, 4 * 10**9) == 990
    assert kept_ticks(slow, Side.BUY, order(Side.BUY, 990, 1), LINK, 1000.0, 6 * 10**9) is None
    assert kept_ticks(slow, Side.BUY, order(Side.BUY, 999, 1), LINK, 1000.0, 4 * 10**9) is None
    assert kept_ticks(params(anti_hysteresis_s=5), Side.BUY, order(Side.BUY, 9, 1), None, None, 10**9) == 9


def balances(**amounts: int) -> dict[str, Balance]:
    return {asset: Balance(asset, Decimal(amount), Decimal(amount)) for asset, amount in amounts.items()}


ALL = Decimal(1)
FREE = RiskLimits()


def room(side: Side, market: object = HEDGE, held: int = 0, limits: RiskLimits = FREE, **amounts: int) -> int:
    market = market if market is not None else HEDGE
    return room_lots(side, 1000, market, balances(**amounts), Position("h", held), limits, DEEP, ALL)  # type: ignore[arg-type]


def test_a_spot_leg_sells_what_it_has_and_buys_what_it_can_pay() -> None:
    assert room(Side.SELL, SOL=2) == 200
    assert room(Side.BUY, USDC=1000) == 999  # 10 SOL at 100, and the fee
    assert (room(Side.SELL, USDC=1000), room(Side.BUY, SOL=2)) == (0, 0)


def test_on_margin_what_reduces_needs_no_money() -> None:
    perp = instrument(kind="perp", lot_size=Decimal("0.01"), min_notional=Decimal(0))
    assert room(Side.SELL, perp, held=50, USDC=0) == 50
    assert room(Side.SELL, perp, held=-50, USDC=100) == 100


def test_a_limit_of_position_bounds_the_room() -> None:
    perp = instrument(kind="perp", lot_size=Decimal("0.01"), min_notional=Decimal(0))
    limits = RiskLimits(max_position_lots=60)
    assert [room(side, perp, 50, limits, USDC=10_000) for side in Side] == [10, 110]


def test_a_limit_of_value_is_not_used_up_by_quotes() -> None:
    perp = instrument(kind="perp", lot_size=Decimal("0.01"), min_notional=Decimal(0))
    value = perp.unit_quote * DEEP.best_ask_ticks * 100  # of 100 lots
    limits = RiskLimits(max_position_quote=value)
    assert [room(side, perp, 0, limits, USDC=10_000) for side in Side] == [95, 95]


@pytest.mark.parametrize(
    "keys",
    [
        {"order_size": None},
        {"order_size_quote": 5},
        {"order_size_pct": 5},
        {"min_profit_bps": 9},
        {"hedge_slippage_bps": 200},
        {"mode": "same_venue", "quote_mode": "profit"},
        {"mode": "same_venue", "hedge_venue": "paper:b"},
    ],
)
def test_keys_that_contradict_each_other_are_refused(keys: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        params(**keys)
