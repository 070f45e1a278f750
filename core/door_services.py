"""What the doors lend to the commands: launcher, validator and log files, each imported when it is first used."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from core.init import reap_strangers, reap_until_alone
from utils.errors import ConfigError, MakerdError
from utils.exit_statuses import DONE, REFUSED
from utils.home import CHECKOUT, Home
from utils.input_validation import printable
from utils.terminal import forget_stdout, wants_colour

if TYPE_CHECKING:
    from core.bot_config import BotConfig
    from core.history.bot_history import BotHistory
    from core.history.records import FillRow
    from core.process.launcher import SupervisorHandle

VALIDATE_S = 120.0
MAX_COMPLAINT = 4000  # characters
POLL_S = 0.2
LEAVE_S = 60.0  # how long process 1 waits for what is left when its supervisor has ended
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Keep = Callable[[str], bool]


class DoorServices:
    """The services of both doors."""

    def start_daemon(self, home: Home, names: Sequence[str]) -> dict[str, Any]:
        """Start the daemon in the background; return its ready record. Raises MakerdError."""
        from core.process.launcher import start_daemon

        return start_daemon(home, names).ready

    def run_foreground(self, home: Home, names: Sequence[str]) -> int:
        """Run the daemon with its log on the terminal until it ends; a first Ctrl-C or TERM stops it.

        Under a service manager this process becomes the daemon itself, and does not return.
        """
        from core.process.launcher import become_daemon, start_supervisor

        if "NOTIFY_SOCKET" in os.environ:
            become_daemon(home, names)

        def start(given_up: Callable[[], bool]) -> SupervisorHandle:
            return start_supervisor(home, home.active, home.run, tied=True, names=names, given_up=given_up)

        return _Foreground(home.log / "daemon.log").run(start)

    def start_direct(self, home: Home, config_dir: Path, run_dir: Path) -> SupervisorHandle:
        """Start a supervisor of its own that ends with its bot. Raises MakerdError."""
        from core.process.launcher import start_supervisor

        return start_supervisor(home, config_dir, run_dir, kind="direct", tied=True)

    def start_flatten(self, home: Home, names: Sequence[str], sell_base: bool) -> SupervisorHandle:
        """Start a supervisor that closes what the bots of a home hold, and then ends. Raises MakerdError."""
        from core.process.launcher import start_supervisor

        return start_supervisor(home, home.active, home.run, "flatten", tied=True, names=names, sell_base=sell_base)

    def daemon_pid(self, home: Home) -> int | None:
        """Return the pid that holds the lock of the home, None when nobody does."""
        from core.process.pid_file import holder

        found = holder(home.run)
        return None if found is None else found.pid

    def stop_by_signal(self, home: Home, timeout_s: float) -> bool:
        """End a daemon that does not answer, by a signal; False when it still lives after `timeout_s`."""
        from core.process.launcher import stop_by_signal

        return stop_by_signal(home, timeout_s)

    def validate(
        self, home: Home, folder: Path | None = None, file: Path | None = None, beside: Sequence[Path] = ()
    ) -> dict[str, Any]:
        """Return the verdict of the validator child, the same that the daemon asks. Raises MakerdError."""
        from core.process.forked_validator import ask_forked

        chosen = ["--file", str(file)] if file else ["--configs", str(folder or home.active)]
        chosen += [word for one in beside for word in ("--beside", str(one))]
        said = ask_forked(["--home", str(home.root), *chosen], VALIDATE_S)
        if not said.in_time:
            raise MakerdError(f"the configs could not be validated within {VALIDATE_S:.0f} s")
        try:
            verdict: dict[str, Any] = json.loads(said.answer.splitlines()[-1])
        except (ValueError, IndexError) as exc:
            why = said.against.strip().splitlines()
            raise MakerdError(f"the configs could not be validated: {why[-1] if why else 'no answer'}") from exc
        if "error" in verdict:
            raise MakerdError(str(verdict["error"]))
        return verdict

    def venue_complaints(self, home: Home, configs: Sequence[BotConfig]) -> dict[str, list[str]]:
        """Return what the venues have against configs, by the bot's name."""
        from core.process.venue_checks import venue_complaints

        return venue_complaints(configs, home.data_dirs, time.monotonic() + VALIDATE_S)

    def key_problems(self, exchange: str, parts: Mapping[str, str]) -> dict[str, str]:
        """Return what is wrong with the form of a venue's key, by its part."""
        from core.process.key_trial import key_problems

        return key_problems(exchange, parts)

    def try_key(self, home: Home, exchange: str) -> tuple[str, list[str]]:
        """Return why a venue does not take the key of `.env`, "" when it does, and what else it says; reads only."""
        from core.process.key_trial import try_key

        return try_key(home, exchange, os.environ)

    def preview(self, home: Home, config: BotConfig) -> dict[str, Any]:
        """Return what a config would do now on the paper feed, and what it could come to. Raises MakerdError."""
        asked = json.dumps({"config": config.to_plain(), "data_dirs": home.data_dirs, "env_file": str(home.env_file)})
        command = [sys.executable, "-m", "core.process.preview"]
        try:
            done = subprocess.run(
                command, cwd=CHECKOUT, input=asked, capture_output=True, text=True, timeout=VALIDATE_S, check=False
            )
            answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        except subprocess.TimeoutExpired as exc:
            raise MakerdError(f"there was no preview within {VALIDATE_S:.0f} s") from exc
        except (ValueError, IndexError) as exc:
            said = done.stderr.strip().splitlines()
            raise MakerdError(f"there is no preview: {said[-1] if said else 'no answer'}") from exc
        if "error" in answer:
            raise MakerdError(str(answer["error"]))
        preview: dict[str, Any] = answer["preview"]
        return preview

    def figures(self, home: Home, name: str) -> dict[str, Any] | None:
        """Return what the ledger of a bot says: position, PnL, fees, fills, volume; None when there is none."""
        from core.trading.ledger_figures import recorded_figures

        return recorded_figures(home.bot_state(name))

    def backtest(
        self,
        home: Home,
        plain: Mapping[str, Any],
        source: str,
        span: Mapping[str, Any],
        progress: Callable[[float], None] | None,
    ) -> dict[str, Any]:
        """Return the statistics of a config over `span` (files, from, to, engine). Raises MakerdError."""
        from core.backtest.run import run_backtest

        return run_backtest(home, plain, source, span, progress)

    def sweep(self, home: Home, request: Mapping[str, Any], progress: Callable[[float], None] | None) -> dict[str, Any]:
        """Return what came out of a sweep: results (the file), rows, best_first, csv, html. Raises MakerdError."""
        from core.backtest.sweep import sweep_of

        return sweep_of(home, request, progress)

    def calibrate(
        self,
        home: Home,
        plain: Mapping[str, Any],
        source: str,
        request: Mapping[str, Any],
        progress: Callable[[float], None] | None,
    ) -> dict[str, Any]:
        """Return what events say about a config's market, its parameter file written. Raises MakerdError."""
        calibrate_bot = importlib.import_module("core.backtest.calibrate").calibrate_bot  # by name, as a strategy is
        found: dict[str, Any] = calibrate_bot(home, plain, source, request, os.environ, progress)
        return found

    def train_regime(
        self, home: Home, request: Mapping[str, Any], progress: Callable[[float], None] | None
    ) -> dict[str, Any]:
        """Return what came out of training a regime model, its file written. Raises MakerdError."""
        try:
            from core.backtest.train_regime import train_regime
        except ModuleNotFoundError as exc:
            if exc.name != "sklearn":
                raise
            raise ConfigError("training needs scikit-learn: pip install -r requirements-train.txt") from exc
        return train_regime(home, request, progress)

    def history_page(
        self,
        bots: Sequence[BotHistory],
        from_utc_ns: int,
        to_utc_ns: int,
        fills: Sequence[FillRow],
        profits: Mapping[int, str],
    ) -> str:
        """Return the report of bots as one HTML page, with the fills that are given."""
        from core.backtest.history_page import history_page

        return history_page(bots, from_utc_ns, to_utc_ns, fills, profits)

    def convert(self, recording: Path, out: Path) -> int:
        """Write the event file of a recording; return its rows. Raises MakerdError."""
        from api.event_convert import convert_recording

        return convert_recording(recording, out)

    def tail(self, path: Path, n: int, keep: Keep, since: str = "") -> Iterable[str]:
        """Return the last `n` accepted lines of a log; files that were finished before `since` are not read."""
        from core.log_files import tail_lines

        return tail_lines(path, n, keep, since)

    def follow(self, path: Path, n: int, keep: Keep, since: str = "") -> Iterable[str]:
        """Yield the last `n` accepted lines of a log and then each new one."""
        from core.log_files import follow

        return follow(path, n, keep, since=since)

    def rotate(self, folder: Path, name: str) -> list[str]:
        """Have log and captured output of a name go on in new files; return which were rotated. Raises OSError."""
        from core.log_retention import rotate_by_hand

        return rotate_by_hand(folder, name)

    def render_line(self, line: str, colour: bool) -> str:
        """Return a line of a log for people."""
        from core.logger import render_line

        return render_line(line, colour)

    def claims_folder(self, account_home: Path) -> Path:
        """Return where the claims of an account lie, made when it is ours."""
        from core.process.claims import claims_folder, default_claims_folder

        ours = account_home.is_dir() and account_home.stat().st_uid == os.getuid()
        return claims_folder() if ours else default_claims_folder(account_home)

    def examine(self, home: Home) -> Iterator[dict[str, Any]]:
        """Yield what the doctor finds: `check`, `level` (ok, warn, fail), `text`, `todo`."""
        from core.doctor.examination import examine

        verdict: dict[str, Any] | str
        try:
            verdict = self.validate(home)
        except MakerdError as exc:
            verdict = str(exc)
        yield from (finding.to_plain() for finding in examine(home, verdict))

    def metrics_text(self, figures: Mapping[str, Any]) -> str:
        """Return the answer to the verb `metrics` in Prometheus' text format."""
        from core.metrics_text import render

        return render(figures)

    def write_textfile(self, path: Path, text: str) -> None:
        """Replace a file that a node exporter may read at any moment. Raises OSError."""
        from core.metrics_text import write_textfile

        write_textfile(path, text)

    def run_monitor(self, home: Home, host: str | None, port: int | None) -> NoReturn:
        """Become the monitor, which serves until Ctrl-C."""
        asked = json.dumps({"host": host, "port": port})
        os.chdir(CHECKOUT)
        sys.stdout.flush()
        sys.stderr.flush()
        os.execv(sys.executable, [sys.executable, "-m", "core.monitor", str(home.root), "foreground", asked])

    def password_hash(self, password: str) -> str:
        """Return what is kept of a password of the monitor. Raises ConfigError for one that is too short."""
        from web.security.passwords import password_hash

        return password_hash(password)


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
    """Starts a supervisor, shows its log while it lives, and passes signals on to it.

    As process 1 of a container it is the init there, too: it reaps strangers, and it outlives a supervisor that was
    killed until the workers have cancelled their orders, for with its end the kernel kills them all.
    """

    def __init__(self, log: Path) -> None:
        self._handle: SupervisorHandle | None = None
        self._log = log
        self._asked = 0
        self._hangups = 0
        self._passed_on = False
        self._ended = False
        self._is_init = os.getpid() == 1

    def run(self, start: Callable[[Callable[[], bool]], SupervisorHandle]) -> int:
        """Start a supervisor (`start` is told when to give up) and return its exit status."""
        from core.log_files import follow
        from core.logger import render_line

        before = {number: signal.signal(number, self._remember) for number in _STOP_SIGNALS}
        try:
            self._handle = start(lambda: bool(self._asked))
            print(f"makerd is running in the foreground: pid {self._handle.pid}; Ctrl-C stops it", flush=True)
            _warn(self._handle.ready.get("invalid", ()))
            for line in follow(self._log, wait=self._wait):
                _say(render_line(line, wants_colour(sys.stdout)))
        except _Ended:
            pass
        finally:
            if self._is_init:
                reap_until_alone(LEAVE_S)
            for number, handler in before.items():
                signal.signal(number, handler)
        assert self._handle is not None
        return DONE if self._handle.wait() == DONE else REFUSED

    def _remember(self, number: int, _frame: object) -> None:
        if number == signal.SIGHUP and self._is_init:  # there is no terminal that could hang up
            self._hangups += 1
        else:
            self._asked += 1

    def _wait(self) -> None:
        assert self._handle is not None
        if self._ended:
            raise _Ended
        if self._asked and not self._passed_on:
            self._passed_on = True
            _say("stopping: every bot cancels its orders ...")
            self._handle.terminate()
        if self._hangups:
            self._hangups = 0
            self._handle.process.send_signal(signal.SIGHUP)
        if self._is_init:
            reap_strangers(self._handle.pid)
        self._ended = self._handle.wait(POLL_S) is not None  # the last lines of the log are read once more
