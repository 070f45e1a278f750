"""What a real daemon writes into its event file, and whom it tells."""

from __future__ import annotations

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
from tests.process.fleet_parts import Fleet, is_living


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
    children = psutil.Process(fleet.daemon_pid()).children()
    return [child for child in children if "core.process.notify" in child.cmdline()]


def test_the_life_of_a_daemon_is_in_its_events_with_whoever_asked(fleet: Fleet) -> None:
    fleet.add("a")
    fleet.start().quoting("a")
    answer = call(fleet.home, "bot", {"action": "stop", "names": ["a"]}, 60)
    assert answer["bots"][0]["state"] == "STOPPED"
    fleet.run("stop")
    rows = events(fleet)
    assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1))
    kinds = [row["kind"] for row in rows if row["kind"] not in ("state", "config", "loop_gap", "disk")]
    assert kinds == [
        "daemon_started", "zygote_started", "configs_read", "daemon_ready", "command", "exit", "command",
        "daemon_stopping", "daemon_stopped",
    ]  # fmt: skip
    changes = [(row["from"], row["to"]) for row in events(fleet, kind="state", bot="a")]
    assert changes == [
        ("STOPPED", "STARTING"), ("STARTING", "RUNNING"), ("RUNNING", "STOPPING"), ("STOPPING", "STOPPED"),
    ]  # fmt: skip
    command = events(fleet, kind="command")[0]
    assert command["by"] == {"uid": os.getuid(), "pid": os.getpid()}
    assert (command["verb"], command["args"], command["bots"]) == ("bot", {"action": "stop"}, ["a"])
    assert command["digests"]["a"] == events(fleet, kind="config", bot="a")[0]["to"]
    assert events(fleet, kind="state", to="STOPPING")[0]["by"]["pid"] == os.getpid()
    assert events(fleet, kind="daemon_stopping")[0]["by"]["uid"] == os.getuid()
    assert events(fleet, kind="state", to="RUNNING")[0]["fence"] == 1


def test_numbers_go_on_with_the_next_daemon_and_a_signal_is_told(fleet: Fleet) -> None:
    fleet.add("a")
    fleet.start().quoting("a")
    os.kill(fleet.daemon_pid(), signal.SIGTERM)
    fleet.until(lambda: events(fleet, kind="daemon_stopped"))
    assert events(fleet, kind="daemon_stopping")[0]["by"] == {"signal": "TERM or INT"}
    last = events(fleet)[-1]["seq"]
    fleet.until(lambda: not is_living(events(fleet)[0]["daemon"]))
    fleet.start()
    assert events(fleet, kind="daemon_started")[1]["seq"] == last + 1


def test_a_kill_a_lost_zygote_and_a_config_change_are_told(fleet: Fleet) -> None:
    fleet.add("a")
    fleet.start().quoting("a")
    os.kill(fleet.bot("a")["pid"], signal.SIGKILL)
    fleet.until(lambda: fleet.bot("a")["restarts"] == 1 and fleet.is_quoting("a"))
    zygote = fleet.zygote_pid()
    os.kill(zygote, signal.SIGKILL)
    fleet.until(lambda: len(events(fleet, kind="zygote_started")) == 2)
    fleet.add("a", strategy_config={"spread_pct": 0.3})
    call(fleet.home, "reload", timeout_s=60)
    (killed,) = events(fleet, kind="exit", signal=9)
    assert (killed["bot"], killed["clean"], killed["fence"]) == ("a", False, 1)
    assert events(fleet, kind="zygote_lost")[0]["pid"] == zygote
    first, changed = events(fleet, kind="config")
    assert (changed["from"], changed["to"] == first["to"]) == (first["to"], False)


def test_a_bot_that_is_given_up_on_is_told_to_hook_and_webhook(fleet: Fleet, webhook: Webhook, tmp_path: Path) -> None:
    fleet.add("a", daemon_config={"max_restarts": 0})
    fleet.home.env_file.write_text(f"HOOK={webhook.url('/swordfish')}\n")
    fleet.home.env_file.chmod(0o600)
    alerts(fleet, hook=hook(tmp_path, f"cat >> {tmp_path}/got"), webhook_url="${HOOK}")
    fleet.start().quoting("a")
    os.kill(fleet.bot("a")["pid"], signal.SIGKILL)
    (told,) = fleet.until(lambda: lines(tmp_path / "got"))
    assert (told["alert"], told["bot"], told["then"]) == ("crash_loop", "a", "FATAL")
    fleet.until(lambda: webhook.got)
    assert webhook.got[0][1]["seq"] == told["seq"]
    fleet.until(lambda: fleet.bot("a")["state"] == "FATAL")
    fleet.run("stop")
    everything = b"".join(path.read_bytes() for path in fleet.home.log.iterdir())
    assert b"swordfish" not in everything
    assert len(lines(tmp_path / "got")) == 1


def test_hooks_that_hang_delay_nobody_and_are_a_few_at_most(fleet: Fleet, tmp_path: Path) -> None:
    for number in range(8):
        fleet.add(f"b{number}", daemon_config={"max_restarts": 0})
    waits = f"echo $$ >> {tmp_path}/pids; while [ ! -e {tmp_path}/go ]; do sleep 0.1; done"
    alerts(fleet, hook=hook(tmp_path, waits), min_interval_s=0)
    fleet.start().quoting(*(f"b{number}" for number in range(8)), seconds=40)
    for row in fleet.status()["bots"]:
        os.kill(row["pid"], signal.SIGKILL)
    fleet.until(lambda: all(row["state"] == "FATAL" for row in fleet.status()["bots"]), 40)
    assert len(notifiers(fleet)) <= 4  # of eight alerts
    call(fleet.home, "bot", {"action": "start", "names": ["b0"]}, 60)
    fleet.quoting("b0")
    (tmp_path / "go").touch()
    fleet.until(lambda: len((tmp_path / "pids").read_text().split()) == 8, 60)


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


def test_a_reload_with_an_invalid_daemon_file_keeps_the_old_alerts(fleet: Fleet, tmp_path: Path) -> None:
    fleet.add("a", daemon_config={"max_restarts": 0})
    alerts(fleet, hook=hook(tmp_path, f"cat >> {tmp_path}/got"))
    fleet.start().quoting("a")
    fleet.home.daemon_file.write_text('{"alerts": {"hook": null}')
    call(fleet.home, "reload", timeout_s=60)
    os.kill(fleet.bot("a")["pid"], signal.SIGKILL)
    assert fleet.until(lambda: lines(tmp_path / "got"))
    fleet.home.daemon_file.write_text('{"alerts": {"hook": null}}')
    call(fleet.home, "reload", timeout_s=60)
    call(fleet.home, "bot", {"action": "start", "names": ["a"]}, 60)
    fleet.quoting("a")
    os.kill(fleet.bot("a")["pid"], signal.SIGKILL)
    fleet.until(lambda: fleet.bot("a")["state"] == "FATAL")
    assert len(lines(tmp_path / "got")) == 1
