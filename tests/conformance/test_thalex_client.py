"""What is promised of the Thalex client beyond the common suite, over real sockets to the venue's simulator."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from api import thalex_client
from api.base_client import ClientContext, ExchangeClient, Inbox
from api.client_registry import client_class
from api.market_reader import MarketReader
from api.ws_transport import WsTransport
from core.market.client_ids import ClientOrderIds
from core.market.events import BookUpdate, LinkDown, LinkUp
from core.market.order import Fill, Order, OrderEvent, Side
from tests.conformance.live_venues import LiveUnderTest
from tests.conformance.venues import LEG, VENUES, Session
from utils.env import Secret
from utils.errors import VenueAuthError

NAME = "BTC-PERPETUAL"


@pytest.fixture
def venue(tmp_path: Path) -> LiveUnderTest:
    made = VENUES["thalex"](tmp_path)
    assert isinstance(made, LiveUnderTest)
    return made


@pytest.fixture
def session(venue: LiveUnderTest) -> Iterator[Session]:
    opened = Session.open(venue)
    yield opened
    opened.close()


def until(condition: Callable[[], Any], seconds: float = 15.0) -> Any:
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)
    return found


def at_venue(venue: LiveUnderTest) -> dict[str, Any]:
    account: dict[str, Any] = venue.sim.state(venue.account)["accounts"][venue.account]
    return account


def links(session: Session) -> list[str]:
    session.said += session.inbox.drain()
    return [
        "up" if isinstance(item, LinkUp) else "down" for item in session.said if isinstance(item, LinkUp | LinkDown)
    ]


def relinked(session: Session) -> bool:
    return links(session)[-2:] == ["down", "up"]


def another(venue: LiveUnderTest, ids: ClientOrderIds, **config: Any) -> Session:
    """Return a session of another bot on the same account."""
    context = ClientContext("thalex", venue.symbol, venue.account, ids.bot_name, "", (), ids=ids)
    client: ExchangeClient = client_class("thalex")({**venue.config, **config}, context)
    session = Session(venue, client, Inbox())
    client.open(session.inbox, LEG)
    client.start_market_data()
    session.wait(lambda: session.books and session.links)
    return session


def test_closing_takes_our_orders_off_the_book(session: Session, venue: LiveUnderTest) -> None:
    session.submit(session.far_bid("mk-a-1"))
    assert len(at_venue(venue)["open_orders"]) == 1
    session.client.close()
    until(lambda: not at_venue(venue)["open_orders"])


def test_idle_client_keeps_its_orders_alive(session: Session, venue: LiveUnderTest) -> None:
    session.submit(session.far_bid("mk-a-1"))
    end = time.monotonic() + 8
    session.wait(lambda: time.monotonic() > end)
    assert len(at_venue(venue)["open_orders"]) == 1 and links(session) == ["up"]


def test_half_open_line_is_noticed_and_the_venue_has_ended_our_orders(session: Session, venue: LiveUnderTest) -> None:
    session.submit(session.far_bid("mk-a-1"))
    venue.sim.fault("half_open", account=venue.account)
    session.wait(lambda: relinked(session))
    until(lambda: not at_venue(venue)["open_orders"])
    report = session.report()
    assert report.complete and report.open_orders == ()


def test_bot_that_hangs_does_not_hold_off_the_venues_cancel(
    venue: LiveUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thalex_client, "UNSEEN_S", 1.0)
    session = Session.open(venue)
    try:
        session.submit(session.far_bid("mk-a-1"))
        assert len(at_venue(venue)["open_orders"]) == 1
        until(lambda: not at_venue(venue)["open_orders"])  # nobody polls; pings alone would go on for ever
        session.wait(lambda: relinked(session))
        assert session.report().open_orders == ()
    finally:
        session.close()


@pytest.mark.parametrize("kind", ["disconnect", "garbage", "huge_message", "expire_token"])
def test_line_that_breaks_is_mended_and_orders_go_again(session: Session, venue: LiveUnderTest, kind: str) -> None:
    venue.sim.fault(kind, account=venue.account)
    if kind == "expire_token":
        session.submit(session.far_bid("mk-a-0"))
        assert session.events_of("mk-a-0") == [OrderEvent.REJECTED]
    session.wait(lambda: relinked(session))
    session.submit(session.far_bid("mk-a-1"))
    assert session.events_of("mk-a-1") == [OrderEvent.ACCEPTED]
    assert {order.client_order_id for order in session.report().open_orders} == {"mk-a-1"}


def test_order_whose_answer_was_cut_off_is_in_doubt_and_settled_by_the_report(
    session: Session, venue: LiveUnderTest
) -> None:
    venue.sim.fault("drop_answer", account=venue.account, match="private/insert")
    session.submit(session.far_bid("mk-a-1"))
    session.wait(lambda: relinked(session))
    assert OrderEvent.OUTCOME_UNKNOWN in session.events_of("mk-a-1")
    session.wait(lambda: session.open_ids() == set())


@pytest.mark.parametrize("seconds", [-3600, 3600])
def test_login_is_dated_by_the_venues_clock(venue: LiveUnderTest, seconds: int) -> None:
    venue.sim.fault("clock_skew", seconds=seconds)
    opened = Session.open(venue, market_data=False)
    assert opened.report().complete
    assert opened.client.clock_offset_ms() == pytest.approx(seconds * 1000, abs=5_000)
    opened.close()


def test_wrong_key_is_an_auth_error_after_one_try(venue: LiveUnderTest) -> None:
    ours = venue.config["private_key"].reveal()
    keys = [account["credentials"]["private_key"] for account in venue.sim.hello["accounts"]]
    venue.config = {**venue.config, "private_key": Secret(next(key for key in keys if key != ours))}
    before = venue.sim.state(venue.account, fills=0)["counters"]["requests"].get("WS public/login", 0)
    inbox = Inbox()
    with pytest.raises(VenueAuthError, match=r"19.*key K"):
        venue.client().open(inbox, LEG)
    inbox.close()
    assert venue.sim.state(venue.account, fills=0)["counters"]["requests"]["WS public/login"] == before + 1


def test_book_that_misses_a_message_is_read_anew(session: Session, venue: LiveUnderTest) -> None:
    # Between two messages of a moving market a lost one may heal by itself: the next overwrites the same levels.
    venue.hold_still(session)
    venue.sim.fault("skip_sequence")
    for ticks_away in (500, 501):
        price = session.client.instrument.to_price(session.book.best_bid_ticks - ticks_away)
        venue.sim.order("b", NAME, "buy", price, "0.1")
    session.wait(lambda: relinked(session))
    venue.sim.feed(paused=False)
    seen = len(session.books)
    session.wait(lambda: len(session.books) > seen + 3)
    assert session.book.is_quotable


def test_frozen_book_takes_the_link_down_while_the_market_moves(session: Session, venue: LiveUnderTest) -> None:
    venue.sim.feed(paused=True)
    venue.sim.fault("freeze_book")
    mark = Decimal(venue.sim.state(venue.account, fills=0)["markets"][NAME]["mark"])
    venue.sim.price(NAME, mark + 20)  # the ticker tells, the book does not
    session.wait(lambda: links(session)[-1] == "down")
    venue.sim.fault("clear")
    venue.sim.feed(paused=False)
    session.wait(lambda: relinked(session))


def test_fill_that_is_told_twice_is_told_once(session: Session, venue: LiveUnderTest) -> None:
    venue.sim.fault("duplicate_fill", account=venue.account)
    taker = replace(session.far_bid("mk-a-1", ticks_away=-80), post_only=False, time_in_force="IOC")
    session.submit(taker)
    session.wait(lambda: OrderEvent.FULL_FILL in session.events_of("mk-a-1"))
    session.report()
    assert len(session.fills) == len({fill.trade_id for fill in session.fills}) >= 1
    assert sum(fill.size_lots for fill in session.fills) == taker.size_lots


def test_status_that_nobody_knows_is_doubt_and_the_report_knows_better(session: Session, venue: LiveUnderTest) -> None:
    venue.sim.fault("unknown_enum", account=venue.account, match="account.orders")
    venue.sim.fault("unknown_enum", account=venue.account, match="private/insert")
    session.submit(session.far_bid("mk-a-1"))
    assert OrderEvent.OUTCOME_UNKNOWN in session.events_of("mk-a-1")
    session.wait(lambda: session.open_ids() == {"mk-a-1"})


def test_cancel_that_takes_its_time_is_told_when_it_is_done(session: Session, venue: LiveUnderTest) -> None:
    session.submit(session.far_bid("mk-a-1"))
    venue.sim.fault("delay", account=venue.account, match="private/cancel", seconds=0.5)
    sent = time.monotonic()
    session.cancel("mk-a-1")
    assert time.monotonic() - sent >= 0.5
    assert session.events_of("mk-a-1") == [OrderEvent.ACCEPTED, OrderEvent.CANCELED]
    assert at_venue(venue)["open_orders"] == []


def test_busy_client_keeps_within_the_venues_rate(
    session: Session, venue: LiveUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent_s: list[float] = []  # when it was sent is what counts: how the simulator reads a burst is up to the machine
    send = WsTransport.send

    def noted(transport: WsTransport, text: str) -> None:
        sent_s.append(time.monotonic())
        send(transport, text)

    monkeypatch.setattr(session.client._link.calls, "_send", partial(noted, session.client._link._transport))  # type: ignore[attr-defined]
    ids = [f"mk-a-{number}" for number in range(60)]
    for start in range(0, 60, 12):
        session.client.submit([session.far_bid(key, ticks_away=500 + start) for key in ids[start : start + 12]])
        session.wait(lambda start=start: all(session.events_of(key) for key in ids[start : start + 12]))
    session.client.cancel(ids)
    session.wait(lambda: not at_venue(venue)["open_orders"])
    assert len(sent_s) > 60
    within = [sum(1 for other in sent_s if 0 <= other - one < 1) for one in sent_s]
    assert max(within) <= 50


def test_two_bots_of_one_account_leave_each_other_alone(venue: LiveUnderTest) -> None:
    one, two = (ClientOrderIds("home", name, 1) for name in ("one", "two"))
    first, second = another(venue, one), another(venue, two)
    mine, theirs = one.next(), two.next()
    first.submit(first.far_bid(mine))
    second.submit(replace(second.far_bid(theirs, ticks_away=-80), post_only=False, time_in_force="IOC"))
    second.wait(lambda: second.fills)
    kept = two.next()
    second.submit(second.far_bid(kept))
    first.client.cancel_all(one.owns)
    first.wait(lambda: OrderEvent.CANCELED in first.events_of(mine))
    assert [order["label"] for order in at_venue(venue)["open_orders"]] == [kept]
    assert first.fills == [] and first.events_of(theirs) == []
    first.close()
    second.close()


def test_successor_finds_and_cancels_what_another_session_left(venue: LiveUnderTest) -> None:
    ids = ClientOrderIds("home", "one", 1)
    first, key = another(venue, ids), ids.next()
    first.submit(first.far_bid(key))
    second = another(venue, ClientOrderIds("home", "one", 2))
    second.client.cancel([key])
    second.wait(lambda: OrderEvent.CANCELED in second.events_of(key))
    assert at_venue(venue)["open_orders"] == []
    first.close()
    second.close()


def test_dated_future_is_traded_like_the_perpetual(venue: LiveUnderTest) -> None:
    venue.symbol = next(name for name in venue.sim.hello["symbols"] if name != NAME)
    opened = Session.open(venue)
    assert opened.client.instrument.kind == "future"
    opened.submit(replace(opened.far_bid("mk-a-1", ticks_away=-80), post_only=False, time_in_force="IOC"))
    opened.wait(lambda: opened.fills)
    fill: Fill = opened.fills[0]
    (held,) = opened.report().positions
    assert held.size_lots == sum(each.size_lots for each in opened.fills) and fill.side is Side.BUY
    opened.close()


def test_reducing_order_never_turns_the_position(session: Session) -> None:
    lots = 20
    session.submit(replace(session.far_bid("mk-a-1", lots, ticks_away=-80), post_only=False, time_in_force="IOC"))
    session.wait(lambda: sum(fill.size_lots for fill in session.fills) == lots)
    price = session.book.best_bid_ticks - 80
    sell = Order("mk-a-2", LEG, Side.SELL, price, 3 * lots, post_only=False, reduce_only=True, time_in_force="IOC")
    session.submit(sell)
    session.wait(lambda: session.events_of("mk-a-2")[-1] not in (OrderEvent.ACCEPTED,))
    session.wait(lambda: session.report().positions[0].size_lots >= 0)


def test_candles_of_the_mark_price_are_given_oldest_first(session: Session) -> None:
    found = session.client.candles(60, 10)
    assert found and [candle.start_ns for candle in found] == sorted(candle.start_ns for candle in found)
    assert all(candle.low <= candle.open <= candle.high and candle.volume is None for candle in found)


def test_market_is_read_without_a_key(venue: LiveUnderTest) -> None:
    context = ClientContext("thalex", venue.symbol, "", "reader", "", (), public_only=True)
    config = {"ws_url": venue.config["ws_url"], "mode": "live"}
    session = Session(venue, client_class("thalex")(config, context), Inbox())
    session.client.open(session.inbox, LEG)
    session.client.start_market_data()
    session.wait(lambda: len(session.books) > 3 and session.prints)
    session.close()


def test_reader_of_a_reference_hears_the_market_without_a_key(venue: LiveUnderTest) -> None:
    context = ClientContext("thalex", venue.symbol, "", "reader", "", (), public_only=True)
    config = {"ws_url": venue.config["ws_url"]}  # as a reference_config gives it: the rest has defaults
    reader = MarketReader(lambda: client_class("thalex")(config, context), "reference", waits=True)
    heard: list[BookUpdate] = []
    deadline = time.monotonic() + 60
    while len(heard) < 3 and time.monotonic() < deadline:
        reader.poll(time.monotonic_ns())
        heard += [item for item in reader.heard() if isinstance(item, BookUpdate)]
        time.sleep(0.01)
    assert len(heard) >= 3 and all(update.book.is_quotable for update in heard), reader.problem
    assert reader.instrument is not None and reader.instrument.kind == "perp"
    reader.close()
