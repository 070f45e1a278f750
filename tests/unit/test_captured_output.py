"""What a process prints: bounded and rotated while it prints, nothing lost, secrets taken out. Real descriptors."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.captured_output import CapturedOutput, open_output
from core.log_files import rotated_files, tail_lines
from core.log_retention import Retention, rotate_by_hand
from core.redacted_streams import GuardedBytes
from core.redactor import Redactor
from utils.home import CHECKOUT

HOUR_S = 3600.0
ALL = 10**6


class Clock:
    """UTC that a test moves."""

    def __init__(self) -> None:
        self.now_s = 20_000 * 24 * HOUR_S + HOUR_S

    def __call__(self) -> float:
        return self.now_s


class Output:
    """Captured output on two descriptors of the test's own, in place of 1 and 2."""

    def __init__(self, path: Path, retention: Retention, clock: Clock | None = None) -> None:
        first = open_output(path)
        self.path, self.clock = path, clock or Clock()
        self.fds = (first, os.dup(first))
        self.captured = CapturedOutput(path, retention, self.fds, self.clock)

    def native(self, content: bytes, fd: int = 0) -> None:
        """Write past all Python, as native code does."""
        os.write(self.fds[fd], content)
        os.utime(self.path, (self.clock.now_s, self.clock.now_s))

    def lines(self) -> list[str]:
        return tail_lines(self.path, ALL)

    def sizes(self) -> list[int]:
        paths = [file.path for file in rotated_files(self.path.parent, self.path.name)] + [self.path]
        return [path.stat().st_size for path in paths]

    def close(self) -> None:
        for fd in self.fds:
            os.close(fd)


Make = Callable[..., Output]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[Output] = []

    def output(**rules: float) -> Output:
        made.append(Output(tmp_path / "bot.out", Retention(**rules)))  # type: ignore[arg-type]
        return made[-1]

    yield output
    for each in made:
        each.close()


# Native code: found by the beat


def test_native_output_goes_on_in_a_new_file_on_both_descriptors_after_a_beat(make: Make) -> None:
    output = make(max_bytes=20)
    output.native(b"a long line of native code\n")
    assert output.captured.tend()
    output.native(b"to stdout\n", 0)
    output.native(b"to stderr\n", 1)
    assert output.path.read_text() == "to stdout\nto stderr\n"
    assert output.lines() == ["a long line of native code", "to stdout", "to stderr"]


def test_a_beat_leaves_a_file_alone_that_is_neither_full_nor_over(make: Make) -> None:
    output = make(max_bytes=20, rotate_hours=24)
    assert not output.captured.tend()
    output.native(b"short\n")
    assert not output.captured.tend()
    assert output.sizes() == [6]


def test_output_is_rotated_by_time_too_and_an_empty_file_is_not(make: Make) -> None:
    output = make(rotate_hours=24)
    output.native(b"mon\n")
    output.clock.now_s += 24 * HOUR_S
    assert output.captured.tend()
    output.clock.now_s += 24 * HOUR_S
    assert not output.captured.tend()
    output.native(b"wed\n")
    assert output.sizes() == [4, 4]


def test_a_flood_between_two_beats_is_bounded_in_the_end_by_retention(make: Make, tmp_path: Path) -> None:
    output = make(max_bytes=1000, keep_files=3, total_mb=0.05)
    for _ in range(20):
        output.native(b"x" * 19_999 + b"\n")  # twenty times what a file may hold, unseen until the beat
        output.captured.tend()
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 50_000


def test_a_thousand_rotations_leave_no_descriptor_behind(make: Make) -> None:
    output = make(max_bytes=1, keep_files=3)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(1000):
        output.native(b"line\n")
        assert output.captured.tend()
    assert len(os.listdir("/proc/self/fd")) == before
    assert output.sizes() == [5, 5, 5, 0]


def test_output_goes_on_at_its_path_after_it_was_moved_or_deleted(make: Make, tmp_path: Path) -> None:
    output = make()
    output.native(b"one\n")
    output.path.rename(tmp_path / "moved")
    assert output.captured.tend()
    output.native(b"two\n")
    output.path.unlink()
    assert output.captured.tend()
    output.native(b"three\n")
    assert (tmp_path / "moved").read_text() == "one\n"
    assert output.path.read_text() == "three\n"


def test_rotation_by_hand_is_noticed_by_the_next_beat(make: Make, tmp_path: Path) -> None:
    output = make()
    output.native(b"one\n")
    assert rotate_by_hand(tmp_path, "bot") == ["bot.out"]
    os.write(output.fds[0], b"still to the old one\n")
    assert output.captured.tend()
    output.native(b"two\n")
    assert output.lines() == ["one", "still to the old one", "two"]


def test_what_could_not_be_opened_at_the_start_is_opened_later(make: Make, tmp_path: Path) -> None:
    output = make()
    null = os.open(os.devnull, os.O_WRONLY)
    for fd in output.fds:
        os.dup2(null, fd)
    os.close(null)
    assert output.captured.tend()
    output.native(b"here\n")
    assert output.path.read_text() == "here\n"


# What Python prints: counted as it is written


def test_what_python_prints_never_makes_a_file_larger_than_the_limit(make: Make) -> None:
    output = make(max_bytes=100, keep_files=ALL)
    written = [f"line-{number}" for number in range(200)]
    for line in written:
        output.captured.write(output.fds[0], f"{line}\n".encode())
    assert max(output.sizes()) <= 100
    assert output.lines() == written


def test_threads_that_print_while_files_are_rotated_tear_no_line(make: Make) -> None:
    output = make(max_bytes=500, keep_files=ALL)
    guards = [GuardedBytes(fd) for fd in output.fds]
    for guard in guards:
        guard.lead_to(output.captured.write, Redactor, output.captured.lock)

    def work(name: int) -> None:
        for number in range(200):
            guards[name % 2].write(f"{name}-{number}-{'x' * 40}\n".encode())
            output.captured.tend()

    threads = [threading.Thread(target=work, args=(name,)) for name in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = sorted(f"{name}-{number}-{'x' * 40}" for name in range(2) for number in range(200))
    assert sorted(output.lines()) == expected


def test_a_full_disk_raises_nothing_into_who_prints_and_is_told_afterwards(tmp_path: Path) -> None:
    pid = os.fork()
    if pid == 0:
        try:
            output = Output(tmp_path / "bot.out", Retention())
            write = output.captured.write
            resource.setrlimit(resource.RLIMIT_FSIZE, (10, resource.RLIM_INFINITY))
            write(output.fds[0], b"0123456\n")
            write(output.fds[0], b"does not fit\n")
            write(output.fds[0], b"nor this\n")
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            write(output.fds[0], b"again\n")
            os._exit(0)
        except BaseException:
            os._exit(99)
    assert os.waitpid(pid, 0)[1] == 0
    lines = tail_lines(tmp_path / "bot.out", 9)
    assert lines[-2:] == ["[22 bytes of output were lost here: no room on the disk]", "again"]


# Secrets


class Caught:
    """A guard that leads to a list."""

    def __init__(self, *secrets: str) -> None:
        self.written = b""
        self.guard = GuardedBytes(1)
        self.guard.lead_to(self._take, lambda: Redactor(secrets), threading.RLock())

    def _take(self, _fd: int, content: bytes) -> None:
        self.written += content


@given(
    st.text(alphabet="ab", min_size=4, max_size=8),
    st.lists(st.tuples(st.text(alphabet="ab\n", max_size=12), st.booleans()), max_size=20),
    st.integers(0, 20),
)
def test_a_secret_is_in_no_output_however_its_line_is_cut_into_writes(
    secret: str, pieces: list[tuple[str, bool]], at: int
) -> None:
    caught = Caught(secret)
    for text, flushed in [*pieces[:at], *((letter, True) for letter in secret), *pieces[at:]]:
        caught.guard.write(text.encode())
        if flushed:
            caught.guard.flush()
    caught.guard.finish()
    assert secret.encode() not in caught.written
    assert b"***" in caught.written


@given(st.lists(st.tuples(st.binary(max_size=30), st.booleans()), max_size=20))
def test_without_a_secret_every_byte_arrives_as_it_was_written(pieces: list[tuple[bytes, bool]]) -> None:
    caught = Caught("no such thing is ever written")
    for content, flushed in pieces:
        caught.guard.write(content)
        if flushed:
            caught.guard.flush()
    caught.guard.finish()
    assert caught.written == b"".join(content for content, _ in pieces)


def test_whole_lines_are_written_at_once_and_a_flush_writes_the_rest() -> None:
    caught = Caught("hunter22")
    caught.guard.write(b"one\ntw")
    assert caught.written == b"one\n"
    caught.guard.flush()
    assert caught.written == b"one\ntw"
    caught.guard.write(b"o hunt")
    caught.guard.flush()
    assert caught.written == b"one\ntwo "
    caught.guard.write(b"ing\n")
    assert caught.written == b"one\ntwo hunting\n"


def test_a_line_without_an_end_is_not_held_back_for_ever() -> None:
    caught = Caught("hunter22")
    for _ in range(30):
        caught.guard.write(b"x" * 10_000)
    assert len(caught.written) > 200_000


def test_a_key_file_is_hidden_also_when_it_is_printed_in_one_piece() -> None:
    key = "-----BEGIN KEY-----\nMIIabcdefgh\nQ==\n-----END KEY-----"
    caught = Caught(key)
    caught.guard.write(f"loaded {key}".encode())
    caught.guard.flush()
    caught.guard.write(b" for the venue\n")
    assert caught.written == b"loaded *** for the venue\n"


PROGRAM = """
    import faulthandler, logging, os, sys, threading, traceback, warnings
    kept = sys.stderr
    from core.redacted_streams import guard_streams, finish_streams
    guard_streams()
    imported = sys.stderr  # as a module does that is imported in the zygote
    from pathlib import Path
    from core.process_logs import ProcessLogs
    folder = Path(sys.argv[1])
    secret = "hunter22-" + "secret"
    fd = os.open(folder / "bot.out", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(fd, 1), os.dup2(fd, 2)
    logs = ProcessLogs(folder, "bot", {"max_bytes": 2000, "keep_files": 100})
    logs.guard_streams()
    logs.open_log([secret])
    faulthandler.enable(file=sys.stderr)
"""


def run_program(folder: Path, body: str, status: int = 0) -> str:
    program = textwrap.dedent(PROGRAM) + textwrap.dedent(body)
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder)], cwd=CHECKOUT, check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (status, "", "")
    return "\n".join(tail_lines(folder / "bot.out", ALL))


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ("print('key', secret)", "key ***"),
        ("print('key', secret, end='')", "key ***"),
        ("sys.stdout.buffer.write(b'key ' + secret.encode() + b'\\n')", "key ***"),
        ("sys.stderr.write('key ' + secret + '\\n')", "key ***"),
        ("sys.__stderr__.write('key ' + secret + '\\n')", "key ***"),
        ("imported.write('key ' + secret + '\\n')", "key ***"),
        ("logging.captureWarnings(False); warnings.warn('key ' + secret)", "UserWarning: key ***"),
        ("print({'url': 'https://me:' + secret + '@venue'})", "https://me:***@venue"),
        ("t = threading.Thread(target=lambda: {}[secret]); t.start(); t.join()", "KeyError: '***'"),
    ],
)
def test_python_cannot_print_a_secret(tmp_path: Path, body: str, shown: str) -> None:
    said = run_program(tmp_path, body + "\nlogs.close()")
    assert shown in said
    assert "hunter22" not in said


def test_an_uncaught_exception_shows_its_traceback_without_the_secret(tmp_path: Path) -> None:
    said = run_program(tmp_path, "raise ValueError('no key ' + secret)", status=1)
    assert "Traceback (most recent call last)" in said
    assert "ValueError: no key ***" in said


def test_a_print_in_a_loop_is_bounded_without_any_beat(tmp_path: Path) -> None:
    said = run_program(tmp_path, "for n in range(2000): print('line', n)")
    assert said.splitlines() == [f"line {n}" for n in range(2000)]
    assert max(path.stat().st_size for path in tmp_path.glob("bot.out*")) <= 2000


def test_the_stacks_of_a_crash_in_native_code_are_still_written(tmp_path: Path) -> None:
    said = run_program(
        tmp_path, "print('x' * 1990)\nlogs.tend()\nprint('y' * 50)\nos.kill(os.getpid(), 11)", status=-11
    )
    assert "Fatal Python error: Segmentation fault" in said
    assert "y" * 50 in (tmp_path / "bot.out").read_text()


def test_a_program_that_the_process_starts_writes_to_the_same_file(tmp_path: Path) -> None:
    said = run_program(tmp_path, "import subprocess; subprocess.run(['echo', 'from a child'], check=True)")
    assert said == "from a child"
