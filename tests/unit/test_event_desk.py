"""What the supervisor takes note of: rows, who asked, counters, and what is told to a person."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.bot_config import BotConfig
from core.fleet_config import AlertsConfig, FleetConfig
from core.process import event_desk
from core.process.event_desk import EventDesk
from core.process.notifiers import MAX_WAITING
from core.process.worker_record import Action, Exited, Forked, Ready, Start, State, SweepEnded, WorkerRecord
from core.process.worker_states import decide
from core.registry.config_manager import load_plain
from tests.registry_parts import config_with, make_home
from utils.home import Home

KEYS = ("ts", "seq", "daemon", "kind", "bot", "from", "to", "reason", "pid", "fence", "by", "alert")


class Desk(EventDesk):
    """A desk that keeps its rows."""

    def __init__(self, home: Home) -> None:
        super().__init__(home, 2)
        self.rows: list[dict[str, Any]] = []
        self.sink = self.keep
        self.writes = True

    def keep(self, row: dict[str, Any]) -> bool:
        self.rows.append(row)
        return self.writes

    def alerting(self, **alerts: Any) -> Desk:
        """Have a hook, so that alerts are queued."""
        self.take(replace(FleetConfig(), alerts=AlertsConfig(hook=("true",), **alerts)))
        return self


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_home(tmp_path)


@pytest.fixture
def desk(home: Home) -> Desk:
    return Desk(home)


@pytest.fixture
def bot(home: Home) -> BotConfig:
    return load_plain(config_with(), "given", home, {})


def live(desk: Desk, config: BotConfig, *happenings: Any) -> WorkerRecord:
    """Play events into a record as the supervisor does."""
    record = WorkerRecord(config.name, config.daemon)
    for happening in happenings:
        before = record
        record, actions = decide(before, happening, 10**12)
        desk.decided(config, before, happening, record, actions)
    return record


def test_every_row_has_the_same_keys_and_the_next_number(desk: Desk) -> None:
    desk.seq = 40
    desk.note("daemon_started", version="1")
    desk.note("state", "a", reason="because")
    assert [row["seq"] for row in desk.rows] == [41, 42]
    assert all(tuple(row)[: len(KEYS)] == KEYS for row in desk.rows)


def test_a_start_names_the_config_and_a_running_bot_its_fence(desk: Desk, home: Home, bot: BotConfig) -> None:
    home.bot_state(bot.name).mkdir()
    (home.bot_state(bot.name) / "fence").write_text("7\n")
    live(desk, bot, Start(), Forked(10), Ready(), Exited(70, None, False, "boom"))
    starting, running, ended, _ = desk.rows
    assert (starting["to"], starting["digest"], starting["fence"]) == ("STARTING", bot.digest[:12], None)
    assert (running["to"], running["fence"], running["pid"]) == ("RUNNING", 7, 10)
    assert (ended["kind"], ended["fence"]) == ("exit", 7)


def test_whoever_asked_is_in_the_rows_that_follow_at_once(desk: Desk, bot: BotConfig) -> None:
    with desk.on_behalf({"uid": 5, "pid": 6}):
        desk.command("bot", {"action": "start", "names": [bot.name]}, {bot.name: bot.digest})
        live(desk, bot, Start())
    live(desk, bot, Start())
    command, started, later = desk.rows
    assert (command["by"], started["by"], later["by"]) == ({"uid": 5, "pid": 6}, {"uid": 5, "pid": 6}, None)
    assert (command["args"], command["bots"], command["digests"]) == (
        {"action": "start"},
        [bot.name],
        {bot.name: bot.digest[:12]},
    )


@pytest.mark.parametrize("names", ["text", 5, None, [None, {}], ["x"] * 10_000])
def test_a_command_with_anything_in_it_is_one_bounded_row(desk: Desk, names: Any) -> None:
    desk.command("restart", {"names": names, "other": "y" * 10_000}, {})
    assert len(str(desk.rows[0])) < 2000


def test_new_changed_and_gone_configs_are_told_by_their_digests(desk: Desk) -> None:
    def answer(**digests: str) -> dict[str, Any]:
        return {"bots": [{"name": n, "digest": d} for n, d in digests.items()], "invalid": [], "daemon": None}

    desk.configs_read(answer(a="1", b="1"))
    desk.rows.clear()
    desk.configs_read(answer(b="2", c="1"))
    assert [(row["bot"], row["from"], row["to"]) for row in desk.rows if row["kind"] == "config"] == [
        ("a", "1", None),
        ("b", "1", "2"),
        ("c", None, "1"),
    ]


def test_forks_sweeps_and_restarts_are_counted(desk: Desk, bot: BotConfig) -> None:
    killed = Exited(None, 9, False, "killed")
    live(desk, bot, Start(), Forked(1), Ready(), killed, Forked(2), SweepEnded(True))
    assert (desk.counts["forks"], desk.counts["sweeps"], desk.counts["restarts"]) == (1, 1, 0)


def test_a_row_that_cannot_be_written_is_counted_and_its_number_is_missing(desk: Desk) -> None:
    desk.writes = False
    desk.note("a")
    desk.writes = True
    desk.note("b")
    assert (desk.lost, desk.rows[-1]["seq"]) == (1, 2)


def test_a_mistake_in_the_record_never_keeps_a_decision_from_its_actions(
    desk: Desk, bot: BotConfig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(event_desk, "rows_of", lambda *_: 1 / 0)
    assert live(desk, bot, Start()).state is State.STARTING
    assert "event_bug" in caplog.text


# ---------------------------------------------------------------- alerts


def test_without_hook_or_webhook_nobody_is_told(desk: Desk) -> None:
    desk.note("state", "a", "halt")
    assert (desk.notifiers.waiting, desk.counts["alert:halt"]) == (0, 1)


def test_an_alert_is_queued_once_and_its_like_are_counted(desk: Desk) -> None:
    desk.alerting()
    for _ in range(3):
        desk.note("state", "a", "halt")
    desk.note("state", "b", "halt")
    assert (desk.notifiers.waiting, desk.limiter.suppressed) == (2, 2)


def test_only_the_kinds_that_the_daemon_file_names_are_told(desk: Desk) -> None:
    desk.alerting(events=("stuck",)).note("state", "a", "halt")
    desk.note("stuck", "a", "stuck")
    assert desk.notifiers.waiting == 1


def test_a_venue_that_fails_for_many_bots_is_told_once(desk: Desk, home: Home) -> None:
    desk.alerting()
    for number in range(20):
        config = load_plain(config_with(metadata={"name": f"b{number}"}), "given", home, {})
        live(desk, config, Start(), Forked(1), Exited(75, None, True, "no route"))
    assert desk.notifiers.waiting == 1


def test_what_waits_to_be_told_has_a_bound(desk: Desk) -> None:
    desk.alerting(min_interval_s=0)
    for _ in range(MAX_WAITING + 5):
        desk.note("state", "a", "halt", reason="r" * 10**5)
    assert (desk.notifiers.waiting, desk.notifiers.dropped) == (MAX_WAITING, 5)


# ---------------------------------------------------------------- what announces itself to nobody


def test_a_zygote_that_goes_and_comes_is_noticed(desk: Desk) -> None:
    for now, pid in enumerate([None, 5, 5, None, 6, 7]):
        desk.tend(now, pid)
    told = [(row["kind"], row["pid"]) for row in desk.rows if row["kind"] != "disk"]
    assert told == [
        ("zygote_started", 5),
        ("zygote_lost", 5),
        ("zygote_started", 6),
        ("zygote_lost", 6),
        ("zygote_started", 7),
    ]


def test_a_disk_that_runs_full_is_an_alert_and_its_end_is_told(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.tend(0, None)
    monkeypatch.setattr(event_desk, "LOW_BYTES", 10**18)
    monkeypatch.setattr(event_desk, "LOW_SHARE", 1)
    desk.tend(event_desk.DISK_NS, None)
    desk.tend(2 * event_desk.DISK_NS, None)
    monkeypatch.undo()
    desk.tend(3 * event_desk.DISK_NS, None)
    assert [(row["from"], row["to"], row["alert"]) for row in desk.rows] == [("ok", "low", "disk"), ("low", "ok", None)]


def test_the_alert_that_no_row_explains_is_told_all_the_same(desk: Desk, bot: BotConfig) -> None:
    record = WorkerRecord("a")
    desk.decided(bot, record, Start(), record, [Action.ALERT])
    assert [(row["kind"], row["alert"]) for row in desk.rows] == [("alert", "crash_loop")]
