"""How the monitor does with a large fleet: a real daemon with paper bots that quote, its monitor, and real clients.

Supervisor: its CPU, how old heartbeats get and how fast it answers while the monitor is frozen, while nobody looks,
with ten viewers, and while four clients ask the API as fast as they can. Browser: a Chromium opens the fleet page
(first paint, all rows); then workers are killed with `kill -9`, and the moment is taken at which the page shows it; a
stream without a browser is timed by the same kills. Weight: the fleet page with everything that it loads.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if not __package__:  # run by path
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import psutil

from benchmarks.fleet_driver import Fleet, NotReached, fleet
from benchmarks.monitor_browser import Chromium, chromium
from benchmarks.monitor_clients import Asker, Stream, files_of
from benchmarks.parts import MB, CpuWatch, Figure, Result, percentile, run_bench, say, spread, tidy
from core.process.control import call

NO_POLL_S = 0.1
VIEWERS = 10
CLIENTS = 4
PATIENCE_S = 60.0
MAX_PAGE, MAX_CHANGE_S, LEAST_REQUESTS = 300_000, 1.0, 500  # what the figures are compared with
LOOK_S = 0.97  # out of step with the beats, which come once a second
NO_BROWSER = "there is no Chromium, or no Playwright (requirements-test.txt)"


@dataclass(frozen=True, slots=True)
class Window:
    """What was seen of monitor and supervisor for a while; CPU in seconds per second."""

    lasted_s: float
    monitor: float
    supervisor: float
    everybody: float
    oldest_heartbeat_s: float
    answers_ms: list[float]


@dataclass(frozen=True, slots=True)
class Site:
    """What is measured."""

    made: Fleet
    names: list[str]
    url: str
    monitor: psutil.Process

    def watch(self, window_s: float) -> Window:
        """Look at the supervisor as an operator would, for a while."""
        supervisor, busy, began_s = self.made.supervisor, CpuWatch(), time.monotonic()
        before = [_spent(process) for process in (self.monitor, supervisor)]
        answers_ms, oldest_s, look_s = [], 0.0, began_s
        while (now_s := time.monotonic()) < began_s + window_s:
            call(self.made.home, "ping")
            answers_ms.append((time.monotonic() - now_s) * 1000)
            if now_s >= look_s:
                look_s = now_s + LOOK_S
                oldest_s = max([oldest_s, *(row["heartbeat_age_s"] or 0.0 for row in self.made.rows())])
            time.sleep(0.05)
        lasted_s = time.monotonic() - began_s
        own, theirs = (
            (_spent(process) - was) / lasted_s for process, was in zip((self.monitor, supervisor), before, strict=True)
        )
        return Window(lasted_s, own, theirs, busy.busy_cores(), oldest_s, answers_ms)


def measure(quick: bool) -> Result:
    """Measure with 200 bots; with 20, when it has to be quick."""
    result, count = Result(), 20 if quick else 200
    say(f"{count} bots and the monitor")
    with fleet() as made:
        names = made.add_replay(count)
        made.home.daemon_file.write_text(json.dumps({"web": {"enabled": True, "port": 0}}))
        made.start(NO_POLL_S)
        url, monitor = _monitor(made)
        site = Site(made, names, url, monitor)
        _supervised(result, site, 5.0 if quick else 20.0)
        _requests(result, site, 4.0 if quick else 15.0)
        with chromium(url) as browser:
            _paints(result, site, browser, 3 if quick else 10)
            _kills(result, site, browser, names[: 6 if quick else 40])
        _weight(result, site)
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


def _spent(process: psutil.Process) -> float:
    return sum(process.cpu_times()[:2])


# The supervisor meanwhile


def _supervised(result: Result, site: Site, window_s: float) -> None:
    """Compare the supervisor without a monitor, with one, and with one that ten people look at."""
    say(f"monitor frozen, idle, with {VIEWERS} viewers: {window_s:g} s each")
    site.monitor.suspend()
    try:
        _tell(result, site, "monitor frozen", site.watch(window_s))
    finally:
        site.monitor.resume()
    time.sleep(2.0)
    _tell(result, site, "no viewer", site.watch(window_s))
    with ExitStack() as stack:
        streams = [Stream(site.url) for _ in range(VIEWERS)]
        for stream in streams:
            stack.callback(stream.close)
        time.sleep(1.0)
        before = sum(stream.bytes for stream in streams)
        window = site.watch(window_s)
        told = sum(stream.bytes for stream in streams) - before
    _tell(result, site, f"{VIEWERS} viewers", window)
    each = Figure(f"{VIEWERS} viewers: told to each", tidy(told / VIEWERS / window.lasted_s / 1000), "kB/s")
    memory = Figure("PSS of the monitor", tidy(site.monitor.memory_full_info().pss / MB), "MB")
    result.figures.extend((each, memory))


def _tell(result: Result, site: Site, what: str, window: Window) -> None:
    everybody = f"everybody on the machine {window.everybody:.2f}"
    result.figures.extend(
        (
            Figure(f"{what}: CPU of the monitor", tidy(window.monitor), "s/s", note=everybody),
            Figure(f"{what}: CPU of the supervisor of {len(site.names)} bots", tidy(window.supervisor), "s/s"),
            Figure(f"{what}: oldest heartbeat seen", tidy(window.oldest_heartbeat_s), "s"),
            spread(f"{what}: the supervisor answers in", window.answers_ms, "ms"),
        )
    )


def _requests(result: Result, site: Site, window_s: float) -> None:
    """Let clients ask as fast as they can, and look at the supervisor meanwhile."""
    for what, path in (("one bot", f"/api/v1/bots/{site.names[0]}"), ("the whole fleet", "/api/v1/fleet")):
        say(f"requests of {what}")
        with _asking(site.url, path) as count:
            window = site.watch(window_s)
            asked = count()
        rate = asked / window.lasted_s
        whole = f"{rate / window.monitor:.0f}/s on a whole core" if window.monitor else "no CPU was seen"
        note = f"{window.monitor:.2f} of a core: {whole}; at least {LEAST_REQUESTS} are wanted"
        result.figures.append(Figure(f"API requests of {what}, {CLIENTS} clients", tidy(rate), "/s", note=note))
        _tell(result, site, f"requests of {what}", window)


@contextmanager
def _asking(url: str, path: str) -> Iterator[Callable[[], int]]:
    """Have clients ask; what is given tells how many answers were good so far."""
    counts, ended = [0] * CLIENTS, threading.Event()
    threads = [threading.Thread(target=_ask, args=(url, path, counts, at, ended)) for at in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        yield lambda: sum(counts)
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def _ask(url: str, path: str, counts: list[int], at: int, ended: threading.Event) -> None:
    asker = Asker(url, path)
    while not ended.is_set():
        asker.ask()
        counts[at] += 1
    asker.close()


# In the browser


def _paints(result: Result, site: Site, browser: Chromium | None, times: int) -> None:
    """Open the fleet page several times with nothing in the cache."""
    shown = {"first-paint": "first paint", "rows": f"all {len(site.names)} rows are there"}
    if browser is None:
        say(NO_BROWSER)
        result.figures.extend(
            Figure(f"fleet page: {what} after", None, "ms", note=NO_BROWSER) for what in shown.values()
        )
        return
    say(f"the fleet page, {times} times")
    found = [browser.paints(len(site.names)) for _ in range(times)]
    for key, what in shown.items():
        result.figures.append(spread(f"fleet page: {what} after", [one[key] for one in found if key in one], "ms"))
    result.details["paints_ms"] = found


def _kills(result: Result, site: Site, browser: Chromium | None, names: list[str]) -> None:
    """Kill workers one after the other; note when a stream tells it, and when the page shows it."""
    say(f"kill -9 of {len(names)} workers")
    told_s: dict[str, float] = {}
    told = threading.Event()

    def take(row: dict[str, Any]) -> None:
        if row.get("state", "RUNNING") != "RUNNING" and row["name"] not in told_s:
            told_s[row["name"]] = time.time()
            told.set()

    stream = Stream(site.url, take)
    if browser is not None:
        browser.watch(len(site.names))
    time.sleep(2.0)
    readings = [_kill(site, browser, name, at, told_s, told) for at, name in enumerate(names)]
    stream.close()
    for key, what in (("page", "the page shows it after"), ("stream", "a stream tells it after")):
        values = [one[key] for one in readings if key in one]
        note = NO_BROWSER if key == "page" and browser is None else ""
        p95 = tidy(percentile(sorted(values), 0.95)) if values else None
        result.figures.append(spread(f"kill -9 of a worker: {what}", values, "s", note))
        wanted = f"at most {MAX_CHANGE_S:g} is wanted"
        result.figures.append(Figure(f"kill -9 of a worker: {what}, p95", p95, "s", len(values), note=note or wanted))
    result.details["kills_s"] = [{key: tidy(value) for key, value in one.items()} for one in readings]


def _kill(
    site: Site, browser: Chromium | None, name: str, at: int, told_s: dict[str, float], told: threading.Event
) -> dict[str, float]:
    time.sleep(0.3 + at * 0.137 % 0.5)  # out of step with the feed
    if browser is not None:
        browser.await_quoting(name)
    told_s.pop(name, None)
    pid, killed_s = site.made.row(name)["pid"], time.time()
    os.kill(pid, signal.SIGKILL)
    reading = {} if browser is None else {"page": browser.changed_s(name) - killed_s}
    deadline_s = killed_s + PATIENCE_S
    while name not in told_s and time.time() < deadline_s:
        told.wait(0.5)
        told.clear()
    if name in told_s:
        reading["stream"] = told_s[name] - killed_s
    return reading


def _weight(result: Result, site: Site) -> None:
    """Add up the fleet page and everything that it loads, and what it is told at first."""
    sizes = files_of(site.url)
    weight, add = sum(sizes.values()), result.figures.append
    note = f"{len(sizes)} files, without compression; at most {MAX_PAGE // 1000} are wanted"
    add(Figure("fleet page with all it loads", tidy(weight / 1000), "kB", note=note))
    picture = Asker(site.url, "/api/v1/fleet")
    add(Figure(f"first picture of {len(site.names)} bots", tidy(picture.ask() / 1000), "kB"))
    picture.close()
    result.details["page"] = sizes


if __name__ == "__main__":
    raise SystemExit(run_bench("monitor", measure))
