"""Orders that are amended: each outcome is counted for until one is known, nothing is doubled, nothing is forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.market.commands import Quote
from core.market.order import POST_ONLY_WOULD_CROSS, Amend, OrderEvent, OrderState, Side
from core.trading.ledger import Ledger
from core.trading.trading_loop import SpotRule
from tests.trading.scripted_venue import ANSWER, LOSE, LOSE_ANSWER, ScriptedVenue
from tests.trading.workbench import BOTH, Bench
from utils.errors import OutcomeUnknown, VenueAuthError, VenueRefused

AWAY = (replace(BOTH[0], price_ticks=9_900), replace(BOTH[1], price_ticks=10_100))


def bench_of(folder: Path, venue: ScriptedVenue | None = None, **keys: Any) -> Bench:
    bench = Bench(folder, venue, amend_orders=True, **keys)
    bench.run(0.1)
    return bench


def wish(bench: Bench, wanted: tuple[Quote, ...], duration_s: float = 1.5) -> None:
    bench.strategy.wanted = wanted
    bench.run(duration_s)


def ids(bench: Bench) -> set[str]:
    return set(bench.venue.open_orders)


def stats(bench: Bench) -> dict[str, Any]:
    found: dict[str, Any] = bench.loop.snapshot()["stats"]
    return found


def states(bench: Bench) -> set[OrderState]:
    return {order.state for order in bench.ledger.open_orders()}


def test_orders_that_are_off_are_amended_and_keep_their_ids(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    before = ids(bench)
    wish(bench, AWAY)
    assert bench.resting == {"buy.0": 9_900, "sell.0": 10_100}
    assert ids(bench) == before
    told = stats(bench)
    assert (told["orders_created"], told["orders_amended"], told.get("orders_cancelled", 0)) == (2, 2, 0)
    assert told["last_action"] == "amend 2 main"
    assert {order.price_ticks for order in bench.ledger.open_orders()} == {9_900, 10_100}
    assert states(bench) == {OrderState.NEW}


def test_without_the_key_or_where_the_venue_cannot_orders_are_replaced(tmp_path: Path) -> None:
    venue = ScriptedVenue()
    venue.capabilities = replace(venue.capabilities, amend=False)
    for number, bench in enumerate((Bench(tmp_path / "a"), Bench(tmp_path / "b", venue, amend_orders=True))):
        bench.run(0.1)
        before = ids(bench)
        wish(bench, AWAY)
        assert bench.resting == {"buy.0": 9_900, "sell.0": 10_100}, number
        assert ids(bench).isdisjoint(before) and bench.venue.amends == []


def test_a_venue_that_may_let_an_amendment_take_is_asked_for_none_towards_the_market(tmp_path: Path) -> None:
    bench = bench_of(tmp_path, ScriptedVenue(keeps_post_only=False))
    before = {slot: bench.order_id(slot) for slot in ("buy.0", "sell.0")}
    wish(bench, (replace(BOTH[0], price_ticks=9_960), replace(BOTH[1], price_ticks=10_040)))
    wish(bench, (replace(BOTH[0], price_ticks=9_980), replace(BOTH[1], price_ticks=10_060)))
    assert bench.resting == {"buy.0": 9_980, "sell.0": 10_060}
    assert bench.order_id("sell.0") == before["sell.0"] and bench.order_id("buy.0") != before["buy.0"]


class LookingVenue(ScriptedVenue):
    """Reads the bot's ledger with a connection of its own when an amendment arrives."""

    ledger_path: Path

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[OrderState, int, int]] = []

    def amend(self, amends: Sequence[Amend]) -> None:
        ledger = Ledger.open(self.ledger_path)
        ledger.use_instrument("main", self.instrument)
        recorded = {order.client_order_id: order for order in ledger.open_orders()}
        ledger.close()
        for one in amends:
            order = recorded[one.client_order_id]
            self.seen.append((order.state, order.price_ticks, order.size_lots))
        super().amend(amends)


def test_the_worst_of_both_terms_is_in_the_ledger_before_the_venue_hears_of_it(tmp_path: Path) -> None:
    venue = LookingVenue()
    venue.ledger_path = tmp_path / "ledger.db"
    bench = bench_of(tmp_path, venue)
    wish(bench, (Quote(Side.BUY, 9_900, 5), Quote(Side.SELL, 10_000, 30)))
    in_doubt = OrderState.UNKNOWN  # what it is to code from before there were amendments, too
    assert sorted(venue.seen) == [(in_doubt, 9_990, 10), (in_doubt, 10_000, 30)]


@pytest.mark.parametrize("carried_out", [True, False])
def test_an_amendment_without_an_answer_is_looked_up_and_not_repeated(tmp_path: Path, carried_out: bool) -> None:
    bench = bench_of(tmp_path, ScriptedVenue(late_arrival_s=3))
    before = ids(bench)
    bench.venue.script.amend = LOSE_ANSWER if carried_out else LOSE
    wish(bench, AWAY, 3.5)
    assert len(bench.venue.amends) == 2
    assert states(bench) == ({OrderState.NEW} if carried_out else {OrderState.UNKNOWN})
    bench.venue.script.amend = ANSWER
    bench.run(6)
    assert bench.resting == {"buy.0": 9_900, "sell.0": 10_100} and ids(bench) == before
    assert len(bench.venue.amends) == (2 if carried_out else 4)
    assert states(bench) == {OrderState.NEW}


def test_a_lost_amendment_may_still_arrive_so_the_old_terms_in_a_report_prove_nothing_yet(tmp_path: Path) -> None:
    bench = bench_of(tmp_path, ScriptedVenue(late_arrival_s=4))
    bench.venue.script.amend = LOSE
    wish(bench, AWAY, 3.5)
    assert states(bench) == {OrderState.UNKNOWN} and len(bench.venue.reports_asked) > 1
    for amend in bench.venue.late_amends:
        bench.venue.change(amend, tell=False)
    bench.run(3)
    assert states(bench) == {OrderState.NEW} and len(bench.venue.amends) == 2
    assert {order.price_ticks for order in bench.ledger.open_orders()} == {9_900, 10_100}
    assert stats(bench)["orders_amended"] == 2


def test_a_refused_amendment_leaves_the_order_and_the_next_move_replaces_it(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    before = ids(bench)
    bench.venue.script.refuse_amends = POST_ONLY_WOULD_CROSS
    wish(bench, AWAY, 0.95)
    assert len(bench.venue.amends) == 2 and "orders_amended" not in stats(bench)
    bench.run(2)
    assert bench.resting == {"buy.0": 9_900, "sell.0": 10_100} and ids(bench).isdisjoint(before)
    assert len(bench.venue.amends) == 2
    assert stats(bench).get("orders_rejected", 0) == 0 and bench.gates == []


def test_an_order_that_the_venue_does_not_know_any_more_is_looked_up_and_its_slot_filled_again(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    gone = bench.order_id("buy.0")
    del bench.venue.open_orders[gone]
    wish(bench, AWAY, 3)
    assert bench.resting == {"buy.0": 9_900, "sell.0": 10_100}
    assert gone not in ids(bench)


@pytest.mark.parametrize("told", [True, False])
def test_a_fill_between_sending_and_answer_is_booked_once_and_the_rest_is_right(tmp_path: Path, told: bool) -> None:
    bench = bench_of(tmp_path, ScriptedVenue(late_arrival_s=1), interval_s=5.0)
    key = bench.order_id("buy.0")
    bench.venue.script.amend = LOSE
    wish(bench, (replace(BOTH[0], price_ticks=9_900, size_lots=6), BOTH[1]), 5.0)
    (amend,) = bench.venue.late_amends
    assert amend == Amend(key, 9_900, 6)
    bench.strategy.wanted = (replace(BOTH[0], price_ticks=9_900, size_lots=2), BOTH[1])  # what is left of it
    bench.venue.fill(key, 4, stream=told)
    bench.venue.change(amend, tell=told)
    bench.run(4)
    assert bench.venue.open_orders[key].remaining_lots == 2
    (own,) = [order for order in bench.ledger.open_orders() if order.client_order_id == key]
    assert (own.size_lots, own.filled_lots, own.price_ticks) == (6, 4, 9_900)
    assert bench.booked() == 1 and bench.ledger.position("main").size_lots == 4


def test_an_order_that_fills_beyond_its_new_size_before_the_amendment_arrives_has_ended(tmp_path: Path) -> None:
    bench = bench_of(tmp_path, interval_s=5.0)
    key = bench.order_id("buy.0")
    bench.venue.script.amend = LOSE
    wish(bench, (replace(BOTH[0], price_ticks=9_900, size_lots=4), BOTH[1]), 5.0)
    bench.venue.fill(key, 7)
    bench.venue.script.amend = ANSWER
    bench.venue.change(bench.venue.late_amends[0])
    bench.run(0.2)
    recorded = bench.ledger.order(key)
    assert recorded is not None and (recorded.state, recorded.filled_lots) == (OrderState.CANCELED, 7)
    assert bench.ledger.position("main").size_lots == 7
    bench.run(6)
    assert bench.resting["buy.0"] == 9_900 and "suspects" not in bench.gates


def test_both_terms_take_room_until_one_is_known(tmp_path: Path) -> None:
    bench = bench_of(tmp_path, risk={"max_position": 3.0}, interval_s=0.5)
    bench.venue.script.amend = LOSE
    shrunk = (replace(BOTH[0], price_ticks=9_980, size_lots=2), Quote(Side.BUY, 9_970, 25, 1), BOTH[1])
    wish(bench, shrunk, 1.5)
    # 10 of the one being amended and 20 of the next: the limit holds whichever terms the first one has.
    assert {o.slot: o.remaining_lots for o in bench.venue.open_orders.values()} == {
        "buy.0": 10,
        "sell.0": 10,
        "buy.1": 20,
    }
    bench.venue.change(bench.venue.late_amends[0])
    bench.run(1.5)
    sizes = {order.slot: order.remaining_lots for order in bench.venue.open_orders.values()}
    assert sizes["buy.0"] == 2 and sizes["buy.0"] + sizes["buy.1"] <= 30


def test_an_amendment_that_would_be_too_much_beside_the_others_is_a_cancel(tmp_path: Path) -> None:
    bench = bench_of(tmp_path, risk={"max_position": 3.0})
    wish(bench, (BOTH[0], Quote(Side.BUY, 9_980, 15, 1), BOTH[1]))
    wish(bench, (replace(BOTH[0], size_lots=20), Quote(Side.BUY, 9_980, 5, 1), BOTH[1]), 0.95)
    # 20 and the 15 that the other still has are beyond the limit
    assert [amend.size_lots for amend in bench.venue.amends] == [5]
    bench.run(3)
    assert {o.slot: o.remaining_lots for o in bench.venue.open_orders.values()}["buy.0"] == 20


def test_an_order_that_fills_and_is_filled_up_again_and_again_never_gets_larger_than_one_may_be(tmp_path: Path) -> None:
    bench = bench_of(tmp_path, risk={"max_order_size": 1.0, "max_position": 10.0})
    for _ in range(4):
        bench.venue.fill(bench.order_id("buy.0"), 8)
        bench.run(3)
        assert max(order.size_lots for order in bench.venue.open_orders.values()) <= 10
        assert bench.resting["buy.0"] == 9_990


def test_a_shut_gate_takes_off_an_order_that_is_being_amended(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    bench.venue.script.amend = LOSE
    wish(bench, AWAY, 1.0)
    assert {order.state for order in bench.loop._bot.legs[0].tracker.live()} == {OrderState.PENDING_REPLACE}
    bench.loop.pause()
    bench.step()
    assert bench.venue.open_orders == {}


def rested_s(bench: Bench) -> float:
    """Let time pass until nothing rests; return how long that took."""
    began_ns = bench.clock.now_ns()
    while bench.venue.open_orders:
        bench.run(0.25)
        assert bench.clock.now_ns() - began_ns < 60 * 10**9
    return (bench.clock.now_ns() - began_ns) / 10**9


def shut(folder: Path, amends: bool, how: str) -> float:
    """Let an amendment be lost, then a gate shut and its cancels be lost or refused; return how long orders rest."""
    bench = Bench(folder, ScriptedVenue(late_arrival_s=9), amend_orders=amends)
    bench.run(0.1)
    bench.venue.fill(bench.order_id("buy.0"), 5)
    bench.run(1)
    if amends:
        bench.venue.script.amend = LOSE
        wish(bench, AWAY, 1.0)
        assert bench.venue.amends
    bench.venue.script.cancel = LOSE
    if how == "pause":
        bench.loop.pause()
    else:
        bench.loop.begin_close("flatten", SpotRule.CLOSE)
    bench.step()
    if how == "close refused":
        for key in bench.venue.open_orders:
            bench.venue.tell(key, OrderEvent.CANCEL_REJECTED, reason="busy")
    bench.venue.script.cancel = ANSWER
    return rested_s(bench)


@pytest.mark.parametrize("how", ["pause", "close", "close refused"])
def test_an_unanswered_amendment_keeps_no_order_on_behind_a_shut_gate(tmp_path: Path, how: str) -> None:
    assert shut(tmp_path / "a", True, how) <= shut(tmp_path / "b", False, how) + 0.25


def test_quotes_in_doubt_about_their_terms_go_off_before_a_strategy_settles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = bench_of(tmp_path, ScriptedVenue(late_arrival_s=9))
    bench.venue.script.amend = LOSE
    wish(bench, AWAY, 4.0)
    assert states(bench) == {OrderState.UNKNOWN}
    monkeypatch.setattr(bench.strategy, "is_settled", lambda view: False)
    bench.loop.begin_stop("test")
    bench.step()
    assert bench.venue.open_orders == {} and bench.loop.finished is None


def test_quotes_in_doubt_about_their_terms_are_not_cancelled_twice_without_a_word_in_between(tmp_path: Path) -> None:
    bench = bench_of(tmp_path, ScriptedVenue(late_arrival_s=9))
    bench.venue.script.amend = LOSE
    wish(bench, AWAY, 1.0)
    bench.venue.script.cancel = LOSE
    bench.loop.pause()
    bench.run(10)
    assert 4 <= len(bench.venue.cancels) <= 2 * 5  # two orders, once in each time that an answer is waited for


def test_a_stop_and_a_sweep_take_off_orders_that_are_being_amended(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    bench.venue.script.amend = LOSE_ANSWER
    wish(bench, AWAY, 1.0)
    bench.stop()
    assert bench.loop.finished is not None
    assert (bench.loop.finished.clean, bench.venue.open_orders) == (True, {})


@pytest.mark.parametrize("carried_out", [True, False])
def test_a_life_that_ends_before_the_answer_is_succeeded_by_one_that_finds_the_true_terms(
    tmp_path: Path, carried_out: bool
) -> None:
    bench = bench_of(tmp_path, ScriptedVenue(late_arrival_s=1))
    before = ids(bench)
    bench.venue.script.amend = LOSE_ANSWER if carried_out else LOSE
    wish(bench, AWAY, 1.0)
    bench.die()
    bench.venue.script.amend = ANSWER
    bench.begin()
    assert states(bench) == {OrderState.UNKNOWN}
    bench.run(4)
    assert bench.resting == {"buy.0": 9_900, "sell.0": 10_100} and ids(bench) == before
    assert states(bench) == {OrderState.NEW}
    assert {order.price_ticks for order in bench.ledger.open_orders()} == {9_900, 10_100}


def test_an_amendment_of_an_earlier_life_takes_room_for_as_long_as_it_may_arrive(tmp_path: Path) -> None:
    bench = bench_of(tmp_path, ScriptedVenue(late_arrival_s=6), risk={"max_position": 3.0})
    key = bench.order_id("buy.0")
    bench.venue.script.amend = LOSE
    wish(bench, (replace(BOTH[0], size_lots=25), BOTH[1]), 1.0)
    bench.die()
    bench.begin()
    wish(bench, (replace(BOTH[0], size_lots=10), Quote(Side.BUY, 9_980, 20, 1), BOTH[1]), 5.5)
    assert sum(order.remaining_lots for order in bench.venue.open_orders.values() if order.side is Side.BUY) <= 15
    bench.run(3)
    assert {order.slot: order.remaining_lots for order in bench.venue.open_orders.values()}["buy.1"] == 20
    assert bench.order_id("buy.0") == key


def test_an_order_that_rests_on_other_terms_than_we_believe_is_brought_back_to_what_is_wanted(tmp_path: Path) -> None:
    bench = bench_of(tmp_path, ScriptedVenue(late_arrival_s=1))
    bench.run(2)
    key = bench.order_id("buy.0")
    bench.venue.open_orders[key] = bench.venue.open_orders[key].on_terms(9_990, 30)
    bench.run(13)
    assert {order.slot: order.remaining_lots for order in bench.venue.open_orders.values()}["buy.0"] == 10


def test_a_listing_older_than_the_last_word_about_an_order_changes_no_terms(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    asked = len(bench.venue.reports_asked)
    bench.venue.script.reports.append("none")
    while len(bench.venue.reports_asked) == asked:
        bench.run(0.1)
    request_id = bench.loop._bot.legs[0].desk.questions
    old = bench.venue.report(request_id, None)
    for key, order in bench.venue.open_orders.items():  # so little that it is near enough to what is wanted
        bench.venue.change(Amend(key, order.price_ticks - 5, 11))
    bench.run(0.1)
    bench.venue.inbox.put(old)
    bench.step()
    found = {(order.price_ticks, order.size_lots) for order in bench.ledger.open_orders()}
    assert found == {(9_985, 11), (10_005, 11)} and bench.venue.amends == []


def test_orders_being_amended_are_not_handed_over(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    bench.venue.script.amend = LOSE
    wish(bench, AWAY, 1.0)
    bench.loop.begin_handover("upgrade", 0.5, lambda orders: None)
    bench.run(3)
    assert bench.loop.finished is not None and not bench.loop.finished.handover
    assert bench.venue.open_orders == {}


def test_a_refusal_of_the_whole_request_leaves_the_orders(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    bench.venue.script.amend_error = VenueRefused("market closed")
    wish(bench, AWAY, 0.95)
    assert states(bench) == {OrderState.NEW}
    assert {order.price_ticks for order in bench.ledger.open_orders()} == {9_990, 10_010}


def test_an_error_of_unknown_outcome_is_looked_up(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    bench.venue.script.amend_error = OutcomeUnknown("reset by peer")
    wish(bench, AWAY, 0.95)
    bench.venue.script.amend_error = None
    bench.run(3)
    assert bench.resting == {"buy.0": 9_900, "sell.0": 10_100}


def test_an_auth_error_ends_the_loop(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    bench.venue.script.amend_error = VenueAuthError("key revoked")
    with pytest.raises(VenueAuthError, match="key revoked"):
        wish(bench, AWAY)


def test_a_ledger_that_cannot_be_written_has_orders_cancelled_instead(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    bench.ledger._connection.execute("PRAGMA query_only = 1")
    wish(bench, AWAY, 3)
    assert bench.venue.amends == [] and bench.venue.open_orders == {}
    bench.ledger._connection.execute("PRAGMA query_only = 0")
    bench.run(4)
    assert bench.resting == {"buy.0": 9_900, "sell.0": 10_100}


def test_an_amendment_counts_as_the_order_that_it_stands_for(tmp_path: Path) -> None:
    bench = bench_of(tmp_path, risk={"max_orders_per_min": 5})
    for number in range(1, 5):
        wish(bench, (replace(BOTH[0], price_ticks=9_990 - 100 * number), BOTH[1]))
    assert len(bench.venue.submitted) + len(bench.venue.amends) == 5


def test_a_late_word_that_the_old_terms_hold_is_not_forgotten(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    key = bench.order_id("buy.0")
    bench.venue.script.amend = LOSE
    wish(bench, (AWAY[0], BOTH[1]), 1.0)
    bench.venue.tell(key, OrderEvent.AMEND_REJECTED, reason="too late")
    bench.venue.script.amend = ANSWER
    bench.run(3)
    assert bench.resting["buy.0"] == 9_900 and bench.order_id("buy.0") != key
