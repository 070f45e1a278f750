"""When an account's dead-man switch is refreshed, told by any bots in any state; and the life of its guard."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.bot_config import DaemonConfig
from core.process.dead_man import (
    DISARM_NS,
    FORK_NS,
    FRESH_NS,
    MIN_TIMEOUT_S,
    RETRY_MAX_NS,
    VERDICT_NS,
    Do,
    GuardRecord,
    Member,
    Phase,
    RefreshPlan,
    born,
    ended,
    look,
    said,
    silence_limit_ns,
    timing,
    verdict,
)
from core.process.worker_record import State, WorkerRecord

S = 1_000_000_000
LIVING = (State.STARTING, State.RUNNING, State.STOPPING)
members = st.builds(
    Member,
    name=st.sampled_from(["one", "two", "three"]),
    state=st.sampled_from(State),
    may_rest=st.booleans(),
    silent_ns=st.none() | st.integers(0, 20 * S),
)
records = st.builds(
    WorkerRecord,
    name=st.just("one"),
    state=st.sampled_from(State),
    dirty=st.booleans(),
    pid=st.none() | st.integers(2, 99),
    killed=st.booleans(),
    dumped_ns=st.none() | st.integers(0, 100 * S),
    heartbeat_ns=st.integers(0, 200 * S),
)


@given(st.lists(members, max_size=6))
def test_refreshed_exactly_while_every_bot_is_fresh_or_swept(bots: list[Member]) -> None:
    fine = all(not bot.may_rest or (bot.silent_ns is not None and bot.silent_ns <= FRESH_NS) for bot in bots)
    assert verdict(bots).refresh is fine


@given(st.lists(members, max_size=6))
def test_a_refusal_names_each_bot_that_is_its_cause_and_no_other(bots: list[Member]) -> None:
    causes = [bot.name for bot in bots if bot.may_rest and not bot.is_fresh]
    reason = verdict(bots).reason
    assert [part.split()[0] for part in reason.split(", ") if part] == causes


@given(st.lists(members, max_size=6), members)
def test_one_more_bot_never_makes_a_refusal_a_refresh(bots: list[Member], more: Member) -> None:
    assert verdict(bots).refresh or not verdict([*bots, more]).refresh


@given(records, st.integers(0, 300 * S))
def test_only_a_living_worker_that_nobody_is_killing_is_believed(record: WorkerRecord, now_ns: int) -> None:
    member = Member.of(record, now_ns)
    believed = record.state in LIVING and record.pid is not None and not record.killed and record.dumped_ns is None
    assert (member.silent_ns is not None) is believed
    assert not (record.dirty and not believed) or not verdict([member]).refresh


@given(records)
def test_a_guard_is_not_over_while_anything_may_rest_or_start(record: WorkerRecord) -> None:
    assert Member.of(record, 0).is_over is (record.settled and not record.dirty)


bots = st.lists(
    st.builds(
        DaemonConfig, heartbeat_timeout_s=st.floats(2, 3600), backoff_initial_s=st.floats(0, 60)
    ),
    max_size=4,
)  # fmt: skip


@given(st.floats(0, 86_400), bots)
def test_the_venue_fires_before_a_dead_bot_would_be_restarted_or_it_is_called_slow(
    min_s: float, configs: list[DaemonConfig]
) -> None:
    when = timing(min_s, configs)
    restart_s = min((bot.heartbeat_timeout_s + bot.backoff_initial_s + 0.8 for bot in configs), default=0)
    fires_s = FRESH_NS / S + 1 + when.timeout_s
    assert when.is_slow or not configs or fires_s <= restart_s + 1e-6
    assert when.timeout_s >= max(min_s, MIN_TIMEOUT_S)
    assert when.refresh_s * 3 == pytest.approx(when.timeout_s)


def test_with_the_defaults_the_switch_fires_before_a_restart() -> None:
    assert not timing(1, [DaemonConfig()]).is_slow
    assert timing(300, [DaemonConfig()]).is_slow


happenings = st.lists(
    st.tuples(st.sampled_from(["look", "idle", "born", "said", "trouble", "ended"]), st.integers(0, 40 * S)),
    max_size=40,
)


@given(happenings)
def test_no_history_makes_a_second_guard_or_leaves_a_silent_one(history: list[tuple[str, int]]) -> None:
    record, now_ns, there = GuardRecord("a"), 0, False
    for what, passed_ns in history:
        now_ns += passed_ns
        if what in ("look", "idle"):
            before = record
            record, actions = look(record, what == "look", now_ns)
            assert not (Do.START in actions and there), "a second guard"
            assert not (there and now_ns >= before.due_ns) or actions == [Do.KILL]
            assert len(actions) <= 1
            there = there or Do.START in actions
        elif what == "born" and record.phase is Phase.ASKED:
            record = born(record, 5 * S, now_ns)
        elif what in ("said", "trouble") and record.phase in (Phase.LIVE, Phase.LEAVING):
            record = said(record, now_ns + S, "no" if what == "trouble" else "", 5 * S, now_ns)
        elif what == "ended" and there:
            record, there = ended(record, "killed", now_ns), False
        assert record.is_there is there
        assert record.due_ns <= now_ns + max(FORK_NS, RETRY_MAX_NS, DISARM_NS)


def test_a_guard_that_dies_is_followed_by_another_after_a_pause_that_grows() -> None:
    record, pauses = replace(GuardRecord("a"), phase=Phase.LIVE), []
    for _ in range(12):
        record = ended(replace(record, phase=Phase.LIVE), "killed", 0)
        pauses.append(record.due_ns)
    assert pauses == sorted(pauses) and pauses[0] == S // 4 and pauses[-1] == RETRY_MAX_NS
    assert look(record, True, RETRY_MAX_NS - 1)[1] == []
    assert look(record, True, RETRY_MAX_NS)[1] == [Do.START]


def test_a_guard_that_works_again_is_forgiven() -> None:
    assert said(replace(GuardRecord("a"), failures=7), 1, "", S, 0).failures == 0
    assert said(replace(GuardRecord("a"), failures=7), 1, "no", S, 0).failures == 7


@pytest.mark.parametrize(
    ("is_needed", "outdated", "action"),
    [(True, False, Do.TELL), (False, False, Do.DISARM), (True, True, Do.LEAVE), (False, True, Do.DISARM)],
)
def test_what_a_living_guard_is_told(is_needed: bool, outdated: bool, action: Do) -> None:
    record = replace(GuardRecord("a"), phase=Phase.LIVE, due_ns=S, outdated=outdated)
    after, actions = look(record, is_needed, 0)
    assert actions == [action]
    assert after.phase is (Phase.LIVE if action is Do.TELL else Phase.LEAVING)


def test_the_next_guard_follows_one_of_old_code_at_once() -> None:
    left = ended(replace(GuardRecord("a"), phase=Phase.LEAVING, outdated=True), "asked to leave", 5)
    assert look(left, True, 5)[1] == [Do.START] and not left.outdated


def test_the_record_comes_back_from_plain_data() -> None:
    record = replace(GuardRecord("a"), phase=Phase.LIVE, error="x", armed_until_ns=3)
    assert GuardRecord.from_plain(record.to_plain()) == record


def order(now_ns: int, refresh: bool = True) -> dict[str, object]:
    return {"refresh": refresh, "until_ns": now_ns + VERDICT_NS, "timeout_s": 6.0, "refresh_s": 2.0}


def test_a_verdict_that_nobody_renews_expires() -> None:
    plan = RefreshPlan()
    assert not plan.is_due(0)
    plan.take(order(0))
    assert plan.is_due(VERDICT_NS - 1) and not plan.is_due(VERDICT_NS)


def test_a_refusal_ends_the_refreshing_at_once() -> None:
    plan = RefreshPlan()
    plan.take(order(0))
    plan.take(order(0, refresh=False))
    assert not plan.is_due(1)


def test_a_refresh_that_failed_is_repeated_sooner() -> None:
    plan = RefreshPlan()
    plan.take(order(0))
    plan.tried(0, succeeded=False)
    soon = plan.next_ns
    plan.tried(0, succeeded=True)
    assert soon < plan.next_ns == 2 * S


@given(st.booleans(), st.integers(-10 * S, 10 * S), st.integers(0, 10 * S))
def test_a_plan_never_spins(refresh: bool, until_ns: int, next_ns: int) -> None:
    plan = RefreshPlan(refresh, until_ns, 6.0, 2.0, next_ns)
    due_ns = plan.due_ns(0)
    assert plan.is_due(0) or due_ns > 0
    assert due_ns <= S


@pytest.mark.parametrize(
    "bad", [{"timeout_s": 0.0}, {"refresh_s": 0.0}, {"timeout_s": float("nan")}, {"until_ns": "x"}]
)
def test_a_verdict_that_makes_no_sense_is_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        RefreshPlan().take({**order(0), **bad})


def test_a_guard_may_be_silent_for_a_call_and_not_for_a_lapse_of_two() -> None:
    when = timing(6, [])
    assert when.refresh_s * S < silence_limit_ns(when) < 2 * when.timeout_s * S
