"""Which gates are shut, and the one that was latched: on disk before anything is done about it."""

from __future__ import annotations

import logging
from operator import is_
from typing import TYPE_CHECKING

from api.base_client import DeadManScope
from core.market.risk_gates import (
    CLOSING_ACTIONS,
    REFERENCE_AGE_NS,
    Gate,
    gates_of,
    rules_of,
    stale_book,
    tripped_gates,
)
from core.trading.log_fields import fields
from utils.errors import LedgerError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from core.market.risk_gates import Rule
    from core.market.risk_limits import RiskLimits
    from core.trading.bot_state import BotState
    from core.trading.latches import Latch
    from core.trading.leg_state import LegState

_log = logging.getLogger("makerd.risk")
LINK, LEDGER, BREAKER, PAUSED, DEAD_MAN = "link", "ledger", "breaker", "paused", "dead_man"
CHURN = "churn"
WITHHELD = "withheld"  # something is wanted, and limits or balances allow none of it
FLATTEN = "flatten"
_BLIND = frozenset({LINK, "stale"})
# Gates that a life may begin with because nothing is known yet: no line, no book, no price, no word of the switch.
_UNJUDGED = (
    "stale",
    "max_loss",
    "max_profit",
    "max_drawdown",
    "max_unrealised_loss",
    "profit_lock",
    "reference_unknown",
)
_FACTS = frozenset({LINK, DEAD_MAN, *_UNJUDGED})
_HOLD = "hold"  # nothing new is placed, but cancels that the strategy's wish needs still go out


class Guard:
    """The gates of one bot."""

    def __init__(self, bot: BotState, asked_by_strategy: Callable[[], Mapping[str, str]] = dict) -> None:
        self._bot = bot
        self._asked_by_strategy = asked_by_strategy  # why the strategy itself wants no quotes, by name
        self._next_latch_try_ns = 0
        self.operator_paused = False
        self.flattening: dict[str, str] = {}  # leg -> why its position is being closed while the bot goes on
        self.gates: dict[str, Gate] = {}
        self.tripped: Gate | None = None  # stays, whatever the figures say later
        self.is_latched = False  # the tripped gate is on disk
        self._latched: dict[str, Gate] = {}  # shown only: this life closes, whatever tripped in earlier ones
        self._judges = True  # False: no gate trips in this life
        scopes = [leg.client.capabilities.dead_man_scope for leg in bot.legs]
        self._needs_dead_man = DeadManScope.ACCOUNT in scopes
        self._clear: list[object] = []  # what there was when the last look found no gate shut
        self._clear_until_ns = 0  # until then no gate shuts by itself
        self._rules: dict[str, tuple[RiskLimits | None, tuple[Rule, ...]]] = {}  # by leg, with the limits they are of
        self.dead_man_until_ns = 0  # until then the venue is known to end our orders when everybody here is gone

    @property
    def blocks(self) -> bool:
        """Tell whether quotes must be off the venue."""
        return bool(self.gates) and any(gate.action != _HOLD for gate in self.gates.values())

    @property
    def is_blind(self) -> bool:
        """Tell whether the market or the position is not known well enough to judge anything by it."""
        return not self.gates.keys().isdisjoint(_BLIND)

    @property
    def lacks_facts_only(self) -> bool:
        """Tell whether quotes would have to be off for no other reason than that something is not known."""
        shut = [gate for gate in self.gates.values() if gate.action != _HOLD]
        return all(gate.name in _FACTS and not gate.latched for gate in shut)

    def look(self, now_ns: int) -> None:
        """Work out the gates anew; trip the first that latches. Limits are judged when what they are held to moved."""
        own, seen = self._own_gates(now_ns), self._seen()
        if not own and now_ns < self._clear_until_ns and all(map(is_, seen, self._clear)):
            return
        self._bot.session.measure(self._bot.legs, self._bot.clock.utc_ns())
        age_limit_ns = self._age_limit_ns()
        before, self.gates = self.gates, self._shut(now_ns, own, now_ns > age_limit_ns)
        if self.gates.keys() != before.keys():
            self._tell(before)
        is_clear = not self.gates and self._bot.session.net is not None
        self._clear, self._clear_until_ns = seen, age_limit_ns if is_clear else 0

    def _judged(self) -> Sequence[LegState]:
        """Return the legs that are looked at: of several, those whose contract has ended with nothing left are not."""
        legs = self._bot.legs
        if len(legs) == 1:
            return legs
        utc_ns = self._bot.clock.utc_ns()
        return [leg for leg in legs if not leg.is_over(utc_ns)] or legs

    def _seen(self) -> list[object]:
        """Return all that limits are held to but the age of book, position and facts; to be compared by identity."""
        reference = self._bot.reference
        seen: list[object] = [self.tripped, None if reference is None else reference.price]
        for leg in self._bot.legs:
            seen += (leg.book, leg.position, leg.limits, leg.shock, leg.facts)
        return seen

    def _age_limit_ns(self) -> int:
        """Return from when on a book, a position or a second price is too old."""
        limits: list[int] = []
        for leg in self._judged():
            if leg.book_ns is None or leg.confirmed_ns is None:
                return 0
            limits += (leg.book_ns + leg.limits.max_book_age_ns, leg.confirmed_ns + leg.limits.max_position_age_ns)
            if leg.limits.reference_deviation_bps is not None:
                limits.append(self._second_price_limit_ns(leg))
        return min(limits)

    def _second_price_limit_ns(self, leg: LegState) -> int:
        """Return from when on what a leg's mid is held against is too old."""
        reference = self._bot.reference
        if reference is None or leg is not self._bot.legs[0]:
            return (leg.facts_ns or 0) + REFERENCE_AGE_NS
        return 0 if reference.price.mid is None else reference.price.local_ns + reference.price.max_age_ns

    def _shut(self, now_ns: int, own: list[Gate], is_old: bool) -> dict[str, Gate]:
        gates = {gate.name: gate for gate in own}
        latching: list[Gate] = []
        for leg in self._judged():
            rules = self._rules_of(leg)
            if not (rules or is_old):
                continue
            state = self._bot.risk_state(leg, now_ns)
            shut = tripped_gates(leg.limits, state) if is_old else gates_of(rules, leg.limits, state)
            for gate in shut:
                if gate.latched:
                    latching.append(gate)
                else:
                    gates.setdefault(gate.name, gate)
        # An old mark is no reason to end a session; our own position is known at any age.
        if latching and self._judges and self._has_marks(now_ns):
            self.trip(latching[0], now_ns)
        if self.tripped is not None:
            gates[self.tripped.name] = self.tripped
        return gates | self._latched

    def _has_marks(self, now_ns: int) -> bool:
        bot = self._bot
        return not any(stale_book(leg.limits, bot.risk_state(leg, now_ns)) for leg in self._judged())

    def _rules_of(self, leg: LegState) -> tuple[Rule, ...]:
        """Return what is judged on a leg, found out when its limits are others."""
        limits, rules = self._rules.get(leg.name, (None, ()))
        if limits is not leg.limits:
            rules = rules_of(leg.limits)
            self._rules[leg.name] = (leg.limits, rules)
        return rules

    def _own_gates(self, now_ns: int) -> list[Gate]:
        """Return the gates that no limit in the config speaks of."""
        bot = self._bot
        gates: list[Gate] = []
        withheld: set[str] = set()
        if self.operator_paused:
            gates.append(Gate(PAUSED, "pause", False, "paused by an operator"))
        if self.flattening:
            gates.append(Gate(FLATTEN, "pause", False, ", ".join(dict.fromkeys(self.flattening.values()))))
        for leg in bot.legs:
            withheld.update(leg.withheld)
        for leg in self._judged():
            if not leg.link_is_good:
                gates.append(Gate(LINK, "pause", False, leg.name))
        if self._needs_dead_man and now_ns >= self.dead_man_until_ns:
            gates.append(Gate(DEAD_MAN, "pause", False, "the account's dead-man switch is not known to be armed"))
        if bot.breaker.is_open(now_ns):
            gates.append(Gate(BREAKER, "pause", False, "too many rejects, or a position changed without us"))
        if bot.churn.is_over(now_ns):
            gates.append(Gate(CHURN, _HOLD, False, "too many orders, or too many cancels for the fills"))
        if not bot.journal.healthy:
            gates.append(Gate(LEDGER, _HOLD, False, bot.journal.reason))
        if asked := self._asked_by_strategy():
            gates += [Gate(name, _HOLD, False, reason) for name, reason in asked.items()]
        if withheld:
            gates.append(Gate(WITHHELD, _HOLD, False, f"nothing may be placed: {', '.join(sorted(withheld))}"))
        return gates

    def trip(self, gate: Gate, now_ns: int) -> None:
        """Trip a latching gate; only the first one counts. A latch that cannot be written is tried again."""
        if self.tripped is None:
            self.tripped = gate
            self.gates[gate.name] = gate
            _log.error("gate_tripped", extra=fields(gate=gate.name, action=gate.action, reason=gate.reason))
        if self.is_latched or now_ns < self._next_latch_try_ns:
            return
        tripped = self.tripped
        try:
            latches, done = self._bot.journal.ledger.latches, tripped.action not in CLOSING_ACTIONS
            latches.set(tripped.name, tripped.action, tripped.reason, self._bot.clock.utc_ns(), done)
            self.is_latched = True
        except LedgerError as exc:
            self._next_latch_try_ns = now_ns + self._bot.settings.ledger_retry_ns
            self._bot.journal.fail(now_ns, exc)

    def take_up(self, latches: Mapping[str, Latch]) -> Gate | None:
        """Take up the latches of earlier lives; return the one that ends this life, unless a demand is not met yet."""
        for name, latch in latches.items():
            gate = self.gates[name] = Gate(name, latch.action, True, latch.reason)
            if not latch.done:
                self.tripped, self.is_latched = gate, True
        return None if self.tripped is not None else next(reversed(self.gates.values()), None)

    def only_show(self, latches: Mapping[str, Latch]) -> None:
        """Show the latches of earlier lives and trip none: nothing is quoted in this one, and nothing is cleared."""
        self._judges = False
        self._latched = {name: Gate(name, latch.action, True, latch.reason) for name, latch in latches.items()}
        self.gates |= self._latched

    def _tell(self, before: dict[str, Gate]) -> None:
        for name, gate in self.gates.items():
            if name not in before:
                _log.warning("gate_shut", extra=fields(gate=name, reason=gate.reason))
        for name in before:
            if name not in self.gates:
                _log.info("gate_opened", extra=fields(gate=name))
