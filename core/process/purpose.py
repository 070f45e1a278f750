"""What a supervisor is for: the daemon of a home, one direct run, or closing what the bots of a home hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from core.process.worker_record import Close, Happening, Start


class Kind(str, Enum):
    """The three kinds of supervisor."""

    DAEMON = "daemon"
    DIRECT = "direct"
    FLATTEN = "flatten"


@dataclass(frozen=True, slots=True)
class Purpose:
    """One supervisor's errand. `only`: these bots and no others; empty is all, or as their configs say."""

    kind: Kind = Kind.DAEMON
    only: frozenset[str] = frozenset()
    sell_base: bool = False

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Purpose:
        """Rebuild from what a starter says."""
        return cls(Kind(plain["kind"]), frozenset(plain.get("only", ())), bool(plain.get("sell_base")))

    def to_plain(self) -> dict[str, Any]:
        """Return JSON-able data; `from_plain` is its inverse."""
        return {"kind": self.kind.value, "only": sorted(self.only), "sell_base": self.sell_base}

    @property
    def ends_with_its_bots(self) -> bool:
        """Tell whether there is nothing more to do once every bot has come to rest."""
        return self.kind is not Kind.DAEMON

    @property
    def takes_left_overs(self) -> bool:
        """Tell whether what other supervisors of the home left is this one's."""
        return self.kind is not Kind.DIRECT

    @property
    def first_wish(self) -> Happening:
        """Return what is wanted of each bot at the start."""
        return Close(self.sell_base) if self.kind is Kind.FLATTEN else Start()

    def concerns(self, name: str, autostart: bool, is_job: bool = False) -> bool:
        """Tell whether a bot is begun with; a job has nothing to close."""
        if is_job and self.kind is Kind.FLATTEN:
            return False
        if self.only:
            return name in self.only
        return autostart or self.kind is Kind.FLATTEN
