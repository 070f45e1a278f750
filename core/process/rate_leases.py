"""Who may ask a venue how often: shares of one budget, lent to workers for a few seconds at a time.

Pure: the clock comes in. A budget is known by its key, the same text in every worker that draws on it. Never more than
four fifths of it are lent; the rest is for cancels, sweeps, and whoever has no lease yet.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

LENT_SHARE = 0.8
LEASE_NS = 15_000_000_000
MAX_SCOPES = 20  # of one worker
MAX_KEY = 200  # characters
MAX_RATE = 1e9


@dataclass(frozen=True, slots=True)
class Lease:
    """A share of a budget, until a monotonic time."""

    per_s: float
    burst: float
    until_ns: int


@dataclass(slots=True)
class _Scope:
    """One budget: what each holder says that it is, and what each was lent."""

    capacities: dict[str, tuple[float, float]] = field(default_factory=dict)
    leases: dict[str, Lease] = field(default_factory=dict)

    def expire(self, now_ns: int) -> None:
        for holder in [holder for holder, lease in self.leases.items() if lease.until_ns <= now_ns]:
            self.drop(holder)

    def drop(self, holder: str) -> None:
        self.leases.pop(holder, None)
        self.capacities.pop(holder, None)

    def lend(self, holder: str, now_ns: int) -> Lease:
        """Lend an equal share, or what is free now: the others come down to theirs when they ask again."""
        others = [lease for name, lease in self.leases.items() if name != holder]
        per_s = LENT_SHARE * min(capacity[0] for capacity in self.capacities.values())
        burst = LENT_SHARE * min(capacity[1] for capacity in self.capacities.values())
        sharers = len(others) + 1
        lease = Lease(
            max(0.0, min(per_s / sharers, per_s - math.fsum(other.per_s for other in others))),
            max(0.0, min(burst / sharers, burst - math.fsum(other.burst for other in others))),
            now_ns + LEASE_NS,
        )
        self.leases[holder] = lease
        return lease


class RateLeases:
    """The budgets of all venues that the bots of one supervisor draw on."""

    def __init__(self) -> None:
        self._scopes: dict[str, _Scope] = {}
        self._keys: dict[str, set[str]] = {}  # of each holder

    def ask(self, holder: str, key: str, per_s: float, burst: float, now_ns: int) -> Lease:
        """Lend a holder its share of a budget; where holders disagree on its size, the smallest counts."""
        scope = self._scopes.setdefault(key, _Scope())
        scope.expire(now_ns)
        scope.capacities[holder] = (per_s, burst)
        self._keys.setdefault(holder, set()).add(key)
        return scope.lend(holder, now_ns)

    def drop(self, holder: str) -> None:
        """Take back everything that was lent to one holder: it has ended."""
        for key in self._keys.pop(holder, ()):
            self._take_back(holder, key)

    def _take_back(self, holder: str, key: str) -> None:
        scope = self._scopes.get(key)
        if scope is None:
            return
        scope.drop(holder)
        if not scope.leases:
            del self._scopes[key]

    def lent(self, key: str, now_ns: int) -> tuple[float, float]:
        """Return how much of a budget is lent at a time."""
        scope = self._scopes.get(key, _Scope())
        leases = [lease for lease in scope.leases.values() if lease.until_ns > now_ns]
        return math.fsum(lease.per_s for lease in leases), math.fsum(lease.burst for lease in leases)

    def told(self, now_ns: int) -> list[dict[str, Any]]:
        """Return every budget: its size, how much of it is lent, and to whom."""
        return [
            {
                "key": key,
                "per_s": min(capacity[0] for capacity in scope.capacities.values()),
                "lent_per_s": self.lent(key, now_ns)[0],
                "holders": sorted(scope.capacities),
            }
            for key, scope in sorted(self._scopes.items())
            if scope.capacities
        ]

    def __len__(self) -> int:
        return len(self._scopes)

    def to_plain(self) -> dict[str, Any]:
        """Return JSON-able data of what is lent; `take_over` is its inverse."""
        return {
            key: {
                "capacities": {holder: list(capacity) for holder, capacity in scope.capacities.items()},
                "leases": {name: [lease.per_s, lease.burst, lease.until_ns] for name, lease in scope.leases.items()},
            }
            for key, scope in self._scopes.items()
        }

    def take_over(self, plain: Mapping[str, Any]) -> None:
        """Take over what an earlier self has lent."""
        for key, said in plain.items():
            capacities = {holder: (float(a), float(b)) for holder, (a, b) in said["capacities"].items()}
            leases = {holder: Lease(float(a), float(b), int(c)) for holder, (a, b, c) in said["leases"].items()}
            self._scopes[key] = _Scope(capacities, leases)
            for holder in capacities:
                self._keys.setdefault(holder, set()).add(key)

    def answer(self, holder: str, message: Mapping[str, Any], now_ns: int) -> dict[str, Any]:
        """Return the answer to a worker's `lease` packet. Raises KeyError, TypeError or ValueError for garbage."""
        scopes = message["scopes"]
        if not isinstance(scopes, list) or len(scopes) > MAX_SCOPES:
            raise ValueError(f"scopes is not a list of at most {MAX_SCOPES}")
        wanted = [(_key(scope["key"]), _rate(scope["per_s"]), _rate(scope["burst"])) for scope in scopes]
        grants = []
        for key, per_s, burst in wanted:
            lease = self.ask(holder, key, per_s, burst, now_ns)
            grants.append({"key": key, "per_s": lease.per_s, "burst": lease.burst, "until_ns": lease.until_ns})
        for key in self._keys.get(holder, set()) - {key for key, _, _ in wanted}:
            self._take_back(holder, key)  # so that nobody can make up more budgets than one packet holds
        self._keys[holder] = {key for key, _, _ in wanted}
        return {"t": "lease", "grants": grants}


def _key(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_KEY:
        raise ValueError("a key is a text of at most 200 characters")
    return value


def _rate(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= MAX_RATE:
        raise ValueError("a rate is a number above 0")
    return float(value)
