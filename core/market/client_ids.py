"""Client order ids: who placed an order can be read off its id, by us and by nobody else.

Text form, 22 characters: `mk` + bot part (8) + fence (5) + sequence (7), base 32 digits. The bot part is a hash of
a random home id and the bot's name; the fence grows with each incarnation that may write to the venue.

Number form, for venues that take an unsigned 32-bit integer: 10 bits of slot, 22 bits of sequence. A slot is allotted
to a bot durably, per venue and home; sequence numbers are taken from durably reserved blocks, which are the fence. Our
text for such an order is `n<slot>.<number>`, whose number never wraps; only its lowest 22 bits go to the venue.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

_DIGITS = "0123456789abcdefghijklmnopqrstuv"
_HEAD = "mk"
_BOT, _FENCE, _SEQUENCE = 8, 5, 7
MAX_FENCE = 32**_FENCE - 1


SLOT_BITS, SEQUENCE_BITS = 10, 22
SLOTS = 1 << SLOT_BITS
SEQUENCES = 1 << SEQUENCE_BITS
ID_BLOCK = 4096  # ids per durable reservation


class OrderIds(Protocol):
    """The ids of one bot on one leg."""

    def next(self) -> str:
        """Return a fresh id. Raises LedgerError when it cannot be reserved."""
        ...

    def owns(self, client_order_id: str) -> bool:
        """Tell whether an id is of this bot, whatever the incarnation."""
        ...


def _encode(number: int, width: int) -> str:
    if not 0 <= number < 32**width:
        raise ValueError(f"{number} does not fit {width} base-32 digits")
    return "".join([_DIGITS[number >> shift & 31] for shift in range(5 * width - 5, -1, -5)])


@lru_cache(maxsize=64)
def bot_part(home_id: str, bot_name: str) -> str:
    """Return the 8 digits that mark every order of a bot of this home."""
    digest = hashlib.sha256(f"{home_id}\0{bot_name}".encode()).digest()
    return _encode(int.from_bytes(digest[:5], "big"), _BOT)


@lru_cache(maxsize=64)
def _head(home_id: str, bot_name: str, fence: int) -> str:
    return _HEAD + bot_part(home_id, bot_name) + _encode(fence, _FENCE)


@dataclass(slots=True)
class ClientOrderIds:
    """The ids that one incarnation of a bot may use."""

    home_id: str
    bot_name: str
    fence: int
    sequence: int = 0

    @property
    def prefix(self) -> str:
        """Return what every id of this bot begins with, whatever the incarnation."""
        return _HEAD + bot_part(self.home_id, self.bot_name)

    def next(self) -> str:
        """Return a fresh id."""
        self.sequence += 1
        return _head(self.home_id, self.bot_name, self.fence) + _encode(self.sequence, _SEQUENCE)

    def owns(self, client_order_id: str) -> bool:
        """Tell whether the bot (any incarnation) placed that order."""
        return len(client_order_id) == len(_HEAD) + _BOT + _FENCE + _SEQUENCE and client_order_id.startswith(
            self.prefix
        )


def fence_of(client_order_id: str) -> int:
    """Return the fencing number in an id of ours."""
    start = len(_HEAD) + _BOT
    return int(client_order_id[start : start + _FENCE], 32)


@dataclass(slots=True)
class NumberIds:
    """The numbered ids of one bot on one account.

    `number` is the next one to use, `reserved_until` the first that is not reserved; `reserve` writes a new end of the
    reservation down, durably, before it returns (it raises LedgerError when it cannot). A new incarnation begins with
    `number = reserved_until`: what was reserved and not used is never used.
    """

    slot: int
    number: int
    reserved_until: int
    reserve: Callable[[int], None]

    def next(self) -> str:
        """Return a fresh id. Raises LedgerError when no block can be reserved."""
        if not self.slot and not self.number % SEQUENCES:  # a venue, or a client of it, may take 0 for no name
            self.number += 1
        if self.number >= self.reserved_until:
            until = self.number + ID_BLOCK
            self.reserve(until)
            self.reserved_until = until
        self.number += 1
        return f"n{self.slot}.{self.number - 1}"

    def owns(self, client_order_id: str) -> bool:
        """Tell whether an id is of this bot and was reserved."""
        slot, dot, number = client_order_id.partition(".")
        return bool(dot) and slot == f"n{self.slot}" and number.isdecimal() and int(number) < self.reserved_until

    def to_wire(self, client_order_id: str) -> int:
        """Return what the venue is told. Raises ValueError for an id that is not ours."""
        if not self.owns(client_order_id):
            raise ValueError(f"{client_order_id!r} is not an id of slot {self.slot}")
        number = int(client_order_id.partition(".")[2])
        return self.slot << SEQUENCE_BITS | number & (SEQUENCES - 1)

    def from_wire(self, wire: int) -> str:
        """Return our text for a venue's number: the newest reserved id that it can be, or `x<number>`: not ours."""
        slot, sequence = wire >> SEQUENCE_BITS, wire & (SEQUENCES - 1)
        last = self.reserved_until - 1
        number = last - (last - sequence & (SEQUENCES - 1))
        if slot != self.slot or number < 0:
            return f"x{wire}"
        return f"n{slot}.{number}"
