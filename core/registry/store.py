"""The only writer of config files: one at a time, none over another's work, never a torn file, all of it on record.

A change is a list of steps, each a file that gets new content or goes. A writer says which content it started from (by
its digest), and is refused when that is not there any more. The steps are on record before the first is done; after a
crash the next command finishes a change of which something was done, and forgets one of which nothing was.
"""

from __future__ import annotations

import os
import pwd
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from core.registry.history import BY_HAND, UNKNOWN, History, Pending, Version, file_digest, open_history
from core.registry.json_text import MAX_BYTES
from core.registry.reading import read_regular
from utils.errors import ConfigError
from utils.files import fsync_folder, give_to_owner_of, open_locked, write_atomic
from utils.home import Home

PATIENCE_S = 20.0  # for other writers; each is done within some milliseconds
_POLL_S = 0.005
_LOCK = "lock"
_NEW_FILE_MODE = 0o600


class StaleChange(ConfigError):
    """The file was changed meanwhile; nothing was written."""


@dataclass(frozen=True, slots=True)
class Change:
    """One file of a bot that gets new content, or goes (`new` is None); `base` is the digest that it started from."""

    bot: str
    file: Path
    new: bytes | None
    base: str | None  # None: there is no such file yet
    note: str = ""


def content_of(file: Path) -> bytes | None:
    """Return what is in a config file, None when there is none. Raises ConfigError for what is no regular file."""
    if file.is_symlink():
        raise ConfigError(f"{file} is a symbolic link; name the file that it leads to, or put the file itself there")
    try:
        return read_regular(file, MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise ConfigError(f"{file} cannot be read ({exc.strerror})") from exc


def this_user() -> str:
    """Return who is asking, as far as the system knows."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = f"uid {os.getuid()}"
    sudo = os.environ.get("SUDO_USER", "")
    return f"{name} (sudo of {sudo[:64]})" if sudo and sudo.isprintable() else name


class ConfigStore:
    """Writes config files of one home."""

    def __init__(self, home: Home, who: str | None = None, patience_s: float = PATIENCE_S) -> None:
        self._home = home
        self._who = who or this_user()
        self._patience_s = patience_s

    @property
    def _folder(self) -> Path:
        return self._home.history

    def apply(self, changes: Sequence[Change], action: str, check: Callable[[], None] = lambda: None) -> list[Version]:
        """Make all changes, or none; return the new versions. Raises StaleChange, ConfigError, OSError.

        `check` is called while nobody else can write, and raises when what it was told before does not hold any more.
        """
        at_ns = time.time_ns()
        steps = [
            Pending(one.bot, at_ns, self._who, action, one.note, self._named(one.file), one.base, one.new)
            for one in changes
            if file_digest(one.new) != one.base
        ]
        with self._locked() as history:
            for step in steps:
                self._hold_to_base(step, history)
            check()
            for step in steps:
                self._make_folder(self._path(step).parent)
            history.begin(steps)
            for step in steps:
                self._do(step)
            return history.conclude(steps)

    def take_in(self, seen: Sequence[tuple[str, Path, bytes]]) -> list[Version]:
        """Take note of valid contents (bot, file, content) that were not written by us.

        What is known, or not there any more, is left out. Raises ConfigError, OSError.
        """
        at_ns = time.time_ns()
        with self._locked() as history:
            known = history.newest_digests()
            steps = [
                Pending(bot, at_ns, UNKNOWN, BY_HAND, "", self._named(file), None, content)
                for bot, file, content in seen
                if known.get(bot) != file_digest(content) and content_of(file) == content
            ]
            return history.conclude(steps)

    @contextmanager
    def reading(self) -> Iterator[History]:
        """Open the history for reading, with what a crash left behind put right. Raises ConfigError, OSError."""
        with self._locked():
            pass
        with open_history(self._folder) as history:
            yield history

    @contextmanager
    def _locked(self) -> Iterator[History]:
        if not self._folder.is_dir():
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            give_to_owner_of(self._folder, self._home.root)
            fsync_folder(self._folder.parent)
        fd = self._wait_for_lock()
        try:
            give_to_owner_of(fd, self._folder)
            with open_history(self._folder) as history:
                self._repair(history)
                yield history
        finally:
            os.close(fd)

    def _wait_for_lock(self) -> int:
        deadline = time.monotonic() + self._patience_s
        while (fd := open_locked(self._folder / _LOCK)) is None:
            if time.monotonic() > deadline:
                raise ConfigError("another command is writing configs of this home; try again when it is done")
            time.sleep(_POLL_S)
        return fd

    def _hold_to_base(self, step: Pending, history: History) -> None:
        """Refuse a step whose file is not what its writer started from."""
        if file_digest(content_of(self._path(step))) == step.base:
            return
        newest = history.newest(step.bot)
        known = newest is not None and newest.digest == file_digest(content_of(self._path(step)))
        who = f" by {newest.who} ({newest.action}, version {newest.number})" if known and newest else ""
        raise StaleChange(f"{step.file} was changed meanwhile{who}; nothing was written: look at it, then try again")

    def _repair(self, history: History) -> None:
        """Bring files and record together after a crash: what was begun is finished, what was not is forgotten."""
        steps = history.pending()
        if not steps:
            return
        for step in steps:
            self._sweep_temporaries(self._path(step))
        now = [file_digest(content_of(self._path(step))) for step in steps]
        if any(digest == step.digest for step, digest in zip(steps, now, strict=True)):
            for step, digest in zip(steps, now, strict=True):
                if digest == step.base:
                    self._do(step)
        done = [step for step in steps if file_digest(content_of(self._path(step))) == step.digest]
        history.conclude(done)  # a file that was changed by hand since then keeps that, and gets no version here

    def _do(self, step: Pending) -> None:
        path = self._path(step)
        if step.new is None:
            path.unlink(missing_ok=True)
            fsync_folder(path.parent)
            return
        is_new = not path.exists()
        mode = _NEW_FILE_MODE if is_new else path.stat().st_mode & 0o777
        write_atomic(path, step.new, mode, like=path.parent if is_new else path)

    def _make_folder(self, folder: Path) -> None:
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            give_to_owner_of(folder, self._home.root)
            fsync_folder(folder.parent)

    @staticmethod
    def _sweep_temporaries(path: Path) -> None:
        """Remove what a writer that was killed left of this file; under the lock no other writer lives."""
        for left in path.parent.glob(f".{path.name}.*.tmp"):
            left.unlink(missing_ok=True)

    def _named(self, file: Path) -> str:
        """Return a file relative to the home. Raises ConfigError for one outside."""
        try:
            return file.absolute().relative_to(self._home.root).as_posix()
        except ValueError:
            raise ConfigError(f"{file} is not a file of this home ({self._home.root})") from None

    def _path(self, step: Pending) -> Path:
        return self._home.root / step.file
