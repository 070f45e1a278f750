"""A stream has its place among the threads for as long as it is open, and leaves it to the thread that served it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from utils.home import Home
from web.feed import Feed
from web.hub import Hub
from web.stream import Events


def test_a_stream_whose_reader_leaves_in_the_middle_gives_its_place_back_at_once(tmp_path: Path) -> None:
    feed = Feed(Home(tmp_path), Hub(1))
    said: list[str] = []

    @contextmanager
    def place() -> Iterator[None]:
        said.append("in")
        try:
            yield
        finally:
            said.append("out")

    feed.place = place
    subscriber = feed.hub.subscribe(None)
    events = Events(feed, subscriber, lambda: True)
    assert said == []
    assert next(iter(events)).startswith(b"retry")
    assert said == ["in"]
    events.close()
    assert said == ["in", "out"]
    feed.hub.subscribe(None)  # there is one place only
