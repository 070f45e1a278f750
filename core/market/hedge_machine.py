"""The life of a hedge: one order at a time, retries that reach farther, and what follows when all have failed.

    IDLE -> HEDGING -> VERIFY -> IDLE
               |-> HEDGING (the next attempt)
               `-> FAILED -> UNWINDING -> PAUSED -> IDLE, or HALTED

Pure: `step` is told what is, and answers what to do; the strategy does it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from core.market.hedge_params import HedgeParams, nanoseconds

_NEVER = -(1 << 62)


class Phase(str, Enum):
    """Where the hedging is."""

    IDLE = "IDLE"
    HEDGING = "HEDGING"
    VERIFY = "VERIFY"
    FAILED = "FAILED"  # all attempts were in vain; what the last order came to is not known yet
    UNWINDING = "UNWINDING"
    PAUSED = "PAUSED"
    HALTED = "HALTED"


class Do(str, Enum):
    """What is to be done now."""

    NOTHING = "nothing"
    HEDGE = "hedge"
    LOOK_UP = "look_up"  # ask the hedge leg's venue what became of the order, and what the position is
    UNWIND = "unwind"
    HALT = "halt"


# on_hedge_failure -> what follows the last attempt in vain
LADDER: dict[str, Phase] = {
    "pause": Phase.PAUSED,
    "unwind_maker": Phase.UNWINDING,
    "stop": Phase.HALTED,
}
QUOTING = frozenset({Phase.IDLE, Phase.VERIFY})  # and the first attempt of HEDGING; else the maker's quotes are off


@dataclass(frozen=True, slots=True)
class Rules:
    """The keys that the life of a hedge goes by; times in nanoseconds."""

    slippage_bps: float
    slippage_step: float
    slippage_max_bps: float
    timeout_ns: int
    attempts: int
    min_interval_ns: int
    on_failure: str
    pause_ns: int
    max_failures: int

    @classmethod
    def of(cls, params: HedgeParams) -> Rules:
        """Return the rules that the parameters say."""
        return cls(
            slippage_bps=params.hedge_slippage_bps,
            slippage_step=params.hedge_slippage_step,
            slippage_max_bps=params.hedge_slippage_max_bps,
            timeout_ns=nanoseconds(params.hedge_timeout_s),
            attempts=params.hedge_retries,
            min_interval_ns=nanoseconds(params.hedge_min_interval_s),
            on_failure=params.on_hedge_failure,
            pause_ns=nanoseconds(params.failure_pause_s),
            max_failures=params.max_failures,
        )

    def reach_bps(self, attempt: int) -> float:
        """Return how far through the depth price an attempt may trade; the first is 0."""
        return min(self.slippage_bps * self.slippage_step**attempt, self.slippage_max_bps)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is, of one moment. `lots` and `unwind_lots` are what makes an order on the hedge and on the maker leg."""

    now_ns: int
    lots: int
    is_outstanding: bool  # an order of ours on the hedge leg is not settled, or its fills are not booked
    can_trade: bool  # the hedge leg is reachable, reconciled, and its book is fresh
    way_is_clear: bool = True  # no quote of ours stands where the hedge would trade
    quotes_are_off: bool = True  # none of ours is left on the maker leg
    confirmed_ns: int = _NEVER  # when the hedge leg's venue was last asked and agreed with our position
    unwind_lots: int = 0
    unwind_is_outstanding: bool = False


@dataclass(frozen=True, slots=True)
class Life:
    """Where a hedge is; times are the facts' own."""

    phase: Phase = Phase.IDLE
    attempt: int = 0  # orders that were sent, or could not be, for what is open now
    vain: int = 0  # of these, the last ones in a row that left as much open as there was
    left_lots: int = 0  # what was open at the newest attempt
    since_ns: int = 0  # when the phase began
    tried_ns: int = _NEVER  # the newest attempt
    sent_ns: int = _NEVER  # the newest order of ours that takes
    asked_ns: int = _NEVER  # when the venue was last asked to confirm
    failures: int = 0  # in a row

    @property
    def may_quote(self) -> bool:
        """Tell whether the maker's quotes may rest: not once an attempt has failed, or is long without an answer."""
        if self.phase is Phase.HEDGING:
            return self.attempt <= 1 and self.asked_ns < max(self.sent_ns, self.since_ns)
        return self.phase in QUOTING

    def moved(self, phase: Phase, now_ns: int) -> Life:
        """Return the life in another phase."""
        return replace(self, phase=phase, since_ns=now_ns)


def step(life: Life, facts: Facts, rules: Rules) -> tuple[Life, Do]:
    """Return the life after a look at the facts, and what is to be done."""
    return _STEPS[life.phase](life, facts, rules)


def _idle(life: Life, facts: Facts, rules: Rules) -> tuple[Life, Do]:
    if not facts.lots and not facts.is_outstanding:
        return life, Do.NOTHING
    fresh = replace(life.moved(Phase.HEDGING, facts.now_ns), attempt=0, vain=0, tried_ns=facts.now_ns)
    return _hedging(fresh, facts, rules)


def _hedging(life: Life, facts: Facts, rules: Rules) -> tuple[Life, Do]:
    now_ns = facts.now_ns
    if facts.is_outstanding:
        return _await(life, facts, rules)
    if not facts.lots:
        return _hedged(life, now_ns)
    if life.vain and facts.lots < life.left_lots:
        life = replace(life, vain=0)
    if life.vain >= rules.attempts:
        return _fail(life, facts, rules)
    if facts.can_trade and facts.way_is_clear:
        if now_ns < life.sent_ns + max(1, rules.min_interval_ns):  # one at a time, whatever the pause
            return life, Do.NOTHING
        return replace(_tried(life, facts), sent_ns=now_ns), Do.HEDGE
    if now_ns >= life.tried_ns + rules.timeout_ns:  # a hedge that cannot even be sent is an attempt in vain, too
        return _tried(life, facts), Do.NOTHING
    return life, Do.NOTHING


def _tried(life: Life, facts: Facts) -> Life:
    return replace(life, attempt=life.attempt + 1, vain=life.vain + 1, left_lots=facts.lots, tried_ns=facts.now_ns)


def _hedged(life: Life, now_ns: int) -> tuple[Life, Do]:
    return replace(life.moved(Phase.VERIFY, now_ns), asked_ns=now_ns, failures=0), Do.LOOK_UP


def _await(life: Life, facts: Facts, rules: Rules) -> tuple[Life, Do]:
    """Wait for the one order that is out: it is looked up, and nothing else is sent before its outcome is known."""
    now_ns = facts.now_ns
    if now_ns < _look_up_ns(life, rules):
        return life, Do.NOTHING
    asking = replace(life, asked_ns=now_ns)
    if now_ns >= max(life.sent_ns, life.since_ns) + rules.timeout_ns * rules.attempts:
        return asking.moved(Phase.FAILED, now_ns), Do.LOOK_UP
    return asking, Do.LOOK_UP


def _look_up_ns(life: Life, rules: Rules) -> int:
    """Return when an order that is out is to be looked up."""
    return max(life.sent_ns, life.asked_ns, life.since_ns) + rules.timeout_ns


def _verify(life: Life, facts: Facts, rules: Rules) -> tuple[Life, Do]:
    now_ns = facts.now_ns
    if facts.lots or facts.is_outstanding:
        return _idle(life, facts, rules)
    if facts.confirmed_ns >= life.asked_ns:
        return replace(life.moved(Phase.IDLE, now_ns), attempt=0), Do.NOTHING
    return life, Do.NOTHING


def _fail(life: Life, facts: Facts, rules: Rules) -> tuple[Life, Do]:
    failed = replace(life, failures=life.failures + 1, attempt=0)
    following = Phase.HALTED if failed.failures >= rules.max_failures else LADDER[rules.on_failure]
    if following is Phase.HALTED and rules.on_failure == "unwind_maker":
        following = Phase.UNWINDING  # first what can still be closed
    moved = failed.moved(following, facts.now_ns)
    return (moved, Do.HALT) if following is Phase.HALTED else (moved, Do.NOTHING)


def _failed(life: Life, facts: Facts, rules: Rules) -> tuple[Life, Do]:
    """Wait for what the last order came to: unwinding on a guess could turn the exposure round."""
    if facts.is_outstanding:
        if facts.now_ns < _look_up_ns(life, rules):
            return life, Do.NOTHING
        return replace(life, asked_ns=facts.now_ns), Do.LOOK_UP
    if not facts.lots:
        return _hedged(life, facts.now_ns)
    return _fail(life, facts, rules)


def _unwinding(life: Life, facts: Facts, rules: Rules) -> tuple[Life, Do]:
    now_ns = facts.now_ns
    if facts.unwind_is_outstanding or facts.is_outstanding or not facts.quotes_are_off:
        return life, Do.NOTHING
    if facts.unwind_lots:
        if now_ns < life.sent_ns + max(rules.min_interval_ns, rules.timeout_ns if life.attempt else 0):
            return life, Do.NOTHING
        return replace(life, attempt=life.attempt + 1, sent_ns=now_ns), Do.UNWIND
    if life.failures >= rules.max_failures:
        return life.moved(Phase.HALTED, now_ns), Do.HALT
    return replace(life.moved(Phase.PAUSED, now_ns), attempt=0), Do.NOTHING


def _paused(life: Life, facts: Facts, rules: Rules) -> tuple[Life, Do]:
    if facts.unwind_lots and rules.on_failure == "unwind_maker":  # a fill that came after all
        return _unwinding(life.moved(Phase.UNWINDING, facts.now_ns), facts, rules)
    if facts.now_ns < life.since_ns + rules.pause_ns:
        return life, Do.NOTHING
    return replace(life.moved(Phase.IDLE, facts.now_ns), attempt=0), Do.NOTHING


def _halted(life: Life, facts: Facts, rules: Rules) -> tuple[Life, Do]:
    return life, Do.HALT


_STEPS = {
    Phase.IDLE: _idle,
    Phase.HEDGING: _hedging,
    Phase.VERIFY: _verify,
    Phase.FAILED: _failed,
    Phase.UNWINDING: _unwinding,
    Phase.PAUSED: _paused,
    Phase.HALTED: _halted,
}


def wake_ns(life: Life, facts: Facts, rules: Rules) -> int | None:
    """Return when to look again although nothing happens, None when nothing is waited for."""
    if life.phase is Phase.IDLE or life.phase is Phase.HALTED:
        return None
    if life.phase is Phase.PAUSED:
        return life.since_ns + rules.pause_ns
    if facts.is_outstanding and life.phase in (Phase.HEDGING, Phase.FAILED):
        return _look_up_ns(life, rules)
    if facts.is_outstanding or facts.unwind_is_outstanding or life.phase is Phase.VERIFY:
        return facts.now_ns + rules.timeout_ns
    return max(life.sent_ns + rules.min_interval_ns, facts.now_ns + rules.min_interval_ns)
