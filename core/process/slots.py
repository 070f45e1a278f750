"""Slots: which bot owns which part of a narrow venue's numbers, in one home.

A venue that takes 32-bit order ids leaves 10 bits to say whose an order is. Each leg of a bot is allotted one slot per
venue, for good. Every slot is a file of its own, made by link(2): whoever makes it first owns it. So nobody waits for a
lock, and a slot is never two bots', whatever key or label of account they use. Nothing gives a slot back but a person
who deletes the file of a bot that is gone.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.market.client_ids import SLOTS
from utils.errors import ConfigError, LedgerError
from utils.files import fsync_folder, write_atomic, write_json_atomic


@dataclass(frozen=True, slots=True)
class Reservation:
    """A slot, and the first number in it that is not reserved yet."""

    slot: int
    until: int

    @classmethod
    def from_plain(cls, plain: Any) -> Reservation:
        """Rebuild from JSON. Raises ValueError when it is something else."""
        slot, until = (plain.get("slot"), plain.get("until")) if isinstance(plain, dict) else (None, None)
        if type(slot) is not int or type(until) is not int or not 0 <= slot < SLOTS or until < 0:
            raise ValueError("not a slot and the end of a reservation")
        return cls(slot, until)


@dataclass(frozen=True, slots=True)
class SlotOwner:
    """One leg of one bot."""

    bot: str
    leg: str


class SlotFolder:
    """The slots of one venue in one home: `var/state/slots/VENUE/SLOT.json`."""

    def __init__(self, state: Path, venue: str) -> None:
        self.path = state / "slots" / venue

    def read(self, slot: int) -> tuple[SlotOwner, Reservation] | None:
        """Return whose a slot is and how far it is reserved, None when it is free.

        Raises ValueError when its file is damaged, OSError.
        """
        try:
            plain = json.loads(self.file_of(slot).read_bytes())
            return SlotOwner(str(plain["bot"]), str(plain["leg"])), Reservation.from_plain({**plain, "slot": slot})
        except FileNotFoundError:
            return None
        except (KeyError, TypeError) as exc:
            raise ValueError(f"no owner in it: {exc!r}") from exc

    def holder(self, slot: int) -> SlotOwner | None:
        """Return whose a slot is, None when it is free or its file does not tell. Raises OSError."""
        try:
            found = self.read(slot)
        except ValueError:
            return None
        return found[0] if found else None

    def find(self, owner: SlotOwner) -> tuple[Reservation | None, list[Path]]:
        """Return what an owner has, and the files that could not be read. Raises OSError."""
        damaged = []
        for slot in self._used():
            try:
                found = self.read(slot)
            except ValueError:
                damaged.append(self.file_of(slot))
                continue
            if found is not None and found[0] == owner:
                return found[1], damaged
        return None, damaged

    def allot(self, owner: SlotOwner, slots: Iterable[int], until: int) -> Reservation:
        """Give an owner the first of `slots` that is free, durably; a damaged file counts as somebody's.

        Raises ConfigError when all are taken, OSError.
        """
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = self.path / f".draft.{os.getpid()}"
        write_atomic(draft, json.dumps(_plain(owner, until)).encode())
        try:
            for slot in slots:
                try:
                    os.link(draft, self.file_of(slot))  # whole or not at all, and never over somebody else's
                except FileExistsError:
                    continue
                fsync_folder(self.path)
                fsync_folder(self.path.parent)
                return Reservation(slot, until)
        finally:
            draft.unlink(missing_ok=True)
        raise ConfigError(
            f"all {SLOTS} slots for order ids in {self.path} are taken; delete the files of bots that are gone for good"
        )

    def write(self, owner: SlotOwner, reservation: Reservation) -> None:
        """Replace the file of a slot by its owner's word, durably. Raises LedgerError when it is another's, OSError."""
        if self.holder(reservation.slot) not in (owner, None):
            raise LedgerError(f"{self.file_of(reservation.slot)} has become another bot's; it must not be edited")
        write_json_atomic(self.file_of(reservation.slot), _plain(owner, reservation.until))

    def file_of(self, slot: int) -> Path:
        """Return the file of a slot."""
        return self.path / f"{slot}.json"

    def _used(self) -> list[int]:
        try:
            names = os.listdir(self.path)
        except FileNotFoundError:
            return []
        stems = (name.removesuffix(".json") for name in names if name.endswith(".json"))
        return sorted(int(stem) for stem in stems if stem.isdecimal() and int(stem) < SLOTS)


def probes(seed: str) -> Iterator[int]:
    """Yield every slot once, beginning at the one that the seed says."""
    first = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4], "big")
    return ((first + step) % SLOTS for step in range(SLOTS))


def _plain(owner: SlotOwner, until: int) -> dict[str, Any]:
    return {"bot": owner.bot, "leg": owner.leg, "until": until}
