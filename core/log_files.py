"""Log files as their readers see them: their names, their last lines, and what is added to them.

A rotated file is `<name>.log.<UTC stamp>`, then `<name>.log.<UTC stamp>.gz`; stamps of one log only grow, and no line
in a file is younger than its stamp. Captured output (`<name>.out`) and the event file
(`events.jsonl`) are kept in the same way.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

DAEMON = "daemon"  # the name of the daemon's own log
STAMP = "%Y%m%dT%H%M%S.%fZ"
_BLOCK = 64 * 1024  # bytes
_LONGEST_LINE = 1 << 20  # bytes; a longer one is shown in pieces
_LIVE = re.compile(r"[^.].*\.(?:log|out|jsonl)")
_ROTATED = re.compile(rf"(?P<log>{_LIVE.pattern})\.(?P<stamp>\d{{8}}T\d{{6}}\.\d{{6}}Z)(?P<gz>\.gz)?")

Keep = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Rotated:
    """One rotated file."""

    path: Path
    log: str
    stamp: str
    compressed: bool


def log_path(folder: Path, name: str) -> Path:
    """Return the file of a bot's log, or of the daemon's for `daemon`."""
    return folder / f"{name}.log"


def live_log(name: str) -> str | None:
    """Return `name` when it is one of a log that is written to, else None."""
    return name if _LIVE.fullmatch(name) else None


def rotated_file(path: Path) -> Rotated | None:
    """Return what the name of `path` says about it, None when it is not a rotated file."""
    match = _ROTATED.fullmatch(path.name)
    return Rotated(path, match["log"], match["stamp"], bool(match["gz"])) if match else None


def rotated_files(folder: Path, log: str | None = None) -> list[Rotated]:
    """Return the rotated files of a folder (of one log, when named), oldest first. Raises OSError."""
    found: dict[tuple[str, str], Rotated] = {}
    start = f"{log}." if log else ""
    for entry in os.listdir(folder):
        if not entry.startswith(start):
            continue  # most, in a folder of many bots
        file = rotated_file(folder / entry)
        if file and log in (None, file.log) and (file.compressed or (file.log, file.stamp) not in found):
            found[file.log, file.stamp] = file  # both forms exist for a moment while one is compressed
    return sorted(found.values(), key=lambda file: (file.stamp, file.log))


def tail_lines(path: Path, n: int, keep: Keep | None = None, since: str = "") -> list[str]:
    """Return the last `n` lines (of those that `keep` accepts), read from the end and into rotated files.

    `since` (UTC as in a line's `ts`): rotated files that were finished before are not read.
    """
    reader = _Reader(path, since)
    try:
        return reader.tail(n, keep)
    finally:
        reader.close()


def _nap() -> None:
    time.sleep(0.2)


def follow(
    path: Path, last: int = 0, keep: Keep | None = None, wait: Callable[[], None] = _nap, since: str = ""
) -> Iterator[str]:
    """Yield the `last` lines, then each new one, for ever and across rotations; `wait` is called when there is none."""
    reader = _Reader(path, since)
    try:
        reader.leave_unfinished_line()
        yield from reader.tail(last, keep)
        while True:
            news = reader.read()
            if news is None:
                wait()
                continue
            yield from (line for line in news if keep is None or keep(line))
    finally:
        reader.close()


class _Reader:
    """Reads a log from its present end in both directions, whatever happens to the file meanwhile."""

    def __init__(self, path: Path, since: str) -> None:
        self._path = path
        self._first_stamp = since.replace("-", "").replace(":", "")
        self._fd = -1
        self._older: list[Rotated] = []
        self._rest = b""
        self._open()
        self._position = os.fstat(self._fd).st_size if self._fd >= 0 else 0

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def leave_unfinished_line(self) -> None:
        """Step back to the start of a line that is still being written, so that it is read once, whole."""
        start = max(0, self._position - _LONGEST_LINE)
        block = os.pread(self._fd, self._position - start, start) if self._fd >= 0 else b""
        self._position = start + block.rfind(b"\n") + 1

    def tail(self, n: int, keep: Keep | None) -> list[str]:
        """Return the last `n` accepted lines before our position."""
        found: list[str] = []
        for line in self._backwards() if n > 0 else ():
            if keep is None or keep(line):
                found.append(line)
                if len(found) == n:
                    break
        return found[::-1]

    def read(self) -> list[str] | None:
        """Return the new lines (perhaps none whole yet), None when nothing has happened."""
        # Asked before reading: the last lines of a renamed file are read before it is left.
        replaced = self._replaced()
        block = os.pread(self._fd, _BLOCK, self._position) if self._fd >= 0 else b""
        if block:
            self._position += len(block)
            *lines, self._rest = (self._rest + block).split(b"\n")
            return list(_texts(lines))
        return self._switch() if replaced else None

    def _backwards(self) -> Iterator[str]:
        position, rest = self._position, b""
        while position and self._fd >= 0:
            start = max(0, position - _BLOCK)
            lines = (os.pread(self._fd, position - start, start) + rest).split(b"\n")
            position = start
            if len(lines) == 1 and len(lines[0]) > _LONGEST_LINE:
                lines.insert(0, b"")
            rest = lines[0]
            yield from _texts(reversed(lines[1:]))
        yield from _texts([rest])
        for file in reversed(self._older):
            if file.stamp < self._first_stamp:
                return
            yield from reversed(list(_whole_file(file)))

    def _replaced(self) -> bool:
        """Tell whether another file is at our path now; go back to the start of one that was truncated."""
        try:
            found = os.stat(self._path)
        except FileNotFoundError:
            return False
        if self._fd < 0:
            return True
        ours = os.fstat(self._fd)
        if ours.st_size < self._position:
            self._position, self._rest = 0, b""
        return (found.st_dev, found.st_ino) != (ours.st_dev, ours.st_ino)

    def _switch(self) -> list[str]:
        """Go on to the files that came after ours; the first of the newly rotated ones is ours, already read."""
        news = list(_texts([self._rest]))
        skip = 1 if self._fd >= 0 else 0
        seen = self._older[-1].stamp if self._older else ""
        self._open()
        for file in [file for file in self._older if file.stamp > seen][skip:]:
            news.extend(_whole_file(file))
        self._position, self._rest = 0, b""
        return news

    def _open(self) -> None:
        """Open the file together with the list of its rotated ones: neither from before, nor from after a rotation."""
        while True:
            self.close()
            self._older = self._rotated()
            try:
                self._fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                pass
            if [file.stamp for file in self._rotated()] == [file.stamp for file in self._older]:
                return

    def _rotated(self) -> list[Rotated]:
        return rotated_files(self._path.parent, self._path.name) if self._path.parent.is_dir() else []


def _whole_file(file: Rotated) -> Iterator[str]:
    import gzip

    try:
        with gzip.open(file.path) if file.compressed else open(file.path, "rb") as content:
            yield from _texts(content)
    except (FileNotFoundError, EOFError, gzip.BadGzipFile):
        return  # compressed or pruned meanwhile, or damaged: the rest is still worth reading


def _texts(lines: Iterable[bytes]) -> Iterator[str]:
    for line in lines:
        text = line.rstrip(b"\r\n").decode("utf-8", "replace")
        if text:
            yield text
