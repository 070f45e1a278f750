"""Orders of ours on the product's own venue for backtests: a script of messages, or the whole loop with a strategy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from api.base_client import Inbox
from api.event_file import EventSpan
from benchmarks.backtest_rule import TouchMaker, config_of
from benchmarks.peers.fill_parts import CANCEL, IOC, POST_ONLY, Act, OwnFill
from core.backtest.recorder import Recorder
from core.backtest.run import Backtest
from core.backtest.setup import client_of
from core.bot_config import BotConfig
from core.market.order import Fill, Order, Side
from core.trading.clock import SimulatedClock, seconds


class Played(NamedTuple):
    """What came out: fills in their order, the last mid in ticks, and the messages that were sent."""

    fills: tuple[OwnFill, ...]
    last_mid_ticks: float
    acts: tuple[Act, ...]


def play_script(span: EventSpan, acts: Sequence[Act], model: str, latency_ms: float, engine: str) -> Played:
    """Send messages at their times to a venue that plays `span`, to its end."""
    clock, record, config = SimulatedClock(seconds(1), span.first_ns), Recorder(), _config(span, model, latency_ms)
    client = client_of(config, config.legs[0], span, record, clock, TouchMaker(None), engine)
    inbox = Inbox()
    try:
        client.open(inbox, "main")
        client.start_market_data()
        record.mid_ticks = client.mid_ticks
        for act in acts:
            _go_to(client, clock, act.at_ns)
            _send(client, act)
        _go_to(client, clock, span.last_ns)
        return Played(_own_fills(record.fills, _key_of), client.mid_ticks(), tuple(acts))
    finally:
        client.close()
        inbox.close()


def play_product(span: EventSpan, model: str, latency_ms: float) -> Played:
    """Let the benchmark's strategy trade `span` through the whole loop; note what it sends."""
    bot = Backtest(_config(span, model, latency_ms), [span], strategy=TouchMaker(None))
    keys: dict[str, int] = {}
    acts = _noted(bot._clients[0], keys)
    fills = bot.run().only.record.fills
    return Played(_own_fills(fills, keys.__getitem__), bot._records[0].mids[-1] / 2, tuple(acts))


def _config(span: EventSpan, model: str, latency_ms: float) -> BotConfig:
    config = config_of(model, latency_ms)
    return replace(config, legs=tuple(replace(leg, symbol=span.market.symbol) for leg in config.legs))


def _go_to(client: Any, clock: SimulatedClock, at_ns: int) -> None:
    while clock.utc_ns() < at_ns:
        until_ns = clock.now_ns() + at_ns - clock.utc_ns()
        clock.wait(client.run_ahead(until_ns), ())
        client.poll(clock.now_ns())


def _send(client: Any, act: Act) -> None:
    if act.what == CANCEL:
        client.cancel([str(act.key)])
        return
    client.submit(
        [
            Order(
                str(act.key), "main", Side.BUY if act.what > 0 else Side.SELL, act.price_ticks, act.size_lots,
                post_only=act.force == POST_ONLY, time_in_force="IOC" if act.force == IOC else "GTC",
                sent_ns=act.at_ns,
            )
        ]
    )  # fmt: skip


def _key_of(client_order_id: str) -> int:
    return int(client_order_id)


def _own_fills(fills: Sequence[Fill], key_of: Any) -> tuple[OwnFill, ...]:
    return tuple(
        OwnFill(
            fill.venue_ns, key_of(fill.client_order_id), fill.side.sign, fill.price_ticks, fill.size_lots,
            fill.liquidity == "maker",
        )
        for fill in fills
    )  # fmt: skip


def _noted(client: Any, keys: dict[str, int]) -> list[Act]:
    """Have every message of a client noted; an order's key is its number."""
    acts: list[Act] = []
    submit, cancel = client.submit, client.cancel

    def submit_noted(orders: Sequence[Order]) -> None:
        for order in orders:
            keys[order.client_order_id] = len(keys) + 1
            force = POST_ONLY if order.post_only else IOC
            acts.append(
                Act(client.context.utc_ns(), order.side.sign, len(keys), order.price_ticks, order.size_lots, force)
            )
        submit(orders)

    def cancel_noted(client_order_ids: Sequence[str]) -> None:
        acts.extend(Act(client.context.utc_ns(), CANCEL, keys[order_id]) for order_id in client_order_ids)
        cancel(client_order_ids)

    client.submit, client.cancel = submit_noted, cancel_noted
    return acts
