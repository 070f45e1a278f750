"""Tripped gates on disk: `latches.json` in a bot's state folder, synced before anything is done about them.

    {"latches": {"max_loss": {"action": "cancel", "reason": "...", "at_utc_ns": 1}}, "reset_utc_ns": 0}

Only an operator's reset clears them. The reset leaves its time behind: a session that began before it is over. A file
that cannot be read counts as a latch of its own: nobody can say that no limit was reached.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from utils.errors import LedgerError
from utils.files import read_json, write_json_atomic

FILE_NAME = "latches.json"
UNREADABLE = "latches"


@dataclass(frozen=True, slots=True)
class Latch:
    """One tripped gate: what it demands, why, and since when."""

    action: str
    reason: str
    at_utc_ns: int
    done: bool = True  # False: it demands a flat position, and that is not confirmed yet


class Latches:
    """The latches of one bot."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._latches: dict[str, Latch] = {}
        self._reset_utc_ns = 0
        self._load()

    def _load(self) -> None:
        try:
            plain = read_json(self.path)
            if plain is None:
                return
            self._reset_utc_ns = int(plain.get("reset_utc_ns", 0))
            self._latches = {str(name): Latch(**fields) for name, fields in plain["latches"].items()}
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as exc:
            self._latches = {UNREADABLE: Latch("cancel", f"{self.path} cannot be read: {exc}", 0)}

    @property
    def reset_utc_ns(self) -> int:
        """Return when an operator last reset the bot, 0 for never."""
        return self._reset_utc_ns

    def all(self) -> dict[str, Latch]:
        """Return every latch by gate."""
        return dict(self._latches)

    def get(self, name: str) -> Latch | None:
        """Return the latch of a gate, None when it is not tripped."""
        return self._latches.get(name)

    def set(self, name: str, action: str, reason: str, utc_ns: int, done: bool = True) -> None:
        """Latch a gate durably; a latch that is already there stays as it is. Raises LedgerError."""
        if name not in self._latches:
            self._replace({**self._latches, name: Latch(action, reason, utc_ns, done)})

    def mark_done(self, name: str) -> None:
        """Note durably that what a latch demands is done. Raises LedgerError."""
        latch = self._latches[name]
        if not latch.done:
            self._replace({**self._latches, name: replace(latch, done=True)})

    def _replace(self, wanted: dict[str, Latch]) -> None:
        self._write(wanted, self._reset_utc_ns)
        self._latches = wanted

    def reset(self, utc_ns: int) -> None:
        """Clear all latches durably, for an operator. Raises LedgerError."""
        self._write({}, utc_ns)
        self._latches, self._reset_utc_ns = {}, utc_ns

    def _write(self, latches: dict[str, Latch], reset_utc_ns: int) -> None:
        plain: dict[str, Any] = {name: asdict(latch) for name, latch in latches.items()}
        try:
            write_json_atomic(self.path, {"latches": plain, "reset_utc_ns": reset_utc_ns})
        except OSError as exc:
            raise LedgerError(f"{self.path} cannot be written: {exc}") from exc
