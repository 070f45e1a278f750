"""A turn of the supervisor's loop: a bug over one thing keeps nothing else from its turn."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.bot_config import BotConfig, DaemonConfig, Leg
from core.fleet_config import SupervisionConfig
from core.process import fleet_control, supervisor
from core.process.control import Request
from core.process.fleet import BotEntry
from core.process.operator_verbs import OperatorVerbs
from core.process.pid_file import PidFile
from core.process.purpose import Purpose
from core.process.registry_sync import Paths
from core.process.supervisor import Supervisor
from core.process.worker_record import Exited, State, WorkerRecord
from core.process.worker_states import decide
from tests.process.alone import alone
from utils.home import Home


def idle(folder: Path) -> Supervisor:
    """Return a supervisor that was not started: it has bots, and no process."""
    home = Home(folder)
    home.make_folders()
    made = Supervisor(Paths(home, home.active, home.run), Purpose(), PidFile(home.run), 2)
    for name in ("a", "b"):
        leg = Leg("main", "paper", name, "X-Y")
        config = BotConfig(name, "paper", "s", (leg,), DaemonConfig(), {}, {}, {}, {}, "", "")
        record = WorkerRecord(name, state=State.BACKOFF, wanted=True, due_ns=1, restart_ns=1)
        made.bots[name] = BotEntry(config, record)
    return made


def test_a_bug_in_one_step_of_a_turn_keeps_no_other_step_from_its_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    had: list[str] = []

    def broken(*_all: object) -> None:
        had.append("broken")
        raise ZeroDivisionError

    def work() -> None:
        made = idle(tmp_path)
        monkeypatch.setattr(supervisor.time, "sleep", lambda _s: None)
        for part in (made.fleet, made.zygote, made.events, made.registry):
            monkeypatch.setattr(part, "tick" if part is made.fleet else "tend", broken)
        monkeypatch.setattr(made.upgrade, "tend", lambda _now: had.append("upgrade"))
        monkeypatch.setattr(made.logs, "tend", lambda _now: had.append("logs"))
        monkeypatch.setattr(made, "_reap", lambda: had.append("reap"))
        made._tick(10)
        assert had == ["reap", "broken", "broken", "broken", "broken", "upgrade", "logs"]

    alone(work)


def partly_broken(record: WorkerRecord, *rest: object) -> object:
    if record.name == "a":
        raise KeyError("a")
    return decide(record, *rest)  # type: ignore[arg-type]


def test_a_bug_over_one_bot_keeps_no_other_bot_from_its_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def work() -> None:
        made = idle(tmp_path)
        monkeypatch.setattr(fleet_control, "decide", partly_broken)
        with pytest.raises(KeyError):
            made.fleet.tick(10)
        assert (made.bots["a"].record.state, made.bots["b"].record.state) == (State.BACKOFF, State.STARTING)

    alone(work)


class Client:
    """Somebody at the control socket, and what was answered."""

    def __init__(self) -> None:
        self.peer = {"uid": 0, "pid": 1}
        self.said: dict[str, object] = {}

    def send(self, reply: dict[str, object]) -> None:
        self.said = reply


def test_a_verb_is_one_of_the_list_and_nothing_is_looked_up_by_its_name(tmp_path: Path) -> None:
    def work() -> None:
        made = idle(tmp_path)
        verbs, before = OperatorVerbs(made), {name: bot.record for name, bot in made.bots.items()}
        for verb in ("stop_all", "_stop", "__init__", "__class__", "stop.__self__", "run", "", "STATUS", "exec"):
            client = Client()
            verbs(Request(client, verb, {}))  # type: ignore[arg-type]
            assert client.said["ok"] is False
            assert str(client.said["error"]).startswith("unknown verb")
        assert {name: bot.record for name, bot in made.bots.items()} == before
        assert made.stopping_since_ns is None

    alone(work)


@pytest.mark.parametrize(
    ("verb", "args"),
    [
        ("restart", {"names": 5}),
        ("restart", {"names": "ab"}),
        ("bot", {"action": "stop", "names": [["a"]]}),
        ("bot", {"action": ["stop"]}),
        ("bot", {"action": {}, "names": ["a"]}),
        ("flatten", {"names": {"a": 1}}),
    ],
)
def test_arguments_of_another_sort_are_refused_in_a_line_and_change_nothing(
    tmp_path: Path, verb: str, args: dict[str, object]
) -> None:
    def work() -> None:
        made, client = idle(tmp_path), Client()
        before = {name: bot.record for name, bot in made.bots.items()}
        OperatorVerbs(made)(Request(client, verb, args))  # type: ignore[arg-type]
        assert client.said["ok"] is False
        assert {name: bot.record for name, bot in made.bots.items()} == before

    alone(work)


def test_a_bug_over_one_bot_keeps_no_other_from_being_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def work() -> None:
        made = idle(tmp_path)
        monkeypatch.setattr(supervisor.time, "sleep", lambda _s: None)
        monkeypatch.setattr(fleet_control, "decide", partly_broken)
        made.stop_all()
        assert (made.bots["a"].record.state, made.bots["b"].record.state) == (State.BACKOFF, State.STOPPED)

    alone(work)


@pytest.mark.parametrize("wanted", [True, False])
def test_deaths_on_one_account_pause_all_its_bots_where_that_is_wanted_and_are_told(
    tmp_path: Path, wanted: bool
) -> None:
    def work() -> None:
        made, rows = idle(tmp_path), list[dict[str, object]]()
        made.events.sink = lambda row: rows.append(dict(row)) or True
        made.fleet.take(SupervisionConfig(escalation_deaths=2, pause_account_on_deaths=wanted), {})
        for name, account in (("a", "x"), ("b", "x"), ("c", "x"), ("d", "y")):
            leg = Leg("main", "paper", account, f"{name}-USD")
            config = BotConfig(name, "paper", "s", (leg,), DaemonConfig(), {}, {}, {}, {}, "", "")
            record = WorkerRecord(name, state=State.RUNNING, wanted=True, dirty=True, pid=1)
            made.bots[name] = BotEntry(config, record)
        made.fleet.happened("a", Exited(None, 9))
        assert not any(bot.record.paused for bot in made.bots.values())
        made.fleet.happened("b", Exited(70))
        assert {name for name, bot in made.bots.items() if bot.record.paused} == (set("abc") if wanted else set())
        assert {bot.record.state for name, bot in made.bots.items() if name in "ab"} == {State.SWEEPING}
        assert [row["alert"] for row in rows if row["kind"] == "escalation"] == ["escalation"]

    alone(work)
