"""A real daemon under a service manager: what it says, how it stops, how it refuses."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from core.process.control import call
from tests.process.fleet_parts import Fleet
from tests.process.service_parts import Service


def events(fleet: Fleet, **wanted: Any) -> list[dict[str, Any]]:
    """Return the rows of the event file that have these values."""
    rows = [json.loads(line) for line in (fleet.home.log / "events.jsonl").read_text().splitlines()]
    return [row for row in rows if all(row.get(key) == value for key, value in wanted.items())]


def test_the_watched_process_is_the_daemon_and_says_ready_status_and_stopping(fleet: Fleet, tmp_path: Path) -> None:
    fleet.add("a")
    service = Service(fleet, tmp_path)
    service.until("READY=1")
    assert fleet.daemon_pid() == service.process.pid
    fleet.quoting("a")
    service.until("STATUS=1 bots: 1 RUNNING")
    os.kill(service.process.pid, signal.SIGTERM)
    lines = service.until("STOPPING=1", "EXTEND_TIMEOUT_USEC=")
    assert lines.index("READY=1") < lines.index("STOPPING=1")
    status, printed = service.ended()
    assert status == 0
    assert f"makerd is running: pid {service.process.pid}" in printed
    assert "Traceback" not in printed


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A watched daemon with two quoting bots for tests that leave it alive; its end is orderly all the same."""
    folder = tmp_path_factory.mktemp("served")
    fleet = Fleet(folder / "home")
    fleet.add("a")
    fleet.add("b")
    try:
        service = Service(fleet, folder, WATCHDOG_USEC="1000000")
        service.until("READY=1")
        fleet.quoting("a", "b")
        yield service
        os.kill(service.process.pid, signal.SIGTERM)
        assert service.ended()[0] == 0
    finally:
        fleet.end()


def test_a_reload_is_begun_and_ended_whoever_asks_for_it(served: Service) -> None:
    before = time.monotonic_ns() // 1000
    os.kill(served.process.pid, signal.SIGHUP)
    lines = served.until("RELOADING=1", "MONOTONIC_USEC=")
    said = int(next(line for line in lines if line.startswith("MONOTONIC_USEC=")).partition("=")[2])
    assert before <= said <= time.monotonic_ns() // 1000
    served.fleet.until(lambda: served.lines().count("READY=1") == 2)
    call(served.fleet.home, "reload", timeout_s=60)
    served.fleet.until(lambda: served.lines().count("READY=1") == 3)
    assert served.lines().count("RELOADING=1") == 2


def test_the_watchdog_is_fed_by_the_loop_and_starves_with_it(served: Service) -> None:
    fed = served.lines().count("WATCHDOG=1")
    served.fleet.until(lambda: served.lines().count("WATCHDOG=1") >= fed + 4)
    os.kill(served.process.pid, signal.SIGSTOP)
    try:
        served.lines()
        time.sleep(1.5)
        starved = served.lines().count("WATCHDOG=1")
        time.sleep(1.5)
        assert served.lines().count("WATCHDOG=1") == starved
    finally:
        os.kill(served.process.pid, signal.SIGCONT)
    served.fleet.until(lambda: served.lines().count("WATCHDOG=1") > starved)


def test_no_child_can_speak_in_the_daemons_name(served: Service) -> None:
    environments = []
    for child in psutil.Process(served.process.pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # a one-shot child has ended meanwhile
            environments.append(child.environ())
    assert len(environments) >= 3
    assert not any("NOTIFY_SOCKET" in environ for environ in environments)


@pytest.mark.parametrize("broken", ["no config", "bad bot", "bad daemon file"])
def test_what_is_wrong_with_the_configs_ends_it_with_a_status_that_is_not_tried_again(
    fleet: Fleet, tmp_path: Path, broken: str
) -> None:
    if broken == "bad bot":
        fleet.add("a", strategy_config={"layers": 0})
    elif broken == "bad daemon file":
        fleet.add("a")
        fleet.home.daemon_file.write_text("{")
    service = Service(fleet, tmp_path)
    status, printed = service.ended()
    assert status == 78
    assert "makerd: " in printed
    assert "READY=1" not in service.messages


def test_a_second_one_for_the_same_home_is_refused(served: Service, tmp_path: Path) -> None:
    second = Service(served.fleet, tmp_path)
    status, printed = second.ended()
    assert (status, f"already running for this home as pid {served.process.pid}" in printed) == (1, True)


# ---------------------------------------------------------------- a signal that the whole control group sees


def term_everybody(pid: int) -> None:
    """Send TERM to a process and all below it, as the service manager does, in no particular order."""
    family = [*psutil.Process(pid).children(recursive=True), psutil.Process(pid)]
    for process in family:
        try:
            process.send_signal(signal.SIGTERM)
        except psutil.NoSuchProcess:
            pass  # a one-shot child has ended meanwhile


def test_a_term_that_everybody_sees_is_one_orderly_stop(fleet: Fleet, tmp_path: Path) -> None:
    names = [f"b{number}" for number in range(6)]
    for name in names:
        fleet.add(name)
    service = Service(fleet, tmp_path)
    service.until("READY=1")
    fleet.quoting(*names)
    term_everybody(service.process.pid)
    assert service.ended()[0] == 0
    assert [(row["status"], row["clean"]) for row in events(fleet, kind="exit")] == [(0, True)] * 6
    (stopped,) = events(fleet, kind="daemon_stopped")
    assert stopped["left_orders"] == []
    states = {row["to"] for row in events(fleet, kind="state")}
    assert states == {"STARTING", "RUNNING", "STOPPING", "STOPPED"} or states == {"STARTING", "RUNNING", "STOPPED"}
    assert {row["restarts"] for row in events(fleet, kind="state")} == {0}
    assert not events(fleet, kind="killed")
    assert not [row for row in events(fleet) if row["alert"]]
    assert fleet.open_paper_orders() == []
    assert fleet.living() == set()


def test_a_term_that_everybody_sees_while_bots_start_is_an_orderly_stop_too(fleet: Fleet, tmp_path: Path) -> None:
    for number in range(6):
        fleet.add(f"b{number}")
    service = Service(fleet, tmp_path)
    service.until("READY=1")
    term_everybody(service.process.pid)
    assert service.ended()[0] == 0
    assert not [row for row in events(fleet, kind="exit") if row["status"] != 0]
    assert not [row for row in events(fleet, kind="state") if row["to"] in ("BACKOFF", "FATAL") or row["restarts"]]
    assert fleet.open_paper_orders() == []
    assert fleet.living() == set()


def test_workers_that_hear_it_long_before_the_daemon_are_not_crashes(served: Service) -> None:
    fleet = served.fleet
    os.kill(fleet.bot("b")["pid"], signal.SIGTERM)
    fleet.until(lambda: fleet.bot("b")["state"] == "STOPPED")
    assert fleet.bot("b")["restarts"] == 0


def test_the_command_prints_a_unit_for_this_home_with_the_limits_of_its_bots(fleet: Fleet) -> None:
    fleet.add("a", daemon_config={"memory_limit_mb": 300, "stop_timeout_s": 50})
    fleet.add("broken", strategy_config={"layers": 0})
    done = fleet.run("service")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert any(line.startswith("ExecStart=") and f"--home {fleet.home.root} start" in line for line in lines)
    assert "MemoryMax=812M" in lines
    assert "TimeoutStopSec=170" in lines
    assert f"Environment=MAKERD_CLAIMS_DIR={fleet.home.root}/claims" in lines
    assert "WantedBy=default.target" in fleet.run("service", "--user").stdout
