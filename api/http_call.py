"""What a client asks of the HTTP transport, and what it gets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from api.rate_budget import Lane
from utils.errors import VenueError

__all__ = ["BuiltRequest", "HttpAnswer", "HttpCall", "Lane", "Waiting"]


@dataclass(frozen=True, slots=True)
class BuiltRequest:
    """A request as it goes on the wire; `target` is path and query."""

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class HttpCall:
    """A request to be made.

    `tag` is the client's own note and comes back with the answer. `build` is called in the deciding thread at the
    moment of sending, again for each repetition, so that it signs with a fresh time. `timeout_s`: how long to wait
    for the answer; how long a create may wait to be sent; for a read, both together with all repetitions.
    """

    tag: Any
    lane: Lane
    build: Callable[[], BuiltRequest]
    cost: int = 1
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What came of a call; header names in any case.

    `error` is of the transport only, any status of the venue is an answer: VenueUnreachable means certainly not sent,
    OutcomeUnknown that it may have arrived. A read has no outcome: it fails as VenueUnreachable only.
    """

    call: HttpCall
    status: int | None
    headers: Mapping[str, str]
    body: bytes
    error: VenueError | None
    sent_ns: int  # monotonic, of the last attempt; as received_ns when nothing was sent
    received_ns: int


@dataclass(slots=True, eq=False)
class Waiting:
    """A call on its way to an answer."""

    call: HttpCall
    give_up_ns: int  # when it is no longer worth sending
    not_before_ns: int = 0
    tries: int = 0
    sent_ns: int = 0
    connection: object | None = None  # the one that is being made for it
    connects: int = 0  # how many were made for it
    trouble: str = "it waited too long"  # why it is given up, then
