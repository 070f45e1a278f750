"""How often we may ask: a token bucket per scope that a venue counts, with a share kept for cancels.

Pure: the clock comes in. Without a lease a process keeps to a small share, so that any number of them stay under the
venue's limit while nobody coordinates them; a lease gives it more until it ends.
"""

from __future__ import annotations

import math
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from api.base_client import RateScope

SOLO_SHARE = 1 / 50
CANCEL_SHARE = 1 / 5
LEAST_PER_S = 1.0
LEAST_BURST = 2.0  # one request and one cancel
NS = 1_000_000_000
SLACK = 1e-9  # what sums of fractions may be short of a whole token


class Lane(IntEnum):
    """What a request is for; lower goes first."""

    CANCEL = 0
    CREATE = 1
    READ = 2


class RateBudget:
    """What one process may take of a scope."""

    def __init__(self, scope: RateScope, now_ns: int) -> None:
        self.scope = scope
        self._per_s, self._burst = self._solo()
        self._lease_until_ns: int | None = None
        self._tokens = self._burst
        self._counted_ns = now_ns
        self._blocked_until_ns = dict.fromkeys(Lane, 0)

    def lease(self, per_s: float, burst: float, until_ns: int) -> None:
        """Take a bigger or smaller share until a monotonic time; what was saved up stays, up to the new burst.

        A bigger share keeps more for cancels; that much comes with it, or creates would wait until it is saved up.
        """
        before = self._reserve()
        self._per_s, self._burst = per_s, max(burst, 1.0)
        self._tokens = min(self._tokens + max(0.0, self._reserve() - before), self._burst)
        self._lease_until_ns = until_ns

    def wait_ns(self, cost: int, lane: Lane, now_ns: int) -> int:
        """Return 0 when a request may go now, else how long to wait; ask again then."""
        self._count_up_to(now_ns)
        blocked_ns = max(0, self._blocked_until_ns[lane] - now_ns)
        missing = self._needed(cost, lane) - self._tokens
        if missing <= SLACK:
            return blocked_ns
        return max(blocked_ns, math.ceil(missing / self._per_s * NS))

    def take(self, cost: int, lane: Lane, now_ns: int) -> None:
        """Count a request; one that costs more than the bucket holds leaves a debt."""
        self._count_up_to(now_ns)
        self._tokens -= cost

    def block(self, until_ns: int, lane: Lane | None = None) -> None:
        """Let nothing go (of one lane, or of all) until a monotonic time: the venue said so.

        When all are blocked, our count was too high: only the reserve is left, so cancels go first when it opens.
        """
        for each in Lane if lane is None else (lane,):
            self._blocked_until_ns[each] = max(self._blocked_until_ns[each], until_ns)
        if lane is None:
            self._tokens = min(self._tokens, self._reserve())
            self._counted_ns = max(self._counted_ns, until_ns)

    def _solo(self) -> tuple[float, float]:
        return max(LEAST_PER_S, self.scope.per_s * SOLO_SHARE), max(LEAST_BURST, self.scope.burst * SOLO_SHARE)

    def _reserve(self) -> float:
        least = 1.0 if self._burst >= LEAST_BURST else 0.0
        return max(self._burst * CANCEL_SHARE, least)

    def _needed(self, cost: int, lane: Lane) -> float:
        kept = 0.0 if lane is Lane.CANCEL else self._reserve()
        return min(cost + kept, self._burst)

    def _count_up_to(self, now_ns: int) -> None:
        end = self._lease_until_ns
        if end is not None and now_ns >= end:
            self._fill(end)
            self._per_s, self._burst = self._solo()
            self._lease_until_ns = None
        self._fill(now_ns)

    def _fill(self, until_ns: int) -> None:
        if until_ns > self._counted_ns:
            gained = (until_ns - self._counted_ns) / NS * self._per_s
            self._tokens = min(self._burst, self._tokens + gained)
            self._counted_ns = until_ns
        self._tokens = min(self._tokens, self._burst)
