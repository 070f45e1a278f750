from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from api.compiled_recording import find_recording, market_of
from api.event_convert import convert_recording, load_events
from api.event_feed import EventFeed, book_before
from api.event_file import CLEAR, LEVEL, ROW, TRADE, open_events
from api.feed import BookChange, Print
from api.replay_feed import open_replay
from core.market.order import Side
from tests.backtest.made_events import MARKET, made_rows, save
from tests.made_recording import calm_market
from utils.errors import ConfigError

SHIPPED = Path(__file__).resolve().parents[2] / "data" / "recordings"
SLICES = ["slice60s_binance_spot_btcusdt_20240808", "slice20s_binance_usdm_btcusdt_20240808"]
MS = 1_000_000


@pytest.mark.parametrize("name", SLICES)
def test_a_converted_recording_has_the_same_books_and_prints_as_the_recording(tmp_path: Path, name: str) -> None:
    recording = find_recording(name, [str(SHIPPED)])
    events = load_events(recording, tmp_path)
    pictures = open_replay(recording, market_of(recording), 500 * MS, 5, tmp_path)
    feed = EventFeed(events.rows, 500 * MS)
    last_ns = events.last_ns - events.first_ns
    for at_ns in range(0, last_ns, 500 * MS):
        expected, found = pictures.seek(at_ns), feed.seek(at_ns)
        assert (found.bids[:5], found.asks[:5]) == (expected.bids, expected.asks)
    assert events.market == market_of(recording)


def test_a_recording_is_converted_once(tmp_path: Path) -> None:
    calm_market(2).save(tmp_path, "calm")
    first = load_events(tmp_path / "calm.csv.gz", tmp_path / "cache")
    changed_ns = first.path.stat().st_mtime_ns
    assert load_events(tmp_path / "calm.csv.gz", tmp_path / "cache").path.stat().st_mtime_ns == changed_ns
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [first.path.name]


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    rows = made_rows(1, 300)
    opened = open_events(save(rows, tmp_path / "made.events"))
    assert (opened.rows == rows).all()
    assert opened.market == MARKET
    levels = rows["price_ticks"][rows["kind"] == LEVEL]
    assert opened.price_range == (levels.min(), levels.max())


@pytest.mark.parametrize("cut", [10, 4096, 4096 + 33])
def test_a_file_that_is_not_whole_is_refused(tmp_path: Path, cut: int) -> None:
    path = save(made_rows(1, 300), tmp_path / "made.events")
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ConfigError, match=r"made\.events"):
        open_events(path)


def test_another_file_is_no_event_file(tmp_path: Path) -> None:
    (tmp_path / "a.events").write_bytes(b"hello")
    with pytest.raises(ConfigError, match="not an event file"):
        open_events(tmp_path / "a.events")


def test_a_failed_conversion_leaves_nothing_behind(tmp_path: Path) -> None:
    calm_market(2).save(tmp_path, "calm")
    damaged = (tmp_path / "calm.csv.gz").read_bytes()[:-20]
    (tmp_path / "calm.csv.gz").write_bytes(damaged)
    (tmp_path / "out").mkdir()
    with pytest.raises(ConfigError):
        convert_recording(tmp_path / "calm.csv.gz", tmp_path / "out" / "calm.events")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_feed_gives_every_row_once_and_begins_again(tmp_path: Path) -> None:
    rows = made_rows(2, 200)
    feed = EventFeed(rows, 100 * MS)
    feed.seek(-1)
    feed.at = 0
    length_ns = int(rows["local_ns"][-1] - rows["local_ns"][0]) + 100 * MS
    found = []
    while (event := feed.next(2 * length_ns - 1)) is not None:
        found.append(event)
    assert len(found) == 2 * len(rows)
    assert sum(isinstance(event, Print) for event in found) == 2 * int((rows["kind"] == TRADE).sum())
    times = [event.at_ns for event in found]
    assert times == sorted(times)
    clears = [event for event in found if isinstance(event, BookChange) and event.side is None]
    assert len(clears) == 2 * int((rows["kind"] == CLEAR).sum())
    assert [event.at_ns + length_ns for event in found[: len(rows)]] == times[len(rows) :]


def test_the_book_of_a_moment_is_what_the_rows_before_it_leave() -> None:
    rows = np.array(
        [(1, 1, 5, 10, LEVEL, 1), (2, 2, 0, 0, CLEAR, 0), (2, 2, 7, 9, LEVEL, 1), (2, 2, 3, 12, LEVEL, -1),
         (3, 3, 4, 11, LEVEL, -1), (4, 4, 1, 11, TRADE, 1), (4, 4, 0, 12, LEVEL, -1)], dtype=ROW,
    )  # fmt: skip
    assert book_before(rows, 7) == (((9, 7),), ((11, 4),))
    assert book_before(rows, 4) == (((9, 7),), ((12, 3),))
    assert book_before(rows, 1) == (((10, 5),), ())
    assert Side.BUY.sign == 1
