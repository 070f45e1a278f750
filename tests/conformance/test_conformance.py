"""What every venue's client must do, whatever the venue."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from api.base_client import DeadManScope, Inbox, VenueReport
from core.market.order import POST_ONLY_WOULD_CROSS, Fill, Order, OrderEvent, OrderState, Side
from tests.conformance.venues import LEG, Session, Venue
from utils.errors import VenueRefused, VenueUnreachable


def test_open_sets_an_instrument_that_can_be_traded(session: Session, venue: Venue) -> None:
    instrument = session.client.instrument
    assert instrument.symbol == venue.symbol
    assert instrument.tick_size > 0 and instrument.lot_size > 0 and instrument.min_lots >= 1
    assert instrument.base and instrument.quote and instrument.kind in ("spot", "perp", "future")


def test_a_venue_behind_a_network_tells_how_far_its_clock_is(session: Session) -> None:
    offset_ms = session.client.clock_offset_ms()
    assert offset_ms is None if session.client.embedded else offset_ms is not None and abs(offset_ms) < 5_000


def test_venues_own_name_for_a_symbol_opens_the_same_instrument(session: Session, venue: Venue) -> None:
    expected = session.client.instrument
    session.client.close()
    other = venue.client(expected.venue_symbol)
    inbox = Inbox()
    other.open(inbox, LEG)
    assert other.instrument == expected
    other.close()
    inbox.close()


def test_unknown_symbol_is_refused(venue: Venue) -> None:
    inbox = Inbox()
    with pytest.raises(VenueRefused, match=venue.unknown_symbol):
        venue.client(venue.unknown_symbol).open(inbox, LEG)
    inbox.close()


def test_books_arrive_and_move_on(session: Session) -> None:
    session.wait(lambda: len(session.books) >= 3)
    sequences = [update.book.sequence for update in session.books]
    assert sequences == sorted(set(sequences))
    assert all(update.book.is_quotable and update.leg == LEG for update in session.books)


def test_trade_prints_arrive_in_the_order_of_time(session: Session) -> None:
    session.wait(lambda: len(session.prints) >= 3)
    times = [item.venue_ns for item in session.prints]
    assert times == sorted(times) and all(item.size_lots > 0 for item in session.prints)


def test_nothing_of_the_market_is_delivered_before_it_is_asked_for(venue: Venue) -> None:
    session = Session.open(venue, market_data=False)
    session.report()
    assert not session.books and not session.prints
    session.close()


def test_accepted_order_is_told_with_the_venues_id_and_listed(session: Session) -> None:
    order = session.far_bid("mk-a-1")
    session.submit(order)
    assert session.events_of("mk-a-1") == [OrderEvent.ACCEPTED]
    (listed,) = session.report().open_orders
    told = (listed.client_order_id, listed.side, listed.price_ticks)
    assert told == (session.id("mk-a-1"), Side.BUY, order.price_ticks)
    assert listed.venue_order_id and listed.state is OrderState.NEW and listed.leg == LEG
    assert listed.remaining_lots == order.size_lots


def test_order_beyond_the_balance_is_rejected_with_a_reason(session: Session) -> None:
    order = session.far_bid("mk-a-1", lots=10**9)
    session.submit(order)
    assert session.events_of("mk-a-1") == [OrderEvent.REJECTED]
    assert "insufficient" in session.reason_of("mk-a-1")
    assert session.open_ids() == set()


def test_post_only_order_that_would_cross_is_rejected(session: Session) -> None:
    price = session.book.best_ask_ticks
    session.submit(session.order("mk-a-1", Side.BUY, price + 100, session.small_lots(price)))
    assert session.events_of("mk-a-1") == [OrderEvent.REJECTED]
    assert session.reason_of("mk-a-1") == POST_ONLY_WOULD_CROSS
    assert session.fills == []


@pytest.mark.parametrize("lots", [0, -5])
def test_order_without_a_size_is_rejected(session: Session, lots: int) -> None:
    session.submit(replace(session.far_bid("mk-a-1"), size_lots=lots))
    assert session.events_of("mk-a-1") == [OrderEvent.REJECTED]


def test_order_below_the_minimum_is_rejected(session: Session, venue: Venue) -> None:
    session.submit(replace(session.far_bid("mk-a-1"), size_lots=venue.too_small_lots))
    assert session.events_of("mk-a-1") == [OrderEvent.REJECTED]
    assert "min" in session.reason_of("mk-a-1")


def test_order_id_that_is_open_already_is_rejected_and_the_first_order_stays(session: Session) -> None:
    order = session.far_bid("mk-a-1")
    session.submit(order)
    session.client.submit([replace(order, price_ticks=order.price_ticks - 1)])
    session.wait(lambda: OrderEvent.REJECTED in session.events_of("mk-a-1"))
    assert [listed.price_ticks for listed in session.report().open_orders] == [order.price_ticks]


def test_rejected_order_leaves_the_others_of_its_batch_alone(session: Session) -> None:
    session.submit(session.far_bid("mk-a-1"), session.far_bid("mk-a-2", lots=10**9), session.far_bid("mk-a-3"))
    assert session.open_ids() == {"mk-a-1", "mk-a-3"}


def test_cancelled_order_is_told_and_listed_no_more(session: Session) -> None:
    session.submit(session.far_bid("mk-a-1"))
    session.cancel("mk-a-1")
    assert session.events_of("mk-a-1") == [OrderEvent.ACCEPTED, OrderEvent.CANCELED]
    assert session.open_ids() == set()


def test_second_cancel_is_rejected(session: Session) -> None:
    session.submit(session.far_bid("mk-a-1"))
    session.cancel("mk-a-1")
    session.cancel("mk-a-1")
    assert session.events_of("mk-a-1")[-1] is OrderEvent.CANCEL_REJECTED


def test_cancel_of_an_order_that_never_was_is_rejected(session: Session) -> None:
    session.cancel("mk-a-9")
    assert session.events_of("mk-a-9") == [OrderEvent.CANCEL_REJECTED]


def test_cancel_sent_right_behind_its_order_cancels_it(session: Session) -> None:
    session.client.submit([session.far_bid("mk-a-1")])
    session.client.cancel([session.id("mk-a-1")])
    session.wait(lambda: len(session.events_of("mk-a-1")) == 2)
    assert session.events_of("mk-a-1") == [OrderEvent.ACCEPTED, OrderEvent.CANCELED]


def test_cancel_all_cancels_what_is_owned_and_leaves_foreign_orders_alone(session: Session) -> None:
    session.submit(*(session.far_bid(order_id) for order_id in ("mk-a-1", "mk-a-2", "mk-b-1", "manual")))
    session.client.cancel_all(session.named("mk-a-"))
    session.wait(lambda: all(OrderEvent.CANCELED in session.events_of(name) for name in ("mk-a-1", "mk-a-2")))
    assert session.open_ids() == {"mk-b-1", "manual"}


def test_cancel_all_of_nothing_owned_cancels_nothing(session: Session) -> None:
    session.submit(session.far_bid("mk-a-1"))
    session.client.cancel_all(lambda order_id: False)
    assert session.open_ids() == {"mk-a-1"}


def partly_filled(session: Session) -> Order:
    """Rest a buy at the best bid that is larger than what trades there, and wait for its first fill."""
    session.venue.hold_still(session)
    price = session.book.best_bid_ticks
    order = session.order("mk-a-1", Side.BUY, price, 3 * max(session.small_lots(price), session.venue.part_lots))
    session.submit(order)
    session.venue.trade_against(session, order.size_lots // 3)
    session.wait(lambda: session.fills)
    return order


def test_partial_fill_leaves_the_rest_resting(session: Session) -> None:
    order = partly_filled(session)
    (listed,) = session.report().open_orders
    told = {(fill.client_order_id, fill.side, fill.price_ticks, fill.liquidity, fill.leg) for fill in session.fills}
    assert told == {(session.id("mk-a-1"), Side.BUY, order.price_ticks, "maker", LEG)}
    filled = sum(fill.size_lots for fill in session.fills)
    assert 0 < filled < order.size_lots
    assert (listed.filled_lots, listed.state) == (filled, OrderState.PARTIALLY_FILLED)


def test_fills_of_an_order_add_up_to_its_size(session: Session) -> None:
    order = partly_filled(session)
    session.venue.trade_against(session, order.size_lots)
    session.wait(lambda: sum(fill.size_lots for fill in session.fills) >= order.size_lots)
    assert sum(fill.size_lots for fill in session.fills) == order.size_lots
    assert len({fill.trade_id for fill in session.fills}) == len(session.fills)
    assert session.open_ids() == set()


def test_partly_filled_order_can_be_cancelled(session: Session) -> None:
    partly_filled(session)
    session.cancel("mk-a-1")
    assert session.events_of("mk-a-1")[-1] is OrderEvent.CANCELED
    assert session.open_ids() == set()


def test_taker_order_walks_the_book_and_its_ioc_rest_expires(session: Session) -> None:
    session.venue.hold_still(session)
    asks = session.book.asks
    lots = asks[0].size_lots + asks[1].size_lots + 7
    price = asks[1].price_ticks
    session.submit(session.order("mk-a-1", Side.BUY, price, lots, post_only=False, time_in_force="IOC"))
    session.wait(lambda: OrderEvent.EXPIRED in session.events_of("mk-a-1") and len(session.fills) >= 2)
    taken = [(fill.price_ticks, fill.size_lots, fill.liquidity) for fill in session.fills]
    assert taken == [(level.price_ticks, level.size_lots, "taker") for level in asks[:2]]


def test_report_is_complete_and_counts_what_open_orders_reserve(session: Session) -> None:
    order = session.far_bid("mk-a-1")
    before = session.report()
    session.submit(order)
    report = session.report()
    assert report.complete and report.leg == LEG and report.request_id == 2 and report.as_of_ns > 0
    quote = session.client.instrument.quote
    available = [{item.asset: item for item in found.balances}[quote] for found in (before, report)]
    assert available[0].total == available[1].total
    reserved = available[0].available - available[1].available
    notional = session.client.instrument.notional_quote(order.price_ticks, order.size_lots)
    assert reserved >= notional if session.client.instrument.kind == "spot" else reserved > 0


def test_balances_and_position_move_by_exactly_what_was_filled_and_its_fees(session: Session, venue: Venue) -> None:
    before = {item.asset: item.total for item in session.report().balances}
    partly_filled(session)
    report = session.report()
    instrument, bought = session.client.instrument, sum(fill.size_lots for fill in session.fills)
    if instrument.kind != "spot":
        assert [position.size_lots for position in report.positions] == [bought]
        return
    after = {item.asset: item.total for item in report.balances}
    value = sum((instrument.notional_quote(fill.price_ticks, fill.size_lots) for fill in session.fills), Decimal(0))
    fees = {asset: sum_of_fees(session, asset) for asset in (instrument.base, instrument.quote)}
    assert (fees[instrument.base] > 0) == venue.fee_in_base
    assert after[instrument.quote] == before[instrument.quote] - value - fees[instrument.quote]
    assert after[instrument.base] == before.get(instrument.base, 0) + instrument.to_size(bought) - fees[instrument.base]


def sum_of_fees(session: Session, asset: str) -> Decimal:
    return sum((fill.fee for fill in session.fills if fill.fee_asset == asset), Decimal(0))


def test_fills_since_a_mark_are_all_behind_it(session: Session, venue: Venue) -> None:
    partly_filled(session)
    first = session.report()
    count = len(session.fills)
    session.venue.trade_against(session, 5)
    session.venue.trade_against(session, 5)
    session.wait(lambda: len(session.fills) >= count + 2)
    second = session.report(first.mark)
    told = {fill.trade_id: fill for fill in (*first.fills, *second.fills)}
    assert [at_no_time(told[fill.trade_id]) for fill in session.fills] == [at_no_time(fill) for fill in session.fills]
    assert len(told) == len(session.fills)
    repeated = {fill.trade_id for fill in first.fills} & {fill.trade_id for fill in second.fills}
    assert venue.repeats_fills or not repeated
    assert venue.repeats_fills or session.report(second.mark).fills == ()


def at_no_time(fill: Fill) -> Fill:
    """Return a fill without its time: streams and histories do not all tell it with the same precision."""
    return replace(fill, venue_ns=0)


def test_mark_of_another_venue_brings_all_fills_again(session: Session) -> None:
    partly_filled(session)
    again = session.report("somewhere-else-17").fills
    assert [at_no_time(fill) for fill in again] == [at_no_time(fill) for fill in session.fills]


def test_reopening_keeps_orders_fills_and_balances(session: Session, venue: Venue) -> None:
    partly_filled(session)
    session.submit(session.far_bid("mk-a-2", reduce_only=False, post_only=True))
    before = session.report()
    dies = session.client.capabilities.dead_man_scope is DeadManScope.CONNECTION
    session.close()
    again = Session.open(venue, market_data=False)
    after = again.report()
    kept = [] if dies else [replace(order, leg=LEG) for order in before.open_orders]
    assert list(after.open_orders) == kept
    assert after.fills == before.fills
    assert totals(after) == totals(before)  # what is available may follow the market
    held = [[(one.leg, one.size_lots, one.entry_price) for one in report.positions] for report in (before, after)]
    assert held[0] == held[1]  # what is unrealised may follow the market, too
    session.inbox, session.client = again.inbox, again.client


def totals(report: VenueReport) -> dict[str, Decimal]:
    return {item.asset: item.total for item in report.balances}


def test_ids_after_reopening_are_new(session: Session, venue: Venue) -> None:
    partly_filled(session)
    order_ids = {order.venue_order_id for order in session.report().open_orders}
    trade_ids = {fill.trade_id for fill in session.fills}
    session.cancel("mk-a-1")
    session.close()
    again = Session.open(venue)
    partly_filled(again)
    assert not order_ids & {order.venue_order_id for order in again.report().open_orders}
    assert again.fills and not trade_ids & {fill.trade_id for fill in again.fills}
    session.inbox, session.client = again.inbox, again.client


def test_requests_to_a_closed_client_are_refused(session: Session) -> None:
    order = session.far_bid("mk-a-1")
    session.client.close()
    with pytest.raises(VenueUnreachable, match="not open"):
        session.client.submit([order])
    with pytest.raises(VenueUnreachable, match="not open"):
        session.client.cancel(["mk-a-1"])
    with pytest.raises(VenueUnreachable, match="not open"):
        session.client.request_report(1, None)


def test_changed_tick_size_ends_the_client_and_the_next_one_counts_in_it(session: Session, venue: Venue) -> None:
    before, after = session.client.instrument.tick_size, venue.change_tick(session)
    if venue.hears_of_its_tick:
        with pytest.raises(VenueUnreachable, match=f"tick size from {before} to {after}"):
            session.wait(lambda: False)
    session.close()
    again = Session.open(venue)
    assert again.client.instrument.tick_size == after != before
    order = again.far_bid("mk-a-1", ticks_away=100)
    again.submit(order)
    (listed,) = again.report().open_orders
    assert (listed.price_ticks, listed.size_lots) == (order.price_ticks, order.size_lots)
    again.close()
