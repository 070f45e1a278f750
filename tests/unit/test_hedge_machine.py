"""The life of a hedge as a table, and what holds whatever happens to it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.market.hedge_machine import LADDER, Do, Facts, Life, Phase, Rules, step, wake_ns
from core.market.hedge_params import HedgeParams

S = 1_000_000_000
RULES = Rules.of(HedgeParams())
IDLE = Life()


def facts(now_s: float, lots: int = 0, **more: Any) -> Facts:
    values: dict[str, Any] = {"is_outstanding": False, "can_trade": True, **more}
    return Facts(now_ns=round(now_s * S), lots=lots, **values)


def walk(rules: Rules, *seen: Facts, life: Life = IDLE) -> tuple[Life, list[Do]]:
    """Look at one set of facts after the other."""
    done = []
    for one in seen:
        life, do = step(life, one, rules)
        done.append(do)
    return life, done


def test_nothing_open_is_idle() -> None:
    assert walk(RULES, facts(1)) == (IDLE, [Do.NOTHING])


def test_an_exposure_is_hedged_verified_and_then_idle() -> None:
    life, done = walk(
        RULES,
        facts(1, 5),
        facts(1.1, 5, is_outstanding=True),
        facts(1.2, 0),
        facts(1.3, 0, confirmed_ns=round(1.1 * S)),  # asked for before the hedge was done
        facts(1.4, 0, confirmed_ns=round(1.25 * S)),
    )
    assert done == [Do.HEDGE, Do.NOTHING, Do.LOOK_UP, Do.NOTHING, Do.NOTHING]
    assert (life.phase, life.attempt) == (Phase.IDLE, 0)


def test_each_attempt_reaches_farther_up_to_a_bound() -> None:
    rules = replace(RULES, slippage_bps=10, slippage_step=2, slippage_max_bps=50)
    assert [rules.reach_bps(attempt) for attempt in range(5)] == [10, 20, 40, 50, 50]


def test_an_attempt_that_has_left_less_is_not_in_vain_and_the_next_reaches_farther_all_the_same() -> None:
    life, done = walk(RULES, *(facts(1 + at, 30 - at) for at in range(12)))
    assert done == [Do.HEDGE] * 12
    assert (life.phase, life.attempt) == (Phase.HEDGING, 12)


def test_orders_that_take_keep_their_distance_in_time() -> None:
    _, done = walk(RULES, facts(1, 5), facts(1.05, 5), facts(1.11, 5))
    assert done == [Do.HEDGE, Do.NOTHING, Do.HEDGE]


def in_vain(rules: Rules) -> list[Facts]:
    """Return the looks at which each attempt has come to nothing, and the one after them."""
    return [facts(1 + 0.2 * at, 5, unwind_lots=5) for at in range(rules.attempts + 1)]


@pytest.mark.parametrize("what", list(LADDER))
def test_after_the_last_attempt_what_is_asked_for_follows(what: str) -> None:
    rules = replace(RULES, on_failure=what)
    life, done = walk(rules, *in_vain(rules))
    assert done[:-1] == [Do.HEDGE] * rules.attempts
    assert (life.phase, life.failures) == (LADDER[what], 1)
    assert done[-1] is (Do.HALT if what == "stop" else Do.NOTHING)


def test_what_is_unwound_ends_in_a_pause_and_then_all_begins_anew() -> None:
    life, _ = walk(RULES, *in_vain(RULES))
    life, done = walk(
        RULES,
        facts(3, 5, unwind_lots=5),
        facts(3.1, 5, unwind_lots=5, unwind_is_outstanding=True),
        facts(3.2, 0),
        facts(4, 0),
        life=life,
    )
    assert (done, life.phase) == ([Do.UNWIND, Do.NOTHING, Do.NOTHING, Do.NOTHING], Phase.PAUSED)
    life, _ = walk(RULES, facts(3.2 + 300, 0), life=life)
    assert life.phase is Phase.IDLE


def test_failures_in_a_row_halt_after_what_can_be_closed_is_closed() -> None:
    rules = replace(RULES, max_failures=1)
    life, done = walk(rules, *in_vain(rules))
    assert (life.phase, done[-1]) == (Phase.UNWINDING, Do.NOTHING)
    life, done = walk(rules, facts(4, 5, unwind_lots=5), facts(5, 0), life=life)
    assert (life.phase, done) == (Phase.HALTED, [Do.UNWIND, Do.HALT])


def test_a_hedge_that_works_ends_the_row_of_failures() -> None:
    life, _ = walk(RULES, facts(1, 5), facts(2, 0), life=Life(failures=2))
    assert life.failures == 0


def test_an_order_without_an_answer_is_looked_up_and_never_repeated() -> None:
    looks = [facts(1, 5), *(facts(1 + at * 0.5, 5, is_outstanding=True) for at in range(1, 40))]
    life, done = walk(RULES, *looks)
    assert done.count(Do.HEDGE) == 1
    assert done.count(Do.UNWIND) == 0
    assert done.count(Do.LOOK_UP) >= 5
    assert life.phase is Phase.FAILED
    life, done = walk(RULES, facts(30, 5, unwind_lots=5), facts(30.1, 5, unwind_lots=5), life=life)
    assert (life.phase, done) == (Phase.UNWINDING, [Do.NOTHING, Do.UNWIND])


def test_a_hedge_leg_that_cannot_be_traded_costs_an_attempt_each_time_out() -> None:
    looks = [facts(1 + at, 5, can_trade=False, unwind_lots=5) for at in range(14)]
    life, done = walk(RULES, *looks)
    assert Do.HEDGE not in done
    assert (life.phase, Do.UNWIND in done) == (Phase.UNWINDING, True)


def test_nothing_is_unwound_while_a_quote_of_ours_may_stand_in_the_way() -> None:
    life = Life(Phase.UNWINDING, failures=1)
    waiting, done = walk(RULES, facts(5, 5, unwind_lots=5, quotes_are_off=False), life=life)
    assert (waiting, done) == (life, [Do.NOTHING])
    assert walk(RULES, facts(6, 5, unwind_lots=5), life=waiting)[1] == [Do.UNWIND]


def test_a_fill_that_comes_after_the_unwinding_is_unwound_too() -> None:
    life, done = walk(RULES, facts(10, 3, unwind_lots=3), life=Life(Phase.PAUSED, since_ns=9 * S))
    assert (life.phase, done) == (Phase.UNWINDING, [Do.UNWIND])


@pytest.mark.parametrize(
    ("life", "may"),
    [
        (Life(), True),
        (Life(Phase.VERIFY), True),
        (Life(Phase.HEDGING, attempt=1, sent_ns=5), True),
        (Life(Phase.HEDGING, attempt=2, sent_ns=5), False),
        (Life(Phase.HEDGING, attempt=1, sent_ns=5, asked_ns=6), False),
        (Life(Phase.FAILED), False),
        (Life(Phase.UNWINDING), False),
        (Life(Phase.PAUSED), False),
        (Life(Phase.HALTED), False),
    ],
)
def test_the_maker_quotes_only_while_hedging_works(life: Life, may: bool) -> None:
    assert life.may_quote is may


def test_the_time_to_look_an_order_up_does_not_move_with_each_look() -> None:
    life, _ = walk(RULES, facts(1, 5))
    looks = [facts(at, 5, is_outstanding=True) for at in (1.5, 2, 2.5)]
    assert [wake_ns(life, one, RULES) for one in looks] == [3 * S] * 3


@dataclass
class World:
    """Two venues as a hedge sees them; `how` says what becomes of each order."""

    maker: int = 0
    hedge: int = 0
    out: tuple[int, int] | None = None  # lots and sign of the order that is out
    unwind_out: int | None = None
    life: Life = field(default_factory=Life)
    now_ns: int = S
    sent: int = 0

    def look(self, rules: Rules, can_trade: bool) -> Do:
        open_lots = self.maker + self.hedge
        seen = Facts(
            now_ns=self.now_ns,
            lots=abs(open_lots),
            is_outstanding=self.out is not None,
            can_trade=can_trade,
            confirmed_ns=self.now_ns,
            unwind_lots=abs(open_lots),
            unwind_is_outstanding=self.unwind_out is not None,
        )
        self.life, do = step(self.life, seen, rules)
        if do is Do.HEDGE:
            assert self.out is None, "two hedges at once"
            assert self.unwind_out is None, "a hedge while it is unwound"
            self.out = (abs(open_lots), -1 if open_lots > 0 else 1)
        elif do is Do.UNWIND:
            assert self.out is None, "unwound while a hedge is out"
            assert self.unwind_out is None, "unwound twice at once"
            self.unwind_out = -open_lots
        wake = wake_ns(self.life, seen, rules)
        assert wake is None or wake > 0
        return do

    def settle(self, share: int) -> None:
        """Let what is out end, with a share (in quarters) of it filled."""
        if self.out is not None:
            lots, sign = self.out
            self.hedge, self.out = self.hedge + sign * (lots * share // 4), None
        if self.unwind_out is not None:
            self.maker, self.unwind_out = self.maker + self.unwind_out, None


MOVES = st.lists(
    st.tuples(st.sampled_from(["fill", "settle", "wait", "look"]), st.integers(-9, 9), st.booleans()), max_size=60
)


@given(MOVES)
def test_there_are_never_two_orders_at_once_and_in_the_end_nothing_is_open(moves: list[tuple[str, int, bool]]) -> None:
    world = World()
    rules = replace(RULES, max_failures=10**6, on_failure="unwind_maker")
    for what, amount, can_trade in moves:
        if what == "fill":
            world.maker += amount
        elif what == "settle":
            world.settle(abs(amount) % 5)
        elif what == "wait":
            world.now_ns += abs(amount) * S // 4
        world.look(rules, can_trade)
    for _ in range(40):  # from here on the venues do what they are asked to
        world.settle(4)
        world.look(rules, True)
        world.now_ns += 3 * S
    assert world.maker + world.hedge == 0
    assert world.life.phase in (Phase.IDLE, Phase.PAUSED)
