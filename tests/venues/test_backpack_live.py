"""The Backpack client over real sockets, against the simulator: what it says on good days and on bad ones."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from api.backpack_client import BackpackClient
from api.base_client import ClientContext, Inbox
from api.http_call import HttpAnswer
from api.rate_budget import Lane
from core.market.client_ids import NumberIds
from core.market.events import LinkDown, LinkUp
from core.market.order import Order, OrderEvent, Side
from tests.sim_process import SimProcess, start_simulator
from tests.unit.backpack_bench import PUBLIC, SEED
from tests.venues.backpack_session import LEG, LiveSession, client_on
from utils.env import Secret
from utils.errors import VenueAuthError, VenueRefused

E = OrderEvent
PERP = "SOL_USDC_PERP"


@pytest.fixture(scope="module")
def sim() -> Iterator[SimProcess]:
    with start_simulator("backpack", "--seed", "7") as process:
        yield process


@pytest.fixture
def live(sim: SimProcess) -> Iterator[LiveSession]:
    with LiveSession(sim) as session:
        yield session
    sim.reset()


def size_at_venue(live: LiveSession) -> Decimal:
    return Decimal(live.at_venue()["positions"].get(PERP, {"size": "0"})["size"])


def booked(live: LiveSession) -> Decimal:
    """Return the position that the fills told so far add up to, each id once."""
    fills = {fill.trade_id: fill for fill in live.fills}
    return sum((live.client.instrument.to_size(f.size_lots) * f.side.sign for f in fills.values()), Decimal(0))


# Good days


def test_order_rests_and_is_cancelled(live: LiveSession) -> None:
    key = live.resting()
    assert live.open_ids() == {key}
    live.client.cancel([key])
    live.wait(lambda: len(live.events(key)) == 2)
    assert live.events(key) == [E.ACCEPTED, E.CANCELED] and live.open_ids() == set()


def test_taker_fills_are_those_of_the_venue(live: LiveSession) -> None:
    taker = Order(live.ids.next(), LEG, Side.BUY, live.book.best_ask_ticks + 50, 300, post_only=False)
    key = live.submit(replace(taker, time_in_force="IOC"))
    live.wait(lambda: booked(live) == size_at_venue(live) == 3)
    report = live.report()
    assert {fill.trade_id for fill in report.fills} == {fill.trade_id for fill in live.fills}
    assert sum(fill.fee for fill in report.fills) == sum(fill.fee for fill in live.fills)
    assert live.events(key)[-1] is E.FULL_FILL and report.positions[0].size_lots == 300


def test_maker_is_filled_part_by_part_and_then_whole(live: LiveSession) -> None:
    key = live.resting()
    for lots in (30, 70):
        live.sim.fault("partial_fill", lots=lots, account=live.account)
    live.wait(lambda: live.events(key)[-1] is E.FULL_FILL)
    assert [fill.size_lots for fill in live.fills] == [30, 70]
    assert {fill.liquidity for fill in live.fills} == {"maker"} and live.last(key).filled_lots == 100


def test_several_orders_are_answered_each_on_its_own(live: LiveSession) -> None:
    good, dear, other = live.far_bid(), live.far_bid(size_lots=10**9), live.far_bid()
    live.client.submit([good, dear, other])
    live.wait(lambda: all(live.events(order.client_order_id) for order in (good, dear, other)))
    assert live.events(dear.client_order_id) == [E.REJECTED]
    assert live.last(dear.client_order_id).reason.startswith("insufficient")
    assert live.open_ids() == {good.client_order_id, other.client_order_id}


def test_rest_of_an_immediate_order_expires(live: LiveSession) -> None:
    live.sim.feed(True)
    live.wait(lambda: live.sim.state()["paused"])
    live.work(0.2)
    level = live.book.asks[0]
    order = Order(live.ids.next(), LEG, Side.BUY, level.price_ticks, level.size_lots + 500, post_only=False)
    key = live.submit(replace(order, time_in_force="IOC"))
    live.wait(lambda: live.events(key)[-1] is E.EXPIRED)
    live.wait(lambda: booked(live) == size_at_venue(live))
    assert live.last(key).filled_lots == sum(fill.size_lots for fill in live.fills) == level.size_lots


def test_cancel_all_spares_foreign_orders(live: LiveSession) -> None:
    own = live.resting()
    live.sim.order(live.account, PERP, "buy", "100", "1", client_id=5)
    live.client.cancel_all(live.ids.owns)
    live.wait(lambda: live.events(own)[-1] is E.CANCELED)
    assert [order["client_id"] for order in live.at_venue()["open_orders"]] == ["5"]


def test_reduce_only_order_without_a_position_is_refused(live: LiveSession) -> None:
    key = live.submit(live.far_bid(reduce_only=True, post_only=False))
    live.wait(lambda: live.events(key)[-1] in (E.REJECTED, E.EXPIRED))
    assert not live.open_ids()


def test_spot_account_tells_balances_and_what_orders_hold(sim: SimProcess) -> None:
    with LiveSession(sim, "SOL-USDC") as live:
        before = {balance.asset: balance for balance in live.report().balances}
        key = live.resting()
        after = {balance.asset: balance for balance in live.report().balances}
        price = live.client.instrument.to_price(live.report().open_orders[0].price_ticks)
        assert before["USDC"].total == after["USDC"].total
        assert before["USDC"].available - after["USDC"].available >= price
        live.client.cancel([key])
        live.wait(lambda: live.events(key)[-1] is E.CANCELED)


def test_leverage_is_set_for_the_account(sim: SimProcess) -> None:
    with LiveSession(sim, market_data=False, leverage=4) as live:
        again = client_on(sim, live.row, "SOL-PERP", live.ids, leverage=4)
        before = sim.state()["counters"]["requests"]["PATCH /api/v1/account"]
        inbox = Inbox()
        again.open(inbox, LEG)
        again.close()
        inbox.close()
        assert sim.state()["counters"]["requests"]["PATCH /api/v1/account"] == before


def test_candles_are_told(live: LiveSession) -> None:
    candles = live.client.candles(60, 3)
    assert candles and [candle.start_ns for candle in candles] == sorted(candle.start_ns for candle in candles)
    assert all(candle.low <= candle.open <= candle.high for candle in candles)


# Keys and symbols


def test_wrong_key_is_refused_at_the_door(sim: SimProcess) -> None:
    row = sim.account()
    other = sim.account()["credentials"]
    stranger = {"credentials": other | {"api_secret": row["credentials"]["api_secret"]}, "account": "x"}
    with pytest.raises(VenueAuthError, match="does not belong"):
        client_on(sim, stranger, "SOL-PERP", NumberIds(1, 0, 0, lambda until: None)).open(Inbox(), LEG)


def test_key_that_the_venue_does_not_know_is_refused(sim: SimProcess) -> None:
    row = {"credentials": {"api_key": PUBLIC, "api_secret": SEED}, "account": "x"}
    inbox = Inbox()
    with pytest.raises(VenueAuthError, match="create a key"):
        client_on(sim, row, "SOL-PERP", NumberIds(1, 0, 0, lambda until: None)).open(inbox, LEG)
    inbox.close()


def test_unknown_symbol_is_refused(sim: SimProcess) -> None:
    inbox = Inbox()
    with pytest.raises(VenueRefused, match="DOGE-USDC"):
        client_on(sim, sim.account(), "DOGE-USDC", NumberIds(1, 0, 0, lambda until: None)).open(inbox, LEG)
    inbox.close()


def test_public_client_reads_the_market_without_a_key(sim: SimProcess) -> None:
    config = {"base_url": sim.hello["base_url"], "ws_url": sim.hello["ws_url"]}
    context = ClientContext("backpack", "SOL-USDC", "x", "x", "", (), public_only=True)
    client, inbox = BackpackClient(config, context), Inbox()
    client.open(inbox, LEG)
    client.start_market_data()
    deadline, said = time.monotonic() + 10, list[Any]()
    while len({type(item) for item in said}) < 3 and time.monotonic() < deadline:
        client.poll(time.monotonic_ns())
        said += inbox.drain()
        time.sleep(0.01)
    client.close()
    inbox.close()
    assert {type(item).__name__ for item in said} == {"LinkUp", "BookUpdate", "TradePrint"}


# Bad days


def test_lost_answer_leaves_one_order_and_no_second_one(live: LiveSession) -> None:
    live.sim.fault("drop_answer", match="POST /api/v1/order", account=live.account)
    order = live.far_bid()
    live.client.submit([order])
    live.wait(lambda: E.ACCEPTED in live.events(order.client_order_id))
    live.work(0.3)
    assert live.open_ids() == {order.client_order_id}
    assert len(live.at_venue()["open_orders"]) == 1


def test_server_error_that_carried_nothing_out_is_unknown_and_nothing_is_listed(live: LiveSession) -> None:
    live.sim.fault("status", status=503, match="POST /api/v1/order", account=live.account)
    key = live.submit(live.far_bid())
    assert live.events(key) == [E.OUTCOME_UNKNOWN] and live.open_ids() == set()


def test_rate_limit_refuses_orders_and_lets_cancels_go_first(live: LiveSession) -> None:
    resting = live.resting()
    live.sim.fault("rate_limit", retry_after=1, match="POST /api/v1/order", account=live.account)
    refused, later = live.far_bid(), live.far_bid()
    live.client.submit([refused])
    live.wait(lambda: live.events(refused.client_order_id))
    assert live.last(refused.client_order_id).reason.startswith("rate_limited")
    sent = sent_times(live)
    live.client.submit([later])
    live.client.cancel([resting])
    live.wait(lambda: len(sent) == 2 and E.CANCELED in live.events(resting) and live.events(later.client_order_id))
    assert sent[Lane.CANCEL] < sent[Lane.CREATE]


def sent_times(live: LiveSession) -> dict[Lane, int]:
    """Return when a request of each lane was last written, filled in as the answers come."""
    assert isinstance(live.client, BackpackClient)
    http, sent = live.client._http, {}
    take = http.take_answers

    def take_and_note() -> list[HttpAnswer]:
        answers = take()
        sent.update({answer.call.lane: answer.sent_ns for answer in answers})
        return answers

    http.take_answers = take_and_note  # type: ignore[method-assign]
    return sent


def test_promised_cancel_arrives_later(live: LiveSession) -> None:
    key = live.resting()
    live.sim.fault("accepted_cancel", seconds=0.3, account=live.account)
    live.client.cancel([key])
    live.wait(lambda: live.events(key) == [E.ACCEPTED, E.CANCELED])
    assert live.open_ids() == set()


def test_fill_told_twice_is_one_fill(live: LiveSession) -> None:
    live.resting()
    live.sim.fault("duplicate_fill", account=live.account)
    live.sim.fault("partial_fill", lots=40, account=live.account)
    live.wait(lambda: live.fills)
    live.work(0.3)
    assert [fill.size_lots for fill in live.fills] == [40] and booked(live) == size_at_venue(live)


def test_sequence_gap_is_closed_by_a_new_snapshot(live: LiveSession) -> None:
    depths = live.sim.state()["counters"]["requests"]["GET /api/v1/depth"]
    live.sim.fault("skip_sequence", match="depth." + PERP)
    live.wait(lambda: live.sim.state()["counters"]["requests"]["GET /api/v1/depth"] > depths)
    live.wait(lambda: live.links == [LinkUp, LinkDown, LinkUp])
    seen = len(live.books)
    live.wait(lambda: len(live.books) > seen + 3)
    assert live.book.is_quotable


def test_book_is_that_of_the_venue_after_much_news(live: LiveSession) -> None:
    live.wait(lambda: len(live.books) > 15)
    live.sim.feed(True)
    live.wait(lambda: live.sim.state()["markets"][PERP]["sequence"] == live.book.sequence)
    market, instrument = live.sim.state()["markets"][PERP], live.client.instrument
    assert Decimal(market["bid"]) == instrument.to_price(live.book.best_bid_ticks)
    assert Decimal(market["ask"]) == instrument.to_price(live.book.best_ask_ticks)
    numbers = [update.book.sequence for update in live.books]
    assert numbers == sorted(numbers)


def test_fill_while_the_socket_is_away_is_in_the_report(live: LiveSession) -> None:
    key = live.resting()
    live.sim.fault("disconnect")
    live.wait(lambda: LinkDown in live.links)
    live.sim.fault("partial_fill", lots=100, account=live.account)
    live.wait(lambda: live.links[-1] is LinkUp)
    report = live.report()
    assert [(fill.client_order_id, fill.size_lots) for fill in report.fills] == [(key, 100)]
    assert report.complete and report.open_orders == ()


def test_orders_still_go_out_while_the_socket_is_away(live: LiveSession) -> None:
    live.sim.fault("disconnect")
    live.wait(lambda: LinkDown in live.links)
    key = live.submit(live.far_bid())
    assert live.events(key) == [E.ACCEPTED]
    live.wait(lambda: live.links[-1] is LinkUp)


@pytest.mark.parametrize("fault", ["garbage", "huge_message"])
def test_frame_that_cannot_be_read_is_a_new_connection(live: LiveSession, fault: str) -> None:
    live.sim.fault(fault)
    live.wait(lambda: live.links[-2:] == [LinkDown, LinkUp])
    key = live.resting()
    live.sim.fault("partial_fill", lots=100, account=live.account)
    live.wait(lambda: E.FULL_FILL in live.events(key))


def test_reconnect_storm_ends_with_one_link(live: LiveSession) -> None:
    for _ in range(4):
        live.sim.fault("disconnect")
        live.wait(lambda: live.links[-1] is LinkDown)
        live.wait(lambda: live.links[-1] is LinkUp, 40)
    seen = len(live.books)
    live.wait(lambda: len(live.books) > seen)
    assert len(live.sim.state()["sockets"]) == 1


def test_unknown_field_is_nothing_and_an_unknown_word_is_a_doubt(live: LiveSession) -> None:
    live.sim.fault("unknown_field", match="account.orderUpdate", account=live.account)
    key = live.resting()
    live.sim.fault("unknown_enum", match="account.orderUpdate", account=live.account)
    live.sim.fault("partial_fill", lots=10, account=live.account)
    live.wait(lambda: E.OUTCOME_UNKNOWN in live.events(key) or live.fills)
    report = live.report()
    assert report.open_orders[0].filled_lots == sum(fill.size_lots for fill in report.fills) == 10


def test_frozen_book_is_not_called_fresh(live: LiveSession) -> None:
    live.sim.fault("freeze_book", seconds=8)
    began_ns = time.monotonic_ns()
    live.work(6)
    newest_ns = max(update.book.local_ns for update in live.books)
    assert newest_ns - began_ns < 10**9
    live.wait(lambda: live.links[-1] is LinkUp and live.books[-1].book.local_ns > began_ns + 7 * 10**9)


def test_quiet_book_is_confirmed_without_a_stream(live: LiveSession) -> None:
    live.sim.feed(True)
    live.work(0.5)
    sequence, began_ns = live.book.sequence, time.monotonic_ns()
    live.wait(lambda: live.books[-1].book.local_ns > began_ns + 2 * 10**9)
    assert live.book.sequence == sequence and live.links == [LinkUp]


@pytest.mark.parametrize("seconds", [30, -30])
def test_clock_that_is_off_is_measured_again(live: LiveSession, seconds: int) -> None:
    resting = live.resting()
    live.sim.fault("clock_skew", seconds=seconds)
    refused = live.submit(live.far_bid())
    assert live.last(refused).reason.startswith("clock")
    live.client.cancel([resting])
    live.wait(lambda: E.CANCELED in live.events(resting))
    assert live.report().complete
    taken = live.submit(live.far_bid())
    assert live.events(taken) == [E.ACCEPTED]


def test_clock_that_is_off_at_the_start_is_corrected(sim: SimProcess) -> None:
    before = sim.state()["counters"]["violations"].get("bad_timestamp", 0)
    sim.fault("clock_skew", seconds=-3)
    with LiveSession(sim) as live:
        live.resting()
        assert live.client.clock_offset_ms() == pytest.approx(-3_000, abs=1_000)
    assert sim.state()["counters"]["violations"].get("bad_timestamp", 0) == before
    sim.reset()


def test_history_that_fails_makes_the_report_incomplete(live: LiveSession) -> None:
    live.sim.fault("incomplete", account=live.account, count=10)
    report = live.report()
    assert not report.complete and report.reason.startswith("fills") and report.mark is None
    live.sim.reset()
    assert live.report().complete


def test_cancel_and_fill_at_once_lose_nothing(live: LiveSession) -> None:
    for _ in range(5):
        key = live.resting()
        live.client.cancel([key])
        live.sim.fault("partial_fill", lots=10, account=live.account)
        live.wait(lambda key=key: len(live.events(key)) > 1)  # type: ignore[misc]
    live.wait(lambda: booked(live) == size_at_venue(live))


def test_half_open_socket_is_found_and_made_anew(live: LiveSession) -> None:
    live.sim.fault("half_open")
    live.wait(lambda: LinkDown in live.links, 25)
    live.wait(lambda: live.links[-1] is LinkUp)


def test_key_that_is_refused_later_ends_the_bot(sim: SimProcess) -> None:
    with LiveSession(sim, market_data=False) as live:
        code = {"code": "FORBIDDEN", "message": "No trading right"}
        sim.fault("reject_next", account=live.account, match="POST /api/v1/order", **code)
        live.client.submit([Order(live.ids.next(), LEG, Side.BUY, 10_000, 10)])
        with pytest.raises(VenueAuthError, match="No trading right"):
            live.wait(lambda: False)
    sim.reset()


def test_key_appears_in_no_log(live: LiveSession, caplog: pytest.LogCaptureFixture) -> None:
    live.resting()
    secret = Secret(live.row["credentials"]["api_secret"])
    assert secret.reveal() not in caplog.text
