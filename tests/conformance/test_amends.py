"""What every client must do whose venue amends orders; and that the others say so."""

from __future__ import annotations

import pytest

from api.base_client import VenueReport
from core.market.events import OrderUpdate
from core.market.order import Amend, Order, OrderEvent, OrderState
from tests.conformance.test_conformance import partly_filled
from tests.conformance.venues import Session, Venue
from utils.errors import VenueRefused

AMENDING = ["paper", "thalex", "thalex_paper"]


def amend(session: Session, name: str, price_ticks: int, lots: int) -> list[OrderUpdate]:
    """Amend an order and return what was told of it since."""
    key = session.id(name)
    told = [update for update in session.all_of(OrderUpdate) if update.client_order_id == key]
    session.client.amend([Amend(key, price_ticks, lots)])
    session.wait(lambda: len(session.events_of(name)) > len(told))
    return [update for update in session.all_of(OrderUpdate) if update.client_order_id == key][len(told) :]


def listed(session: Session) -> Order:
    report: VenueReport = session.report()
    assert report.complete
    (found,) = report.open_orders
    return found


def rested(session: Session) -> Order:
    """Rest a buy far below the market."""
    order = session.far_bid("mk-a-1", lots=4 * session.small_lots(session.book.best_bid_ticks))
    session.submit(order)
    return order


def test_a_client_amends_exactly_where_its_capabilities_say_so(session: Session, venue: Venue) -> None:
    rested(session)
    if session.client.capabilities.amend:
        (update, *_) = amend(session, "mk-a-1", session.book.best_bid_ticks - 400, 10**9)
        assert update.event is OrderEvent.AMEND_REJECTED  # too much; but it was asked
    else:
        with pytest.raises(VenueRefused, match="amend"):
            session.client.amend([Amend(session.id("mk-a-1"), 1, 1)])


@pytest.mark.parametrize("venue", AMENDING, indirect=True)
class TestAmending:
    def test_an_amended_order_is_told_with_its_terms_and_listed_under_its_own_id(self, session: Session) -> None:
        order = rested(session)
        price, lots = order.price_ticks - 20, order.size_lots * 2
        (update,) = amend(session, "mk-a-1", price, lots)
        assert (update.event, update.price_ticks, update.size_lots) == (OrderEvent.AMENDED, price, lots)
        found = listed(session)
        assert found.client_order_id == order.client_order_id
        assert (found.price_ticks, found.size_lots, found.state) == (price, lots, OrderState.NEW)
        assert update.venue_order_id in (None, found.venue_order_id)

    def test_the_size_is_the_total_so_what_has_filled_stays_filled(self, session: Session) -> None:
        order = partly_filled(session)
        filled = sum(fill.size_lots for fill in session.fills)
        lots = order.size_lots - (order.size_lots - filled) // 2
        updates = amend(session, "mk-a-1", order.price_ticks, lots)
        assert [update.event for update in updates] == [OrderEvent.AMENDED]
        found = listed(session)
        assert (found.size_lots, found.filled_lots, found.remaining_lots) == (lots, filled, lots - filled)
        session.venue.trade_against(session, order.size_lots)
        session.wait(lambda: sum(fill.size_lots for fill in session.fills) >= lots)
        assert sum(fill.size_lots for fill in session.fills) == lots
        assert session.open_ids() == set()

    def test_a_refused_amendment_leaves_the_order_as_it_was(self, session: Session) -> None:
        order = rested(session)
        updates = amend(session, "mk-a-1", order.price_ticks, 10**9)
        assert [update.event for update in updates] == [OrderEvent.AMEND_REJECTED]
        assert session.reason_of("mk-a-1")
        found = listed(session)
        assert (found.price_ticks, found.size_lots) == (order.price_ticks, order.size_lots)

    def test_an_order_that_is_gone_is_told_as_not_amended(self, session: Session) -> None:
        order = rested(session)
        session.cancel("mk-a-1")
        updates = amend(session, "mk-a-1", order.price_ticks - 10, order.size_lots)
        assert updates[0].event is OrderEvent.AMEND_REJECTED
        assert session.open_ids() == set()

    def test_an_order_that_never_was_is_to_be_looked_up(self, session: Session) -> None:
        session.client.amend([Amend(session.id("mk-a-9"), session.book.best_bid_ticks - 500, 1000)])
        session.wait(lambda: len(session.events_of("mk-a-9")) == 2)
        assert session.events_of("mk-a-9") == [OrderEvent.AMEND_REJECTED, OrderEvent.OUTCOME_UNKNOWN]

    def test_a_post_only_order_never_takes_by_an_amendment(self, session: Session) -> None:
        session.venue.hold_still(session)
        order = rested(session)
        updates = amend(session, "mk-a-1", session.book.best_ask_ticks, order.size_lots)
        assert updates[0].event in (OrderEvent.AMEND_REJECTED, OrderEvent.REJECTED)
        assert session.fills == []
        session.report()
        assert session.fills == []

    def test_an_amended_order_can_be_cancelled(self, session: Session) -> None:
        order = rested(session)
        session.client.amend([Amend(order.client_order_id, order.price_ticks - 10, order.size_lots)])
        session.client.cancel([order.client_order_id])
        session.wait(lambda: OrderEvent.CANCELED in session.events_of("mk-a-1"))
        assert session.open_ids() == set()
