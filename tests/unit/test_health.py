"""What a process costs, read from the kernel: real processes, and a clock that is a number."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from core.process.health import PSS_NS, SAMPLE_NS, SECOND_NS, Health

HOG = """
import sys, time
mine = bytearray(40_000_000)
for place in range(0, len(mine), 4096): mine[place] = 1
files = [open("/dev/null") for _ in range(10)]
print("ready", flush=True)
while sys.stdin.readline().strip() == "work":
    end = time.process_time() + 0.3
    while time.process_time() < end: pass
    print("done", flush=True)
"""


@pytest.fixture
def hog() -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen([sys.executable, "-c", HOG], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stdout.readline() == "ready\n"
    yield process
    process.stdin.close()
    process.stdout.close()
    process.wait()


def test_memory_and_open_files_are_those_that_psutil_finds(hog: subprocess.Popen[str]) -> None:
    health = Health(hog.pid)
    health.sample(1)
    other = psutil.Process(hog.pid)
    assert health.pss_mb == pytest.approx(other.memory_full_info().pss / 2**20, rel=0.1)
    assert health.open_files == other.num_fds()
    assert health.cpu_pct is None


def test_processor_time_is_the_share_between_two_readings(hog: subprocess.Popen[str]) -> None:
    health = Health(hog.pid)
    health.sample(10**9)
    assert hog.stdin is not None
    assert hog.stdout is not None
    hog.stdin.write("work\n")
    hog.stdin.flush()
    hog.stdout.readline()
    health.sample(2 * 10**9)  # a second, says the clock
    assert health.cpu_pct == pytest.approx(30, abs=6)


def test_the_costly_reading_is_rare_unless_the_limit_may_be_passed(
    hog: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.process import health as module

    read: list[int] = []
    monkeypatch.setattr(module, "_pss_mb", lambda pid: read.append(pid) or 39.0)
    health = Health(hog.pid)
    for second in range(0, 60, 15):
        health.sample(second * 10**9, limit_mb=1000)
    assert len(read) == 1
    health.sample(PSS_NS, limit_mb=1000)
    assert len(read) == 2
    health.sample(PSS_NS + 1, limit_mb=20)
    assert (len(read), health.pss_mb) == (3, 39.0)


def test_a_stale_reading_is_never_above_what_is_resident(
    hog: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.process import health as module

    monkeypatch.setattr(module, "_pss_mb", lambda _pid: 10_000.0)
    health = Health(hog.pid)
    health.sample(1)
    assert health.pss_mb is not None
    assert health.pss_mb < 200


def test_a_process_that_is_gone_keeps_its_last_figures() -> None:
    process = subprocess.Popen(["sleep", "0"])
    process.wait()
    health = Health(process.pid, pss_mb=5.0, cpu_pct=1.0)
    health.sample(10**9)
    assert (health.pss_mb, health.cpu_pct) == (5.0, 1.0)


def test_a_second_reading_comes_soon_and_then_one_every_quarter_of_a_minute() -> None:
    health = Health(os.getpid())
    assert health.is_due(SAMPLE_NS)
    health.sample(SAMPLE_NS)
    assert not health.is_due(SAMPLE_NS + SECOND_NS - 1)
    assert health.is_due(SAMPLE_NS + SECOND_NS)
    health.sample(SAMPLE_NS + SECOND_NS)
    assert not health.is_due(2 * SAMPLE_NS)
    assert health.is_due(2 * SAMPLE_NS + SECOND_NS)


def append(path: Path, size: int) -> None:
    """Write more into a file."""
    with path.open("ab") as file:
        file.write(b"x" * size)


def test_log_volume_counts_what_is_written_across_a_rotation(tmp_path: Path) -> None:
    log, out = tmp_path / "a.log", tmp_path / "a.out"
    append(log, 100)
    health = Health(os.getpid(), (log, out))
    seen = []
    for step in (
        lambda: None,
        lambda: append(log, 50),
        lambda: log.rename(tmp_path / "old"),
        lambda: append(log, 30),
        lambda: append(out, 7),
        lambda: append(out, 3),
    ):
        step()
        health.sample(time.monotonic_ns())
        seen.append(health.log_bytes)
    assert seen == [0, 50, 50, 80, 87, 90]
