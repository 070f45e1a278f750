"""Which rows a decision leaves in the event file, and which of them are alerts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.bot_config import DaemonConfig
from core.fleet_config import ALERT_KINDS
from core.process.event_rows import Row, rows_of
from core.process.identity import Identity
from core.process.worker_record import (
    Action,
    Exited,
    Forked,
    ForkFailed,
    Happening,
    Overweight,
    Ready,
    Restart,
    Start,
    State,
    Stop,
    SweepEnded,
    Tick,
    TidyUp,
    Unusable,
    WorkerRecord,
)
from core.process.worker_states import DUMP_NS, TABLE, decide
from utils import exit_statuses

S = 1_000_000_000
CLEAN_END = Exited(exit_statuses.DONE, None, True, "done")


class History:
    """Plays events into one record and keeps every row."""

    def __init__(self, **config: object) -> None:
        self.record = WorkerRecord("bot", DaemonConfig(**config))  # type: ignore[arg-type]
        self.now_ns = 1000 * S
        self.rows: list[Row] = []

    def play(self, *happenings: Happening) -> History:
        for happening in happenings:
            before = self.record
            self.record, actions = decide(before, happening, self.now_ns)
            self.rows += rows_of("paper", before, happening, self.record, actions)
        return self

    def after(self, seconds: float) -> History:
        self.now_ns += int(seconds * S)
        return self.play(Tick())

    def running(self) -> History:
        self.play(Start(), Forked(10), Ready())
        self.rows.clear()
        return self

    def told(self) -> list[tuple[str, str | None]]:
        """Return kind and alert of every row."""
        return [(row.kind, row.alert) for row in self.rows]

    def changes(self) -> list[str]:
        """Return the changes of state."""
        return [f"{row.fields['from']}>{row.fields['to']}" for row in self.rows if row.kind == "state"]


def test_a_start_is_two_changes_and_no_alert() -> None:
    history = History().play(Start(), Forked(10), Ready())
    assert history.changes() == ["STOPPED>STARTING", "STARTING>RUNNING"]
    assert history.rows[-1].fields["pid"] == 10
    assert not any(row.alert for row in history.rows)


def test_a_heartbeat_tick_leaves_no_row() -> None:
    assert History().running().after(1).rows == []


def test_a_crash_is_an_exit_and_a_change_that_says_where_the_sweep_leads() -> None:
    history = History().running().play(Exited(70, None, False, "boom"))
    assert history.told() == [("exit", None), ("state", None)]
    exit_row, change = (row.fields for row in history.rows)
    assert (exit_row["status"], exit_row["reason"], exit_row["pid"]) == (70, "boom", 10)
    assert (change["to"], change["then"]) == ("SWEEPING", "BACKOFF")


def test_too_many_crashes_are_one_crash_loop_told_before_the_sweep() -> None:
    history = History(max_restarts=0).running().play(Exited(70, None, False, "boom"))
    assert history.told() == [("exit", None), ("state", "crash_loop")]
    history.rows.clear()
    assert history.play(Forked(11), SweepEnded(True)).told() == [("state", None)]
    assert history.record.state is State.FATAL


def test_a_risk_halt_is_an_alert() -> None:
    history = History().running().play(Exited(exit_statuses.RISK_HALT, None, True, "max_loss"))
    assert history.told()[-1] == ("state", "halt")


def test_a_bot_that_cannot_run_is_an_alert() -> None:
    assert History().play(Start(), Unusable("its import fails")).told()[-1] == ("state", "crash_loop")


def test_an_unreachable_venue_is_an_alert_of_the_venue_not_of_the_bot() -> None:
    history = History().running().play(Exited(exit_statuses.VENUE_UNREACHABLE, None, True, "no route"))
    assert history.told() == [("exit", "venue_down"), ("state", None)]
    assert history.rows[0].subject == "paper"


def test_a_position_that_a_stop_has_left_is_told_whatever_else_is_wrong() -> None:
    end = Exited(exit_statuses.VENUE_UNREACHABLE, None, False, "no route")
    history = History().running().play(Stop(close=True), end)
    assert history.told() == [("state", None), ("exit", "venue_down"), ("state", None), ("alert", "position_left")]


def test_a_bot_that_shall_go_on_after_a_stop_has_left_nothing_behind() -> None:
    history = History(max_restarts=0).running().play(Stop(close=True), Start())
    history.play(Exited(70, None, False, "boom"))
    assert history.told() == [("state", None), ("exit", None), ("state", "crash_loop")]


def test_a_stuck_worker_is_told_once_and_its_kill_is_noted() -> None:
    history = History().running().after(10)
    assert history.told() == [("stuck", "stuck")]
    history.after(DUMP_NS / S)
    history.play(Exited(None, 9, False, "killed by SIGKILL"))
    assert history.told() == [("stuck", "stuck"), ("killed", None), ("exit", None), ("state", None)]
    assert history.rows[2].fields["reason"] == "no heartbeat for 10.0 s"


def test_every_failed_sweep_is_noted_and_the_third_is_an_alert() -> None:
    history = History().running().play(Exited(None, 9, False, "killed"))
    history.rows.clear()
    for _ in range(4):
        history.play(Forked(12), SweepEnded(False, "no answer")).after(40)
    assert history.told() == [("sweep_trouble", alert) for alert in (None, None, "sweep_trouble", None)]
    assert [row.fields["attempt"] for row in history.rows] == [1, 2, 3, 4]


def test_a_refused_key_in_a_sweep_is_an_alert_at_once() -> None:
    history = History().running().play(Exited(None, 9, False, "killed"))
    history.rows.clear()
    assert history.play(Forked(12), SweepEnded(False, "bad key", auth=True)).told() == [
        ("sweep_trouble", "sweep_trouble")
    ]


def test_too_much_memory_is_an_alert_when_it_is_found() -> None:
    history = History().running().play(Overweight("uses 300 MB"))
    assert history.told() == [("memory", "memory"), ("state", None)]


def test_a_claim_that_is_still_held_is_no_exit() -> None:
    held = Exited(exit_statuses.VENUE_UNREACHABLE, None, True, "held", Identity(9, 9, "boot"))
    assert History().play(Start(), Forked(10), held).changes() == ["STOPPED>STARTING", "STARTING>SWEEPING"]
    assert "exit" not in dict(History().play(Start(), Forked(10), held).told())


def test_an_asked_stop_is_no_alert() -> None:
    history = History().running().play(Stop(), CLEAN_END)
    assert history.changes() == ["RUNNING>STOPPING", "STOPPING>STOPPED"]
    assert not any(row.alert for row in history.rows)


HAPPENINGS = st.sampled_from(
    [
        Start(), Start(reset=True), Stop(), Restart(), Forked(7), ForkFailed("no process"), Ready(), TidyUp(), Tick(),
        *(Exited(status, None, clean, "x") for status in (0, 64, 70, 75, 76, 77, 78) for clean in (True, False)),
        Exited(None, 9), SweepEnded(True), SweepEnded(False, "y"), SweepEnded(False, auth=True), Unusable("z"),
        Overweight("big"),
    ]
)  # fmt: skip


@pytest.mark.filterwarnings("error")
@given(st.lists(st.tuples(HAPPENINGS, st.integers(0, 40)), max_size=60))
def test_whatever_happens_each_change_is_one_row_and_each_alert_of_the_table_is_told(
    story: list[tuple[Happening, int]],
) -> None:
    history = History(max_restarts=1)
    for happening, seconds in story:
        history.now_ns += seconds * S
        if type(happening) not in TABLE[history.record.state]:
            continue
        before, told = history.record, len(history.rows)
        history.record, actions = decide(before, happening, history.now_ns)
        history.rows += rows_of("paper", before, happening, history.record, actions)
        new = history.rows[told:]
        assert sum(row.kind == "state" for row in new) == (before.state is not history.record.state)
        assert Action.ALERT not in actions or any(row.alert for row in new)
        assert all(row.alert in (None, *ALERT_KINDS) and row.bot == "bot" for row in new)
