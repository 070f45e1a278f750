"""What a decision was made on and what came of it, as a line of the log; `decision_log` says for which decisions."""

from __future__ import annotations

import json
import logging
from collections import deque
from dataclasses import dataclass
from decimal import Decimal
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from core.trading.ledger_rows import text
from core.trading.log_fields import fields

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.market.commands import Quote
    from core.trading.bot_state import BotState
    from core.trading.guard import Guard
    from core.trading.leg_state import LegState

_log = logging.getLogger("makerd.strategy")
OFF, SAMPLED, ALL = "off", "sampled", "all"
_MOST_IDS = 200  # kept between two decisions; the newest


@dataclass(slots=True)
class SentIds:
    """The ids of what went to the venues, of orders placed, cancelled and amended."""

    placed: deque[str]
    cancelled: deque[str]
    amended: deque[str]

    @classmethod
    def none_yet(cls) -> SentIds:
        """Return empty notes."""
        return cls(*(deque[str](maxlen=_MOST_IDS) for _ in range(3)))


@dataclass(frozen=True, slots=True)
class Seen:
    """What is noted when a decision begins."""

    cycle: int
    cause: str
    view: str
    legs: tuple[dict[str, Any], ...]
    reference: Mapping[str, Any]  # empty where the bot looks at no other market
    before: SentIds  # since the end of the decision before: slots that were filled again, quotes taken off


class DecisionLog:
    """The decisions of one bot. `settings.decision_log` is asked each time; while it is off nothing is noted."""

    def __init__(self, bot: BotState, guard: Guard) -> None:
        self._bot, self._guard = bot, guard
        leg = bot.legs[0].leg
        self._seed = f"{leg.exchange}/{leg.account}/{leg.symbol}"

    def begin(self, cause: str) -> Seen | None:
        """Note what the strategy is about to see; None when this decision is not logged."""
        bot, mode = self._bot, self._bot.settings.decision_log
        if mode == OFF:
            bot.sent_ids = None
            return None
        before, bot.sent_ids = bot.sent_ids or SentIds.none_yet(), SentIds.none_yet()
        cycle = bot.counters["cycles"]
        if mode == SAMPLED and not is_sampled(self._seed, cycle, bot.settings.decision_rate):
            return None
        legs = tuple(_view(leg) for leg in bot.legs)
        return Seen(cycle, cause, view_hash(bot.legs), legs, _reference(bot), before)

    def end(self, seen: Seen | None) -> None:
        """Write the line of a decision that is logged, and note anew what is sent from now on."""
        sent = self._bot.sent_ids
        if sent is not None:
            self._bot.sent_ids = SentIds.none_yet()
            if seen is not None:
                self._write(seen, sent)

    def _write(self, seen: Seen, sent: SentIds) -> None:
        legs = [view | _wish(leg) for view, leg in zip(seen.legs, self._bot.legs, strict=True)]
        told: Mapping[str, Any] = {
            "cycle": seen.cycle,
            "cause": seen.cause,
            "view": seen.view,
            "gates": sorted(self._guard.gates),
            "legs": legs,
            **seen.reference,
            "placed": list(sent.placed),
            "cancelled": list(sent.cancelled),
            "amended": list(sent.amended),
            "placed_before": list(seen.before.placed),
            "cancelled_before": list(seen.before.cancelled),
        }
        _log.info("decision", extra=fields(**told))


def is_sampled(seed: str, cycle: int, rate: float) -> bool:
    """Tell whether a decision is in the sample: the same ones whenever the same bot counts the same cycles."""
    digest = blake2b(f"{seed}:{cycle}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") < rate * 2**64


def view_hash(legs: tuple[LegState, ...]) -> str:
    """Return eight digits that are the same for the same touch, position and live orders, in any process."""
    seen = [[leg.name, _touch(leg), leg.position.size_lots, _orders(leg)] for leg in legs]
    return blake2b(json.dumps(seen).encode(), digest_size=4).hexdigest()


def _touch(leg: LegState) -> list[int] | None:
    if leg.book is None or not leg.book.bids or not leg.book.asks:
        return None
    return [*leg.book.bids[0], *leg.book.asks[0]]


def _orders(leg: LegState) -> list[list[Any]]:
    live = leg.tracker.live()
    return sorted([o.slot, o.side.value, o.price_ticks, o.remaining_lots, o.state.value] for o in live)


def _view(leg: LegState) -> dict[str, Any]:
    touch, instrument = _touch(leg), leg.instrument
    mid = None if leg.mid_ticks is None else text(instrument.tick_size * Decimal(leg.mid_ticks))
    return {
        "leg": leg.name,
        "bid": text(instrument.to_price(touch[0])) if touch else None,
        "ask": text(instrument.to_price(touch[2])) if touch else None,
        "mid": mid,
        "position": text(instrument.to_size(leg.position.size_lots)),
        "open_orders": len(leg.tracker.live()),
    }


def _reference(bot: BotState) -> dict[str, Any]:
    if bot.reference is None:
        return {}
    mid = bot.reference.price.at(bot.view.now_ns)
    return {"reference": None if mid is None else text(mid)}


def _wish(leg: LegState) -> dict[str, Any]:
    wanted = None if leg.wanted is None else [_quote(leg, quote) for quote in leg.wanted]
    return {"wanted": wanted, "denied": sorted(leg.denied)}


def _quote(leg: LegState, quote: Quote) -> list[str]:
    price, size = leg.instrument.to_price(quote.price_ticks), leg.instrument.to_size(quote.size_lots)
    return [quote.slot_name, quote.side.value, text(price), text(size)]
