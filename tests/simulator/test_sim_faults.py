from __future__ import annotations

from typing import Any

import pytest

from api.simulator.faults import Faults


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.ns = 1_000_000_000

    def __call__(self) -> int:
        return self.ns


def armed(*plain: dict[str, Any], clock: Clock | None = None) -> Faults:
    faults = Faults(clock or Clock())
    for each in plain:
        faults.arm(faults.read(each))
    return faults


def test_fault_is_used_up_by_as_many_requests_as_it_was_armed_for() -> None:
    faults = armed({"kind": "status", "status": 500, "count": 2})
    assert [faults.take("status") for _ in range(3)] == [{"status": 500, "body": None}] * 2 + [None]


def test_fault_without_parameters_is_told_from_no_fault() -> None:
    faults = armed({"kind": "drop_answer"})
    assert faults.take("drop_answer") == {} and faults.take("drop_answer") is None


def test_oldest_fault_of_a_kind_is_taken_first() -> None:
    faults = armed({"kind": "delay", "seconds": 1}, {"kind": "delay", "seconds": 2})
    assert [faults.take("delay"), faults.take("delay")] == [{"seconds": 1}, {"seconds": 2}]


def test_fault_for_one_account_leaves_the_others_alone() -> None:
    faults = armed({"kind": "reject_next", "account": "a"})
    assert faults.take("reject_next", "b") is None and faults.take("reject_next") is None
    assert faults.take("reject_next", "a") is not None


def test_fault_with_a_match_waits_for_a_request_that_has_it() -> None:
    faults = armed({"kind": "rate_limit", "match": "POST /api/v1/order"})
    assert faults.take("rate_limit", "a", "GET /api/v1/orders") is None
    assert faults.take("rate_limit", "a", "POST /api/v1/order") == {"retry_after": 1}


def test_explicit_taker_ignores_faults_that_fit_everything() -> None:
    faults = armed({"kind": "status"})
    assert faults.take("status", None, "WS /", explicit=True) is None
    faults.arm(faults.read({"kind": "status", "match": "WS"}))
    assert faults.take("status", None, "WS /", explicit=True) is not None


def test_frozen_book_thaws_when_its_time_is_over() -> None:
    clock = Clock()
    faults = armed({"kind": "freeze_book", "seconds": 2}, clock=clock)
    assert faults.standing("freeze_book") == {"seconds": 2} and faults.standing("freeze_book") is not None
    clock.ns += 2 * 10**9
    assert faults.standing("freeze_book") is None and faults.armed() == []


def test_standing_fault_without_an_end_lasts_until_it_is_cleared() -> None:
    clock = Clock()
    faults = armed({"kind": "freeze_book"}, {"kind": "delay", "seconds": 1}, clock=clock)
    clock.ns += 10**15
    assert faults.standing("freeze_book") is not None
    assert faults.clear("freeze_book") == 1 and faults.standing("freeze_book") is None
    assert faults.clear() == 1 and faults.armed() == []


def test_clock_has_only_one_error_the_newest() -> None:
    faults = armed({"kind": "clock_skew", "seconds": 5}, {"kind": "clock_skew", "seconds": -30})
    assert faults.standing("clock_skew") == {"seconds": -30} and len(faults.armed()) == 1


@pytest.mark.parametrize(
    ("plain", "message"),
    [
        ({}, "fault kind None is not known"),
        ({"kind": "nonsense"}, "'nonsense' is not known; there are: drop_answer"),
        ({"kind": ["delay"]}, "is not known"),
        ({"kind": "delay"}, "the fault delay needs 'seconds'"),
        ({"kind": "delay", "seconds": "1"}, "seconds is '1'"),
        ({"kind": "delay", "seconds": -1}, "seconds is -1"),
        ({"kind": "delay", "seconds": float("nan")}, "seconds is nan"),
        ({"kind": "huge_message", "bytes": 10**12}, "bytes is 1000000000000"),
        ({"kind": "status", "status": 42}, "status is 42"),
        ({"kind": "delay", "seconds": 1, "secnods": 2}, "'secnods' is not a parameter of the fault delay"),
        ({"kind": "drop_answer", "count": 0}, "count is 0"),
        ({"kind": "drop_answer", "count": True}, "count is True"),
        ({"kind": "drop_answer", "account": 7}, "account is 7"),
        ({"kind": "drop_answer", "match": None}, "match is None"),
        (
            {"kind": "clock_skew", "seconds": 1, "account": "a"},
            "the fault clock_skew is everybody's: leave account out",
        ),
        ({"kind": "freeze_book", "account": "a"}, "the fault freeze_book is everybody's"),
        ({"kind": "skip_sequence", "account": "a"}, "the fault skip_sequence is everybody's"),
        ({"kind": "clock_skew", "seconds": 1, "match": "GET"}, "a venue has one clock: leave match out"),
    ],
)
def test_bad_fault_is_refused_in_one_clear_line(plain: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=r".") as raised:
        Faults(Clock()).read(plain)
    assert message in str(raised.value) and "\n" not in str(raised.value)


def test_negative_clock_skew_is_allowed() -> None:
    assert Faults(Clock()).read({"kind": "clock_skew", "seconds": -2.5}).params == {"seconds": -2.5}
