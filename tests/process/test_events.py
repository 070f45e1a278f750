"""What a real daemon writes into its event file, and whom it tells."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from core.process.control import call
from tests.process.alert_parts import Webhook, hook, lines
from tests.process.fleet_parts import Fleet


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    made = Webhook()
    yield made
    made.close()


def events(fleet: Fleet, **wanted: Any) -> list[dict[str, Any]]:
    """Return the rows that have these values, oldest first."""
    path = fleet.home.log / "events.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return [row for row in rows if all(row.get(key) == value for key, value in wanted.items())]


def alerts(fleet: Fleet, **keys: Any) -> None:
    """Write a daemon file with these keys of its section `alerts`."""
    fleet.home.daemon_file.write_text(json.dumps({"alerts": keys}))


def notifiers(fleet: Fleet) -> list[psutil.Process]:
    """Return the children that tell a person right now."""
    found = []
    for child in psutil.Process(fleet.daemon_pid()).children():
        with contextlib.suppress(psutil.Error):  # it has ended meanwhile
            found += [child] if "core.process.notify" in child.cmdline() else []
    return found


@pytest.fixture(scope="module")
def lives(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A home of two daemons that have ended: one stopped by a command after its bot was, the next by a signal."""
    fleet = Fleet(tmp_path_factory.mktemp("lives") / "home")
    fleet.add("a")
    try:
        fleet.start().quoting("a")
        answer = call(fleet.home, "bot", {"action": "stop", "names": ["a"]}, 60)
        assert answer["bots"][0]["state"] == "STOPPED"
        fleet.run("stop")
        fleet.start().quoting("a")
        os.kill(fleet.daemon_pid(), signal.SIGTERM)
        fleet.until(lambda: len(events(fleet, kind="daemon_stopped")) == 2)
        yield fleet
    finally:
        fleet.end()


def life(fleet: Fleet, number: int, **wanted: Any) -> list[dict[str, Any]]:
    """Return the rows of one daemon of the home that have these values."""
    daemons = [row["daemon"] for row in events(fleet, kind="daemon_started")]
    return events(fleet, daemon=daemons[number], **wanted)


ONLY_ONCE = {"max_restarts": 0}
CREW = {"killed": {}, "given-up": ONLY_ONCE, "kept": ONLY_ONCE}
MANY = [f"b{number}" for number in range(8)]


@pytest.fixture(scope="module")
def crew(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A daemon with bots for each test, which harms its own ones only and says itself whom alerts go to."""
    fleet = Fleet(tmp_path_factory.mktemp("crew") / "home")
    for name, supervised in CREW.items():
        fleet.add(name, daemon_config=supervised)
    for name in MANY:
        fleet.add(name, daemon_config={**ONLY_ONCE, "autostart": False})
    try:
        yield fleet.start().quoting(*CREW, seconds=60)
    finally:
        fleet.end()


def tell(crew: Fleet, **keys: Any) -> None:
    """Have alerts go where these keys say, once nobody is told of anything any more."""
    crew.until(lambda: not notifiers(crew), 60)
    alerts(crew, min_interval_s=0, **keys)
    call(crew.home, "reload", timeout_s=60)


def told_of(name: str, path: Path) -> list[dict[str, Any]]:
    """Return what a hook wrote down of one bot."""
    return [row for row in lines(path) if row["bot"] == name]


def test_the_life_of_a_daemon_is_in_its_events_with_whoever_asked(lives: Fleet) -> None:
    rows = life(lives, 0)
    assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1))
    kinds = [row["kind"] for row in rows if row["kind"] not in ("state", "config", "loop_gap", "disk")]
    assert kinds == [
        "daemon_started", "zygote_started", "configs_read", "daemon_ready", "command", "exit", "command",
        "daemon_stopping", "daemon_stopped",
    ]  # fmt: skip
    changes = [(row["from"], row["to"]) for row in life(lives, 0, kind="state", bot="a")]
    assert changes == [
        ("STOPPED", "STARTING"), ("STARTING", "RUNNING"), ("RUNNING", "STOPPING"), ("STOPPING", "STOPPED"),
    ]  # fmt: skip
    command = life(lives, 0, kind="command")[0]
    assert command["by"] == {"uid": os.getuid(), "pid": os.getpid()}
    assert (command["verb"], command["args"], command["bots"]) == ("bot", {"action": "stop"}, ["a"])
    assert command["digests"]["a"] == life(lives, 0, kind="config", bot="a")[0]["to"]
    assert life(lives, 0, kind="state", to="STOPPING")[0]["by"]["pid"] == os.getpid()
    assert life(lives, 0, kind="daemon_stopping")[0]["by"]["uid"] == os.getuid()
    assert life(lives, 0, kind="state", to="RUNNING")[0]["fence"] == 1


def test_numbers_go_on_with_the_next_daemon_and_a_signal_is_told(lives: Fleet) -> None:
    assert life(lives, 1, kind="daemon_started")[0]["seq"] == life(lives, 0)[-1]["seq"] + 1
    assert life(lives, 1, kind="daemon_stopping")[0]["by"] == {"signal": "TERM or INT"}


def test_a_kill_a_lost_zygote_and_a_config_change_are_told(crew: Fleet) -> None:
    os.kill(crew.bot("killed")["pid"], signal.SIGKILL)
    crew.until(lambda: crew.bot("killed")["restarts"] == 1 and crew.is_quoting("killed"))
    zygote = crew.zygote_pid()
    os.kill(zygote, signal.SIGKILL)
    crew.until(lambda: len(events(crew, kind="zygote_started")) == 2)
    crew.add("killed", strategy_config={"spread_pct": 0.3})
    call(crew.home, "reload", timeout_s=60)
    (killed,) = events(crew, kind="exit", signal=9, bot="killed")
    assert (killed["clean"], killed["fence"]) == (False, 1)
    assert events(crew, kind="zygote_lost")[0]["pid"] == zygote
    first, changed = events(crew, kind="config", bot="killed")
    assert (changed["from"], changed["to"] == first["to"]) == (first["to"], False)


def test_a_bot_that_is_given_up_on_is_told_to_hook_and_webhook(crew: Fleet, webhook: Webhook, tmp_path: Path) -> None:
    crew.home.env_file.write_text(f"HOOK={webhook.url('/swordfish')}\n")
    crew.home.env_file.chmod(0o600)
    tell(crew, hook=hook(tmp_path, f"cat >> {tmp_path}/got"), webhook_url="${HOOK}")
    os.kill(crew.bot("given-up")["pid"], signal.SIGKILL)
    (told,) = crew.until(lambda: told_of("given-up", tmp_path / "got"))
    assert (told["alert"], told["then"]) == ("crash_loop", "FATAL")
    posted = crew.until(lambda: [row for _path, row in webhook.got if row["bot"] == "given-up"])
    assert posted[0]["seq"] == told["seq"]
    crew.until(lambda: crew.bot("given-up")["state"] == "FATAL" and not notifiers(crew))
    everything = b"".join(path.read_bytes() for path in crew.home.log.iterdir())
    assert b"swordfish" not in everything
    assert len(told_of("given-up", tmp_path / "got")) == 1


def test_hooks_that_hang_delay_nobody_and_are_a_few_at_most(crew: Fleet, tmp_path: Path) -> None:
    waits = f"echo $$ >> {tmp_path}/pids; while [ ! -e {tmp_path}/go ]; do sleep 0.1; done"
    tell(crew, hook=hook(tmp_path, waits))
    call(crew.home, "bot", {"action": "start", "names": MANY}, 60)
    crew.quoting(*MANY, seconds=40)
    try:
        for name in MANY:
            os.kill(crew.bot(name)["pid"], signal.SIGKILL)
        crew.until(lambda: all(crew.bot(name)["state"] == "FATAL" for name in MANY), 40)
        assert len(notifiers(crew)) <= 4  # of eight alerts
        call(crew.home, "bot", {"action": "start", "names": ["b0"]}, 60)
        crew.quoting("b0")
    finally:
        (tmp_path / "go").touch()
    crew.until(lambda: len((tmp_path / "pids").read_text().split()) == 8, 60)


def test_an_event_file_that_cannot_be_written_costs_rows_only(fleet: Fleet) -> None:
    fleet.add("a")
    path = fleet.home.log / "events.jsonl"
    path.mkdir(parents=True)
    fleet.start().quoting("a")
    path.rmdir()
    os.kill(fleet.bot("a")["pid"], signal.SIGKILL)
    fleet.until(lambda: path.is_file() and events(fleet, kind="exit"))
    lost = events(fleet)[0]
    assert lost["kind"] == "events_lost"
    assert lost["lost"] == events(fleet, kind="exit")[0]["seq"] - 1


def test_a_reload_with_an_invalid_daemon_file_keeps_the_old_alerts(crew: Fleet, tmp_path: Path) -> None:
    tell(crew, hook=hook(tmp_path, f"cat >> {tmp_path}/got"))
    crew.home.daemon_file.write_text('{"alerts": {"hook": null}')
    call(crew.home, "reload", timeout_s=60)
    os.kill(crew.bot("kept")["pid"], signal.SIGKILL)
    assert crew.until(lambda: told_of("kept", tmp_path / "got"))
    alerts(crew, hook=None, min_interval_s=0)
    call(crew.home, "reload", timeout_s=60)
    call(crew.home, "bot", {"action": "start", "names": ["kept"]}, 60)
    crew.quoting("kept")
    os.kill(crew.bot("kept")["pid"], signal.SIGKILL)
    crew.until(lambda: crew.bot("kept")["state"] == "FATAL" and not notifiers(crew))
    assert len(told_of("kept", tmp_path / "got")) == 1
