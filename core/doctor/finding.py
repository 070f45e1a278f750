"""What the doctor says about one thing: fine, worth a look, or to be mended, and what to do then."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

OK, WARN, FAIL = "ok", "warn", "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: `todo` says what to do, empty when there is nothing."""

    check: str
    level: str
    text: str
    todo: str = ""

    def to_plain(self) -> dict[str, Any]:
        """Return JSON-able data."""
        return asdict(self)


def judged(check: str, text: str, fails: str = "", warns: str = "") -> Finding:
    """Return a finding: `fails` and `warns` are what to do; the first that is not empty sets the level."""
    return Finding(check, FAIL if fails else WARN if warns else OK, text, fails or warns)
