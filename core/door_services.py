"""What the doors lend to the commands: launcher, validator and log files, each imported when it is first used."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.errors import MakerdError
from utils.exit_statuses import DONE, REFUSED
from utils.home import CHECKOUT, Home
from utils.input_validation import printable
from utils.terminal import forget_stdout, wants_colour

if TYPE_CHECKING:
    from core.process.launcher import SupervisorHandle

VALIDATE_S = 120.0
MAX_COMPLAINT = 4000  # characters
POLL_S = 0.2
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Keep = Callable[[str], bool]


class DoorServices:
    """The services of both doors."""

    def start_daemon(self, home: Home, names: Sequence[str]) -> dict[str, Any]:
        """Start the daemon in the background; return its ready record. Raises MakerdError."""
        from core.process.launcher import start_daemon

        return start_daemon(home, names).ready

    def run_foreground(self, home: Home, names: Sequence[str]) -> int:
        """Run the daemon with its log on the terminal until it ends; a first Ctrl-C or TERM stops it."""
        from core.process.launcher import start_supervisor

        handle = start_supervisor(home, home.active, home.run, tied=True, names=names)
        print(f"makerd is running in the foreground: pid {handle.pid}; Ctrl-C stops it", flush=True)
        _warn(handle.ready.get("invalid", ()))
        return _Foreground(handle, home.log / "daemon.log").run()

    def start_direct(self, home: Home, config_dir: Path, run_dir: Path) -> SupervisorHandle:
        """Start a supervisor of its own that ends with its bot. Raises MakerdError."""
        from core.process.launcher import start_supervisor

        return start_supervisor(home, config_dir, run_dir, direct=True, tied=True)

    def daemon_pid(self, home: Home) -> int | None:
        """Return the pid that holds the lock of the home, None when nobody does."""
        from core.process.pid_file import holder

        found = holder(home.run)
        return None if found is None else found.pid

    def stop_by_signal(self, home: Home, timeout_s: float) -> bool:
        """End a daemon that does not answer, by a signal; False when it still lives after `timeout_s`."""
        from core.process.launcher import stop_by_signal

        return stop_by_signal(home, timeout_s)

    def validate(self, home: Home, folder: Path | None = None, file: Path | None = None) -> dict[str, Any]:
        """Return the verdict of the validator child, the same that the daemon asks. Raises MakerdError."""
        chosen = ["--file", str(file)] if file else ["--configs", str(folder or home.active)]
        command = [sys.executable, "-m", "core.process.validator", "--home", str(home.root), *chosen]
        try:
            done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, timeout=VALIDATE_S, check=False)
            verdict: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        except subprocess.TimeoutExpired as exc:
            raise MakerdError(f"the configs could not be validated within {VALIDATE_S:.0f} s") from exc
        except (ValueError, IndexError) as exc:
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()
            raise MakerdError(f"the configs could not be validated: {said[-1] if said else 'no answer'}") from exc
        if "error" in verdict:
            raise MakerdError(str(verdict["error"]))
        return verdict

    def figures(self, home: Home, name: str) -> dict[str, Any] | None:
        """Return what the ledger of a bot says: position, PnL, fees, fills, volume; None when there is none."""
        from core.trading.ledger_figures import recorded_figures

        return recorded_figures(home.bot_state(name))

    def tail(self, path: Path, n: int, keep: Keep) -> list[str]:
        """Return the last `n` accepted lines of a log."""
        from core.log_files import tail_lines

        return tail_lines(path, n, keep)

    def follow(self, path: Path, n: int, keep: Keep) -> Iterator[str]:
        """Yield the last `n` accepted lines of a log and then each new one."""
        from core.log_files import follow

        return follow(path, n, keep)

    def render_line(self, line: str, colour: bool) -> str:
        """Return a line of a log for people."""
        from core.logger import render_line

        return render_line(line, colour)

    def metrics_text(self, figures: Mapping[str, Any]) -> str:
        """Return the answer to the verb `metrics` in Prometheus' text format."""
        from core.metrics_text import render

        return render(figures)

    def write_textfile(self, path: Path, text: str) -> None:
        """Replace a file that a node exporter may read at any moment. Raises OSError."""
        from core.metrics_text import write_textfile

        write_textfile(path, text)


def _warn(invalid: Iterable[Mapping[str, Any]]) -> None:
    for entry in invalid:
        for complaint in entry["complaints"]:
            print(printable(str(complaint), MAX_COMPLAINT), file=sys.stderr, flush=True)


def _say(text: str) -> None:
    try:
        print(text, flush=True)
    except BrokenPipeError:
        forget_stdout()


class _Ended(Exception):
    """The supervisor has ended."""


class _Foreground:
    """Shows the daemon's log while it lives, and passes a request to stop on to it."""

    def __init__(self, handle: SupervisorHandle, log: Path) -> None:
        self._handle = handle
        self._log = log
        self._asked = 0
        self._passed_on = False
        self._ended = False

    def run(self) -> int:
        """Return the supervisor's exit status."""
        from core.log_files import follow
        from core.logger import render_line

        before = {number: signal.signal(number, self._remember) for number in _STOP_SIGNALS}
        try:
            for line in follow(self._log, wait=self._wait):
                _say(render_line(line, wants_colour(sys.stdout)))
        except _Ended:
            pass
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        return DONE if self._handle.wait() == DONE else REFUSED

    def _remember(self, _number: int, _frame: object) -> None:
        self._asked += 1

    def _wait(self) -> None:
        if self._ended:
            raise _Ended
        if self._asked and not self._passed_on:
            self._passed_on = True
            _say("stopping: every bot cancels its orders ...")
            self._handle.terminate()
        self._ended = self._handle.wait(POLL_S) is not None  # the last lines of the log are read once more
