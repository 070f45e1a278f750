"""A direct run under way: a live line each second, Ctrl-C passed on once, a summary, the worker's exit status."""

from __future__ import annotations

import contextlib
import shutil
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cli.figures import amount, duration, net_pnl
from cli.shared import Services, Supervised
from core.process.control import ControlRefused, DaemonDown, call
from utils.exit_statuses import CRASH, DONE, REFUSED
from utils.home import Home
from utils.input_validation import printable
from utils.terminal import forget_stdout, is_terminal

LINE_S = 1.0
POLL_S = 0.1
ANSWER_S = 2.0
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
AT_REST = ("STOPPED", "FATAL", "HALTED")
_BAD_STATES = ("FATAL", "HALTED", "BACKOFF", "SWEEPING")


class DirectRun:
    """Watches one supervisor with one bot until both have ended."""

    def __init__(self, services: Services, home: Home, run_dir: Path, name: str, handle: Supervised) -> None:
        self._services = services
        self._home = home
        self._run_dir = run_dir
        self._name = name
        self._handle = handle
        self._asked = 0
        self._told = 0
        self._ending = False
        self._row: Mapping[str, Any] = {}
        self._live = is_terminal(sys.stdout)
        self._started = time.monotonic()

    def run(self) -> int:
        """Return the worker's exit status."""
        before = {number: signal.signal(number, self._remember) for number in _STOP_SIGNALS}
        try:
            while self._handle.wait(0) is None:
                row = self._ask()
                self._show(row)
                if row.get("state") in AT_REST:
                    self._end()
                self._idle()
            ended = self._handle.wait() or 0
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        return self._close(ended)

    def _remember(self, _number: int, _frame: object) -> None:
        self._asked += 1

    def _idle(self) -> None:
        """Wait until the next line is due; pass a request to stop on, and answer a second one."""
        deadline = time.monotonic() + LINE_S
        while time.monotonic() < deadline and self._handle.wait(POLL_S) is None:
            if self._asked and not self._told:
                self._told = 1
                self._say("stopping: its orders are cancelled first")
                self._end()
            elif self._asked > self._told:
                self._told = self._asked
                self._say("still stopping: waiting until the venue lists no order of it")

    def _end(self) -> None:
        """Have the supervisor end, once; one with nothing more to do ends by itself."""
        if not self._ending:
            self._ending = True
            self._handle.terminate()

    def _ask(self) -> Mapping[str, Any]:
        with contextlib.suppress(DaemonDown, ControlRefused, OSError):
            status = call(self._home, "status", timeout_s=ANSWER_S, run_dir=self._run_dir)
            self._row = _row_of(status, self._name) or self._row
        return self._row

    def _show(self, row: Mapping[str, Any]) -> None:
        if not row:
            return
        text = f"{time.monotonic() - self._started:5.0f}s {live_text(row)}"
        if self._live:
            width = shutil.get_terminal_size().columns - 1
            self._write(f"\r\x1b[2K{text[:width]}")
        else:
            self._write(text + "\n")

    def _say(self, text: str) -> None:
        self._write(f"\r\x1b[2K{text}\n" if self._live else f"{text}\n")

    def _write(self, text: str) -> None:
        """Write to stdout; when nobody reads any more the run is stopped, not left alone."""
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
        except BrokenPipeError:
            forget_stdout()
            self._asked += 1

    def _close(self, supervisor_status: int) -> int:
        final = self._handle.final()
        row = _row_of(final, self._name) if final else None
        status = exit_status_of(row) if row else CRASH
        if self._live:
            self._write("\r\x1b[2K")
        left = supervisor_status == DONE and (row or {}).get("open_orders") == 0
        volume = (self._services.figures(self._home, self._name) or {}).get("volume_quote")
        for line in summary(self._name, row or self._row, status, time.monotonic() - self._started, left, volume):
            self._write(line + "\n")
        return status if status or left else REFUSED


def _row_of(status: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    return next((row for row in status["bots"] if row["name"] == name), None)


def live_text(row: Mapping[str, Any]) -> str:
    """Return a bot's row as one short line."""
    parts = [
        str(row["state"]),
        str(row["phase"] or "-"),
        f"mid {row['mid'] or '-'}",
        f"position {amount(row['position'])}",
    ]
    parts += [f"orders {row['open_orders']}", f"fills {row['fills']}", f"PnL {amount(net_pnl(row))}"]
    if row["gates"]:
        parts.append(f"gates {','.join(map(str, row['gates']))}")
    if row["state"] in _BAD_STATES and reason_of(row):
        parts.append(reason_of(row))
    return printable("  ".join(parts), 1000)


def reason_of(row: Mapping[str, Any]) -> str:
    """Return why a bot is where it is, empty when it does not say."""
    return str((row.get("last_exit") or {}).get("reason") or row.get("reason") or "")


def exit_status_of(row: Mapping[str, Any]) -> int:
    """Return the exit status of a run whose bot ended like this row."""
    last = row.get("last_exit")
    if not last:
        return DONE if row["state"] == "STOPPED" else REFUSED
    if last.get("status") is None:
        return CRASH
    return int(last["status"])


def summary(
    name: str, row: Mapping[str, Any], status: int, seconds: float, nothing_left: bool, volume: str | None
) -> list[str]:
    """Return the closing lines: how long, how it ended, what the ledger says, what is left at the venue."""
    reason = reason_of(row)
    ended = "done" if status == DONE else f"status {status}"
    lines = [f"{name}: {ended} after {duration(seconds)}{f' ({printable(reason, 1000)})' if reason else ''}"]
    if row:
        money = {"realised": row["realised_pnl"], "unrealised": row["unrealised_pnl"], "fees": row["fees"]}
        if (funding := row.get("funding", "0")) != "0":
            money["funding"] = funding
        money |= {"net PnL": net_pnl(row), "volume": volume}
        shown = ", ".join(f"{key} {amount(value)}" for key, value in money.items() if value is not None)
        lines.append(f"  its ledger: fills {row['fills']}, position {amount(row['position'])}, {shown}")
    lines.append("  left at the venue: nothing" if nothing_left else _LEFT)
    return lines


_LEFT = "  left at the venue: not confirmed; start it again, or start the daemon: what is left is cancelled first"
