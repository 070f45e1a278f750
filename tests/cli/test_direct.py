"""Direct execution: flags -> config, the live line, Ctrl-C, the summary and the exit status."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.direct import direct
from cli.direct_run import DirectRun, exit_status_of, live_text, summary
from cli.shared import App, guarded
from core.process.launcher import StartRefused
from tests.console_parts import Daemon, Services, row
from utils.errors import MakerdError, VenueAuthError
from utils.files import open_locked
from utils.home import Home

ROOT = Path(__file__).resolve().parents[2]
DOOR = ROOT / "run.py"


# The run, with a supervisor that does what it is told


class Supervisor:
    """A handle whose supervisor lives until its story is over."""

    def __init__(self, daemon: Daemon, *rows: dict[str, Any], status: int = 0, final: bool = True) -> None:
        self.pid = os.getpid()
        self.terminated = 0
        self._daemon = daemon
        self._rows = list(rows)
        self._status = status
        self._final = final
        self.on_terminate = self._rows.clear

    def wait(self, timeout: float | None = None) -> int | None:
        if timeout == 0:  # asked once a line
            if not self._rows:
                return self._status
            self._daemon.bots = [self._rows.pop(0)]
        return None if timeout is not None else self._status

    def terminate(self) -> None:
        self.terminated += 1
        self.on_terminate()

    def final(self) -> dict[str, Any] | None:
        return self._daemon.status() if self._final else None


@pytest.fixture
def private(home: Home) -> Iterator[Daemon]:
    made = Daemon(home, home.run / "direct-sol-mm")
    yield made
    made.close()


@pytest.fixture(autouse=True)
def quick_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.direct_run.LINE_S", 0.0)


def go(private: Daemon, services: Services, supervisor: Supervisor) -> int:
    return DirectRun(services, private.home, private.run_dir, "sol-mm", supervisor).run()


DONE = {"state": "STOPPED", "pid": None, "phase": None, "open_orders": 0, "mid": None}
ENDED = {"status": 0, "signal": None, "reason": "the duration is over", "at": "", "log_tail": []}


def test_a_run_shows_a_line_a_second_and_a_summary(
    private: Daemon, services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    supervisor = Supervisor(private, row(state="STARTING", phase="SYNC"), row(), row(**DONE, last_exit=ENDED))
    assert go(private, services, supervisor) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[1:3] == ["STARTING", "SYNC"]
    assert lines[1].split(maxsplit=1)[1] == (
        "RUNNING  QUOTING  mid 150.255  position 0.4  orders 6  fills 31  PnL 1.2051"
    )
    assert lines[-3] == "sol-mm: done after 0s (the duration is over)"
    assert lines[-2] == (
        "  its ledger: fills 31, position 0.4, realised 1.2031, unrealised -0.01, fees -0.012, net PnL 1.2051"
    )
    assert lines[-1] == "  left at the venue: nothing"


def test_a_bot_at_rest_ends_the_run_even_when_its_supervisor_would_stay(private: Daemon, services: Services) -> None:
    supervisor = Supervisor(private, *[row(**DONE, last_exit=ENDED)] * 50)
    assert go(private, services, supervisor) == 0
    assert supervisor.terminated == 1


@pytest.mark.parametrize(
    ("ended", "status"),
    [
        ({"state": "STOPPED", "last_exit": {"status": 0}}, 0),
        ({"state": "STOPPED", "last_exit": None}, 0),
        ({"state": "FATAL", "last_exit": {"status": 78}}, 78),
        ({"state": "HALTED", "last_exit": {"status": 77}}, 77),
        ({"state": "FATAL", "last_exit": {"status": 70}}, 70),
        ({"state": "STOPPED", "last_exit": {"status": None, "signal": 9}}, 70),
        ({"state": "FATAL", "last_exit": None}, 1),
    ],
)
def test_the_exit_status_is_the_workers(ended: dict[str, Any], status: int) -> None:
    assert exit_status_of(row(**ended)) == status


def test_a_refused_claim_is_told_with_its_owner(
    private: Daemon, services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    refused = {"status": 78, "signal": None, "reason": "SOL-USDC is already owned by bot 'b' (pid 7)", "log_tail": []}
    assert go(private, services, Supervisor(private, row(**{**DONE, "state": "FATAL"}, last_exit=refused))) == 78
    assert "sol-mm: status 78 after 0s (SOL-USDC is already owned by bot 'b' (pid 7))" in capsys.readouterr().out


def test_a_supervisor_that_was_killed_is_a_crash_and_nothing_is_promised(
    private: Daemon, services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    assert go(private, services, Supervisor(private, row(), status=-9, final=False)) == 70
    assert "left at the venue: not confirmed" in capsys.readouterr().out


def test_orders_that_may_be_left_are_not_a_success(private: Daemon, services: Services) -> None:
    assert go(private, services, Supervisor(private, row(**DONE, last_exit=ENDED), status=1)) == 1


def test_the_first_ctrl_c_stops_and_the_second_is_answered(
    private: Daemon, services: Services, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.direct_run.LINE_S", 0.5)
    ended = row(**DONE, last_exit={**ENDED, "reason": "asked to stop"})
    supervisor = Supervisor(private, row(), row(phase="STOPPING"), ended)
    waits = iter([signal.SIGINT, None, signal.SIGINT, signal.SIGTERM])
    supervisor.on_terminate = lambda: None
    passive = supervisor.wait

    def wait(timeout: float | None = None) -> int | None:
        number = next(waits, None) if timeout else None
        if number:
            os.kill(os.getpid(), number)
        return passive(timeout)

    supervisor.wait = wait  # type: ignore[method-assign]
    assert go(private, services, supervisor) == 0
    shown = capsys.readouterr().out
    assert shown.index("stopping: its orders are cancelled first") < shown.index("still stopping: waiting")
    assert supervisor.terminated == 1
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_supervisor_that_does_not_answer_for_a_while_is_waited_for(
    private: Daemon, services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    private.answers["status"] = "busy"
    assert go(private, services, Supervisor(private, row(), row(), final=False)) == 70
    assert "RUNNING" not in capsys.readouterr().out


def test_the_live_line_names_gates_and_trouble_and_is_one_line() -> None:
    text = live_text(row(state="BACKOFF", gates=["stale"], last_exit={"reason": "bad\nthing\x1b[2J"}))
    assert "gates stale" in text
    assert text.isprintable()


def test_the_summary_tells_the_volume_where_the_ledger_does() -> None:
    assert "volume 12345.679" in "\n".join(summary("b", row(), 0, 3.0, True, "12345.6789"))


# The command


def command(home: Home, services: Any, *arguments: str) -> int:
    return guarded(direct, App(services), ["--home", str(home.root), *arguments], "run.py")


class Refusing(Services):
    def start_direct(self, home: Home, config_dir: Path, run_dir: Path) -> Any:
        assert self.refusal is not None
        raise self.refusal


@pytest.mark.parametrize(
    ("refusal", "status"),
    [
        (StartRefused("already running as pid 7"), 1),
        (StartRefused("no valid config", [{"file": "x", "complaints": ["x: symbol NO is not listed"]}]), 78),
        (VenueAuthError(), 76),
        (MakerdError("other"), 1),
        (PermissionError(13, "Permission denied", "/x"), 1),
        (ZeroDivisionError("bug"), 70),
    ],
)
def test_what_prevents_a_run_is_one_line_and_its_exit_status(
    home: Home, capsys: pytest.CaptureFixture[str], refusal: Exception, status: int
) -> None:
    services = Refusing()
    services.refusal = refusal
    assert command(home, services, "--symbol", "BTC-USDT") == status
    assert capsys.readouterr().err.startswith("makerd: ")


def test_both_numbers_are_shown_with_their_meaning(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    services = Refusing()
    services.refusal = MakerdError("enough")
    command(home, services, "--symbol", "BTC-USDT", "--spread", "0.01", "--max-orders", "3")
    shown = capsys.readouterr().out
    assert re.search(r"spread_pct +0\.01 +Distance between .* in percent", shown)
    assert re.search(r"layers +3 +Orders per side", shown)
    written = home.run / "direct-direct-paper-btc-usdt" / "active" / "direct-paper-btc-usdt.json"
    assert f"config: {written}" in shown
    assert json.loads(written.read_text())["strategy_config"]["layers"] == 3


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ((), 64),
        (("--spread", "1"), 64),
        (("--symbol", "BTC-USDT", "--spread", "wide"), 64),
        (("--bogus",), 64),
        (("--symbol", "BTC-USDT", "--spread", "-5"), 78),
        (("--symbol", "BTC-USDT", "--exchange", "nowhere"), 78),
        (("--symbol", "BTC-USDT", "--strategy", "nothing"), 78),
        (("--symbol", "BTC-USDT", "--name", "daemon"), 78),
        (("--symbol", "BTC-USDT", "--set", "spred_pct=1"), 78),
        (("--version",), 0),
        (("--help",), 0),
    ],
)
def test_wrong_usage_is_64_and_a_wrong_config_78(
    home: Home, services: Services, arguments: tuple[str, ...], status: int
) -> None:
    assert command(home, services, *arguments) == status
    assert not list(home.root.rglob("direct-*.json"))


def test_a_second_run_of_the_same_name_is_refused(
    home: Home, services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = home.run / "direct-mine"
    folder.mkdir(parents=True)
    held = open_locked(folder / "direct.lock")
    assert held is not None
    assert command(home, services, "--symbol", "BTC-USDT", "--name", "mine") == 1
    assert "a direct run of mine is going on" in capsys.readouterr().err
    os.close(held)


def test_a_bot_that_the_daemon_runs_is_refused_before_anything_happens(
    daemon: Daemon, services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(daemon.home, services, "--symbol", "SOL-USDC", "--name", "sol-mm") == 78
    assert "bot 'sol-mm' is run by the daemon" in capsys.readouterr().err
    assert not list(daemon.home.run.glob("direct-*"))


# With everything real


def real(home: Home, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(DOOR), "--home", str(home.root), *arguments]
    environ = {**os.environ, "MAKERD_CLAIMS_DIR": str(home.root / "claims")}
    return subprocess.Popen(command, cwd="/", env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_real_run_ends_after_its_duration_with_nothing_left(home: Home) -> None:
    arguments = ("--symbol", "BTC-USDT", "--spread", "0.01", "--max-orders", "3", "--duration", "3", "--interval", "1")
    with real(home, *arguments) as process:
        shown, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    assert re.search(r"s RUNNING  QUOTING  mid 6\d{4}", shown)
    assert "left at the venue: nothing" in shown


def test_a_real_run_leaves_cleanly_on_ctrl_c(home: Home) -> None:
    with real(home, "--symbol", "SOL-USDC", "--interval", "1") as process:
        assert process.stdout is not None
        while "QUOTING" not in process.stdout.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        shown, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    assert "stopping: its orders are cancelled first" in shown
    assert "left at the venue: nothing" in shown


def test_a_run_that_nobody_looks_at_any_more_is_stopped(home: Home) -> None:
    with real(home, "--symbol", "SOL-USDC", "--interval", "1") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        while "QUOTING" not in process.stdout.readline():
            assert process.poll() is None
        process.stdout.close()
        assert process.wait(60) == 0
        assert process.stderr.read() == ""


def test_a_symbol_that_the_venue_does_not_list_is_one_line(home: Home) -> None:
    with real(home, "--symbol", "NOPE-USDT", "--duration", "3") as process:
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 78
    assert "symbol 'NOPE-USDT' is not listed" in errors
    assert errors.count("\n") == 1
