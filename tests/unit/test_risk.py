"""Gates and the two questions asked of every wanted order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.market.book import OrderBook
from core.market.commands import Quote
from core.market.order import MissingFills, Order, OrderState, Side
from core.market.position import Position
from core.market.risk_gates import gates_of, rules_of, tripped_gates
from core.market.risk_limits import RiskLimits
from core.market.risk_room import BALANCE_RESERVE, Verdict, allow_places, trim_quotes
from core.market.risk_state import RiskState
from tests.market_parts import SECOND, book, instrument, live_orders, order, quote, risk_state, sides
from tests.unit.risk_parts import FREE, limits, names
from utils.errors import ConfigError

PERP = instrument(kind="perp", symbol="SOL-PERP", min_notional=Decimal(0))


def perp_state(**changes: Any) -> RiskState:
    return risk_state(**({"instrument": PERP, "available": {}} | changes))


def holding(size_lots: int) -> Position:
    return Position("main", size_lots=size_lots)


def sizes(verdict: Verdict) -> list[int]:
    return [one.size_lots for one in verdict.allowed]


def reasons(verdict: Verdict) -> list[str]:
    return [one.reason for one in verdict.denied]


@st.composite
def quote_lists(draw: st.DrawFn) -> list[Quote]:
    return [
        quote(draw(sides), draw(st.integers(-2, 1600)), draw(st.integers(0, 500)), level)
        for level in range(draw(st.integers(0, 8)))
    ]


def limit_lots(asked: RiskLimits, state: RiskState) -> int | None:
    """Return the position limit in lots, worked out from its definition."""
    candidates = [] if asked.max_position_lots is None else [asked.max_position_lots]
    if asked.max_position_quote is not None:
        lot_value = state.instrument.to_price(1501) * state.instrument.lot_size
        candidates.append(int(asked.max_position_quote / lot_value))
    return min(candidates) if candidates else None


def worst_cases(position_lots: int, live: Sequence[Order], placed: Sequence[Quote]) -> tuple[int, int]:
    """Return the position if everything on the buy side, and if everything on the sell side filled."""
    added = {side: sum(one.remaining_lots for one in live if one.side is side) for side in Side}
    for one in placed:
        added[one.side] += one.size_lots
    return position_lots + added[Side.BUY], position_lots - added[Side.SELL]


@given(quote_lists(), limits, live_orders(), st.integers(-2500, 2500))
def test_worst_case_after_allow_places_is_inside_the_limit_for_any_live_set(
    places: list[Quote], asked: RiskLimits, live: list[Order], held: int
) -> None:
    state = perp_state(position=holding(held), live_orders=live)
    limit = limit_lots(asked, state)
    verdict = allow_places(places, asked, state)
    before, after = worst_cases(held, live, ()), worst_cases(held, live, verdict.allowed)
    if limit is not None:  # what was beyond the limit before must not grow
        assert after[0] <= max(limit, before[0])
        assert after[1] >= min(-limit, before[1])


@given(quote_lists(), limits, live_orders(), st.integers(-2500, 2500), st.booleans())
def test_orders_are_cut_or_dropped_but_never_made_larger_or_moved(
    wanted: list[Quote], asked: RiskLimits, live: list[Order], held: int, last_word: bool
) -> None:
    state = perp_state(position=holding(held), live_orders=live)
    verdict = (allow_places if last_word else trim_quotes)(wanted, asked, state)
    by_level = {one.level: one for one in wanted}
    for one in verdict.allowed:
        assert 0 < one.size_lots <= by_level[one.level].size_lots
        assert replace(one, size_lots=by_level[one.level].size_lots) == by_level[one.level]
    fates = [one.level for one in verdict.allowed] + [one.quote.level for one in verdict.denied]
    assert sorted(fates) == sorted(by_level)


@given(quote_lists(), limits, live_orders(), st.integers(-2500, 2500))
def test_allowed_orders_are_placeable_few_enough_and_inside_the_price_band(
    wanted: list[Quote], asked: RiskLimits, live: list[Order], held: int
) -> None:
    state = risk_state(position=holding(held), live_orders=live)
    verdict = allow_places(wanted, asked, state)
    assert len(verdict.allowed) + len(live) <= max(asked.max_open_orders, len(live))
    for one in verdict.allowed:
        assert state.instrument.unplaceable_reason(one.price_ticks, one.size_lots) is None
        assert asked.max_order_lots is None or one.size_lots <= asked.max_order_lots
        if one.side is Side.BUY:
            assert asked.price_ceiling_ticks is None or one.price_ticks <= asked.price_ceiling_ticks
        else:
            assert asked.price_floor_ticks is None or one.price_ticks >= asked.price_floor_ticks


@given(quote_lists(), live_orders(), st.decimals(0, 300, places=3), st.decimals(0, 3, places=3), st.booleans())
def test_spot_orders_never_cost_more_than_the_balances(
    wanted: list[Quote], live: list[Order], quote_free: Decimal, base_free: Decimal, last_word: bool
) -> None:
    traded = instrument(maker_fee_bps=Decimal(-1), taker_fee_bps=Decimal(10))
    state = risk_state(available={"USDC": quote_free, "SOL": base_free}, live_orders=live, instrument=traded)
    counted = live if last_word else []
    verdict = (allow_places if last_word else trim_quotes)(wanted, FREE, state)
    cost = sum(traded.notional_quote(one.price_ticks, one.remaining_lots) for one in counted if one.side is Side.BUY)
    sold = sum(traded.to_size(one.remaining_lots) for one in counted if one.side is Side.SELL)
    bids = [one for one in verdict.allowed if one.side is Side.BUY]
    asks = [one for one in verdict.allowed if one.side is Side.SELL]
    cost += sum(traded.notional_quote(one.price_ticks, one.size_lots) for one in bids)
    sold += sum(traded.to_size(one.size_lots) for one in asks)
    share = 1 if last_word else 1 - BALANCE_RESERVE
    assert not bids or cost * Decimal("1.001") <= quote_free * share
    assert not asks or sold <= base_free * share


@given(quote_lists(), limits, live_orders(), st.integers(-2500, 2500))
def test_quotes_that_are_asked_for_together_get_what_they_get_one_after_the_other(
    places: list[Quote], asked: RiskLimits, live: list[Order], held: int
) -> None:
    state = perp_state(position=holding(held), live_orders=live)
    together = allow_places(places, asked, state)
    asked_for = {one.level: one for one in places}
    for one in together.allowed:
        alone = allow_places([asked_for[one.level]], asked, replace(state, live_orders=live))
        assert alone.allowed == (one,)
        live = [*live, order(one.side, one.price_ticks, one.size_lots)]


@given(quote_lists(), limits, st.integers(-2500, 2500))
def test_trimmed_set_is_not_trimmed_again(wanted: list[Quote], asked: RiskLimits, held: int) -> None:
    state = perp_state(position=holding(held))
    once = trim_quotes(wanted, asked, state)
    again = trim_quotes(once.allowed, asked, state)
    assert again.denied == ()
    assert sorted(again.allowed, key=repr) == sorted(once.allowed, key=repr)


def test_side_is_cut_at_the_limit_and_the_farthest_goes_first() -> None:
    wanted = [quote(Side.BUY, 1500 - level, 100, level) for level in range(4)]
    verdict = trim_quotes(wanted, RiskLimits(max_position_lots=350), perp_state(position=holding(100)))
    assert sizes(verdict) == [100, 100, 50]
    assert [one.quote.level for one in verdict.denied] == [3]
    assert reasons(verdict) == ["max_position"]


def test_side_that_reduces_the_position_stays_open_beyond_the_limit() -> None:
    wanted = [quote(Side.BUY, 1500, 100), quote(Side.SELL, 1501, 100)]
    verdict = trim_quotes(wanted, RiskLimits(max_position_lots=200), perp_state(position=holding(500)))
    assert [one.side for one in verdict.allowed] == [Side.SELL]


def test_live_orders_are_ignored_by_the_trim_and_counted_before_sending() -> None:
    live = [order(Side.BUY, 1499, 150, state=OrderState.PENDING_CANCEL, filled_lots=50)]
    state, asked = perp_state(live_orders=live), RiskLimits(max_position_lots=150)
    wanted = [quote(Side.BUY, 1500, 150)]
    assert sizes(trim_quotes(wanted, asked, state)) == [150]
    assert sizes(allow_places(wanted, asked, state)) == [50]


@pytest.mark.parametrize("ask", [trim_quotes, allow_places])
def test_missing_fills_use_up_room_on_their_side_and_make_none_on_the_other(ask: Any) -> None:
    limits = RiskLimits(max_position_lots=1_000)
    state = perp_state(missing=(MissingFills(Side.BUY, 1499, 700),))
    verdict = ask((quote(Side.BUY, 1499, 1_000), quote(Side.SELL, 1502, 2_000)), limits, state)
    assert {one.side: one.size_lots for one in verdict.allowed} == {Side.BUY: 300, Side.SELL: 1_000}


def test_missing_fills_have_spent_their_balance() -> None:
    wanted = (quote(Side.SELL, 1502, 10_000_000),)
    whole = trim_quotes(wanted, FREE, risk_state())
    less = trim_quotes(wanted, FREE, risk_state(missing=(MissingFills(Side.SELL, 1502, 400),)))
    assert sizes(whole)[0] - sizes(less)[0] == 400


def test_closed_order_in_the_live_set_reserves_nothing() -> None:
    state = perp_state(live_orders=[order(Side.BUY, 1499, 150, state=OrderState.CANCELED)])
    assert sizes(allow_places([quote(Side.BUY, 1500, 150)], RiskLimits(max_position_lots=150), state)) == [150]


def test_tighter_of_both_position_limits_counts() -> None:
    asked = RiskLimits(max_position_lots=500, max_position_quote=Decimal("30.02"))  # 200 lots at the ask of 150.1
    assert sizes(trim_quotes([quote(Side.BUY, 1500, 400)], asked, perp_state())) == [200]


@pytest.mark.parametrize("picture", [None, OrderBook((), ())])
def test_limit_in_quote_without_a_price_only_lets_the_position_shrink(picture: OrderBook | None) -> None:
    wanted = [quote(Side.BUY, 1500, 100), quote(Side.SELL, 1501, 100)]
    state = perp_state(book=picture, position=holding(30))
    verdict = trim_quotes(wanted, RiskLimits(max_position_quote=Decimal(1000)), state)
    assert [(one.side, one.size_lots) for one in verdict.allowed] == [(Side.SELL, 30)]
    assert reasons(verdict) == ["no_mark"]


def test_order_above_the_largest_size_is_cut_and_too_many_are_dropped_from_outside() -> None:
    wanted = [quote(side, price, 100, level) for level in range(3) for side, price in
              ((Side.BUY, 1500 - level), (Side.SELL, 1501 + level))]  # fmt: skip
    verdict = trim_quotes(wanted[::-1], RiskLimits(max_order_lots=60, max_open_orders=4), perp_state())
    assert sizes(verdict) == [60] * 4
    assert [one.level for one in verdict.allowed] == [0, 0, 1, 1]
    assert reasons(verdict) == ["max_open_orders"] * 2


def test_budget_is_laid_out_from_the_touch_and_the_last_order_cut() -> None:
    wanted = [quote(Side.BUY, 1500 - level, 100, level) for level in range(3)]  # about 15 quote each
    state = risk_state(available={"USDC": Decimal(25), "SOL": Decimal(0)})
    verdict = trim_quotes(wanted, FREE, state)
    assert sizes(verdict) == [100, 65]  # 25 less 0.5 % is 24.875; 9.875 are left for the second at 149.9
    assert reasons(verdict) == ["balance"]


def test_remainder_below_the_least_notional_is_dropped_not_bumped() -> None:
    wanted = [quote(Side.BUY, 1500 - level, 100, level) for level in range(2)]
    verdict = trim_quotes(wanted, FREE, risk_state(available={"USDC": Decimal(19), "SOL": Decimal(0)}))
    assert sizes(verdict) == [100]
    assert reasons(verdict) == ["balance"]


@pytest.mark.parametrize(("missing", "left"), [("USDC", Side.SELL), ("SOL", Side.BUY)])
def test_side_whose_balance_is_unknown_gets_no_order(missing: str, left: Side) -> None:
    state = risk_state(available={asset: Decimal(1000) for asset in ("USDC", "SOL") if asset != missing})
    verdict = trim_quotes([quote(Side.BUY, 1500, 100), quote(Side.SELL, 1501, 100)], FREE, state)
    assert [one.side for one in verdict.allowed] == [left]
    assert reasons(verdict) == ["balance_unknown"]


def test_perpetual_has_no_spot_budget() -> None:
    assert sizes(allow_places([quote(Side.BUY, 1500, 10**6)], FREE, perp_state())) == [10**6]


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        (quote(Side.BUY, 0, 100), "price"),
        (quote(Side.BUY, 1500, 0), "min_size"),
        (quote(Side.BUY, 1500, 10), "min_notional"),
        (quote(Side.BUY, 1500, 100), "price_ceiling"),
        (quote(Side.SELL, 1300, 100), "price_floor"),
    ],
)
def test_unplaceable_order_is_denied_with_its_reason(wanted: Quote, reason: str) -> None:
    asked = RiskLimits(price_ceiling_ticks=1499, price_floor_ticks=1301)
    assert reasons(trim_quotes([wanted], asked, risk_state())) == [reason]


def test_config_becomes_lots_and_ticks() -> None:
    made = RiskLimits.from_config(
        {
            "max_position": 1.2345,
            "max_position_usd": 100,
            "max_order_size": "0.5",
            "max_open_orders": 7,
            "max_loss": 12.5,
            "max_loss_action": "close",
            "max_drawdown_pct": 3,
            "max_drawdown_action": "cancel",
            "max_profit": 9,
            "max_profit_action": "close",
            "max_book_age_s": 2.5,
            "max_position_age_s": 10,
            "max_spread_bps": 15,
            "price_floor": 100.01,
            "price_ceiling": 200.09,
        },
        instrument(),
    )
    assert made == RiskLimits(
        1234, Decimal(100), 500, 7, Decimal("12.5"), "close", 3, "cancel", Decimal(9), "close",
        2_500_000_000, 10 * SECOND, 15, 1001, 2000,
    )  # fmt: skip


@pytest.mark.parametrize("section", [{}, dict.fromkeys(["max_position", "max_loss", "max_open_orders"])])
def test_missing_and_null_keys_are_the_defaults(section: dict[str, Any]) -> None:
    assert RiskLimits.from_config(section, instrument()) == RiskLimits()


@pytest.mark.parametrize("key", ["max_position", "max_order_size"])
def test_limit_below_a_lot_is_refused_not_rounded_to_nothing(key: str) -> None:
    with pytest.raises(ConfigError, match=rf"risk_config\.{key}: 0\.0001 is less than one lot"):
        RiskLimits.from_config({key: 0.0001}, instrument())


def test_a_limit_that_is_not_set_has_no_rule_and_ages_are_judged_apart() -> None:
    assert rules_of(FREE) == ()
    asked = RiskLimits(max_loss_quote=Decimal(10), max_spread_bps=5.0)
    state = risk_state(session_net_quote=Decimal(-10), book=book(1500, 1600), book_age_ns=6 * SECOND)
    assert names(tripped_gates(asked, state)) == ["stale", "spread", "max_loss"]
    assert names(gates_of(rules_of(asked), asked, state)) == ["spread", "max_loss"]
