"""Which of the streams that should speak has fallen silent. A socket can live while one subscription is dead."""

from __future__ import annotations


class StreamWatch:
    """When each expected stream was last heard."""

    def __init__(self, silence_ns: int) -> None:
        self._silence_ns = silence_ns
        self._heard: dict[str, int] = {}

    def expect(self, name: str, now_ns: int) -> None:
        """Begin to watch a stream; its silence counts from now."""
        self._heard[name] = now_ns

    def heard(self, name: str, now_ns: int) -> None:
        """Note a sign of life; a stream that nobody expects is not watched."""
        if name in self._heard:
            self._heard[name] = now_ns

    def forget(self, name: str) -> None:
        """Stop to watch a stream."""
        self._heard.pop(name, None)

    def overdue(self, now_ns: int) -> list[str]:
        """Return the streams that have been silent too long, in the order they were expected."""
        return [name for name, last in self._heard.items() if now_ns - last > self._silence_ns]
