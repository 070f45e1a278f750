"""`run.json`: what a worker writes before its first order, so that whoever comes next can sweep after it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.bot_config import BotConfig
from utils.files import read_json, write_atomic, write_json_atomic

NAME = "run.json"
FENCE_NAME = "fence"


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One incarnation of a bot: its unresolved config, its fence, and whether it left nothing behind."""

    config: BotConfig
    fence: int
    clean: bool

    def write(self, folder: Path) -> None:
        """Replace the record in a bot's state folder, durably. Raises OSError."""
        write_json_atomic(folder / NAME, self.to_plain())

    def to_plain(self) -> dict[str, Any]:
        """Return JSON-able data."""
        return {"config": self.config.to_plain(), "fence": self.fence, "clean": self.clean}

    @classmethod
    def read(cls, folder: Path) -> RunRecord | None:
        """Return the record of a bot's state folder, None when it never ran. Raises ValueError on a damaged file."""
        plain: Any = read_json(folder / NAME)
        if plain is None:
            return None
        try:
            return cls(BotConfig.from_plain(plain["config"]), int(plain["fence"]), plain["clean"] is True)
        except (AttributeError, KeyError, TypeError) as exc:
            raise ValueError(f"{folder / NAME} is not a run record: {exc!r}") from exc


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


def next_fence(folder: Path) -> int:
    """Reserve and return the next fencing number, durably; only the holder of the bot's claim may call it."""
    path = folder / FENCE_NAME
    try:
        last = int(path.read_text()) if path.exists() else 0
    except ValueError:  # damaged: the last run knows its own
        record = RunRecord.read(folder)
        last = record.fence if record is not None else 0
    write_atomic(path, f"{last + 1}\n".encode())
    return last + 1
