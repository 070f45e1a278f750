"""The price of another venue's market, as a bot last heard it; beyond its age it is none."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

EXTERNAL = "external"  # the `price_source` that means this one


@dataclass(frozen=True, slots=True)
class ExternalPrice:
    """The mid of a market on which a bot trades nothing; a newer one takes its place, it never changes."""

    max_age_ns: int
    name: str = ""  # of the market, for people
    mid: Decimal | None = None  # in the quote asset of the bot's own market; None: none was ever heard
    local_ns: int = 0  # when it was heard, by the loop's clock
    why: str = "nothing was heard of it yet"  # there is no mid

    def at(self, now_ns: int) -> Decimal | None:
        """Return the mid while it is not too old, else None."""
        return None if self.mid is None or now_ns - self.local_ns > self.max_age_ns else self.mid

    def stale_reason(self, now_ns: int) -> str:
        """Return why there is no mid to go by, empty while there is one."""
        if self.mid is None:
            return self.why
        age_ns = now_ns - self.local_ns
        return f"the last word of it is {age_ns / 1e9:.1f} s old" if age_ns > self.max_age_ns else ""


def external_ticks(external: ExternalPrice | None, now_ns: int, tick_size: Decimal) -> float | None:
    """Return the mid in ticks of the bot's own market; None while there is none, or it is too old."""
    mid = None if external is None else external.at(now_ns)
    return None if mid is None else float(mid / tick_size)
