"""Orders that a worker leaves on purpose: what is on record of them, and who may take them over until when."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from core.process.identity import boot_id


@dataclass(frozen=True, slots=True)
class Handover:
    """The client order ids that rest, and until when a successor may take them; no clock of another boot counts."""

    orders: tuple[str, ...]
    boot_id: str
    deadline_boot_ns: int  # CLOCK_BOOTTIME: it goes on while the machine sleeps, and nobody can set it
    deadline_utc_ns: int  # the same moment, for people

    @classmethod
    def within(cls, deadline_s: float) -> Handover:
        """Return a record, without orders yet, that holds for so long from now on."""
        ahead_ns = round(deadline_s * 1e9)
        return cls((), boot_id(), _boot_ns() + ahead_ns, time.time_ns() + ahead_ns)

    def of(self, orders: Sequence[str]) -> Handover:
        """Return the record of these orders."""
        return Handover(tuple(orders), self.boot_id, self.deadline_boot_ns, self.deadline_utc_ns)

    def why_void(self) -> str:
        """Return why nobody may take the orders over any more, empty when it still holds."""
        if self.boot_id != boot_id():
            return "the handover is of before a restart of the machine"
        return "the handover has expired" if _boot_ns() >= self.deadline_boot_ns else ""

    def to_plain(self) -> dict[str, Any]:
        """Return JSON-able data."""
        return {**asdict(self), "orders": list(self.orders)}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Handover:
        """Rebuild from `to_plain` data. Raises AttributeError, KeyError, TypeError, ValueError when it is none."""
        orders = tuple(str(order) for order in plain["orders"])
        return cls(orders, str(plain["boot_id"]), int(plain["deadline_boot_ns"]), int(plain["deadline_utc_ns"]))


def _boot_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)
