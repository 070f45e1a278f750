"""The parts of the side-by-side benchmark that a machine can check: reading heartbeats, finding processes, the page."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.supervisors.beats import Beats
from benchmarks.supervisors.processes import MARK, Processes, cpu_s, is_alive, pss_mb, wait_until
from benchmarks.supervisors.report import page

SLEEPER = [sys.executable, "-c", "import time; time.sleep(60)"]


def record(**sizes: dict[str, Any]) -> dict[str, Any]:
    return {"version": "1", "settings": "a|b", "sizes": sizes}


def result(**managers: dict[str, Any]) -> dict[str, Any]:
    machine = {"cores": 2, "processor": "P", "memory_mb": 1024, "kernel": "K", "python": "Py", "temp_file_system": "t"}
    return {"machine": machine, "at": "now", "floor": None, "managers": managers}


def size(kill: float, total: float) -> dict[str, Any]:
    spread = {"median": kill, "low": kill / 2, "high": kill * 2}
    return {
        "start_s": 5.0, "total_mb": total, "manager_mb": 10.0, "manager_processes": 1, "kill_ms": spread, "kills": 20,
        "never": 0, "load_average_before": 1.0, "load_average_after": 2.0,
    }  # fmt: skip


def test_heartbeats_of_two_processes_under_one_name_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "w").write_text("1 10\n2 15\n1 20\n2 25\n2 3")  # the last line is being written
    lives = Beats(tmp_path, ["w"]).lives("w")
    assert {pid: (life.first_ns, life.last_ns) for pid, life in lives.items()} == {1: (10, 20), 2: (15, 25)}


def test_a_successor_is_who_was_not_known_before(tmp_path: Path) -> None:
    (tmp_path / "w").write_text("1 10\n2 15\n")
    beats = Beats(tmp_path, ["w"])
    assert beats.successor_ns("w", {1}, 5) == 15
    assert beats.successor_ns("w", {1, 2}, 0.01) is None


def test_all_processes_of_a_run_are_found_and_ended() -> None:
    processes = Processes(f"run-{time.monotonic_ns()}")
    environ = {**os.environ, MARK: processes.mark}
    marked = subprocess.Popen(SLEEPER, env=environ, start_new_session=True)
    # One of the same session that has lost its mark.
    script = f"import os, subprocess; os.environ.pop({MARK!r}); subprocess.run({SLEEPER!r})"
    parent = subprocess.Popen([sys.executable, "-c", script], env=environ, start_new_session=True)
    other = subprocess.Popen(SLEEPER)
    try:
        assert wait_until(lambda: len(processes.living()) == 3, 20) is not None
        assert {marked.pid, parent.pid} <= processes.living()
        assert other.pid not in processes.living()
        assert pss_mb([marked.pid]) > 1
        assert cpu_s([marked.pid]) > 0
        processes.end()
        assert wait_until(lambda: not is_alive(marked.pid), 20) is not None
        assert is_alive(other.pid)
    finally:
        for one in (marked, parent, other):
            one.send_signal(signal.SIGKILL)
            one.wait()


def test_the_page_compares_with_the_best_peer() -> None:
    text = page(
        result(
            makerd=record(**{"50": size(10.0, 200.0)}), slow=record(**{"50": size(900.0, 900.0)}),
            fast=record(**{"50": size(160.0, 1330.0)}),
        )
    )  # fmt: skip
    assert "| makerd | 10 (5 to 20) [1, 2] |" in text
    assert "| kill to heartbeat, 50 bare, ms | 10 | 160 (fast) | 1/12: 13.3 | yes |" in text
    assert "| memory of 50 idle workers, MB | 200 | 900 (slow) | 1/6: 150 | no: 1.33 times |" in text
    assert "a\\|b" in text


def test_a_page_without_figures_can_be_read() -> None:
    missing = {"sizes": {}, "missing": "there is no npm"}
    text = page(result(pm2=missing, makerd=record(**{"50": {"error": "TooLate: 3 of 50 beat"}})))
    assert "there is no npm" in text
    assert "| kill to heartbeat, 50 bare, ms | - | - | 1/12 | - |" in text
