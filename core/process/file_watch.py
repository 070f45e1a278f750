"""The worker's word on files that its strategy goes by: said once when one turns bad, once when it is good again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class FileWatch:
    """Remembers which files were bad when it was asked last; another reason for the same is no news."""

    def __init__(self) -> None:
        self._bad: frozenset[str] = frozenset()

    def news(self, errors: Mapping[str, str]) -> list[dict[str, Any]]:
        """Return the packets to send; `errors` has why each bad file is not used, by the key that names it."""
        before, self._bad = self._bad, frozenset(errors)
        return [{"t": "file", "key": key, "error": errors.get(key)} for key in sorted(before ^ self._bad)]
