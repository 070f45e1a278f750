"""An order's outcome is accepted, rejected or unknown; each fill counts once. Strategy scenarios 1, 2 and 3."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from core.market.client_ids import fence_of
from core.market.commands import CancelAll, Quote, Take
from core.market.events import FillEvent, OrderUpdate
from core.market.order import POST_ONLY_WOULD_CROSS, Order, OrderEvent, OrderState, Side
from core.trading.ledger import Ledger
from tests.trading.scripted_venue import LOSE, LOSE_ANSWER, ScriptedVenue
from tests.trading.workbench import BOTH, Bench
from utils.errors import OutcomeUnknown, VenueAuthError, VenueRefused, VenueUnreachable


class LookingVenue(ScriptedVenue):
    """Reads the bot's ledger with a connection of its own when an order arrives."""

    def __init__(self, ledger: Path) -> None:
        super().__init__()
        self.ledger_path = ledger
        self.seen: list[tuple[str, OrderState, int]] = []

    def submit(self, orders: Sequence[Order]) -> None:
        ledger = Ledger.open(self.ledger_path)
        ledger.use_instrument("main", self.instrument)
        recorded = {order.client_order_id: order for order in ledger.open_orders()}
        ledger.close()
        for order in orders:
            key = order.client_order_id
            self.seen.append((key, recorded[key].state, fence_of(key)))
        super().submit(orders)


def test_an_order_is_in_the_ledger_as_pending_with_the_fence_before_the_venue_hears_of_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path, LookingVenue(tmp_path / "ledger.db"))
    bench.run(1)
    venue = bench.venue
    assert isinstance(venue, LookingVenue)
    assert [(state, fence) for _, state, fence in venue.seen] == [(OrderState.PENDING_NEW, 1)] * 2


def test_a_create_whose_answer_is_lost_rests_exactly_once_after_the_reconciliation(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.venue.script.submit = LOSE_ANSWER
    bench.run(1)
    bench.venue.script.submit = "answer"
    bench.run(5)
    assert bench.resting == {"buy.0": 9_990, "sell.0": 10_010}
    assert len(bench.venue.submitted) == 2
    assert bench.loop.snapshot()["open_orders"] == 2
    assert all(order.state is OrderState.NEW for order in bench.ledger.open_orders())


def test_an_unanswered_order_is_unknown_not_resent_and_asked_for(tmp_path: Path) -> None:
    bench = Bench(tmp_path, ScriptedVenue(late_arrival_s=60))
    bench.venue.script.submit = LOSE
    bench.run(2.5)
    asked = len(bench.venue.reports_asked)
    assert {order.state for order in bench.ledger.open_orders()} == {OrderState.UNKNOWN}
    bench.run(20)
    assert len(bench.venue.submitted) == 2
    assert len(bench.venue.reports_asked) > asked


def test_an_order_that_never_arrived_is_replaced_after_the_venue_says_it_is_absent(tmp_path: Path) -> None:
    bench = Bench(tmp_path, ScriptedVenue(late_arrival_s=3))
    bench.venue.script.submit = LOSE
    bench.run(1)
    bench.venue.script.submit = "answer"
    bench.run(1.8)
    assert len(bench.venue.submitted) == 2  # inside the acceptance window absence says nothing
    bench.run(6)
    assert len(bench.venue.submitted) == 4
    assert bench.resting == {"buy.0": 9_990, "sell.0": 10_010}


def test_an_order_that_arrives_after_it_was_given_up_is_adopted_and_does_not_double_the_slot(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.venue.script.submit = LOSE
    bench.run(1)
    bench.venue.script.submit = "answer"
    bench.run(4)
    late = bench.venue.unsent[0]
    bench.venue.rest(late, tell=False)
    bench.run(12)
    assert sorted(bench.resting) == ["buy.0", "sell.0"]
    assert len(bench.venue.open_orders) == 2


def test_a_submit_that_raises_unknown_outcome_is_looked_up_and_kept(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.venue.script.submit_error = OutcomeUnknown("reset by peer")
    bench.run(0.1)
    bench.venue.script.submit_error = None
    assert {order.state for order in bench.ledger.open_orders()} == {OrderState.UNKNOWN}
    bench.run(3)
    assert bench.resting == {"buy.0": 9_990, "sell.0": 10_010}


def test_a_submit_that_is_refused_as_a_whole_is_a_reject(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.venue.script.submit_error = VenueRefused("market closed")
    bench.run(0.05)
    assert bench.ledger.open_orders() == []
    assert bench.loop.snapshot()["stats"]["orders_rejected"] == 2


def test_an_auth_error_ends_the_loop_and_cancels_first(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(1)
    bench.strategy.wanted = (BOTH[0], replace(BOTH[1], slot="sell.9"))
    bench.venue.script.submit_error = VenueAuthError("key revoked")
    with pytest.raises(VenueAuthError, match="key revoked"):
        bench.run(3)
    assert bench.venue.open_orders == {}


def test_a_fill_after_a_cancel_acknowledgement_is_counted_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(1)
    buy = bench.order_id("buy.0")
    bench.strategy.wanted = (BOTH[1],)
    bench.run(2)
    assert buy in bench.venue.cancels
    bench.venue.fill(buy, 4)
    bench.run(12)
    assert bench.loop.snapshot()["position"] == "0.4"
    order = bench.ledger.order(buy)
    assert order is not None
    assert (order.state, order.filled_lots) == (OrderState.CANCELED, 4)


def test_a_fill_during_a_cancel_is_counted_once_and_the_rest_is_gone(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(1)
    buy = bench.order_id("buy.0")
    bench.venue.script.before_cancel = lambda order: bench.venue.fill(order.client_order_id, 3) and None
    bench.strategy.wanted = (BOTH[1],)
    bench.run(12)
    assert bench.loop.snapshot()["position"] == "0.3"
    assert bench.resting == {"sell.0": 10_010}
    assert bench.ledger.replay("main") == bench.ledger.position("main")
    assert buy not in bench.venue.open_orders


def test_a_full_fill_during_a_cancel_makes_the_cancel_reject_harmless(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(1)
    bench.venue.script.before_cancel = lambda order: bench.venue.fill(order.client_order_id, 10) and None
    bench.strategy.wanted = ()
    bench.run(3)
    assert bench.loop.snapshot()["fills"] == 2
    assert bench.ledger.open_orders() == []


def test_a_fill_from_stream_and_report_is_counted_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(1)
    made = bench.venue.fill(bench.order_id("buy.0"), 5)
    bench.venue.inbox.put(FillEvent("main", made))
    bench.run(25)  # two periodic reports bring it again
    bench.venue.inbox.put(FillEvent("main", made))
    bench.run(1)
    assert bench.booked() == 1
    assert bench.loop.snapshot()["position"] == "0.5"


def test_the_same_trade_id_on_another_leg_or_of_another_bot_is_another_matter(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(1)
    made = bench.venue.fill(bench.order_id("buy.0"), 5)
    bench.venue.inbox.put(FillEvent("main", replace(made, trade_id="other", client_order_id="somebody-else")))
    bench.run(1)
    assert bench.booked() == 1


def test_a_fill_of_an_order_nobody_remembers_is_still_booked(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(1)
    made = bench.venue.fill(bench.order_id("buy.0"), 5, stream=False)
    forgotten = bench.ids.prefix + "0" * 12
    bench.venue.inbox.put(FillEvent("main", replace(made, trade_id="t-forgotten", client_order_id=forgotten)))
    bench.run(1)
    assert bench.ledger.has_fill("main", "t-forgotten")


def test_a_fill_under_the_venues_own_order_id_finds_its_order(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(1)
    key = bench.order_id("buy.0")
    venue_id = bench.venue.open_orders[key].venue_order_id
    made = bench.venue.fill(key, 5, stream=False)
    bench.venue.inbox.put(FillEvent("main", replace(made, client_order_id="", venue_order_id=venue_id)))
    bench.run(1)
    assert [fill.client_order_id for fill in bench.ledger.fills("main")] == [key]


def test_an_order_called_filled_without_its_fills_is_asked_about_at_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(1)
    key = bench.order_id("buy.0")
    bench.venue.fill(key, 10, stream=False)
    asked = len(bench.venue.reports_asked)
    bench.venue.tell(key, OrderEvent.FULL_FILL)
    bench.run(0.5)
    assert len(bench.venue.reports_asked) > asked
    assert bench.loop.snapshot()["position"] == "1.0"


def test_a_listed_order_with_more_filled_than_we_know_is_asked_about_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(1)
    key = bench.order_id("buy.0")
    listed = bench.venue.open_orders[key]
    bench.venue.open_orders[key] = replace(listed, filled_lots=5)  # its fill comes later than its listing
    bench.run(10)
    bench.venue.open_orders[key] = listed
    bench.venue.fill(key, 5, stream=False)
    bench.run(1)
    assert bench.loop.snapshot()["position"] == "0.5"


def test_a_cancel_without_an_answer_is_settled_by_a_report(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(1)
    bench.venue.script.cancel = LOSE
    bench.strategy.wanted = ()
    bench.run(1.5)
    bench.venue.script.cancel = "answer"
    assert len(bench.resting) == 2
    bench.run(8)
    assert bench.resting == {}
    assert bench.ledger.open_orders() == []


def test_no_second_order_goes_into_a_slot_whose_cancel_is_not_confirmed(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(1)
    bench.venue.script.cancel = LOSE
    bench.strategy.wanted = tuple(replace(quote, price_ticks=quote.price_ticks - 200) for quote in BOTH)
    bench.run(1.9)
    assert len(bench.venue.submitted) == 2


def test_rejects_in_a_row_open_the_breaker_and_it_probes_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.venue.script.refuse = "no"
    bench.strategy.wanted = BOTH[:1]
    bench.run(10)
    assert bench.gates == ["breaker"]
    assert len(bench.venue.submitted) == 5
    bench.run(60)
    assert len(bench.venue.submitted) == 6  # one probe, refused: shut again
    bench.venue.script.refuse = ""
    bench.run(60)
    assert bench.gates == []
    assert bench.resting == {"buy.0": 9_990}


def test_a_restart_does_not_shorten_the_pause_of_the_breaker(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.venue.script.refuse = "no"
    bench.strategy.wanted = BOTH[:1]
    bench.run(10)
    assert bench.gates == ["breaker"]
    bench.venue.script.refuse = ""
    bench.die()
    bench.begin()
    bench.run(40)
    assert (bench.gates, len(bench.venue.submitted)) == (["breaker"], 5)
    bench.run(20)
    assert (bench.gates, bench.resting) == ([], {"buy.0": 9_990})


def test_an_immediate_order_of_the_strategy_passes_risk_and_ledger(tmp_path: Path) -> None:
    bench = Bench(tmp_path, risk={"max_position": 0.5})
    bench.strategy.wanted = ()
    bench.run(1)
    bench.strategy.says = [Take(Side.BUY, 10_001, 10)]
    bench.run(1)
    (sent,) = bench.venue.submitted
    assert (sent.time_in_force, sent.post_only, sent.size_lots) == ("IOC", False, 5)
    assert bench.ledger.order(sent.client_order_id) is not None


def test_resting_and_new_orders_together_never_exceed_the_position_limit(tmp_path: Path) -> None:
    bench = Bench(tmp_path, risk={"max_position": 1.0})
    bench.run(1)
    bench.venue.script.cancel = LOSE  # the old orders may still fill while the strategy wants other slots
    bench.strategy.wanted = (Quote(Side.BUY, 9_900, 10, 5),)
    bench.run(1.5)
    buys = [order for order in bench.venue.submitted if order.side is Side.BUY]
    assert sum(order.size_lots for order in buys) == 10


def test_cancel_all_of_the_strategy_cancels_and_the_next_decision_quotes_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(1)
    first = set(bench.venue.open_orders)
    bench.strategy.says = [CancelAll("scared")]
    bench.run(2)
    assert set(bench.venue.cancels) == first
    assert len(bench.resting) == 2


def test_an_unreachable_venue_on_cancel_is_tried_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(1)
    bench.venue.script.cancel_error = VenueUnreachable("gone")
    bench.strategy.wanted = ()
    bench.run(1.5)
    bench.venue.script.cancel_error = None
    bench.run(8)
    assert bench.resting == {}


def test_the_strategy_hears_fills_only_after_they_are_in_the_ledger(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(1)
    booked: list[bool] = []
    hear = bench.strategy.on_event

    def listening(event, view):  # type: ignore[no-untyped-def]
        if isinstance(event, FillEvent):
            booked.append(bench.ledger.has_fill("main", event.fill.trade_id))
        return hear(event, view)

    bench.strategy.on_event = listening  # type: ignore[method-assign]
    bench.venue.fill(bench.order_id("buy.0"), 5)
    bench.run(1)
    assert booked == [True]


def test_an_update_about_an_order_of_ours_that_we_do_not_know_asks_for_a_report(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(1)
    asked = len(bench.venue.reports_asked)
    bench.venue.inbox.put(OrderUpdate("main", bench.ids.prefix + "0" * 12, OrderEvent.ACCEPTED))
    bench.run(0.3)
    assert len(bench.venue.reports_asked) == asked + 1


def prices(orders: Sequence[Order]) -> list[int]:
    return sorted(order.price_ticks for order in orders)


def test_an_order_that_would_have_crossed_comes_back_once_a_tick_behind_the_touch(tmp_path: Path) -> None:
    bench = Bench(tmp_path, interval_s=1, min_cycle_s=0.2)
    bench.strategy.wanted = (Quote(Side.BUY, 10_000, 10), Quote(Side.BUY, 9_999, 10, 1), Quote(Side.SELL, 10_010, 10))
    bench.venue.script.refuse = POST_ONLY_WOULD_CROSS
    bench.run(0.1)  # the book is 9999 to 10001
    assert prices(bench.venue.submitted) == [9_999, 10_000, 10_010]
    bench.run(0.2)  # within min_cycle_s
    assert prices(bench.venue.submitted[3:]) == [9_997, 9_998, 10_010]
    bench.venue.script.refuse = ""
    bench.run(0.2)
    assert prices(bench.venue.submitted[6:]) == [9_999, 10_000, 10_010]


def test_an_order_that_stepped_back_gives_way_to_the_wish_with_the_next_decision(tmp_path: Path) -> None:
    bench = Bench(tmp_path, interval_s=1, min_cycle_s=0.2, price_tolerance_pct=0.005)
    bench.strategy.wanted = (Quote(Side.BUY, 10_000, 10),)
    bench.venue.script.refuse = POST_ONLY_WOULD_CROSS
    bench.run(0.1)
    bench.venue.script.refuse = ""
    bench.run(0.3)
    assert bench.venue.submitted[-1].price_ticks == 9_998
    bench.run(1.2)
    assert bench.venue.submitted[-1].price_ticks == 10_000
    assert list(bench.resting) == ["buy.0"]


def test_a_ladder_that_the_market_overtook_does_not_open_the_breaker(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.venue.script.refuse = POST_ONLY_WOULD_CROSS
    bench.strategy.wanted = BOTH
    bench.run(10)
    assert len(bench.venue.submitted) > 10
    assert bench.gates == []
