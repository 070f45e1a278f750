"""How long the turns of a loop took; time is a number."""

from __future__ import annotations

from core.process.turn_clock import WINDOW_NS, TurnClock

S = 1_000_000_000


def turn(clock: TurnClock, began_ns: int, took_ns: int) -> None:
    clock.begin(began_ns)
    clock.end(began_ns + took_ns)


def test_turns_and_work_add_up() -> None:
    clock = TurnClock()
    turn(clock, 10 * S, 3)
    turn(clock, 11 * S, 4)
    assert (clock.turns, clock.busy_ns) == (2, 7)


def test_the_worst_turn_is_remembered_for_at_least_a_minute_and_then_forgotten() -> None:
    clock = TurnClock()
    turn(clock, 100 * S, 50)
    turn(clock, 101 * S, 5)
    assert clock.worst_ns(101 * S) == 50
    turn(clock, 101 * S + WINDOW_NS, 7)
    assert clock.worst_ns(101 * S + WINDOW_NS) == 50
    turn(clock, 102 * S + 2 * WINDOW_NS, 6)
    assert clock.worst_ns(102 * S + 2 * WINDOW_NS) == 7


def test_after_a_long_silence_nothing_old_counts() -> None:
    clock = TurnClock()
    turn(clock, 100 * S, 50)
    assert clock.worst_ns(100 * S + 3 * WINDOW_NS) == 0
