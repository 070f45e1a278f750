"""Client order ids: who placed an order can be read off its id, by us and by nobody else.

Text form, 22 characters: `mk` + bot part (8) + fence (5) + sequence (7), base 32 digits. The bot part is a hash of
a random home id and the bot's name; the fence grows with each incarnation that may write to the venue.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache

_DIGITS = "0123456789abcdefghijklmnopqrstuv"
_HEAD = "mk"
_BOT, _FENCE, _SEQUENCE = 8, 5, 7
MAX_FENCE = 32**_FENCE - 1


def _encode(number: int, width: int) -> str:
    if not 0 <= number < 32**width:
        raise ValueError(f"{number} does not fit {width} base-32 digits")
    digits = []
    for _ in range(width):
        number, rest = divmod(number, 32)
        digits.append(_DIGITS[rest])
    return "".join(reversed(digits))


@lru_cache(maxsize=64)
def bot_part(home_id: str, bot_name: str) -> str:
    """Return the 8 digits that mark every order of a bot of this home."""
    digest = hashlib.sha256(f"{home_id}\0{bot_name}".encode()).digest()
    return _encode(int.from_bytes(digest[:5], "big"), _BOT)


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
        return self.prefix + _encode(self.fence, _FENCE) + _encode(self.sequence, _SEQUENCE)

    def owns(self, client_order_id: str) -> bool:
        """Tell whether the bot (any incarnation) placed that order."""
        return len(client_order_id) == len(_HEAD) + _BOT + _FENCE + _SEQUENCE and client_order_id.startswith(
            self.prefix
        )


def fence_of(client_order_id: str) -> int:
    """Return the fencing number in an id of ours."""
    start = len(_HEAD) + _BOT
    return int(client_order_id[start : start + _FENCE], 32)
