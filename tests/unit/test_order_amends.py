"""Which cancels of a diff become amendments, and what the limits make of those."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.market.commands import Quote
from core.market.order import Amend, Order, OrderState, Side
from core.market.order_amends import AmendRule, amend_instead
from core.market.order_diff import Diff, DiffTolerance, diff_orders
from core.market.risk_limits import RiskLimits
from core.market.risk_room import allow_amends
from tests.market_parts import NOW, SECOND, live_orders, order, quote, risk_state
from tests.unit.test_order_diff import tolerances, wanted_sets

DEFAULT = DiffTolerance()
ANY = AmendRule(True, lambda _key: True)
CAREFUL = AmendRule(False, lambda _key: True)
rules = st.sampled_from([ANY, CAREFUL, AmendRule(True, lambda key: len(key) % 2 == 0)])


def amending(
    wanted: list[Quote], live: list[Order], tolerance: DiffTolerance = DEFAULT, rule: AmendRule = ANY, now: int = NOW
) -> Diff:
    return amend_instead(diff_orders(wanted, live, tolerance, now), wanted, live, tolerance, rule, now)


def fate(own: Order, wanted: Quote, **changes: Any) -> Amend | str:
    """Return the amendment of the only order, or what becomes of it instead."""
    diff = amending([wanted], [own], **changes)
    if diff.amend:
        return diff.amend[0]
    return "cancelled" if diff.cancel else "kept" if diff.keep else "waits"


@given(wanted_sets(), live_orders(), tolerances, rules)
def test_every_live_order_has_exactly_one_fate_with_amendments_too(
    wanted: list[Quote], live: list[Order], tolerance: DiffTolerance, rule: AmendRule
) -> None:
    diff = amending(wanted, live, tolerance, rule)
    fates = [*diff.cancel, *diff.keep, *diff.waiting, *(amend.client_order_id for amend in diff.amend)]
    assert sorted(fates) == sorted(one.client_order_id for one in live)


@given(wanted_sets(), live_orders(), tolerances, rules)
def test_no_slot_ever_holds_two_orders_because_of_an_amendment(
    wanted: list[Quote], live: list[Order], tolerance: DiffTolerance, rule: AmendRule
) -> None:
    diff = amending(wanted, live, tolerance, rule)
    by_id = {one.client_order_id: one for one in live}
    amended = [by_id[amend.client_order_id].slot for amend in diff.amend]
    placed = [one.slot_name for one in diff.place]
    assert len(set(amended)) == len(amended)
    assert set(amended).isdisjoint(placed)
    for slot in amended:  # and none is on its way out beside it
        assert [one.slot for one in live].count(slot) == 1


@given(wanted_sets(), live_orders(), tolerances, rules)
def test_an_amendment_changes_price_and_size_only_and_of_what_rests(
    wanted: list[Quote], live: list[Order], tolerance: DiffTolerance, rule: AmendRule
) -> None:
    by_id, slots = {one.client_order_id: one for one in live}, {one.slot_name: one for one in wanted}
    for amend in amending(wanted, live, tolerance, rule).amend:
        own = by_id[amend.client_order_id]
        target = slots[own.slot]
        assert own.state in (OrderState.NEW, OrderState.PARTIALLY_FILLED)
        assert (own.side, own.post_only, own.reduce_only) == (target.side, target.post_only, target.reduce_only)
        assert amend.size_lots - own.filled_lots == target.size_lots
        assert rule.is_amendable(own.client_order_id)
        if not rule.keeps_post_only:
            assert (amend.price_ticks - own.price_ticks) * own.side.sign <= 0


@given(wanted_sets(), live_orders(), rules)
def test_answered_amendments_leave_nothing_more_to_do_for_their_orders(
    wanted: list[Quote], live: list[Order], rule: AmendRule
) -> None:
    diff = amending(wanted, live, DEFAULT, rule)
    terms = {amend.client_order_id: amend for amend in diff.amend}
    after = [
        one.on_terms(terms[one.client_order_id].price_ticks, terms[one.client_order_id].size_lots)
        if one.client_order_id in terms
        else one
        for one in live
    ]
    assert terms.keys() <= set(amending(wanted, after, DEFAULT, rule).keep)


def test_an_order_that_is_off_is_amended_to_the_wanted_price_and_total_size() -> None:
    own = order(Side.BUY, 1500, 10, "buy.0", filled_lots=4, state=OrderState.PARTIALLY_FILLED)
    assert fate(own, quote(Side.BUY, 1450, 20)) == Amend(own.client_order_id, 1450, 24)


def test_an_order_that_is_only_to_be_smaller_keeps_its_price_and_with_it_its_place() -> None:
    own = order(Side.BUY, 1500, 100, "buy.0")
    assert fate(own, quote(Side.BUY, 1501, 50)) == Amend(own.client_order_id, 1500, 50)
    assert fate(own, quote(Side.BUY, 1501, 150)) == Amend(own.client_order_id, 1501, 150)


@pytest.mark.parametrize(("side", "away", "nearer"), [(Side.BUY, 1450, 1550), (Side.SELL, 1550, 1450)])
def test_a_post_only_order_goes_towards_the_market_only_where_the_venue_keeps_its_promise(
    side: Side, away: int, nearer: int
) -> None:
    own = order(side, 1500, 10, f"{side.value}.0")
    assert fate(own, quote(side, away, 10), rule=CAREFUL) == Amend(own.client_order_id, away, 10)
    assert fate(own, quote(side, nearer, 10), rule=CAREFUL) == "cancelled"
    assert fate(own, quote(side, nearer, 10), rule=ANY) == Amend(own.client_order_id, nearer, 10)
    plain = replace(own, post_only=False)
    wanted = quote(side, nearer, 10, post_only=False)
    assert fate(plain, wanted, rule=CAREFUL) == Amend(own.client_order_id, nearer, 10)


@pytest.mark.parametrize("change", [{"post_only": False}, {"reduce_only": True}])
def test_an_order_of_another_kind_is_replaced(change: dict[str, Any]) -> None:
    assert fate(order(Side.BUY, 1500, 10, "buy.0"), quote(Side.BUY, 1450, 10, **change)) == "cancelled"


def test_an_order_of_the_other_side_is_replaced() -> None:
    assert fate(order(Side.SELL, 1500, 10, "buy.0"), quote(Side.BUY, 1450, 10)) == "cancelled"


def test_an_old_order_is_refreshed_by_a_new_one() -> None:
    own = order(Side.BUY, 1500, 10, "buy.0", sent_ns=NOW - 1800 * SECOND)
    assert fate(own, quote(Side.BUY, 1500, 10)) == "cancelled"
    assert fate(own, quote(Side.BUY, 1450, 10)) == "cancelled"


@pytest.mark.parametrize("tolerance", [DiffTolerance(price_pct=-1), DiffTolerance(size_pct=-1)])
def test_a_tolerance_that_always_replaces_amends_nothing(tolerance: DiffTolerance) -> None:
    assert fate(order(Side.BUY, 1500, 10, "buy.0"), quote(Side.BUY, 1450, 10), tolerance=tolerance) == "cancelled"


def test_an_order_whose_slot_is_not_wanted_is_cancelled() -> None:
    own = order(Side.BUY, 1500, 10, "buy.1")
    assert amending([quote(Side.BUY, 1450, 10)], [own]).cancel == (own.client_order_id,)


@pytest.mark.parametrize("state", [OrderState.PENDING_CANCEL, OrderState.UNKNOWN, OrderState.NEW])
def test_in_a_slot_of_two_orders_none_is_amended(state: OrderState) -> None:
    live = [order(Side.BUY, 1500, 10, "buy.0"), order(Side.BUY, 1400, 10, "buy.0", state=state)]
    assert amending([quote(Side.BUY, 1450, 10)], live).amend == ()


@pytest.mark.parametrize("state", [OrderState.PENDING_NEW, OrderState.PENDING_REPLACE, OrderState.UNKNOWN])
def test_an_order_in_flight_is_not_amended_over_again(state: OrderState) -> None:
    assert fate(order(Side.BUY, 1500, 10, "buy.0", state=state), quote(Side.BUY, 1450, 10)) == "waits"


def test_an_order_being_amended_that_nobody_wants_any_more_is_cancelled() -> None:
    own = order(Side.BUY, 1500, 10, "buy.0", state=OrderState.PENDING_REPLACE)
    assert diff_orders([], [own], DEFAULT, NOW).cancel == (own.client_order_id,)


# The limits

terms = st.tuples(st.integers(1400, 1600), st.integers(1, 500))


@given(terms, terms, st.sampled_from(list(Side)))
def test_while_amended_an_order_is_at_least_as_much_as_on_either_terms(
    old: tuple[int, int], new: tuple[int, int], side: Side
) -> None:
    worst = order(side, *old).while_amending(Amend("id", *new))
    for price, lots in (old, new):
        assert worst.size_lots >= lots
        assert (worst.price_ticks - price) * side.sign >= 0


def allowed(live: list[Order], amends: list[Amend], **limits: Any) -> list[str]:
    state = risk_state(live_orders=live, available={"SOL": Decimal(10), "USDC": Decimal(10_000)})
    return [amend.client_order_id for amend in allow_amends(amends, RiskLimits(**limits), state)]


def test_amendments_fit_with_every_other_order_filled_and_the_first_go_first() -> None:
    live = [order(Side.BUY, 1500, 100, client_order_id=key) for key in ("a", "b")]
    amends = [Amend("a", 1500, 160), Amend("b", 1500, 160)]
    assert allowed(live, amends, max_position_lots=260) == ["a"]
    assert allowed(live, amends, max_position_lots=320) == ["a", "b"]
    assert allowed(live, amends, max_position_lots=259) == []


def test_an_amendment_makes_no_room_for_others_before_it_is_answered() -> None:
    live = [order(Side.BUY, 1500, 100, client_order_id=key) for key in ("a", "b")]
    assert allowed(live, [Amend("a", 1500, 50), Amend("b", 1500, 150)], max_position_lots=200) == ["a"]


@pytest.mark.parametrize(
    ("amend", "limits"),
    [
        (Amend("a", 1510, 100), {"price_ceiling_ticks": 1505}),
        (Amend("a", 1490, 100), {"price_ceiling_ticks": 1495}),  # on its old terms it is beyond it
        (Amend("a", 1500, 160), {"max_order_lots": 150}),
        (Amend("a", 1500, 1), {}),  # less than the venue takes
        (Amend("a", 1500, 100_000), {}),  # more than can be paid
    ],
)
def test_an_amendment_into_or_out_of_what_a_limit_forbids_is_not_sent(amend: Amend, limits: dict[str, Any]) -> None:
    assert allowed([order(Side.BUY, 1500, 100, client_order_id="a")], [amend], **limits) == []


def test_the_size_of_one_order_counts_what_has_filled_of_it() -> None:
    own = order(Side.BUY, 1500, 100, client_order_id="a", filled_lots=80, state=OrderState.PARTIALLY_FILLED)
    assert allowed([own], [Amend("a", 1500, 151)], max_order_lots=150) == []
    assert allowed([own], [Amend("a", 1500, 150)], max_order_lots=150) == ["a"]
