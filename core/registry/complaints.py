"""What is wrong with a config, in a form that a person can act on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from utils.errors import ConfigError

JsonPath = tuple[str | int, ...]
NOTHING = "nothing"  # what is found where something is missing
MAX_COMPLAINTS = 50  # of one file; a hostile one could have thousands


@dataclass(frozen=True, slots=True)
class Problem:
    """A complaint that does not know its file yet; `place` overrides where the path is written."""

    path: JsonPath
    found: str
    expected: str
    nearest: str | None = None
    at_key: bool = False
    place: tuple[int, int] | None = None


def covered(path: JsonPath, bad: set[JsonPath]) -> bool:
    """Tell whether something at, above or below `path` is complained of already."""
    return any(path[: len(one)] == one or one[: len(path)] == path for one in bad if one)


@dataclass(frozen=True, slots=True)
class Complaint:
    """One thing to correct. `value` says what was found, *** where it could be a secret."""

    file: str
    line: int | None
    column: int | None
    path: str
    value: str
    expected: str
    nearest: str | None = None

    def __str__(self) -> str:
        where = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        what = f"{self.path}: " if self.path else ""
        hint = f"; nearest known key: {self.nearest}" if self.nearest else ""
        return f"{where}: {what}found {self.value}, expected {self.expected}{hint}"


@dataclass(frozen=True, slots=True)
class InvalidFile:
    """A file that starts no bot; `name` is the bot's name as far as it can be told."""

    file: str
    complaints: tuple[Complaint, ...]
    name: str | None = None


class InvalidConfig(ConfigError):
    """The config is not valid."""

    def __init__(self, complaints: Sequence[Complaint]) -> None:
        self.complaints = tuple(complaints)
        super().__init__("\n".join(str(complaint) for complaint in self.complaints))
