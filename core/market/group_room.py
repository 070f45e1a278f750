"""What the limits of a group of instruments leave one of its legs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GroupRoom:
    """What the group leaves one leg, in lots, before its own outstanding orders are taken off."""

    buy_lots: int
    sell_lots: int
    buy_reason: str
    sell_reason: str
