"""How often a password may be wrong. Pure but for its memory; time comes from outside."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque

PER_ADDRESS = 5
IN_ALL = 50
WINDOW_S = 60.0
ADDRESSES = 4096  # remembered; the longest unseen is forgotten


class LoginLimit:
    """Counts tries by address and in all, over the last minute; a right password takes its own back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tries: OrderedDict[str, deque[float]] = OrderedDict()
        self._all: deque[float] = deque(maxlen=IN_ALL)

    def begin(self, address: str, now_s: float) -> float:
        """Count a try before it is made, so that many at once are not one; return how long it has to wait, else 0."""
        with self._lock:
            own = self._tries.setdefault(address, deque(maxlen=PER_ADDRESS))
            self._tries.move_to_end(address)
            while len(self._tries) > ADDRESSES:
                self._tries.popitem(last=False)
            wait_s = max(_wait(own, PER_ADDRESS, now_s), _wait(self._all, IN_ALL, now_s))
            if wait_s <= 0:
                own.append(now_s)
                self._all.append(now_s)
            return wait_s

    def succeeded(self, address: str) -> None:
        """Forget the tries of an address."""
        with self._lock:
            for at_s in self._tries.pop(address, ()):
                if at_s in self._all:
                    self._all.remove(at_s)


def _wait(tries: deque[float], limit: int, now_s: float) -> float:
    recent = [at_s for at_s in tries if now_s - at_s < WINDOW_S]
    return 0.0 if len(recent) < limit else WINDOW_S - (now_s - recent[0])
