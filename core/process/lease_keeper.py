"""The worker's side of rate leases: ask the supervisor now and then, pass on what it lends. Nothing waits for it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from api.base_client import ExchangeClient, RateScope
from core.process.rate_leases import MAX_SCOPES

RENEW_NS = 5_000_000_000
log = logging.getLogger("makerd.process")


class LeaseKeeper:
    """Keeps the leases of one worker's clients fresh; without an answer a client falls back to a small share."""

    def __init__(self, clients: Sequence[ExchangeClient]) -> None:
        self._clients = clients
        self._due_ns = 0
        self._told = False

    def request(self, now_ns: int) -> dict[str, Any] | None:
        """Return the packet to send when one is due."""
        if now_ns < self._due_ns:
            return None
        self._due_ns = now_ns + RENEW_NS
        scopes = self._scopes()
        if not scopes:
            return None
        return {"t": "lease", "scopes": [{"key": s.key, "per_s": s.per_s, "burst": s.burst} for s in scopes]}

    def _scopes(self) -> list[RateScope]:
        found: dict[str, RateScope] = {}
        for client in self._clients:
            for scope in client.rate_scopes():
                found.setdefault(scope.key, scope)
        if len(found) > MAX_SCOPES and not self._told:
            self._told = True
            log.warning("too_many_rate_scopes", extra={"fields": {"scopes": len(found), "asked": MAX_SCOPES}})
        return list(found.values())[:MAX_SCOPES]

    def hear(self, message: Mapping[str, Any]) -> None:
        """Pass a grant on to the clients that draw on its budget, in equal parts: each counts for itself."""
        for grant in message.get("grants", ()):
            key = grant["key"]
            if grant["per_s"] <= 0 or grant["burst"] <= 0:  # nothing is free now: the client's own small share stands
                continue
            drawing = [client for client in self._clients if any(key == scope.key for scope in client.rate_scopes())]
            for client in drawing:
                share = len(drawing)
                client.lease(key, grant["per_s"] / share, grant["burst"] / share, int(grant["until_ns"]))
