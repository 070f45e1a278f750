"""The fault book: what has been asked to go wrong, and which request or message it fits.

A fault is armed by `POST /_sim/fault {"kind", "count": 1, "account": null, "match": "", ...parameters}`. Three sorts:

* **one-shot**: consumed by the next `count` things that fit it (`take`);
* **standing**: in force until cleared (`standing`): clock_skew, freeze_book (that one also for `seconds`);
* **at once**: done the moment it is asked for (`VenueServer.apply_fault_now`), to the sockets and orders that are
  there: disconnect, garbage, huge_message, half_open, partial_fill, expire_token.

`account` null fits every account; what is the market's or the clock's (`MARKET_WIDE`) takes none. `match` is a part of
the request ("POST /api/v1/order", "private/insert") or of the stream's name. `{"kind": "clear"}` disarms everything,
`{"kind": "clear", "which": KIND}` one kind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

_NUMBER = (int, float)
# kind -> its parameters: name -> (types, default); a default of `...` means that it must be given
KINDS: dict[str, dict[str, tuple[Any, Any]]] = {
    "drop_answer": {},  # carried out, then the connection is cut instead of an answer
    "delay": {"seconds": (_NUMBER, ...)},
    "duplicate_fill": {},  # the next fill is told twice
    "skip_sequence": {},  # the next book message is left out, its numbers with it
    "disconnect": {},
    "status": {"status": (int, 503), "body": (object, None)},  # not carried out
    "rate_limit": {"retry_after": (_NUMBER, 1)},  # not carried out
    "reject_next": {"code": (object, None), "message": (str, "rejected by a fault of the simulator")},
    "partial_fill": {"lots": (int, ...), "order_id": (str, None), "client_id": (str, None), "symbol": (str, None)},
    "clock_skew": {"seconds": (_NUMBER, ...)},  # the venue's clock is ahead by that much, until cleared
    "freeze_book": {"seconds": (_NUMBER, None)},
    "garbage": {"text": (str, "\x00{not json")},
    "unknown_field": {},
    "unknown_enum": {},
    "huge_message": {"bytes": (int, 16 * 1024 * 1024)},
    "half_open": {"seconds": (_NUMBER, None)},  # the socket stays, but nobody reads, answers pings or writes
    "expire_token": {},
    "accepted_cancel": {"seconds": (_NUMBER, 0.3)},  # the next cancel is only promised, and done that much later
    "incomplete": {},  # a history request answers 5xx
}
STANDING = frozenset({"clock_skew", "freeze_book"})
AT_ONCE = frozenset({"disconnect", "garbage", "huge_message", "half_open", "partial_fill", "expire_token"})
MARKET_WIDE = frozenset({"clock_skew", "freeze_book", "skip_sequence"})
_COMMON = ("kind", "count", "account", "match")
_MAX_COUNT = 1_000_000
_RANGES = {
    "seconds": (0, 10**6),  # a clock may also be behind
    "retry_after": (0, 10**6),
    "status": (200, 599),
    "lots": (1, 10**18),
    "bytes": (0, 256 * 1024 * 1024),
}


@dataclass(slots=True)
class Fault:
    """One armed fault."""

    number: int
    kind: str
    count: int = 1
    account: str | None = None
    match: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    until_ns: int | None = None  # of a standing one

    def fits(self, kind: str, account: str | None, request: str) -> bool:
        """Tell whether it is meant for this request or message."""
        return self.kind == kind and self.account in (None, account) and self.match in request

    def to_plain(self) -> dict[str, Any]:
        """Return a JSON-able record."""
        common = {"number": self.number, "kind": self.kind, "count": self.count}
        return {**common, "account": self.account, "match": self.match, **self.params}


class Faults:
    """The faults that are armed, oldest first. `now_ns` is the machine's own clock (never the skewed one)."""

    def __init__(self, now_ns: Callable[[], int]) -> None:
        self._now_ns = now_ns
        self._armed: list[Fault] = []
        self._last = 0

    def read(self, plain: Mapping[str, Any]) -> Fault:
        """Return the fault that a control message asks for, not armed yet. Raises ValueError in one line."""
        kind = plain.get("kind")
        if not isinstance(kind, str) or kind not in KINDS:
            raise ValueError(f"fault kind {kind!r} is not known; there are: {', '.join([*KINDS, 'clear'])}")
        count, account, match = plain.get("count", 1), plain.get("account"), plain.get("match", "")
        if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= _MAX_COUNT:
            raise ValueError(f"count is {count!r}, expected a whole number of 1 to {_MAX_COUNT}")
        if account is not None and not isinstance(account, str):
            raise ValueError(f"account is {account!r}, expected a name or null")
        if not isinstance(match, str):
            raise ValueError(f"match is {match!r}, expected a text")
        if kind in MARKET_WIDE and account is not None:
            raise ValueError(f"account is {account!r}, but the fault {kind} is everybody's: leave account out")
        if kind == "clock_skew" and match:
            raise ValueError(f"match is {match!r}, but a venue has one clock: leave match out")
        return Fault(0, kind, count, account, match, _parameters(kind, plain))

    def arm(self, fault: Fault) -> Fault:
        """Put a fault into the book."""
        self._last += 1
        fault.number = self._last
        if fault.kind in STANDING:
            self.clear(fault.kind)  # one clock, one error
        if fault.kind == "freeze_book" and fault.params["seconds"] is not None:
            fault.until_ns = self._now_ns() + int(fault.params["seconds"] * 10**9)
        self._armed.append(fault)
        return fault

    def take(
        self, kind: str, account: str | None = None, request: str = "", explicit: bool = False
    ) -> dict[str, Any] | None:
        """Return the parameters of the first one-shot fault that fits, and use it up; None when there is none.

        `explicit` leaves faults alone that fit every request.
        """
        for fault in self._armed:
            if fault.fits(kind, account, request) and (fault.match or not explicit):
                fault.count -= 1
                if not fault.count:
                    self._armed.remove(fault)
                return fault.params
        return None

    def standing(self, kind: str, account: str | None = None, request: str = "") -> dict[str, Any] | None:
        """Return the parameters of a standing fault that is in force here; None when there is none."""
        if not self._armed:
            return None
        self._drop_over()
        return next((fault.params for fault in self._armed if fault.fits(kind, account, request)), None)

    def clear(self, kind: str | None = None) -> int:
        """Disarm one kind, or everything; return how many."""
        before = len(self._armed)
        self._armed = [fault for fault in self._armed if kind is not None and fault.kind != kind]
        return before - len(self._armed)

    def armed(self) -> list[dict[str, Any]]:
        """Return what is armed, oldest first."""
        self._drop_over()
        return [fault.to_plain() for fault in self._armed]

    def _drop_over(self) -> None:
        now_ns = self._now_ns()
        self._armed = [fault for fault in self._armed if fault.until_ns is None or now_ns < fault.until_ns]


def _parameters(kind: str, plain: Mapping[str, Any]) -> dict[str, Any]:
    known = KINDS[kind]
    for name in plain:
        if name not in known and name not in _COMMON:
            allowed = ", ".join([*known, *_COMMON[1:]])
            raise ValueError(f"{name!r} is not a parameter of the fault {kind}; there are: {allowed}")
    found = {}
    for name, (types, default) in known.items():
        value = plain.get(name, default)
        if value is ...:
            raise ValueError(f"the fault {kind} needs {name!r}")
        if value is not None and (not isinstance(value, types) or isinstance(value, bool)):
            raise ValueError(f"{name} is {value!r}, which does not fit the fault {kind}")
        if not _is_sensible(kind, name, value):
            raise ValueError(f"{name} is {value!r}, which is out of range for the fault {kind}")
        found[name] = value
    return found


def _is_sensible(kind: str, name: str, value: Any) -> bool:
    if name not in _RANGES or not isinstance(value, _NUMBER):
        return True
    least, most = _RANGES[name]
    return (-most if kind == "clock_skew" else least) <= value <= most
