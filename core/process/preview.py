"""What a bot would do now: run for a moment on the paper feed, in a folder that is thrown away. Nothing is sent.

A process of its own (`python -m core.process.preview`): a config, where recordings are looked up and `.env` as one line
of JSON in, one line out with the key `preview` or `error`. The bot starts flat and with the money of a new paper
account, whatever it holds. A live venue's prices are real and come over the network; the embedded venue needs none, and
no time passes there.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from api.client_registry import client_class
from core.bot_config import HEDGE, BotConfig, Leg
from core.market.client_ids import ClientOrderIds
from core.market.events import Timer
from core.market.full_inventory import FullInventory, Money, full_inventory, fullest_lots
from core.market.instrument import Instrument
from core.market.order import Order, Side
from core.market.position import Position
from core.market.reports import Balance
from core.market.risk_room import position_limit
from core.process.build import Bot, build_bot
from core.process.network_names import take_network_names
from core.trading.clock import Clock, SimulatedClock, SystemClock, seconds
from strategies.base import Strategy, View, strategy_class
from utils.errors import ConfigError, MakerdError, VenueUnreachable
from utils.home import Home
from utils.scratch import scratch_folder

PATIENCE_S = 30.0  # until the first order; of simulated time where the venue is embedded
SETTLE_S = 1.0  # from the first order on: a batch goes out in pieces
_STATS = ("worst_case_loss", "worst_case_loss_at_stop", "worst_case_margin", "liq_price", "profit_per_grid_pct")


def preview(config: BotConfig, data_dirs: tuple[str, ...]) -> dict[str, Any]:
    """Return what a valid config would do first and what it could come to, as JSON can hold it.

    Raises ConfigError, VenueError and VenueUnreachable as a start would.
    """
    if config.is_job:
        raise ConfigError(f"{config.name} is a job: it places no order")
    paper = _on_paper(config)
    is_embedded = all(client_class(leg.exchange, paper.mode).embedded for leg in paper.legs)
    if paper.reference is not None:
        is_embedded = is_embedded and client_class(paper.reference.exchange).embedded
    clock: Clock = SimulatedClock() if is_embedded else SystemClock()
    with scratch_folder() as folder:
        home = Home(folder)
        home.make_folders()
        ids = ClientOrderIds(home.identity(), paper.name, 1)
        bot = build_bot(paper, home.state, data_dirs, {leg.leg: ids for leg in paper.legs}, clock)
        try:
            return _looked_at(bot, paper, clock)
        finally:
            bot.close()


def _on_paper(config: BotConfig) -> BotConfig:
    exchange, hedge = _simulated(config.exchange_config), _simulated(config.hedge_exchange_config)
    return replace(config, exchange_config=exchange, hedge_exchange_config=hedge, secret_names=())


def _simulated(section: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**section, "mode": "paper"} if section.get("mode") == "live" else section


def _looked_at(bot: Bot, config: BotConfig, clock: Clock) -> dict[str, Any]:
    bot.loop.start()
    orders = _first_orders(bot, clock)
    view, leg = bot.loop.view, config.legs[0]
    if leg.leg not in view.books:
        raise VenueUnreachable(f"{leg.exchange} showed no prices of {leg.symbol} within {PATIENCE_S:.0f} s")
    snapshot = bot.loop.snapshot()
    sides = [_side(side, view, config) for side in (Side.BUY, Side.SELL)]
    return {
        "name": config.name,
        "exchange": config.exchange,
        "symbol": config.symbol,
        "strategy": config.strategy,
        "mid": _money(_mid(view, leg.leg)),
        "quote": view.instruments[leg.leg].quote,
        "base": view.instruments[leg.leg].base,
        "hedge": _hedge(config),
        "gates": snapshot["gates"],
        "orders": [_order(order, view) for order in orders],
        "full": {"long": sides[0], "short": sides[1]},
        "strategy_says": {key: value for key, value in snapshot["stats"]["strategy"].items() if key in _STATS},
    }


def _hedge(config: BotConfig) -> dict[str, str] | None:
    """Return where what the bot trades is hedged, None where it is not."""
    return next(({"exchange": leg.exchange, "symbol": leg.symbol} for leg in config.legs if leg.leg == HEDGE), None)


@dataclass(frozen=True, slots=True)
class _First:
    """The first order of a slot, and the mid when it was placed."""

    order: Order
    mid: Decimal


def _first_orders(bot: Bot, clock: Clock) -> list[_First]:
    """Return the first order of every slot, the highest price of each side first; no move of one counts."""
    seen: dict[tuple[str, str], _First] = {}
    end_ns = clock.now_ns() + seconds(PATIENCE_S)
    while bot.loop.finished is None and clock.now_ns() < end_ns:
        due_ns = bot.loop.step()
        orders = bot.ledger.open_orders()
        if orders and not seen:
            end_ns = min(end_ns, clock.now_ns() + seconds(SETTLE_S))
        for order in orders:
            if (order.leg, order.slot) not in seen:
                seen[order.leg, order.slot] = _First(order, _mid(bot.loop.view, order.leg))
        clock.wait(min(due_ns, end_ns), bot.loop.filenos())
    return sorted(seen.values(), key=lambda one: (-one.order.side.sign, -one.order.price_ticks))


def _order(first: _First, view: View) -> dict[str, Any]:
    order, instrument = first.order, view.instruments[first.order.leg]
    price = instrument.to_price(order.price_ticks)
    return {
        "symbol": instrument.symbol,
        "side": order.side.value,
        "price": f"{price:f}",
        "size": f"{instrument.to_size(order.size_lots):f}",
        "value": f"{instrument.notional_quote(order.price_ticks, order.size_lots):f}",
        "from_mid_bps": round(float((price - first.mid) / first.mid) * 10_000, 2),
        "reduce_only": order.reduce_only,
    }


def _mid(view: View, leg: str) -> Decimal:
    return Decimal(view.books[leg].mid_ticks()) * view.instruments[leg].tick_size


# ---------------------------------------------------------------- full on one side


@dataclass(frozen=True, slots=True)
class _Account:
    """What a new account has, and where a position ends."""

    money: Money
    limit_lots: int | None
    instrument: Instrument


def _account(view: View, leg: Leg) -> _Account:
    instrument, balances = view.instruments[leg.leg], view.balances.get(leg.leg, {})
    money = Money(*(_total(balances, asset) for asset in (instrument.base, instrument.quote)))
    limit, _ = position_limit(view.limits[leg.leg], view.books[leg.leg], instrument)
    return _Account(money, limit, instrument)


def _total(balances: Mapping[str, Balance], asset: str) -> Decimal:
    return balances[asset].total if asset in balances else Decimal(0)


def _side(side: Side, view: View, config: BotConfig) -> dict[str, Any] | None:
    """Return what being full on one side comes to; None where nothing bounds it, or nothing can be held."""
    leg = config.legs[0]
    account, price = _account(view, leg), _mid(view, leg.leg)
    lots = fullest_lots(side, account.limit_lots, account.money, price, account.instrument)
    if not lots:
        return None
    needs, limits = _strategy(config).account_needs(), view.limits[leg.leg]
    terms = (needs.leverage, needs.margin_mode) if needs else (None, None)
    full = full_inventory(side, lots, account.money, price, account.instrument, *terms, limits.max_loss_quote)
    return _told(full, account.instrument) | {"shift_bps": _shift_bps(full, view, config, account, price)}


def _told(full: FullInventory, instrument: Instrument) -> dict[str, Any]:
    return {
        "size": f"{instrument.to_size(full.size_lots):f}",
        "value": _money(full.value),
        "loss_at_move_pct": {str(percent): _money(loss) for percent, loss in full.losses.items()},
        "worst_loss": _money(full.worst_loss),
        "worst_loss_because": full.worst_why,
        "margin": _money(full.margin),
        "liquidation_price": _money(full.liquidation),
    }


def _money(number: Decimal | None) -> str | None:
    return None if number is None else f"{number:.8f}".rstrip("0").rstrip(".")


def _strategy(config: BotConfig) -> Strategy:
    kind = strategy_class(config.strategy)
    return kind(kind.params_from(config.strategy_config))


def _shift_bps(full: FullInventory, view: View, config: BotConfig, account: _Account, price: Decimal) -> float | None:
    """Return how far the reference of the quotes is moved by it; None for a strategy that has none."""
    leg = config.legs[0].leg
    flat, there = (
        _reference(config, _imagined(view, leg, lots, account, price)) for lots in (0, full.size_lots * full.side.sign)
    )
    return None if not flat or there is None else round((there - flat) / flat * 10_000, 2)


def _imagined(view: View, leg: str, lots: int, account: _Account, price: Decimal) -> View:
    """Return the view of a bot that holds so much, bought or sold at today's price."""
    instrument = account.instrument
    quantity = instrument.to_size(lots) * instrument.contract_size
    position = Position(leg, lots, entry_value=abs(quantity) * price)
    balances = view.balances
    if instrument.kind == "spot":
        totals = {
            instrument.base: max(account.money.base + quantity, Decimal(0)),
            instrument.quote: max(account.money.quote - quantity * price, Decimal(0)),
        }
        balances = {**balances, leg: {asset: Balance(asset, total, total) for asset, total in totals.items()}}
    return replace(view, positions={leg: position}, balances=balances, open_orders={}, venue_positions={}, unbooked={})


def _reference(config: BotConfig, view: View) -> float | None:
    strategy = _strategy(config)
    strategy.on_event(Timer(view.now_ns), view)
    found = strategy.stats().get("reference_ticks")
    return None if found is None else float(found)


def main() -> None:
    """Answer the one question on the standard input."""
    logging.disable()  # what the bot would log is no news
    asked = json.loads(sys.stdin.readline())
    config = BotConfig.from_plain(asked["config"])
    try:
        take_network_names(config, os.environ, Path(asked["env_file"]))
        answer: dict[str, Any] = {"preview": preview(config, tuple(asked["data_dirs"]))}
    except MakerdError as exc:
        answer = {"error": str(exc)}
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
