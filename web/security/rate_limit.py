"""How often a password may be wrong. Pure but for its memory; time comes from outside."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque

PER_ADDRESS = 5
IN_ALL = 50
WINDOW_S = 60.0
ADDRESSES = 4096  # remembered; the longest unseen is forgotten


class LoginLimit:
    """Counts wrong passwords by address and in all, over the last minute."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wrong: OrderedDict[str, deque[float]] = OrderedDict()
        self._all: deque[float] = deque(maxlen=IN_ALL)

    def wait_s(self, address: str, now_s: float) -> float:
        """Return how long an address has to wait before it may try again, 0 when it may."""
        with self._lock:
            own = self._wrong.get(address, deque())
            waits = [_wait(own, PER_ADDRESS, now_s), _wait(self._all, IN_ALL, now_s)]
        return max(waits)

    def failed(self, address: str, now_s: float) -> None:
        """Note a wrong password."""
        with self._lock:
            own = self._wrong.setdefault(address, deque(maxlen=PER_ADDRESS))
            self._wrong.move_to_end(address)
            own.append(now_s)
            self._all.append(now_s)
            while len(self._wrong) > ADDRESSES:
                self._wrong.popitem(last=False)

    def succeeded(self, address: str) -> None:
        """Forget the wrong passwords of an address."""
        with self._lock:
            self._wrong.pop(address, None)


def _wait(tries: deque[float], limit: int, now_s: float) -> float:
    recent = [at_s for at_s in tries if now_s - at_s < WINDOW_S]
    return 0.0 if len(recent) < limit else WINDOW_S - (now_s - recent[0])
