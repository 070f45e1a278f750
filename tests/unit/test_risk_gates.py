"""Which gates are shut: what is old or not known, losses, profits, drawdown, the spread."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from core.market.order import Side
from core.market.position import Position
from core.market.risk_gates import drawdown, tripped_gates
from core.market.risk_limits import RiskLimits
from tests.market_parts import SECOND, book, fill, instrument, risk_state
from tests.unit.risk_parts import FREE, names

GOLDEN = Path(__file__).parents[1] / "golden" / "quant" / "risk.json"


def test_nothing_trips_when_all_is_known_and_fine() -> None:
    asked = RiskLimits(
        max_loss_quote=Decimal(10), max_profit_quote=Decimal(10), max_drawdown_pct=5.0, max_spread_bps=50.0
    )
    assert tripped_gates(asked, risk_state()) == []


@pytest.mark.parametrize(
    "change",
    [
        {"book": None},
        {"book_age_ns": None},
        {"book_age_ns": 5 * SECOND + 1},
        {"position_age_ns": None},
        {"position_age_ns": 30 * SECOND + 1},
    ],
)
def test_what_is_old_or_not_known_pauses_without_a_latch(change: dict[str, Any]) -> None:
    (gate,) = tripped_gates(FREE, risk_state(**change))
    assert (gate.name, gate.action, gate.latched) == ("stale", "pause", False)


def test_age_at_its_limit_is_not_stale() -> None:
    assert tripped_gates(FREE, risk_state(book_age_ns=5 * SECOND, position_age_ns=30 * SECOND)) == []


@pytest.mark.parametrize(("net", "trips"), [("-9.99", False), ("-10", True), ("-11", True), ("50", False)])
def test_loss_trips_at_its_limit_with_a_latch(net: str, trips: bool) -> None:
    gates = tripped_gates(RiskLimits(max_loss_quote=Decimal(10)), risk_state(session_net_quote=Decimal(net)))
    assert [(gate.name, gate.action, gate.latched) for gate in gates] == [("max_loss", "cancel", True)] * trips


@pytest.mark.parametrize(("net", "trips"), [("9.99", False), ("10", True)])
def test_profit_trips_at_its_goal_with_a_latch(net: str, trips: bool) -> None:
    gates = tripped_gates(RiskLimits(max_profit_quote=Decimal(10)), risk_state(session_net_quote=Decimal(net)))
    assert [(gate.name, gate.action, gate.latched) for gate in gates] == [
        ("max_profit", "close_and_stop", True)
    ] * trips


@pytest.mark.parametrize(
    ("side", "mid_off", "trips"),
    [(Side.BUY, -99, False), (Side.BUY, -100, True), (Side.SELL, 100, True), (Side.SELL, -100, False)],
)
def test_an_open_loss_trips_at_its_limit_whatever_was_earned_before(side: Side, mid_off: int, trips: bool) -> None:
    held = Position("main").after_fill(fill(side, 1_500, 1_000), instrument())
    state = risk_state(position=held, book=book(1_499 + mid_off, 1_501 + mid_off), session_net_quote=Decimal(900))
    gates = tripped_gates(RiskLimits(max_unrealised_loss_quote=Decimal(10)), state)
    assert [(gate.name, gate.action, gate.latched) for gate in gates] == [
        ("max_unrealised_loss", "close", True)
    ] * trips


def test_without_a_position_no_open_loss_is_looked_for() -> None:
    asked = RiskLimits(max_unrealised_loss_quote=Decimal(1))
    assert tripped_gates(asked, risk_state(book=book(1501, 1500))) == []


@pytest.mark.parametrize(
    ("net", "peak", "trips"),
    [
        ("9", "9.9", False),
        ("6", "10", False),
        ("5", "10", True),
        ("-5", "12", True),
        ("20", "10", False),
        ("0", None, False),
    ],
)
def test_a_profit_that_was_locked_may_be_given_back_in_part(net: str, peak: str | None, trips: bool) -> None:
    limits = RiskLimits(profit_lock_start_quote=Decimal(10), profit_lock_pct=50.0)
    highest = None if peak is None else Decimal(peak)
    gates = tripped_gates(limits, risk_state(session_net_quote=Decimal(net), session_peak_quote=highest))
    assert [(gate.name, gate.action, gate.latched) for gate in gates] == [
        ("profit_lock", "close_and_stop", True)
    ] * trips


def test_half_of_the_keys_of_a_lock_lock_nothing() -> None:
    state = risk_state(session_net_quote=Decimal(1), session_peak_quote=Decimal(100))
    assert tripped_gates(RiskLimits(profit_lock_pct=50.0), state) == []
    assert tripped_gates(RiskLimits(profit_lock_start_quote=Decimal(10)), state) == []


@pytest.mark.parametrize(
    ("net", "peak", "trips"), [("-49", "0", False), ("-50", "0", True), ("40", "100", True), ("46", "100", False)]
)
def test_drawdown_from_the_peak_trips_inclusively(net: str, peak: str, trips: bool) -> None:
    state = risk_state(session_net_quote=Decimal(net), session_peak_quote=Decimal(peak))
    gates = tripped_gates(RiskLimits(max_drawdown_pct=5.0), state)
    assert names(gates) == ["max_drawdown"] * trips
    assert all(gate.latched for gate in gates)


def test_drawdown_of_a_peak_that_is_not_positive_halts() -> None:
    (gate,) = tripped_gates(RiskLimits(max_drawdown_pct=5.0), risk_state(start_equity_quote=Decimal(0)))
    assert (gate.name, gate.latched) == ("max_drawdown", True)


def test_peak_that_was_not_updated_yet_is_at_least_the_net_of_now() -> None:
    state = risk_state(session_net_quote=Decimal(70), session_peak_quote=None)
    assert tripped_gates(RiskLimits(max_drawdown_pct=5.0), state) == []


@pytest.mark.parametrize(
    ("asked", "change"),
    [
        (RiskLimits(max_loss_quote=Decimal(1)), {"session_net_quote": None}),
        (RiskLimits(max_profit_quote=Decimal(1)), {"session_net_quote": None}),
        (RiskLimits(max_drawdown_pct=5.0), {"session_net_quote": None}),
        (RiskLimits(profit_lock_start_quote=Decimal(1), profit_lock_pct=5.0), {"session_net_quote": None}),
        (
            RiskLimits(max_unrealised_loss_quote=Decimal(1)),
            {"position": Position("main", size_lots=1), "book": book(1501, 1500)},
        ),
        (RiskLimits(max_drawdown_pct=5.0), {"start_equity_quote": None}),
        (RiskLimits(max_spread_bps=5.0), {"book": book(1501, 1500)}),
    ],
)
def test_gate_that_cannot_be_judged_pauses_without_a_latch(asked: RiskLimits, change: dict[str, Any]) -> None:
    (gate,) = tripped_gates(asked, risk_state(**change))
    assert (gate.action, gate.latched) == ("pause", False)


@pytest.mark.parametrize(("ask", "trips"), [(10020, False), (10021, True)])
def test_spread_wider_than_allowed_pauses(ask: int, trips: bool) -> None:
    state = risk_state(book=book(10000, ask))  # 20 ticks at a mid of 10010 are 19.98 bps
    assert names(tripped_gates(RiskLimits(max_spread_bps=20.0), state)) == ["spread"] * trips


def test_several_gates_are_told_together() -> None:
    asked = RiskLimits(max_loss_quote=Decimal(1), max_spread_bps=1.0)
    state = risk_state(book_age_ns=None, session_net_quote=Decimal(-2))
    assert names(tripped_gates(asked, state)) == ["stale", "spread", "max_loss"]


def test_golden_drawdowns_are_met() -> None:
    for row in json.loads(GOLDEN.read_text())["drawdown"]:
        fallen = drawdown(Decimal(str(row["equity"])), Decimal(str(row["peak"])))
        assert float(fallen) == pytest.approx(row["drawdown"], abs=1e-12)
