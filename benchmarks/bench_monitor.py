"""How the monitor does with a large fleet: a real daemon with its monitor, seen by clients over real sockets.

Latency: from `kill -9` of a worker to the changed row on an open stream. CPU: of monitor and supervisor, without
and with ten viewers. Requests: as many as four clients get out of it, and how long the supervisor takes to answer
meanwhile.
Weight: the fleet page with everything that it loads.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

if not __package__:  # run by path
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import psutil

from benchmarks.fleet_driver import Fleet, NotReached, fleet
from benchmarks.parts import MB, Figure, Result, percentile, run_bench, say, spread, tidy
from core.process.control import call

NO_POLL_S = 0.1
VIEWERS = 10
CLIENTS = 4
PATIENCE_S = 60.0
MAX_PAGE = 300_000  # bytes, the limit that the page weight is compared with
_LINKS = re.compile(r'(?:src|href)="([^"#?]+)')
_IMPORTS = re.compile(r'(?:from|import)\s+"(\.[^"]+)"')


class Stream:
    """An open stream, read by a thread; `rows` tells of each changed row as it comes."""

    def __init__(self, url: str, on_row: Callable[[dict[str, Any]], None] = lambda _row: None) -> None:
        self._connection = _connect(url)
        self._connection.request("GET", "/api/v1/stream")
        self._response = self._connection.getresponse()
        self.bytes = 0
        self._on_row = on_row
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        event = b""
        try:
            while line := self._response.readline():
                self.bytes += len(line)
                if line.startswith(b"event: "):
                    event = line[7:].strip()
                elif line.startswith(b"data: ") and event in (b"bots", b"fleet"):
                    found = json.loads(line[6:])
                    for row in found["rows" if event == b"bots" else "bots"]:
                        self._on_row(row)
        except (OSError, ValueError, AttributeError):  # closed under its feet
            pass

    def close(self) -> None:
        """Leave."""
        if self._connection.sock is not None:
            self._connection.sock.close()
        self._connection.close()


def measure(quick: bool) -> Result:
    """Measure with 200 bots; with 20, when it has to be quick."""
    result, count = Result(), 20 if quick else 200
    say(f"{count} bots and the monitor")
    with fleet() as made:
        names = made.add_replay(count)
        made.home.daemon_file.write_text(json.dumps({"web": {"enabled": True, "port": 0}}))
        made.start(NO_POLL_S)
        url, monitor = _monitor(made)
        _cpu(result, made, monitor, url, count, 5.0 if quick else 20.0)
        _latency(result, made, url, names[: 6 if quick else 40])
        _requests(result, made, monitor, url, names, 3.0 if quick else 10.0)
        _weight(result, url)
    return result


def _monitor(made: Fleet) -> tuple[str, psutil.Process]:
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s:
        url = call(made.home, "status")["daemon"]["web"]["url"]
        if url:
            found = [one for one in made.supervisor.children() if "monitor" in " ".join(one.cmdline())]
            return url, found[0]
        time.sleep(0.1)
    raise NotReached("the monitor did not come up")


def _connect(url: str) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    return http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=PATIENCE_S)


def _spent(process: psutil.Process) -> float:
    return sum(process.cpu_times()[:2])


def _cpu(result: Result, made: Fleet, monitor: psutil.Process, url: str, count: int, window_s: float) -> None:
    """Compare the CPU of monitor and supervisor without and with viewers."""
    add, supervisor = result.figures.append, made.supervisor
    for viewers in (0, VIEWERS):
        say(f"{viewers} viewers for {window_s:g} s")
        with ExitStack() as stack:
            streams = [Stream(url) for _ in range(viewers)]
            for stream in streams:
                stack.callback(stream.close)
            time.sleep(1.0)
            before = [_spent(process) for process in (monitor, supervisor)]
            bytes_before, began_s = sum(stream.bytes for stream in streams), time.monotonic()
            time.sleep(window_s)
            lasted_s = time.monotonic() - began_s
            own, theirs = (
                (_spent(process) - was) / lasted_s for process, was in zip((monitor, supervisor), before, strict=True)
            )
            read = (sum(stream.bytes for stream in streams) - bytes_before) / lasted_s
        what = f"{count} bots, {viewers} viewers"
        add(Figure(f"{what}: CPU of the monitor", tidy(own), "s/s"))
        add(Figure(f"{what}: CPU of the supervisor", tidy(theirs), "s/s"))
        if viewers:
            add(Figure(f"{what}: told to each viewer", tidy(read / viewers / 1000), "kB/s"))
    memory = monitor.memory_full_info()
    add(Figure(f"{count} bots: PSS of the monitor", tidy(memory.pss / MB), "MB"))


def _latency(result: Result, made: Fleet, url: str, names: list[str]) -> None:
    """Kill workers one after the other and wait for the row that tells it."""
    say(f"kill -9 of {len(names)} workers")
    seen: dict[str, float] = {}
    changed = threading.Event()

    def take(row: dict[str, Any]) -> None:
        if row["state"] != "RUNNING" and row["name"] not in seen:
            seen[row["name"]] = time.monotonic()
            changed.set()

    stream = Stream(url, take)
    time.sleep(2.0)
    readings = []
    for at, name in enumerate(names):
        time.sleep(0.3 + at * 0.137 % 0.5)  # out of step with the feed
        seen.pop(name, None)
        pid, killed_s = made.row(name)["pid"], time.monotonic()
        os.kill(pid, signal.SIGKILL)
        deadline_s = killed_s + PATIENCE_S
        while name not in seen and time.monotonic() < deadline_s:
            changed.wait(0.5)
            changed.clear()
        if name in seen:
            readings.append(seen[name] - killed_s)
    stream.close()
    result.figures.append(spread("kill -9 of a worker: its row has changed after", readings, "s"))
    p95 = tidy(percentile(sorted(readings), 0.95)) if readings else None
    result.figures.append(Figure("kill -9 of a worker: its row has changed after, p95", p95, "s", len(readings)))
    result.details["latencies_s"] = [tidy(one) for one in readings]


def _requests(
    result: Result, made: Fleet, monitor: psutil.Process, url: str, names: list[str], window_s: float
) -> None:
    """Let clients ask as fast as they can; meanwhile ask the supervisor itself."""
    for what, path in (("one bot", f"/api/v1/bots/{names[0]}"), ("the whole fleet", "/api/v1/fleet")):
        say(f"requests of {what}")
        counts, ended = [0] * CLIENTS, threading.Event()
        threads = [threading.Thread(target=_ask, args=(url, path, counts, at, ended)) for at in range(CLIENTS)]
        before_s, began_s = _spent(monitor), time.monotonic()
        for thread in threads:
            thread.start()
        answers = list(_supervisor_answers(made, began_s + window_s))
        ended.set()
        for thread in threads:
            thread.join()
        lasted_s = time.monotonic() - began_s
        cpu = (_spent(monitor) - before_s) / lasted_s
        rate = sum(counts) / lasted_s
        note = f"{cpu:.2f} of a core: {rate / cpu:.0f}/s on a whole one" if cpu else ""
        result.figures.append(Figure(f"API requests of {what}, {CLIENTS} clients", tidy(rate), "/s", note=note))
        milliseconds = [one * 1000 for one in answers]
        result.figures.append(spread(f"meanwhile the supervisor answered in ({what})", milliseconds, "ms"))


def _ask(url: str, path: str, counts: list[int], at: int, ended: threading.Event) -> None:
    connection = _connect(url)
    while not ended.is_set():
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        counts[at] += answer.status == 200
    connection.close()


def _supervisor_answers(made: Fleet, until_s: float) -> Iterator[float]:
    while time.monotonic() < until_s:
        began_s = time.monotonic()
        call(made.home, "ping")
        yield time.monotonic() - began_s
        time.sleep(0.05)


def _weight(result: Result, url: str) -> None:
    """Add up the fleet page and everything that it loads."""
    left, sizes = [urlsplit(url).path], {}
    connection = _connect(url)
    while left:
        path = left.pop()
        if path in sizes:
            continue
        connection.request("GET", path, headers={"Accept": "text/html"})
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            continue
        sizes[path] = len(body)
        text = body.decode("utf-8", "replace")
        links = _LINKS.findall(text) if len(sizes) == 1 else _IMPORTS.findall(text)
        left += [found for link in links if (found := urljoin(path, link)).startswith("/static/")]
    connection.close()
    note = f"{len(sizes)} files, without compression; at most {MAX_PAGE // 1000} are wanted"
    weight = tidy(sum(sizes.values()) / 1000) if sizes else None
    result.figures.append(
        Figure("fleet page with all it loads", weight, "kB", note=note if sizes else "there is no page")
    )
    result.details["page"] = sizes


if __name__ == "__main__":
    raise SystemExit(run_bench("monitor", measure))
