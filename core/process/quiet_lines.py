"""Hears many channels that have nothing urgent to say: the first word at once, then all together a few times a second.

A fleet of 200 beats 200 times a second. To wake up, look around and sleep again for each of them costs more than what
they say. Whatever is urgent comes another way: an exit by its signal, a silence by the clock (which drains first).
"""

from __future__ import annotations

import select
import selectors
from collections.abc import Callable

PAUSE_NS = 100_000_000


class QuietLines:
    """An epoll set of its own, itself one descriptor of the supervisor's selector."""

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self._selector = selector
        self._lines = select.epoll()
        self._hear: dict[int, Callable[[], None]] = {}
        self._heard = False  # since the last `tend`
        self.due_ns: int | None = None  # None: the selector tells when there is a word
        selector.register(self._lines.fileno(), selectors.EVENT_READ, self._on_word)

    def add(self, fd: int, hear: Callable[[], None]) -> None:
        """Listen to a descriptor; `hear` reads all there is."""
        self._lines.register(fd, select.EPOLLIN)
        self._hear[fd] = hear

    def drop(self, fd: int) -> None:
        """Listen no more to a descriptor that is still open."""
        self._lines.unregister(fd)
        del self._hear[fd]

    def tend(self, now_ns: int) -> None:
        """Begin a pause after words were heard; hear all at its end, and wait for the next word when there was none."""
        if self._heard:
            self._heard = False
            self.due_ns = now_ns + PAUSE_NS
        elif self.due_ns is not None and now_ns >= self.due_ns:
            if self._hear_all():
                self.due_ns = now_ns + PAUSE_NS
            else:
                self.due_ns = None
                self._selector.register(self._lines.fileno(), selectors.EVENT_READ, self._on_word)

    def _on_word(self, _mask: int) -> None:
        self._selector.unregister(self._lines.fileno())
        self._heard = True
        self._hear_all()

    def _hear_all(self) -> bool:
        ready = [fd for fd, _ in self._lines.poll(0)]
        for fd in ready:
            if fd in self._hear:  # what was heard before may have closed it
                self._hear[fd]()
        return bool(ready)
