"""What is promised of the paper venue beyond the common suite."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from api.base_client import ClientContext, Inbox
from api.event_file import TRADE
from api.paper_client import PaperClient
from api.paper_store import store_path
from core.market.events import BookUpdate, LinkDown, OrderUpdate, TradePrint
from core.market.order import Fill, Order, OrderEvent, Side
from tests.backtest.made_events import made_rows, save
from tests.conformance.paper_parts import MS, SECOND, bid
from tests.conformance.venues import LEG, PaperUnderTest, Session
from tests.made_recording import PERP_FACTS, calm_market
from utils.errors import VenueUnreachable


@pytest.fixture
def venue(tmp_path: Path) -> PaperUnderTest:
    return PaperUnderTest(tmp_path)


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


def told_sizes(session: Session, order_id: str) -> list[int | None]:
    return [
        update.filled_lots for update in session.all_of(OrderUpdate) if update.client_order_id == session.id(order_id)
    ]


def test_the_end_of_an_order_says_how_much_of_it_has_filled(session: Session) -> None:
    best = session.book.asks[0]
    both = {"post_only": False, "time_in_force": "IOC"}
    session.submit(replace(bid(session, "mk-a-1", best.size_lots + 7), price_ticks=best.price_ticks, **both))
    session.wait(lambda: OrderEvent.EXPIRED in session.events_of("mk-a-1"))
    assert told_sizes(session, "mk-a-1") == [None, sum(fill.size_lots for fill in session.fills)]
    session.submit(replace(bid(session, "mk-a-2"), price_ticks=best.price_ticks // 2))
    session.cancel("mk-a-2")
    assert told_sizes(session, "mk-a-2") == [None, 0]
