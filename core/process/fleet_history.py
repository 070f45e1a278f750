"""One-shot child: copy what is new of all ledgers and events into the fleet's history, `var/history/fleet.db`.

python -m core.process.fleet_history HOME KEEP_ORDERS_DAYS

It is the history's only writer: its lock sees to that. It ends between two pages when its time is over or its parent is
gone; the next one goes on where it was.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from core.event_log import NAME as EVENTS
from core.history.fleet_store import FILE_NAME, FleetStore
from core.history.fleet_sync import event_rows, sync_fleet
from core.log_files import tail_lines
from utils.errors import MakerdError
from utils.exit_statuses import DONE, REFUSED
from utils.files import open_locked
from utils.home import Home
from utils.moments import moment_text, utc_ns_of

LOCK = "fleet.lock"
WORK_S = 20.0
WHOLE_S = 28  # the supervisor waits half a minute
MAX_EVENTS = 200_000  # of one time
_OVERLAP_S = 60  # two supervisors may write events, each by its own clock
_DAY_NS = 86_400 * 10**9


def main(arguments: Sequence[str]) -> int:
    """Copy once; what goes wrong is a line on stdout, which is the daemon's `daemon.out`."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(WHOLE_S)
    os.nice(10)
    home, keep_orders_days = Home(Path(arguments[0])), float(arguments[1])
    parent, ends_s = os.getppid(), time.monotonic() + WORK_S

    def go_on() -> bool:
        return time.monotonic() < ends_s and os.getppid() == parent

    try:
        problems = update(home, keep_orders_days, go_on)
    except (MakerdError, OSError) as exc:
        problems = [str(exc)]
    for problem in problems:
        print(f"the fleet's history: {problem}", flush=True)
    return REFUSED if problems else DONE


def update(home: Home, keep_orders_days: float, go_on: Callable[[], bool]) -> list[str]:
    """Bring the history up to date unless somebody else is at it; return what could not be read.

    Raises HistoryError and OSError when the history cannot be written.
    """
    home.history.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = open_locked(home.history / LOCK)
    if lock is None:
        return []
    try:
        store = FleetStore.open(home.history / FILE_NAME)
        try:
            problems = sync_fleet(store, home.state, go_on)
            if go_on():
                _sync_events(store, home.log / EVENTS)
            if keep_orders_days:
                store.forget_orders(time.time_ns() - int(keep_orders_days * _DAY_NS))
            return problems
        finally:
            store.close()
    finally:
        os.close(lock)


def _sync_events(store: FleetStore, path: Path) -> None:
    """Read from a minute before the newest event that is known; each line has a key, so none is there twice."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return
    mark = f"{found.st_ino}:{found.st_size}"
    if mark == store.events_mark():
        return
    since = _earlier(store.newest_event())
    lines = tail_lines(path, MAX_EVENTS, lambda line: _ts(line) >= since, since)
    store.add_events(event_rows(lines), mark)


def _earlier(ts: str) -> str:
    """Return a moment of an event a minute earlier; "" stays what it is."""
    if not ts:
        return ""
    return moment_text(max(0, utc_ns_of(ts) - _OVERLAP_S * 10**9))[:26]


def _ts(line: str) -> str:
    """Return the `ts` that a line of the event file begins with; a line that does not is read, and then left out."""
    return line[8:34] if line.startswith('{"ts": "') else "~"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
