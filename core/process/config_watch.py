"""Whether config files have changed, for a daemon file with `supervision.watch`: looked at once a second.

Nothing is read: names, times, sizes and inode numbers tell. A change counts once it has been quiet for a second, so
that a file is not read while it is being written.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

LOOK_NS = 1_000_000_000
QUIET_NS = 1_000_000_000
MAX_FILES = 2000  # more than the validator reads
Look = tuple[tuple[str, int, int, int], ...]


class QuietChange:
    """Tells when something has changed and then stayed as it was for a while. Pure."""

    def __init__(self, known: Look) -> None:
        self._known = known
        self._last = known
        self._since_ns = 0

    def offer(self, look: Look, now_ns: int) -> bool:
        """Take in how it looks now; True once for each change that has come to rest."""
        if look != self._last:
            self._last, self._since_ns = look, now_ns
            return False
        if look == self._known or now_ns - self._since_ns < QUIET_NS:
            return False
        self._known = look
        return True


class ConfigWatch:
    """Looks at folders of configs and at single files, while it is on; what is missing may come."""

    def __init__(self, folders: tuple[Path, ...], files: tuple[Path, ...], on_change: Callable[[], None]) -> None:
        self.on = False
        self._folders, self._files = folders, files
        self._on_change = on_change
        self._change = QuietChange(self._look())
        self._due_ns = 0

    def tend(self, now_ns: int) -> None:
        """Look when it is time to, and say so when something has changed."""
        if not self.on or now_ns < self._due_ns:
            return
        self._due_ns = now_ns + LOOK_NS
        if self._change.offer(self._look(), now_ns):
            self._on_change()

    def _look(self) -> Look:
        return tuple(sorted(self._seen()))

    def _seen(self) -> Iterator[tuple[str, int, int, int]]:
        for folder in self._folders:
            try:
                with os.scandir(folder) as entries:
                    yield from (fact for entry in islice(entries, MAX_FILES) for fact in _entry_facts(entry))
            except OSError as exc:
                yield (str(folder), exc.errno or 0, 0, 0)
        for file in self._files:
            yield from _facts(str(file))


def _entry_facts(entry: os.DirEntry[str]) -> Iterator[tuple[str, int, int, int]]:
    if entry.name.endswith(".json") and not entry.name.startswith("."):
        yield from _facts(entry.path)


def _facts(path: str) -> Iterator[tuple[str, int, int, int]]:
    try:
        found = os.stat(path)
    except OSError:
        return
    yield path, found.st_mtime_ns, found.st_size, found.st_ino
