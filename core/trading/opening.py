"""How a life begins: clients opened, orders and fills of earlier lives taken up, the strategy told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.trading.account_setup import set_up_account
from core.trading.candle_history import preload_candles
from core.trading.clock import seconds

if TYPE_CHECKING:
    from core.trading.leg_state import LegState
    from core.trading.loop_parts import LoopParts


def open_life(parts: LoopParts, new_run: bool, swept: bool) -> None:
    """Open the clients and load the ledger. Raises VenueError, ConfigError, LedgerError and StrategyBug.

    `new_run` and `swept` are those of `TradingLoop.start`.
    """
    bot = parts.bot
    for leg in bot.legs:
        _open(parts, leg, swept)
    for leg in bot.legs:
        set_up_account(leg, parts.strategy.account_needs())
    bot.session.load()
    now_ns = bot.clock.now_ns()
    parts.keeping.load(now_ns, new_run)
    _recall(parts, now_ns)
    parts.decider.be_patient(now_ns + min(leg.limits.max_book_age_ns for leg in bot.legs))


def _open(parts: LoopParts, leg: LegState, swept: bool) -> None:
    bot = parts.bot
    ledger = bot.journal.ledger
    leg.client.open(leg.inbox, leg.name)
    leg.opened(bot.settings)
    ledger.use_instrument(leg.name, leg.instrument)
    leg.position = ledger.position(leg.name)
    bot.journal.mark(leg.name)
    asked_ns = bot.clock.now_ns() - 1  # some time before now: nothing that is asked from now on is older
    if swept:  # what was never answered has had its time to arrive; it is not waited for once more
        asked_ns -= seconds(leg.client.capabilities.late_arrival_s)
    for order in ledger.open_orders(leg.name):
        leg.tracker.add(order, asked_ns)
    bot.view.instruments[leg.name] = leg.instrument


def _recall(parts: LoopParts, now_ns: int) -> None:
    """Let the strategy look at what it trades, take up what it saved, and hear the fills since then."""
    bot, strategy = parts.bot, parts.strategy
    strategy.check(strategy.params, bot.view.instruments, {leg.name: leg.limits for leg in bot.legs})
    preload_candles(bot.legs[0], strategy, bot.clock.utc_ns())
    parts.upkeep.refresh(now_ns)
    for event in parts.memory.load():
        parts.decider.hear(event, now_ns)
