"""The keeper of the monitor by itself: real children, a clock of the test's own."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from core.fleet_config import WebConfig
from core.process import monitor_keeper
from core.process.monitor_keeper import MonitorKeeper

S = 10**9


class Clock:
    """Nanoseconds that only the test moves."""

    def __init__(self) -> None:
        self.ns = 1000 * S

    def __call__(self) -> int:
        """Return the time."""
        return self.ns


def _child(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str) -> None:
    """Let the keeper start this script."""
    file = tmp_path / "child.py"
    file.write_text(script)

    def spawn(_module: str, _arguments: object, env: dict[str, str], stdout: int, _stderr: int) -> int:
        actions = [(os.POSIX_SPAWN_DUP2, stdout, 1)]
        return os.posix_spawn(sys.executable, [sys.executable, str(file)], env, file_actions=actions)

    monkeypatch.setattr(monitor_keeper, "spawn_module", spawn)


def _until(what: Callable[[], object]) -> None:
    deadline_s = time.monotonic() + 20
    while not what():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def _reap(keeper: MonitorKeeper) -> None:
    pid = keeper.to_plain()["pid"]
    os.waitpid(pid, 0)
    keeper.reaped(pid)


def test_a_child_that_ends_is_started_again_after_pauses_that_grow(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _child(monkeypatch, tmp_path, "")
    clock = Clock()
    keeper = MonitorKeeper(tmp_path, 2, clock)
    assert keeper.status() == {"state": "off", "url": None, "reason": ""}
    keeper.take(WebConfig(enabled=True))
    pauses = []
    for _ in range(8):
        keeper.tend(clock.ns)
        assert keeper.to_plain()["pid"]
        _reap(keeper)
        assert keeper.status()["state"] == "down"
        ended_ns = clock.ns
        while keeper.to_plain()["pid"] is None:
            clock.ns += S // 2
            keeper.tend(clock.ns)
        pauses.append((clock.ns - ended_ns) // S)
        _reap(keeper)
        clock.ns += 100 * S
    assert pauses[0] == 1 and pauses == sorted(pauses) and pauses[-1] == 60


def test_what_a_later_try_would_not_change_waits_for_a_reload(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _child(monkeypatch, tmp_path, """print('{"error": "no password", "final": true}')""")
    clock = Clock()
    keeper = MonitorKeeper(tmp_path, 2, clock)
    keeper.take(WebConfig(enabled=True))
    keeper.tend(clock.ns)
    _reap(keeper)
    assert keeper.status() == {"state": "down", "url": None, "reason": "no password"}
    clock.ns += 1000 * S
    keeper.tend(clock.ns)
    assert keeper.to_plain()["pid"] is None
    keeper.take(WebConfig(enabled=True))
    keeper.tend(clock.ns)
    assert keeper.to_plain()["pid"]
    _reap(keeper)


def test_another_address_is_another_child_and_off_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _child(monkeypatch, tmp_path, """print('{"url": "http://x/"}', flush=True)\nimport time\ntime.sleep(60)""")
    clock = Clock()
    keeper = MonitorKeeper(tmp_path, 2, clock)
    keeper.take(WebConfig(enabled=True))
    keeper.tend(clock.ns)
    _until(lambda: keeper.tend(clock.ns) or keeper.status()["url"])
    assert keeper.status()["state"] == "running"
    first = keeper.to_plain()["pid"]
    keeper.take(WebConfig(enabled=True, port=1))
    _reap(keeper)
    keeper.tend(clock.ns)
    assert keeper.to_plain()["pid"] not in (None, first)
    keeper.take(WebConfig())
    _reap(keeper)
    keeper.tend(clock.ns)
    assert keeper.status()["state"] == "off" and keeper.to_plain()["pid"] is None


def test_a_child_that_hears_nothing_is_killed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    deaf = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('{}', flush=True)\ntime.sleep(60)"
    _child(monkeypatch, tmp_path, deaf)
    clock = Clock()
    keeper = MonitorKeeper(tmp_path, 2, clock)
    keeper.take(WebConfig(enabled=True))
    keeper.tend(clock.ns)
    _until(lambda: keeper.tend(clock.ns) or keeper._reader is None)
    keeper.take(WebConfig())
    clock.ns += 9 * S
    keeper.tend(clock.ns)
    _reap(keeper)
    assert keeper.to_plain()["pid"] is None


def test_after_an_exec_the_child_of_the_old_code_is_followed_by_one_of_the_new(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _child(monkeypatch, tmp_path, """print('{"url": "http://x/"}', flush=True)\nimport time\ntime.sleep(60)""")
    clock = Clock()
    before, after = MonitorKeeper(tmp_path, 2, clock), MonitorKeeper(tmp_path, 2, clock)
    before.take(WebConfig(enabled=True))
    before.tend(clock.ns)
    old = before.to_plain()["pid"]
    after.take_over(before.to_plain())
    after.take(WebConfig(enabled=True))
    _reap(after)
    after.tend(clock.ns)
    assert after.to_plain()["pid"] not in (None, old)
    after.end()
    assert after.to_plain()["pid"] is None
