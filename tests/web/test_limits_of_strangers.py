"""What somebody without a password can do to those who have one: nothing."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from web.security.audit import STRANGERS, Audit
from web.security.rate_limit import IN_ALL, PER_ADDRESS, WINDOW_S, LoginLimit
from web.security.roles import Caller

NOBODY, SOMEBODY = Caller("", None, None), Caller("x", "operator", "operator")


def test_strangers_cannot_push_the_trail_of_others_out() -> None:
    rows: list[dict[str, Any]] = []
    now_s = [0.0]
    audit = Audit(lambda row: rows.append(row) or True, lambda: "t", lambda: now_s[0])
    for _ in range(1000):
        audit.note(NOBODY, "a", "POST /x", {}, "refused")
        audit.note(SOMEBODY, "b", "pause", {}, "done")
    assert sum(row["who"] == "operator" for row in rows) == 1000
    assert len(rows) == 1000 + STRANGERS
    now_s[0] = 61.0
    audit.note(NOBODY, "a", "POST /x", {}, "refused")
    assert rows[-1]["left_out"] == 1000 - STRANGERS


def test_a_line_of_the_trail_is_bounded_and_printable() -> None:
    rows: list[dict[str, Any]] = []
    audit = Audit(lambda row: rows.append(row) or True, lambda: "t")
    audit.note(SOMEBODY, "a", "x" * 9999 + "\x1b[2J", {"names": ["y" * 9999] * 999, "deep": {"a": "\n"}}, "z" * 9999)
    assert len(str(rows[0])) < 20_000 and "\x1b" not in str(rows[0]["what"])


def test_tries_at_the_same_moment_are_counted_before_they_are_made() -> None:
    limit = LoginLimit()
    assert [limit.begin("a", 1.0) > 0 for _ in range(8)] == [False] * PER_ADDRESS + [True] * 3
    assert limit.begin("a", 1.0 + WINDOW_S) == 0


def test_many_addresses_together_are_held_up_too() -> None:
    limit = LoginLimit()
    let_through = sum(limit.begin(f"10.0.0.{n}", 1.0) == 0 for n in range(200))
    assert let_through == IN_ALL


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), st.floats(0, 30)), max_size=80))
def test_a_right_password_costs_nobody_a_try(tries: list[tuple[str, bool, float]]) -> None:
    limit, now_s, wrong = LoginLimit(), 0.0, dict.fromkeys("abc", 0)
    for address, is_right, pause_s in tries:
        now_s += pause_s / 100
        waits = limit.begin(address, now_s) > 0
        assert waits == (wrong[address] >= PER_ADDRESS)
        if not waits and is_right:
            limit.succeeded(address)
            wrong[address] = 0
        elif not waits:
            wrong[address] += 1
