"""`run.json`: what a worker writes before its first order, so that whoever comes next can sweep after it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from core.bot_config import BotConfig
from core.process.config_change import is_same_bot
from core.process.handover import Handover
from core.process.identity import Identity
from utils.files import read_json, write_atomic, write_json_atomic

_Read = TypeVar("_Read")
NAME = "run.json"
FENCE_NAME = "fence"
_DIRTY, _CLEAN = b'{\n "clean": false,', b'{\n "clean": true, '  # how a record begins; the same number of bytes


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One incarnation of a bot: its unresolved config, its fence, and whether it left nothing behind.

    With a `handover` it left orders on purpose: until the deadline a successor may take them over instead of a sweep.
    `supervisor`: whose worker it was; None is not known.
    """

    config: BotConfig
    fence: int
    clean: bool
    handover: Handover | None = None
    supervisor: Identity | None = None

    def write(self, folder: Path) -> None:
        """Replace the record in a bot's state folder, durably. Raises OSError."""
        write_json_atomic(folder / NAME, self.to_plain())

    def mark_clean(self, folder: Path) -> None:
        """Mark the record in a bot's state folder clean. Raises OSError.

        In its place and not synced: a mark that a power loss takes back costs one more sweep.
        """
        try:
            fd = os.open(folder / NAME, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return replace(self, clean=True).write(folder)
        try:
            if os.pread(fd, len(_DIRTY), 0) == _DIRTY:
                os.pwrite(fd, _CLEAN, 0)
                return None
        finally:
            os.close(fd)
        return replace(self, clean=True).write(folder)

    def swept(self, fence: int) -> RunRecord:
        """Return the record after nothing is left any more."""
        return replace(self, clean=True, fence=fence, handover=None)

    def to_plain(self) -> dict[str, Any]:
        """Return JSON-able data."""
        return {
            "config": self.config.to_plain(),
            "fence": self.fence,
            "clean": self.clean,
            "handover": None if self.handover is None else self.handover.to_plain(),
            "supervisor": None if self.supervisor is None else self.supervisor.to_plain(),
        }

    @classmethod
    def read(cls, folder: Path) -> RunRecord | None:
        """Return the record of a bot's state folder, None when it never ran. Raises ValueError on a damaged file."""
        plain: Any = read_json(folder / NAME)
        if plain is None:
            return None
        try:
            return cls(
                config=BotConfig.from_plain(plain["config"]),
                fence=int(plain["fence"]),
                clean=plain["clean"] is True,
                handover=_or_none(Handover.from_plain, plain.get("handover")),
                supervisor=_or_none(Identity.from_plain, plain.get("supervisor")),
            )
        except (AttributeError, KeyError, TypeError) as exc:
            raise ValueError(f"{folder / NAME} is not a run record: {exc!r}") from exc


def _or_none(read: Callable[[Any], _Read], plain: Any) -> _Read | None:
    """Return a part of the record; a damaged handover is none, so that the orders are swept."""
    try:
        return None if plain is None else read(plain)
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def has_left_overs(folder: Path) -> bool:
    """Tell whether the last run of a bot may have left orders: its record is not clean, or cannot be read."""
    try:
        record = RunRecord.read(folder)
    except ValueError:
        return True
    return record is not None and not record.clean


def is_clean(folder: Path) -> bool:
    """Tell whether a bot ran before and it was confirmed that nothing of it is left. Raises ValueError when damaged."""
    record = RunRecord.read(folder)
    return record is not None and record.clean


def handed_over(folder: Path, config: BotConfig) -> Handover:
    """Return the orders that a worker with this config may take over. Raises ValueError with the reason for none."""
    record = RunRecord.read(folder)
    if record is None or record.clean or record.handover is None:
        raise ValueError("no handover is on record")
    if not is_same_bot(record.config, config):
        raise ValueError("the handover is of other legs, another account, key, mode, network or address")
    if last_fence(folder) != record.fence:
        raise ValueError("somebody has owned the bot since the handover")
    if why := record.handover.why_void():
        raise ValueError(why)
    return record.handover


def last_fence(folder: Path) -> int:
    """Return the fencing number that was reserved last, 0 before the first. Raises OSError, ValueError."""
    path = folder / FENCE_NAME
    return int(path.read_text()) if path.exists() else 0


def next_fence(folder: Path) -> int:
    """Reserve and return the next fencing number, durably; only the holder of the bot's claim may call it."""
    try:
        last = last_fence(folder)
    except ValueError:  # damaged: the last run knows its own
        record = RunRecord.read(folder)
        last = record.fence if record is not None else 0
    write_atomic(folder / FENCE_NAME, f"{last + 1}\n".encode())
    return last + 1
