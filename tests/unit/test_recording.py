from __future__ import annotations

import gzip
from decimal import Decimal
from pathlib import Path

import pytest

from api.market_facts import load_market
from api.recording import RecordingBook, RecordingError, RecordingReader, TopOfBookCheck, check_top_of_book
from core.market.order import Side
from tests.made_recording import BOOK, HEADER, RecordingWriter, calm_market

SHIPPED = Path(__file__).resolve().parents[2] / "data" / "recordings"
SPOT, FUTURES = "slice60s_binance_spot_btcusdt_20240808", "slice20s_binance_usdm_btcusdt_20240808"


def shipped(name: str) -> RecordingReader:
    facts = load_market(SHIPPED / f"{name}.json")
    return RecordingReader(SHIPPED / f"{name}.csv.gz", facts.tick_size, facts.lot_size)


def reader_of(path: Path) -> RecordingReader:
    return RecordingReader(path, Decimal("0.01"), Decimal("0.001"))


def rebuilt(path: Path) -> RecordingBook:
    reader = reader_of(path)
    book = RecordingBook(reader)
    for message in reader:
        for _ in book.apply(message):
            pass
    book.finish()
    return book


def write_text(path: Path, text: str) -> Path:
    path.write_bytes(gzip.compress(text.encode()))
    return path


def two_views(name: str) -> TopOfBookCheck:
    return check_top_of_book(shipped(name))


def test_spot_slice_rebuilds_to_the_recorded_top_of_book_after_every_message() -> None:
    result = two_views(SPOT)
    # The full file has two messages whose newest bbo is a few ids too old; none of them is in the slice.
    assert (result.compared, result.differing, result.dropped) == (597, [], 2)


def test_futures_slice_rebuilds_to_the_recorded_top_of_book_after_every_message() -> None:
    result = two_views(FUTURES)
    assert (result.compared, result.differing, result.dropped) == (379, [], 4)


def test_slices_have_the_documented_numbers_of_messages() -> None:
    for name, expected in ((SPOT, (599, 5360, 1381)), (FUTURES, (383, 3547, 615))):
        counts: dict[str, int] = {}
        for message in shipped(name):
            counts[message.kind] = counts.get(message.kind, 0) + 1
        assert (counts["depth"], counts["bbo"], counts["trade"]) == expected
        assert counts["snapshot"] == 1


def test_venue_clock_is_ahead_of_the_recorder_and_receipt_never_goes_back() -> None:
    before = 0
    for message in shipped(FUTURES):
        assert message.event_ns is not None and message.event_ns > message.local_ns >= before
        before = message.local_ns


def test_a_size_that_is_no_whole_number_of_lots_is_rounded_down_but_stays_a_level() -> None:
    reader = shipped(SPOT)
    assert any(level == (Side.SELL, 20_000_000, 2_542_618) for message in reader for level in message.levels)
    assert reader.off_lot == 1


def test_message_is_applied_as_a_whole(tmp_path: Path) -> None:
    writer = RecordingWriter()
    writer.snapshot(0, BOOK)
    # Applied row by row the new bid would cross the old ask.
    writer.depth(10, [("bid", "100.03", "1.000"), ("ask", "100.02", "0.000"), ("ask", "100.03", "0.000")])
    book = rebuilt(writer.save(tmp_path, "whole")).book
    assert [book.top(side, 1)[0].price_ticks for side in (Side.BUY, Side.SELL)] == [10003, 10004]


def test_depth_older_than_the_snapshot_is_dropped(tmp_path: Path) -> None:
    writer = RecordingWriter()
    writer.message(0, "depth", [("bid", "100.01", "9.000")], "990,1000,")
    writer.snapshot(5, BOOK)
    writer.depth(10, [("bid", "99.99", "0.000")])
    book = rebuilt(writer.save(tmp_path, "old"))
    assert book.dropped == 1
    assert book.book.size_at(Side.BUY, 10001) == 0


def test_depth_that_arrived_before_the_snapshot_but_joins_it_is_applied(tmp_path: Path) -> None:
    writer = RecordingWriter()
    writer.message(0, "depth", [("bid", "100.01", "9.000")], "999,1003,")
    writer.snapshot(5, BOOK)
    book = rebuilt(writer.save(tmp_path, "early"))
    assert (book.applied, book.book.size_at(Side.BUY, 10001)) == (1, 9000)


@pytest.mark.parametrize(
    ("ids", "column"),
    [("1002,1005,", "first_id"), ("1001,1002,\n", None)],
)
def test_gap_behind_the_snapshot_is_a_broken_chain(tmp_path: Path, ids: str, column: str | None) -> None:
    writer = RecordingWriter()
    writer.snapshot(0, BOOK)
    writer.message(1, "depth", [("bid", "99.90", "1.000")], ids.strip())
    path = writer.save(tmp_path, "gap")
    if column is None:
        assert rebuilt(path).is_synced
        return
    with pytest.raises(RecordingError) as caught:
        rebuilt(path)
    assert (caught.value.line, caught.value.column) == (8, column)


def test_futures_go_on_from_the_snapshots_own_id_and_chain_by_previous_id(tmp_path: Path) -> None:
    writer = RecordingWriter()
    writer.snapshot(0, BOOK)
    writer.message(1, "depth", [("bid", "99.90", "1.000")], "995,1000,990")
    writer.message(2, "depth", [("bid", "99.90", "2.000")], "1004,1009,1000")
    assert rebuilt(writer.save(tmp_path, "futures")).applied == 2
    writer.message(3, "depth", [("bid", "99.90", "3.000")], "1010,1012,1008")
    with pytest.raises(RecordingError, match="expected 1009") as caught:
        rebuilt(writer.save(tmp_path, "broken"))
    assert caught.value.column == "prev_id"


def test_missing_spot_update_is_a_broken_chain(tmp_path: Path) -> None:
    writer = calm_market(1)
    writer.last_id += 1
    writer.depth(2000, [("bid", "99.90", "1.000")])
    with pytest.raises(RecordingError, match="column first_id"):
        rebuilt(writer.save(tmp_path, "missing"))


def test_crossed_book_is_refused(tmp_path: Path) -> None:
    writer = RecordingWriter()
    writer.snapshot(0, BOOK)
    writer.depth(10, [("bid", "100.02", "1.000")])
    with pytest.raises(RecordingError, match="crossed"):
        rebuilt(writer.save(tmp_path, "crossed"))


def test_recording_without_a_snapshot_is_refused(tmp_path: Path) -> None:
    writer = RecordingWriter()
    writer.depth(10, [("bid", "100.02", "1.000")])
    with pytest.raises(RecordingError, match="no snapshot"):
        rebuilt(writer.save(tmp_path, "headless"))


@pytest.mark.parametrize(
    ("at", "value", "column"),
    [
        (0, "x", "msg"),
        (1, "-5", "local_ts_ns"),
        (1, "", "local_ts_ns"),
        (2, "1.5", "exch_ts_ns"),
        (4, "quote", "kind"),
        (5, "buyer", "side"),
        (6, "nan", "price"),
        (6, "100.005", "price"),
        (6, "0", "price"),
        (6, "1e3", "price"),
        (7, "", "size"),
        (7, "-1", "size"),
        (9, "", "last_id"),
        (8, "ten", "first_id"),
    ],
)
def test_broken_row_names_file_line_and_column(tmp_path: Path, at: int, value: str, column: str) -> None:
    lines = calm_market(1).text().splitlines()
    fields = lines[10].split(",")
    assert fields[4] == "depth"
    fields[at] = value
    lines[10] = ",".join(fields)
    path = write_text(tmp_path / "broken.csv.gz", "\n".join(lines) + "\n")
    with pytest.raises(RecordingError) as caught:
        list(reader_of(path))
    assert (caught.value.file, caught.value.line, caught.value.column) == (str(path), 11, column)
    assert str(path) in str(caught.value) and "line 11" in str(caught.value)


@pytest.mark.parametrize("row", ["", "1,2,3", "," * 12, "0" * 5000])
def test_row_with_a_wrong_number_of_columns_is_refused(tmp_path: Path, row: str) -> None:
    path = write_text(tmp_path / "columns.csv.gz", f"{HEADER}\n{row}\n")
    with pytest.raises(RecordingError, match="line 2"):
        list(reader_of(path))


def test_time_that_goes_back_is_refused(tmp_path: Path) -> None:
    writer = calm_market(1)
    writer.depth(500, [("bid", "99.90", "1.000")])
    with pytest.raises(RecordingError, match=r"local_ts_ns.*earlier"):
        list(reader_of(writer.save(tmp_path, "back")))


def test_missing_message_number_is_refused(tmp_path: Path) -> None:
    lines = calm_market(1).text().splitlines()
    del lines[12]
    with pytest.raises(RecordingError, match="column msg"):
        list(reader_of(write_text(tmp_path / "hole.csv.gz", "\n".join(lines) + "\n")))


@pytest.mark.parametrize("kept", [0.999, 0.5, 0.01])
def test_truncated_file_is_refused(tmp_path: Path, kept: float) -> None:
    whole = (SHIPPED / f"{FUTURES}.csv.gz").read_bytes()
    path = tmp_path / "cut.csv.gz"
    path.write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(RecordingError, match="cut short"):
        list(RecordingReader(path, Decimal("0.1"), Decimal("0.001")))


def test_file_that_is_no_gzip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "plain.csv.gz"
    path.write_text(HEADER)
    with pytest.raises(RecordingError, match="damaged"):
        list(reader_of(path))


def test_damaged_content_is_refused(tmp_path: Path) -> None:
    content = bytearray((SHIPPED / f"{FUTURES}.csv.gz").read_bytes())
    content[len(content) // 2] ^= 0xFF
    path = tmp_path / "flipped.csv.gz"
    path.write_bytes(content)
    with pytest.raises(RecordingError):
        list(RecordingReader(path, Decimal("0.1"), Decimal("0.001")))


def test_missing_file_and_foreign_header_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="cannot be read"):
        list(reader_of(tmp_path / "none.csv.gz"))
    with pytest.raises(RecordingError, match="header"):
        list(reader_of(write_text(tmp_path / "other.csv.gz", "a,b,c\n")))
