"""What is promised of the paper venue beyond the common suite."""

from __future__ import annotations

import contextlib
import resource
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from api.base_client import ClientContext, Inbox
from api.event_file import TRADE
from api.paper_client import PaperClient
from api.paper_store import store_path
from core.market.events import BookUpdate, LinkDown, TradePrint
from core.market.order import Fill, Order, OrderEvent, Side
from tests.backtest.made_events import made_rows, save
from tests.conformance.venues import LEG, PaperUnderTest, Session
from tests.made_recording import PERP_FACTS, calm_market
from utils.errors import ConfigError, VenueUnreachable

MS, SECOND = 1_000_000, 10**9


@pytest.fixture
def venue(tmp_path: Path) -> PaperUnderTest:
    return PaperUnderTest(tmp_path)


@pytest.fixture
def session(venue: PaperUnderTest) -> Iterator[Session]:
    opened = Session.open(venue)
    yield opened
    opened.close()


def bid(session: Session, order_id: str, lots: int = 5_000) -> Order:
    return Order(order_id, LEG, Side.BUY, session.book.best_bid_ticks, lots)


def wait_for_a_fill(session: Session) -> None:
    session.wait(lambda: session.fills)


def wait_until(session: Session, venue: PaperUnderTest, end_ns: int) -> None:
    session.wait(lambda: venue.clock.now >= end_ns)


def poll_at(session: Session, venue: PaperUnderTest, now_ns: int) -> int:
    """Set the clock, poll, and return when the client wants to be called next."""
    venue.clock.advance(now_ns - venue.clock.now)
    due_ns = session.client.poll(now_ns)
    session.said += session.inbox.drain()
    assert due_ns is not None
    return due_ns


def test_answers_arrive_after_the_latency_and_the_client_asks_to_be_called_then(
    session: Session, venue: PaperUnderTest
) -> None:
    poll_at(session, venue, venue.clock.now + 50 * MS)
    sent_ns = venue.clock.now
    session.client.submit([session.far_bid("mk-1")])
    assert poll_at(session, venue, sent_ns + 19 * MS) == sent_ns + 20 * MS
    assert session.events_of("mk-1") == []
    poll_at(session, venue, sent_ns + 20 * MS)
    assert session.events_of("mk-1") == [OrderEvent.ACCEPTED]


def test_fills_between_sending_and_arrival_of_a_cancel_count(venue: PaperUnderTest) -> None:
    slow = replace(venue, settings={"latency_ms": 2000})
    session = Session.open(slow)
    session.submit(bid(session, "mk-1"))
    session.wait(lambda: session.fills)
    session.client.cancel(["mk-1"])
    count = len(session.fills)
    session.wait(lambda: OrderEvent.CANCELED in session.events_of("mk-1"))
    assert len(session.fills) == count + 2  # the tape sells once a second at that price
    session.close()


def test_poll_wakes_for_pictures_only_and_matches_prints_in_a_batch(session: Session, venue: PaperUnderTest) -> None:
    start_ns, calls, now_ns = venue.clock.now, 0, venue.clock.now
    while now_ns < start_ns + 10 * SECOND:
        now_ns = poll_at(session, venue, now_ns)
        calls += 1
    assert calls <= 102
    assert len(session.prints) == 20


def test_fast_feed_is_told_at_the_pace_of_a_slow_one_and_loses_no_print(venue: PaperUnderTest) -> None:
    fast = replace(venue, settings={"speed": 50})
    session = Session.open(fast)
    books = len(session.books)
    start_ns = now_ns = venue.clock.now
    while now_ns < start_ns + 2 * SECOND:
        now_ns = poll_at(session, fast, now_ns)
    poll_at(session, fast, start_ns + 2 * SECOND)
    assert len(session.books) - books <= 21
    assert 199 <= len(session.prints) <= 201  # 100 s of tape with 2 prints a second
    session.close()


def test_file_is_not_written_while_nothing_of_ours_changes(session: Session, venue: PaperUnderTest) -> None:
    session.submit(session.far_bid("mk-1"))
    wal = store_path(str(venue.folder / "state"), "paper", "test", "SOL-USDC").with_suffix(".db-wal")
    before = (wal.stat().st_mtime_ns, wal.stat().st_size)
    seen = len(session.books)
    session.wait(lambda: len(session.books) > seen + 50)
    assert (wal.stat().st_mtime_ns, wal.stat().st_size) == before


def test_second_opener_is_refused_and_told_who_holds_the_account(session: Session, venue: PaperUnderTest) -> None:
    inbox = Inbox()
    with pytest.raises(VenueUnreachable, match=r"in use by process .* \(bot tester\)"):
        venue.client().open(inbox, LEG)
    other = replace(venue, account="other").client()
    other.open(inbox, LEG)
    other.close()
    inbox.close()


def test_accounts_with_awkward_names_stay_in_the_folder_and_apart(tmp_path: Path) -> None:
    paths = {
        store_path(str(tmp_path), exchange, account, "SOL-USDC")
        for exchange in ("paper", "paper:a")
        for account in ("x", "../x", "x/y", "x%2Fy", "")
    }
    assert len(paths) == 10
    assert {path.parent for path in paths} == {tmp_path / "paper"}


def test_file_that_is_no_venue_is_one_clear_error_and_stays(venue: PaperUnderTest) -> None:
    path = store_path(str(venue.folder / "state"), "paper", "test", "SOL-USDC")
    path.parent.mkdir(parents=True)
    path.write_text("this is not a database, and it is long enough to be looked at as one" * 20)
    inbox = Inbox()
    with pytest.raises(VenueUnreachable, match="cannot be used"):
        venue.client().open(inbox, LEG)
    assert path.read_text().startswith("this is not")
    path.unlink()
    client = venue.client()  # the refused opening gave its lock back
    client.open(inbox, LEG)
    client.close()
    inbox.close()


def test_state_folder_that_cannot_be_made_is_one_clear_error(venue: PaperUnderTest) -> None:
    (venue.folder / "state").write_text("a file")
    inbox = Inbox()
    with pytest.raises(VenueUnreachable, match="cannot be opened"):
        venue.client().open(inbox, LEG)
    inbox.close()


def test_reopening_goes_on_where_the_time_is_and_shows_the_price_of_then(venue: PaperUnderTest) -> None:
    venue.settings = {"feed": "synthetic", "seed": 5}
    session = Session.open(venue)
    session.wait(lambda: len(session.books) > 100)
    session.close()
    venue.clock.advance(3 * SECOND)
    again = Session.open(venue)
    passed = again.book.sequence - session.book.sequence
    assert passed == 31  # the clock stood at the next picture when it was closed
    steps = again.book.mid_ticks() / session.book.mid_ticks() - 1
    assert abs(steps) < 10e-4  # 3 s at 1 bp a root second
    again.close()


def test_clock_set_back_while_closed_does_not_move_the_venue_back(venue: PaperUnderTest) -> None:
    session = Session.open(venue)
    session.wait(lambda: len(session.books) > 20)
    last_ns = session.book.venue_ns
    session.close()
    venue.clock.utc -= 3600 * SECOND
    again = Session.open(venue)
    assert again.book.venue_ns >= last_ns
    sequence = again.book.sequence
    again.wait(lambda: len(again.books) > 5)
    assert again.book.sequence == sequence + 5
    again.close()


def test_clock_set_back_while_open_changes_nothing(session: Session, venue: PaperUnderTest) -> None:
    venue.clock.utc -= 3600 * SECOND
    session.wait(lambda: len(session.books) > 5)
    times = [update.book.venue_ns for update in session.books]
    assert times == sorted(times)


def test_nothing_is_matched_while_the_venue_is_closed(venue: PaperUnderTest) -> None:
    session = Session.open(venue)
    session.submit(bid(session, "mk-1"))
    fills = len(session.fills)
    session.close()
    venue.clock.advance(3600 * SECOND)
    again = Session.open(venue)
    assert len(again.report().fills) == fills and again.open_ids() == {"mk-1"}
    again.close()


def test_long_pause_of_the_process_is_a_lost_link(session: Session, venue: PaperUnderTest) -> None:
    session.submit(bid(session, "mk-1"))
    fills = len(session.fills)
    poll_at(session, venue, venue.clock.now + 3600 * SECOND)
    assert len(session.all_of(LinkDown)) == 1 and len(session.links) == 2
    assert len(session.fills) == fills


def test_pause_of_seconds_is_caught_up_with_print_by_print(session: Session, venue: PaperUnderTest) -> None:
    session.submit(bid(session, "mk-1"))
    fills = len(session.fills)
    poll_at(session, venue, venue.clock.now + 5 * SECOND)
    assert len(session.fills) == fills + 5


def test_order_under_way_when_the_client_is_closed_never_arrives(session: Session, venue: PaperUnderTest) -> None:
    session.client.submit([session.far_bid("mk-1")])
    session.close()
    venue.clock.advance(SECOND)
    again = Session.open(venue)
    assert again.open_ids() == set()
    again.close()


def test_report_holds_everything_that_arrived_before_it_is_read(session: Session, venue: PaperUnderTest) -> None:
    session.client.request_report(7, None)
    venue.clock.advance(5 * MS)
    session.client.submit([session.far_bid("mk-1")])
    venue.clock.advance(500 * MS)
    assert session.open_ids() == {"mk-1"}
    first = next(item for item in session.said if getattr(item, "request_id", 0) == 7)
    assert [order.client_order_id for order in first.open_orders] == ["mk-1"]  # type: ignore[union-attr]


def test_new_file_for_the_same_account_repeats_no_id(venue: PaperUnderTest) -> None:
    ids = []
    for _ in range(2):
        session = Session.open(venue)
        session.submit(bid(session, "mk-1"))
        wait_for_a_fill(session)
        ids.append((session.fills[0].trade_id, session.fills[0].venue_order_id))
        session.close()
        for path in (venue.folder / "state" / "paper").glob("*.db*"):
            path.unlink()
        venue.clock.advance(SECOND)
    assert not set(ids[0]) & set(ids[1])


def run_of(folder: Path, seed: int) -> list[Fill]:
    """Quote both sides for 30 s and return the fills."""
    venue = PaperUnderTest(folder, {"touch_prob": 0.3, "seed": seed, "feed": "replay:calm"})
    session = Session.open(venue)
    for number in range(30):
        price = session.book.best_ask_ticks
        session.submit(bid(session, f"b{number}", 200), Order(f"a{number}", LEG, Side.SELL, price, 200))
        wait_until(session, venue, venue.clock.now + SECOND)
        session.client.cancel_all(lambda order_id: order_id.startswith("b"))
        session.client.cancel_all(lambda order_id: order_id.startswith("a"))
    session.close()
    return session.fills


def test_same_seed_and_events_give_identical_fills_and_another_seed_does_not(tmp_path: Path) -> None:
    first, second, other = (run_of(tmp_path / str(i), seed) for i, seed in enumerate((1, 1, 2)))
    assert first == second and len(first) > 5
    assert first != other


def test_perp_position_and_wallet_survive_reopening(tmp_path: Path) -> None:
    calm_market().save(tmp_path / "data", "swap", PERP_FACTS)
    venue = PaperUnderTest(tmp_path, {"feed": "replay:swap"}, symbol="SOL-PERP")
    session = Session.open(venue)
    session.submit(replace(bid(session, "mk-1", 1500), price_ticks=10002, post_only=False))
    session.submit(Order("mk-2", LEG, Side.SELL, 10002, 1000, reduce_only=True))
    session.wait(lambda: len(session.fills) >= 3)
    before = session.report()
    session.close()
    again = Session.open(venue)
    after = again.report()
    assert after.positions == before.positions and after.balances == before.balances
    assert after.positions[0].size_lots == sum(fill.side.sign * fill.size_lots for fill in session.fills) == 500
    again.close()


def test_account_that_never_traded_reports_an_explicit_flat_position(tmp_path: Path) -> None:
    calm_market().save(tmp_path / "data", "swap", PERP_FACTS)
    session = Session.open(PaperUnderTest(tmp_path, {"feed": "replay:swap"}, symbol="SOL-PERP"))
    (position,) = session.report().positions
    assert (position.size_lots, position.entry_price) == (0, None)
    session.close()


# -- a full disk ----------------------------------------------------------------------------------------------------
@contextlib.contextmanager
def tiny_disk(folder: Path) -> Iterator[Callable[[], contextlib.AbstractContextManager[None]]]:
    """Mount a small file system and give a way to fill it for a while."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small file system is not permitted here")

    @contextlib.contextmanager
    def filled() -> Iterator[None]:
        ballast = folder / "ballast"
        with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(b"x" * 4096):
                pass
        try:
            yield
        finally:
            ballast.unlink()

    try:
        yield filled
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@contextlib.contextmanager
def small_files() -> Iterator[None]:
    """Let no file of this process grow beyond a few bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture(params=["full disk", "file size limit"])
def writing_fails(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Callable[[], contextlib.AbstractContextManager[None]]]:
    if request.param == "file size limit":
        yield small_files
        return
    with tiny_disk(tmp_path / "state") as filled:
        yield filled


def fill_up(session: Session) -> None:
    """Write until a full disk has no room left in files that are already there."""
    for number in range(400):
        session.submit(session.far_bid(f"fill-{number}"))
        if session.events_of(f"fill-{number}") == [OrderEvent.REJECTED]:
            return
        session.cancel(f"fill-{number}")
    raise AssertionError("the disk did not get full")


def test_full_disk_refuses_orders_stops_fills_and_lets_cancels_through(
    venue: PaperUnderTest, writing_fails: Callable[[], contextlib.AbstractContextManager[None]]
) -> None:
    session = Session.open(venue)
    session.submit(bid(session, "mk-1", 50_000), session.far_bid("mk-2"))
    with writing_fails():
        fill_up(session)
        assert "cannot be written" in session.reason_of(next(iter(refused(session))))
        fills, books = list(session.fills), len(session.books)
        session.wait(lambda: len(session.books) > books + 50)
        assert session.fills == fills
        session.cancel("mk-2")
        assert session.events_of("mk-2")[-1] is OrderEvent.CANCELED
        assert session.open_ids() == {"mk-1"}
    session.wait(lambda: len(session.fills) > len(fills))
    session.submit(session.far_bid("mk-3"))
    before = session.report()
    session.close()
    again = Session.open(venue)
    after = again.report()
    assert {order.client_order_id for order in after.open_orders} == {"mk-1", "mk-3"}
    assert after.fills == before.fills == tuple(session.fills) and after.balances == before.balances
    bought = sum(fill.size_lots for fill in after.fills)
    assert {item.asset: item.total for item in after.balances}["SOL"] == 100 + again.client.instrument.to_size(bought)
    again.close()


def refused(session: Session) -> list[str]:
    return [name for name in (f"fill-{n}" for n in range(400)) if session.events_of(name)[:1] == [OrderEvent.REJECTED]]


def test_cancel_on_a_full_disk_is_written_when_there_is_room_again(
    venue: PaperUnderTest, writing_fails: Callable[[], contextlib.AbstractContextManager[None]]
) -> None:
    session = Session.open(venue)
    session.submit(session.far_bid("mk-1"))
    with writing_fails():
        fill_up(session)
        session.cancel("mk-1")
    until = venue.clock.now + 2 * SECOND
    session.wait(lambda: venue.clock.now > until)
    session.client._venue._memory.store.close()  # type: ignore[attr-defined]  # as a kill: nothing is written at the end
    again = Session.open(venue)
    assert again.open_ids() == set()
    again.close()
    session.inbox.close()


def test_reopening_on_a_full_disk_can_still_list_and_cancel(
    venue: PaperUnderTest, writing_fails: Callable[[], contextlib.AbstractContextManager[None]]
) -> None:
    session = Session.open(venue)
    session.submit(session.far_bid("mk-1"))
    with writing_fails():
        fill_up(session)
        session.close()
        again = Session.open(venue)
        assert again.open_ids() == {"mk-1"}
        again.client.cancel_all(lambda order_id: order_id.startswith("mk"))
        again.wait(lambda: again.events_of("mk-1"))
        assert again.open_ids() == set()
    again.close()
    last = Session.open(venue)
    assert last.open_ids() == set()
    last.close()


# -- what a config may get wrong ------------------------------------------------------------------------------------
def complaints(tmp_path: Path, symbol: str = "SOL-USDC", **config: object) -> list[str]:
    calm_market().save(tmp_path, "calm")
    return PaperClient.config_complaints({"feed": "replay:calm", **config}, symbol, [str(tmp_path)])


def test_good_config_has_no_complaint_and_leaves_the_compiled_recording(tmp_path: Path) -> None:
    assert complaints(tmp_path) == []
    assert len(list((tmp_path / "cache").glob("calm-*.npy"))) == 1
    assert complaints(tmp_path, symbol="SOLUSDC") == [] and complaints(tmp_path, feed="synthetic") == []


@pytest.mark.parametrize(
    ("symbol", "config", "said"),
    [
        ("BTC-USDT", {}, "'BTC-USDT' is not listed"),
        ("DOGE-USDC", {"feed": "synthetic"}, "BTC-USDT"),
        ("SOL-USDC", {"feed": "live"}, "neither 'synthetic' nor 'replay:FILE'"),
        ("SOL-USDC", {"feed": "replay:"}, "plain file name"),
        ("SOL-USDC", {"feed": "replay:none"}, "was not found"),
        ("SOL-USDC", {"initial_balances": {"USD": 5}}, "'USD' is not used"),
        ("SOL-USDC", {"initial_balances": {"USDC": "much"}}, "'much' is not a number"),
        ("SOL-USDC", {"initial_balances": {"USDC": -1}}, "0 or more"),
    ],
)
def test_config_complaint_says_what_is_wrong_in_one_line(
    tmp_path: Path, symbol: str, config: dict[str, object], said: str
) -> None:
    (found,) = complaints(tmp_path, symbol, **config)
    assert said in found and "\n" not in found


def test_broken_recording_is_a_complaint_with_line_column_and_value(tmp_path: Path) -> None:
    writer = calm_market()
    writer.rows[30] = writer.rows[30].replace("99.90", "cheap")
    path = writer.save(tmp_path, "bad")
    (found,) = PaperClient.config_complaints({"feed": "replay:bad"}, "SOL-USDC", [str(tmp_path)])
    assert found.startswith(f"{path}, line 32, column price") and "'cheap'" in found
    path.write_bytes(path.read_bytes()[:-20])
    (found,) = PaperClient.config_complaints({"feed": "replay:bad"}, "SOL-USDC", [str(tmp_path)])
    assert found.startswith(str(path)) and not list(
        (tmp_path / "cache").glob("bad-*") if (tmp_path / "cache").exists() else []
    )


def test_broken_recording_fails_the_opening_as_a_config_error(venue: PaperUnderTest) -> None:
    path = calm_market().save(venue.folder / "data", "calm")
    path.write_bytes(path.read_bytes()[:200])
    inbox = Inbox()
    with pytest.raises(ConfigError, match="cut short"):
        venue.client().open(inbox, LEG)
    inbox.close()


@pytest.mark.parametrize("loss", ["recording", "sidecar", "both", "torn"])
def test_account_whose_recording_is_gone_can_be_listed_and_cancelled_but_not_traded(
    venue: PaperUnderTest, loss: str
) -> None:
    session = Session.open(venue)
    session.submit(bid(session, "mk-1"), session.far_bid("mk-2"))
    order = session.far_bid("mk-3")
    session.wait(lambda: session.fills)
    before = session.report()
    session.close()
    recording, sidecar = venue.folder / "data" / "calm.csv.gz", venue.folder / "data" / "calm.json"
    if loss == "torn":
        recording.write_bytes(recording.read_bytes()[:100])
    if loss in ("recording", "both"):
        recording.write_bytes(b"")
    if loss in ("sidecar", "both"):
        sidecar.unlink()
    again = Session.open(venue, market_data=False)
    after = again.report()
    assert after.complete and after.open_orders == before.open_orders and after.fills == before.fills
    again.submit(order)
    assert again.reason_of("mk-3") == "no_market"
    again.client.cancel_all(lambda order_id: order_id.startswith("mk-"))
    again.wait(lambda: again.events_of("mk-1") and again.events_of("mk-2"))
    assert again.open_ids() == set()
    with pytest.raises(ConfigError, match="calm"):
        again.client.start_market_data()
    again.close()


def test_book_times_are_utc_at_the_venue_and_the_loops_clock_here(session: Session, venue: PaperUnderTest) -> None:
    update = session.all_of(BookUpdate)[-1]
    assert abs(update.book.venue_ns - venue.clock.utc) < 200 * MS
    assert abs(update.book.local_ns - venue.clock.now) < 200 * MS


def test_an_event_file_as_feed_shows_a_book_per_interval_and_every_print(tmp_path: Path) -> None:
    rows = made_rows(4, 800)
    save(rows, tmp_path / "made.events")
    clock_ns = [10**9]
    context = ClientContext(
        "paper", "SYN-PERP", "acc", "bot", str(tmp_path / "state"), (str(tmp_path),), lambda: clock_ns[0],
        lambda: int(rows["local_ns"][0]) + clock_ns[0] - 10**9,
    )  # fmt: skip
    client, inbox = (
        PaperClient({"feed": "replay:made.events", "book_interval_ms": 50, "book_depth": 3}, context),
        Inbox(),
    )
    client.open(inbox, LEG)
    client.start_market_data()
    books: list[BookUpdate] = []
    prints = 0
    span_ns = int(rows["local_ns"][-1] - rows["local_ns"][0])
    while clock_ns[0] < 10**9 + span_ns:
        due_ns = client.poll(clock_ns[0])
        said = inbox.drain()
        books += [item for item in said if isinstance(item, BookUpdate)]
        prints += sum(isinstance(item, TradePrint) for item in said)
        assert due_ns is not None and due_ns <= clock_ns[0] + 50 * MS
        clock_ns[0] = due_ns
    client.poll(10**9 + span_ns)
    prints += sum(isinstance(item, TradePrint) for item in inbox.drain())
    assert prints == int((rows["kind"] == TRADE).sum())
    assert span_ns // (50 * MS) * 0.8 < len(books) <= span_ns // (50 * MS) + 2
    assert all(len(update.book.bids) <= 3 for update in books)
    client.close()
    inbox.close()
