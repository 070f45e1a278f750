"""No sequence of orders and fills passes a limit of a group: not its net delta, its gross value, nor a leg's size."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.market.group_limits import (
    MAX_NOTIONAL,
    MAX_POSITION,
    NO_MARK,
    GroupLimits,
    LegLoad,
    net_delta,
    room_in_group,
)
from core.market.instrument import Instrument
from core.market.order import Order, Side
from core.market.position import Position
from core.market.risk_limits import RiskLimits
from core.market.risk_reduction import allow_reduction, orders_over_limits
from core.market.risk_room import Verdict, allow_places, trim_quotes
from core.market.risk_state import RiskState
from tests.market_parts import SECOND, fill, instrument, order, quote, risk_state, sides
from utils.errors import ConfigError

NAMES = ("main", "leg2", "leg3")
PRICE = 1_501  # ticks of 0.1: the best ask of every book here


def config(**changes: Any) -> dict[str, Any]:
    """Return a section with a perpetual and a future."""
    rows = [{"symbol": "SOL-PERP", "max_position": 0.1}, {"symbol": "SOL-27DEC30", "max_position": 0.05, "beta": 1.5}]
    return {"symbol": "SOL-PERP", "instruments": rows, "group_max_position": 0.1, **changes}


@dataclass
class Group:
    """Legs with positions and open orders, each order asked for as the loop asks."""

    limits: GroupLimits
    markets: dict[str, Instrument]
    held: dict[str, int] = field(default_factory=dict)
    orders: dict[str, list[Order]] = field(default_factory=dict)

    def loads(self) -> dict[str, LegLoad]:
        found = {}
        for leg, market in self.markets.items():
            lots = {side: sum(o.remaining_lots for o in self.orders.get(leg, ()) if o.side is side) for side in Side}
            found[leg] = LegLoad(market, self.held.get(leg, 0), lots[Side.BUY], lots[Side.SELL], PRICE)
        return found

    def state(self, leg: str) -> RiskState:
        held = self.held.get(leg, 0)
        position = Position(leg)
        if held:
            position = position.after_fill(
                fill(Side.BUY if held > 0 else Side.SELL, 1_500, abs(held)), self.markets[leg]
            )
        room = room_in_group(self.limits, leg, self.loads())
        live = tuple(self.orders.get(leg, ()))
        return risk_state(instrument=self.markets[leg], position=position, live_orders=live, group=room)

    def limits_of(self, leg: str) -> RiskLimits:
        return self.limits.of_leg(leg, RiskLimits(), self.markets[leg])

    def place(self, leg: str, side: Side, lots: int) -> Verdict:
        wanted = quote(side, 1_500 - side.sign, lots, leg=leg)
        verdict = allow_places([wanted], self.limits_of(leg), self.state(leg))
        for one in verdict.allowed:
            self.orders.setdefault(leg, []).append(order(one.side, one.price_ticks, one.size_lots, leg=leg))
        return verdict

    def take(self, leg: str, side: Side, lots: int) -> Verdict:
        verdict = allow_reduction(
            quote(side, 1_500, lots, leg=leg), self.limits_of(leg), self.state(leg), in_group=True
        )
        for one in verdict.allowed:
            self.orders.setdefault(leg, []).append(order(one.side, one.price_ticks, one.size_lots, leg=leg))
        return verdict

    def hit(self, leg: str, place: int, lots: int) -> None:
        """Fill a part of an order, or all of it."""
        mine = self.orders.get(leg, [])
        if mine:
            at = place % len(mine)
            one = mine[at]
            done = min(lots, one.remaining_lots)
            self.held[leg] = self.held.get(leg, 0) + one.side.sign * done
            mine[at] = replace(one, filled_lots=one.filled_lots + done)
            if not mine[at].remaining_lots:
                del mine[at]

    def cancel(self, leg: str, place: int) -> None:
        mine = self.orders.get(leg, [])
        if mine:
            del mine[place % len(mine)]

    def hold_to_limits(self) -> None:
        """Fail when anything is beyond a limit now, or could be after some of the outstanding orders have filled."""
        loads = self.loads()
        for lots_of in (lambda load: load.buy_lots, lambda load: -load.sell_lots, lambda load: 0):
            moved = {leg: replace(load, held_lots=load.held_lots + lots_of(load)) for leg, load in loads.items()}
            assert abs(net_delta(self.limits.betas, moved)) <= self.limits.max_position
        for leg, load in loads.items():
            assert load.worst_lots * load.instrument.lot_base <= self.limits.max_positions[leg]
        if self.limits.max_notional is not None:
            worst = sum(load.worst_lots * PRICE * load.instrument.unit_quote for load in loads.values())
            assert worst <= self.limits.max_notional


@st.composite
def groups(draw: st.DrawFn) -> Group:
    """Draw a group of two or three instruments with lots, betas and limits of their own."""
    names = NAMES[: draw(st.integers(2, 3))]
    lots = st.sampled_from(["0.001", "0.01", "0.0007"])
    markets = {name: instrument(kind="future", lot_size=Decimal(draw(lots)), min_notional=Decimal(0)) for name in names}
    size = st.integers(1, 60).map(lambda steps: Decimal(steps) / 100)
    betas = {
        name: draw(st.sampled_from([Decimal(1), Decimal("0.3"), Decimal("1.7"), Decimal("2.5")])) for name in names
    }
    each = {name: max(draw(size), markets[name].lot_base) for name in names}
    notional = draw(st.none() | st.integers(5, 100).map(Decimal))
    return Group(GroupLimits(draw(size), notional, betas, each), markets)


LOTS = st.integers(1, 900)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("place"), st.sampled_from(NAMES), sides, LOTS),
        st.tuples(st.just("take"), st.sampled_from(NAMES), sides, LOTS),
        st.tuples(st.just("hit"), st.sampled_from(NAMES), st.integers(0, 9), LOTS),
        st.tuples(st.just("cancel"), st.sampled_from(NAMES), st.integers(0, 9)),
    ),
    max_size=40,
)


@settings(max_examples=200)
@given(groups(), STEPS)
def test_no_sequence_of_orders_and_fills_passes_a_limit(group: Group, steps: list[tuple[Any, ...]]) -> None:
    for what, leg, *more in steps:
        if leg in group.markets:
            getattr(group, what)(leg, *more)
            group.hold_to_limits()


@settings(max_examples=100)
@given(groups(), STEPS)
def test_what_was_allowed_is_not_over_the_limits_afterwards(group: Group, steps: list[tuple[Any, ...]]) -> None:
    for what, leg, *more in steps:
        if leg in group.markets and what != "take":
            getattr(group, what)(leg, *more)
    for leg in group.markets:
        assert orders_over_limits(group.limits_of(leg), group.state(leg)) == ()


def of_two(**changes: Any) -> Group:
    limits = GroupLimits.from_config(config(**changes))
    assert limits is not None
    market = instrument(kind="perp", min_notional=Decimal(0))
    return Group(limits, {"main": market, "leg2": replace(market, kind="future")})


def test_a_long_and_a_short_offset_each_other() -> None:
    group = of_two()
    group.held = {"main": 90, "leg2": -40}  # 0.09 - 1.5 x 0.04
    assert net_delta(group.limits.betas, group.loads()) == Decimal("0.03")
    assert room_in_group(group.limits, "main", group.loads()).buy_lots == 70
    assert room_in_group(group.limits, "leg2", group.loads()).sell_lots == 86  # 0.13 / 0.0015
    assert [one.size_lots for one in group.place("main", Side.BUY, 50).allowed] == [10]  # its own limit is nearer


def test_the_orders_of_another_leg_take_up_room() -> None:
    group = of_two()
    group.place("leg2", Side.BUY, 40)
    verdict = group.place("main", Side.BUY, 100)
    assert [one.size_lots for one in verdict.allowed] == [40]  # 0.1 - 1.5 x 0.04
    assert [one.reason for one in group.place("main", Side.BUY, 1).denied] == [MAX_POSITION]
    assert [one.size_lots for one in group.place("main", Side.SELL, 100).allowed] == [100]


def test_a_wanted_set_is_cut_to_what_the_others_leave() -> None:
    group = of_two()
    group.place("leg2", Side.SELL, 40)
    wanted = [quote(Side.SELL, 1_502, 30), quote(Side.SELL, 1_503, 30, 1)]
    verdict = trim_quotes(wanted, group.limits_of("main"), group.state("main"))
    assert [one.size_lots for one in verdict.allowed] == [30, 10]


def test_the_gross_value_counts_both_sides_of_a_hedge() -> None:
    group = of_two(group_max_notional=15.01)  # 100 lots at 150.1
    group.held = {"main": 60, "leg2": -30}
    assert [one.size_lots for one in group.place("main", Side.BUY, 40).allowed] == [10]
    denied = group.place("leg2", Side.SELL, 10).denied
    assert [one.reason for one in denied] == [MAX_NOTIONAL]
    assert [one.size_lots for one in group.place("leg2", Side.BUY, 30).allowed] == [30]


def test_without_a_price_nothing_is_added_where_the_value_is_limited() -> None:
    group = of_two(group_max_notional=1000)
    loads = {leg: replace(load, price_ticks=None) for leg, load in group.loads().items()}
    assert room_in_group(group.limits, "main", loads) == (
        room_in_group(group.limits, "main", loads | {"leg2": group.loads()["leg2"]})
    )
    room = room_in_group(group.limits, "main", loads)
    assert (room.buy_lots, room.sell_lots, room.buy_reason) == (0, 0, NO_MARK)
    assert room_in_group(group.limits.without_value(), "main", loads).buy_lots == 100


def test_less_on_one_leg_may_not_take_the_group_out_of_balance() -> None:
    group = of_two()
    group.held = {"main": 100, "leg2": -50}
    group.held["main"] = 40  # net -0.035
    assert [one.size_lots for one in group.take("main", Side.SELL, 40).allowed] == [40]
    group = of_two(group_max_position=0.05)
    group.held = {"main": 40, "leg2": -50}
    assert [one.size_lots for one in group.take("main", Side.SELL, 40).allowed] == [15]
    closing = allow_reduction(quote(Side.SELL, 1_500, 40), group.limits_of("main"), group.state("main"))
    assert [one.size_lots for one in closing.allowed] == [25]  # what closes is not held up: 40, and 15 are on their way


def test_a_section_without_instruments_has_no_group() -> None:
    assert GroupLimits.from_config({"symbol": "SOL-PERP", "instruments": None}) is None
    assert GroupLimits.from_config({}) is None


def test_a_legs_own_limit_is_the_tighter_of_two_and_at_least_a_lot() -> None:
    group = of_two()
    market = group.markets["leg2"]
    assert group.limits.of_leg("leg2", RiskLimits(), market).max_position_lots == 50
    assert group.limits.of_leg("leg2", RiskLimits(max_position_lots=20), market).max_position_lots == 20
    older = replace(group.limits, book_ages_ns={"leg2": 60 * SECOND})
    assert older.of_leg("leg2", RiskLimits(), market).max_book_age_ns == 60 * SECOND
    assert older.of_leg("main", RiskLimits(), market).max_book_age_ns == RiskLimits().max_book_age_ns
    with pytest.raises(ConfigError, match=r"max_position of SOL-USDC: 0\.05 is less than one lot"):
        group.limits.of_leg("leg2", RiskLimits(), replace(market, lot_size=Decimal("0.1")))
