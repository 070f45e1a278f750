"""What the state table makes of a job: no orders, so no sweep, ever; and runs by the clock."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from core.bot_config import DaemonConfig
from core.process.identity import Identity
from core.process.worker_policy import NEXT_RUN
from core.process.worker_record import (
    Action,
    Exited,
    Forked,
    ForkFailed,
    Happening,
    Needs,
    Overweight,
    Ready,
    Restart,
    Start,
    State,
    Stop,
    Tick,
    Unusable,
    WorkerRecord,
)
from core.process.worker_states import TABLE, decide, next_due_ns

S = 1_000_000_000
HOLDER = Identity(99, 7, "boot")
BORN = Forked(5, has_orders=False)


class Job:
    """Plays events into the record of a job."""

    def __init__(self, **config: object) -> None:
        self.record = WorkerRecord("job", DaemonConfig(**config))  # type: ignore[arg-type]
        self.now_ns = 1000 * S
        self.actions: list[Action] = []

    def play(self, *events: Happening) -> Job:
        for event in events:
            self.record, self.actions = decide(self.record, event, self.now_ns)
        return self

    def after(self, seconds: float, *events: Happening) -> Job:
        self.now_ns += int(seconds * S)
        return self.play(*events or (Tick(),))

    def running(self) -> Job:
        return self.play(Start(), BORN, Ready())


def test_a_killed_job_waits_its_backoff_without_a_sweep() -> None:
    job = Job(backoff_initial_s=1.0).running().play(Exited(None, 9))
    assert (job.record.state, job.actions) == (State.BACKOFF, [])
    assert job.after(1.3).actions == [Action.SPAWN]


def test_a_job_without_a_schedule_that_is_done_stays_down() -> None:
    assert Job().running().play(Exited(0, clean=True)).record.state is State.STOPPED


def test_a_run_that_ended_well_is_followed_by_the_next_one_counted_from_its_start() -> None:
    job = Job(schedule_s=60).running().after(20, Exited(0, clean=True))
    assert (job.record.state, job.record.reason) == (State.BACKOFF, NEXT_RUN)
    assert job.after(39).record.state is State.BACKOFF
    assert job.after(1.5).actions == [Action.SPAWN]


def test_a_run_longer_than_its_schedule_is_followed_at_once() -> None:
    job = Job(schedule_s=60).running().after(100, Exited(0, clean=True))
    assert (job.record.state, job.actions) == (State.STARTING, [Action.SPAWN])


def test_a_run_that_crashes_follows_the_restart_policy_not_the_schedule() -> None:
    job = Job(schedule_s=3600, backoff_initial_s=1.0, backoff_max_s=1.0, max_restarts=2).running().play(Exited(70))
    assert (job.record.state, job.record.reason) == (State.BACKOFF, "")
    for _ in range(2):
        assert job.after(2).actions == [Action.SPAWN]
        job.play(BORN, Exited(70))
    assert (job.record.state, job.actions) == (State.FATAL, [Action.ALERT])


def test_a_run_that_ended_well_is_forgiven_its_crashes() -> None:
    job = Job(schedule_s=10, max_restarts=1, backoff_initial_s=0.1).play(Start())
    for _ in range(4):
        job.play(BORN, Exited(70)).after(1)
        job.play(BORN, Exited(0, clean=True)).after(11)
    assert job.record.state is State.STARTING


def test_a_job_that_waits_for_its_run_can_be_run_now_or_stopped() -> None:
    waiting = Job(schedule_s=3600).running().play(Exited(0, clean=True))
    assert decide(waiting.record, Start(), waiting.now_ns)[1] == [Action.SPAWN]
    assert decide(waiting.record, Restart(), waiting.now_ns)[1] == [Action.SPAWN]
    assert decide(waiting.record, Stop(), waiting.now_ns)[0].state is State.STOPPED


def test_a_stopped_job_is_not_run_by_its_schedule() -> None:
    job = Job(schedule_s=60).running().play(Stop(), Exited(0, clean=True))
    assert job.record.state is State.STOPPED
    assert next_due_ns(job.record) is None


def test_a_job_that_says_that_somebody_holds_its_claim_just_crashed() -> None:
    job = Job().running().play(Exited(75, held_by=HOLDER))
    assert (job.record.state, job.actions) == (State.BACKOFF, [])


def test_a_job_under_the_name_of_a_bot_that_left_orders_waits_for_the_sweep() -> None:
    job = Job()
    job.record = WorkerRecord("job", dirty=True)
    assert job.play(Start()).record.state is State.SWEEPING


def test_a_bot_that_is_replaced_by_a_job_is_swept_before_the_job_starts() -> None:
    job = Job().play(Start(), Forked(5), Ready(), Restart(), Exited(None, 9))
    assert (job.record.state, job.actions) == (State.SWEEPING, [Action.SWEEP])


EVENTS = st.sampled_from(
    [
        Start(),
        Start(reset=True),
        Stop(),
        Restart(),
        BORN,
        ForkFailed("x"),
        Ready(),
        Exited(0, clean=True),
        Exited(0),
        Exited(70),
        Exited(75),
        Exited(77),
        Exited(78),
        Exited(None, 9),
        Exited(75, held_by=HOLDER),
        Needs(50),
        Overweight("x"),
        Unusable("x"),
        Tick(),
    ]
)


@settings(max_examples=400)
@given(st.lists(st.tuples(EVENTS, st.integers(0, 40)), max_size=60), st.none() | st.integers(1, 60))
def test_no_history_of_a_job_reaches_a_sweep(steps: list[tuple[Happening, int]], schedule_s: int | None) -> None:
    """Whatever happens in any order: never SWEEPING, never a sweeper, and never two of it."""
    record, now_ns, alive = WorkerRecord("job", DaemonConfig(schedule_s=schedule_s)), 0, ""
    for event, seconds in steps:
        now_ns += seconds * S
        if type(event) not in TABLE[record.state] or not _possible(event, alive):
            continue
        alive = "yes" if isinstance(event, Forked) else "" if isinstance(event, Exited | ForkFailed) else alive
        record, actions = decide(record, event, now_ns)
        assert record.state is not State.SWEEPING
        assert Action.SWEEP not in actions
        assert not record.dirty
        if Action.SPAWN in actions:
            assert alive == ""
            alive = "asked"


def _possible(event: Happening, alive: str) -> bool:
    """Only what the world can do: children are born when asked for and die when alive."""
    if isinstance(event, Forked | ForkFailed):
        return alive == "asked"
    if isinstance(event, Exited | Ready | Needs | Overweight):
        return alive == "yes"
    return not (isinstance(event, Unusable) and alive)  # of a kind that cannot be warm nothing was forked
