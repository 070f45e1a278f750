"""avellaneda_stoikov as a script: event, expected command, event, ..."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.market.book import OrderBook
from core.market.commands import Flatten, Quotes
from core.market.events import PerpFacts
from core.market.filter import Signal
from core.market.order import Side
from core.market.risk_limits import RiskLimits
from core.market.risk_room import trim_quotes
from core.market.signal_latch import SignalLatch
from strategies.avellaneda_stoikov import STRATEGY, AvellanedaStoikov
from strategies.base import strategy_class
from tests.avellaneda_script import BOTH, LIMIT, MID, PERP, ROUND_10_000, Script, relative
from tests.market_parts import NOW, book, instrument, risk_state

# The models


def test_without_volatility_the_spread_is_the_base_spread_round_the_mid() -> None:
    script = relative(sigma=0).hold(LIMIT)
    assert script.prices() == [999_000, 1_001_000]  # 2 ln(1.001) = 0.0019990 of 1,000,000 ticks, rounded outward
    assert script.stats()["spread_bps"] == pytest.approx(20_000 * math.log(1.001))
    assert script.stats()["skew_bps"] == 0


@pytest.mark.parametrize("source", ["mark", "index"])
def test_the_venues_own_price_can_be_the_reference_while_it_is_told(source: str) -> None:
    script = relative(sigma=0, price_source=source)
    around_the_mid = script.prices()
    told = {"mark": Decimal(10_010), "index": None} | {source: Decimal(10_005)}
    script.view.facts["main"] = PerpFacts("main", told["mark"], local_ns=NOW, index_price=told["index"])
    assert [round(moved - before) for moved, before in zip(script.prices(), around_the_mid, strict=True)] == [499, 501]
    assert not script.stats()["reference_stale"]
    assert script.wait(11).prices() == around_the_mid
    assert script.stats()["reference_stale"]


def test_a_full_inventory_moves_both_quotes_and_risk_widens_them() -> None:
    script = relative()
    assert script.hold(0).prices() == [998_950, 1_001_050]
    script.hold(LIMIT).due()
    assert script.stats()["skew_bps"] == pytest.approx(-1.0)  # rho -1e-4
    assert script.stats()["spread_bps"] == pytest.approx(20.990, abs=1e-3)
    assert script.prices() == [998_850, 1_000_950]
    assert script.hold(-LIMIT).prices() == [999_050, 1_001_150]


def test_glft_in_ticks() -> None:
    """Scenario 19; with an inventory counted in orders, one order long."""
    config = {"model": "glft", "unit": "ticks", "gamma": 0.05, "kappa": 0.2, "order_intensity": 1, "sigma": 2}
    script = Script(**(BOTH | config), sigma_method="fixed", q_unit="order_size").hold(100)
    script.due()
    half = script.stats()["spread_bps"] / 10_000 * MID / 2
    assert half == pytest.approx(5.08050, abs=1e-5)
    assert MID - script.stats()["reservation_ticks"] == pytest.approx(1.23526, abs=1e-5)
    assert script.prices() == [MID - 7, MID + 4]


@pytest.mark.parametrize(
    ("unit", "scale"), [("relative", MID), ("ticks", 1.0), ("quote", 100.0)], ids=["relative", "ticks", "quote"]
)
def test_the_same_market_in_any_unit_is_quoted_alike(unit: str, scale: float) -> None:
    base = {"gamma": 2e-6 * scale, "kappa": 1e-3 * scale, "sigma": 500 / scale}
    script = Script(**BOTH, unit=unit, sigma_method="fixed", horizon_s=100, **base).hold(200)
    script.due()
    assert script.stats()["gamma"] == pytest.approx(base["gamma"])
    assert script.prices() == [998_950, 1_001_000]


def test_inventory_is_measured_from_the_target_in_shares_of_the_limit_or_in_orders() -> None:
    script = relative(target_position=0.2).hold(300)
    script.due()
    assert script.stats()["q"] == 0.25
    by_orders = relative(target_position=0.2, q_unit="order_size", limit=1000).hold(500)
    by_orders.due()
    assert by_orders.stats()["q"] == 3
    in_quote = relative(order_size=None, order_size_quote=1000, q_unit="order_size").hold(-150)
    in_quote.due()
    assert in_quote.stats()["q"] == pytest.approx(-1.5)


def test_an_inventory_beyond_its_limit_counts_as_full() -> None:
    script = relative(max_close_slippage_bps=0).hold(LIMIT)
    assert script.strategy._inventory(script.hold(900).view, script.strategy._plan_for(PERP, ROUND_10_000), MID) == 1.0
    assert script.strategy._q == 1.0


# gamma: auto


@pytest.mark.parametrize("shift", [0.25, 1.0, 1.9])
@pytest.mark.parametrize("q_unit", ["max_position", "order_size"])
@pytest.mark.parametrize("model", ["as", "glft"])
def test_auto_gamma_moves_the_quotes_by_the_given_half_spreads(model: str, q_unit: str, shift: float) -> None:
    script = relative(gamma="auto", full_inventory_shift=shift, q_unit=q_unit, model=model, order_intensity=0.5)
    script.hold(LIMIT).due()
    stats = script.stats()
    assert -2 * stats["skew_bps"] / stats["spread_bps"] == pytest.approx(shift)


def test_auto_gamma_is_worked_out_at_its_interval_not_at_each_decision() -> None:
    script = Script(gamma="auto", kappa=1000).swing(30)
    script.due()
    first = script.stats()["gamma"]
    script.swing(20, 900)
    script.due()
    assert script.stats()["gamma"] == first
    script.wait(60).due()
    assert 0 < script.stats()["gamma"] < first  # more movement: less aversion does it


# Bounds


def test_the_spread_is_kept_within_its_bounds_and_that_is_counted() -> None:
    assert relative(min_spread_bps=40).prices() == [998_000, 1_002_000]
    wide = relative(min_spread_bps=1, max_spread_bps=4)
    assert wide.prices() == [999_800, 1_000_200]
    assert (wide.stats()["decisions"], wide.stats()["clamped"]) == (1, 1)
    ticks = relative(min_spread_ticks=10, max_spread_ticks=20)
    assert ticks.prices() == [MID - 10, MID + 10]
    assert relative().stats()["clamped"] == 0


def test_a_spread_that_would_not_pay_its_fees_is_floored() -> None:
    """Scenario 22."""
    dear = instrument(kind="perp", tick_size=Decimal("0.01"), min_notional=Decimal(0), maker_fee_bps=Decimal(20))
    assert relative(traded=dear, fee_floor_mult=1).prices() == [998_000, 1_002_000]
    assert relative(traded=dear, fee_floor_mult=1, profit_margin_bps=10).prices() == [997_500, 1_002_500]
    in_ticks = relative(traded=dear, fee_floor_mult=1, min_spread_ticks=10, max_spread_ticks=20)
    assert in_ticks.prices() == [998_000, 1_002_000]
    assert Script(traded=dear, fee_floor_mult=1).prices() == [998_000, 1_002_000]  # the static spread, too


def test_a_quote_that_would_cross_is_held_off_the_touch_and_counted() -> None:
    script = relative(gamma="auto", full_inventory_shift=1.9)
    _, ask = script.hold(LIMIT).quotes()
    assert (ask.price_ticks, ask.post_only) == (MID, True)  # one tick above the best bid
    assert script.stats()["held_at_touch"] == 1
    bid, _ = script.hold(-LIMIT).quotes()
    assert bid.price_ticks == MID
    layered = relative(gamma="auto", full_inventory_shift=1.9, layers=2, layer_spacing_pct=0.1).hold(-LIMIT)
    assert layered.prices()[:2] == [MID, MID - 1000]  # the layers stay apart


# What is not known yet


def test_until_sigma_is_there_a_static_spread_is_quoted_and_the_status_says_so() -> None:
    script = Script().hold(0)
    assert script.prices() == [999_825, 1_000_175]  # 3.5 bps
    assert (script.stats()["source"], script.stats()["waiting"]) == ("fallback", "sigma")
    assert script.hold(LIMIT).prices() == [999_650, 1_000_000]  # it leans by a half-spread already
    script.hold(0).swing(30).due()
    assert (script.stats()["source"], script.stats()["waiting"]) == ("as", None)
    assert script.stats()["sigma"] == pytest.approx(6e-4, rel=0.1)


def test_sigma_follows_at_its_own_interval() -> None:
    script = Script(sigma_refresh_s=10).swing(30)
    script.due()
    first = script.stats()["sigma"]
    script.swing(5, 3000).due()
    assert script.stats()["sigma"] == first
    script.swing(6, 3000).due()
    assert first < script.stats()["sigma"]


def test_a_market_that_stands_still_has_the_least_sigma_not_none() -> None:
    script = Script(sigma_floor=2e-6).swing(30, 0)
    script.due()
    assert script.stats()["sigma"] == pytest.approx(2e-6)


def test_kappa_and_intensity_are_measured_from_the_trades() -> None:
    script = Script(kappa=None, model="glft", order_intensity=None).swing(30)
    script.due()
    assert (script.stats()["source"], script.stats()["waiting"]) == ("fallback", "trades")
    script.trades(20).due()
    assert script.stats()["waiting"] == "bursts"
    script.trades(300).due()
    assert script.stats()["waiting"] is None
    assert script.stats()["kappa"] == pytest.approx(2000, rel=0.05)  # 1 / (500 ticks of 1,000,000)
    assert script.stats()["intensity"] == pytest.approx(1.0, rel=0.15)
    assert set(script.stats()["tape"]) == {"both", "buy", "sell"}
    assert script.stats()["tape"]["buy"]["r2"] > 0.8


def test_without_trades_for_too_long_the_static_spread_comes_back() -> None:
    script = Script(kappa=None, no_trade_timeout_s=600).swing(30).trades(330)
    script.due()
    assert script.stats()["source"] == "as"
    script.wait(601).due()
    assert (script.stats()["source"], script.stats()["waiting"]) == ("fallback", "trades")


@pytest.mark.parametrize("picture", [book(MID, MID), OrderBook((), ()), OrderBook(ROUND_10_000.bids, ())])
def test_book_without_a_price_takes_the_quotes_back(picture: OrderBook) -> None:
    assert Script(picture).hold(100).quotes() == ()


# Horizon


def test_the_risk_of_a_finite_run_falls_to_its_least_and_then_nothing_is_quoted() -> None:
    script = relative(horizon="finite", horizon_s=1000, tau_min_s=60)
    taus = []
    for _ in range(5):
        script.due()
        taus.append(script.stats()["tau_s"])
        script.wait(240)
    assert taus == [1000, 760, 520, 280, 60]
    assert script.hold(100).due() == [Quotes((), "main")]
    assert script.stats()["source"] == "session"


def test_the_end_of_a_run_closes_the_position_where_that_is_asked_for() -> None:
    script = relative(horizon="finite", horizon_s=1000, flatten_at_end=True).hold(100)
    script.due()
    assert script.wait(1000).due() == [Flatten("session_end", 20.0, 200.0, "main")]
    assert script.hold(0).due() == [Quotes((), "main")]


def test_a_daily_session_is_told_by_utc() -> None:
    script = relative(horizon="daily", session_start="22:00", session_end="02:00")  # it is 22:13:20
    assert script.prices()
    assert script.stats()["tau_s"] == pytest.approx(13_600)
    assert script.wait(13_601).quotes() == ()
    assert script.wait(20 * 3600).prices()


# Layers and sizes


def test_layers_step_out_from_the_models_quote() -> None:
    script = relative(sigma=0, layers=3, layer_spacing_pct=0.1, size_ratio=2)
    assert [(one.slot_name, one.price_ticks, one.size_lots) for one in script.quotes()] == [
        ("buy.0", 999_000, 100),
        ("buy.1", 998_001, 200),
        ("buy.2", 997_002, 400),
        ("sell.0", 1_001_000, 100),
        ("sell.1", 1_002_001, 200),
        ("sell.2", 1_003_002, 400),
    ]


def test_layers_are_at_least_a_multiple_of_the_spread_apart() -> None:
    bids = relative(sigma=0, layers=2, layer_spacing_pct=0.001, spacing_spread_mult=1).prices()[:2]
    assert bids[0] - bids[1] == pytest.approx(1997, abs=1)


def test_the_side_that_adds_to_the_inventory_gets_smaller() -> None:
    script = relative(order_amount_shape=1)
    assert [one.size_lots for one in script.hold(200).quotes()] == [60, 100]  # exp(-0.5)
    assert [one.size_lots for one in script.hold(-LIMIT).quotes()] == [100, 36]


def test_sizes_in_quote_follow_the_price() -> None:
    assert [one.size_lots for one in relative(order_size=None, order_size_quote=1000).quotes()] == [100, 100]


# The position


def test_a_stop_loss_closes_and_too_much_is_shed() -> None:
    script = relative(stop_loss_pct=1).hold(100)
    script.view.books["main"] = book(989_999, 990_001)
    assert script.due() == [Flatten("stop_loss", 20.0, 200.0, "main")]
    shed = relative(position_threshold=0.2).hold(250).quotes()
    assert [(one.slot_name, one.size_lots) for one in shed] == [("buy.0", 100), ("reduce", 50)]


def test_other_parameters_keep_what_was_measured() -> None:
    script = Script().swing(30)
    script.due()
    script.strategy.reconfigure(AvellanedaStoikov.params_from({"order_size": 0.2, "layers": 1, "min_spread_bps": 50}))
    assert [one.size_lots for one in script.quotes()] == [200, 200]
    assert script.stats()["waiting"] is None
    script.strategy.reconfigure(AvellanedaStoikov.params_from({"order_size": 0.2, "sigma_window": 50}))
    script.due()
    assert script.stats()["waiting"] == "sigma"


# Properties


@settings(max_examples=60)
@given(
    half=st.integers(1, 400),
    held=st.integers(-LIMIT, LIMIT),
    model=st.sampled_from(["as", "glft"]),
    q_unit=st.sampled_from(["max_position", "order_size"]),
    gamma=st.just("auto") | st.floats(1e-3, 1e5),
    kappa=st.floats(11, 1e5),
    sigma=st.floats(0, 1e-2),
    shift=st.floats(0, 1.9),
    layers=st.integers(1, 8),
    spacing=st.floats(1e-4, 1),
    shape=st.floats(0, 10),
    latched=st.sampled_from([None, Signal.BUY, Signal.SELL]),
)
def test_quotes_are_whole_never_cross_and_stay_within_the_limit(half: int, held: int, **keys: Any) -> None:
    picture = book(MID - half, MID + half)
    keys["full_inventory_shift"], keys["layer_spacing_pct"] = keys.pop("shift"), keys.pop("spacing")
    keys["order_amount_shape"] = keys.pop("shape")
    latched = SignalLatch(keys.pop("latched"), NOW)
    script = Script(picture, sigma_method="fixed", order_intensity=1, trend_filter="rsi", **keys).hold(held)
    script.strategy._trend.latch = latched
    quotes = script.quotes()
    assert all(isinstance(one.price_ticks, int) and one.price_ticks > 0 and one.post_only for one in quotes)
    assert all(one.size_lots > 0 for one in quotes)
    bids = [one.price_ticks for one in quotes if one.side is Side.BUY]
    asks = [one.price_ticks for one in quotes if one.side is Side.SELL]
    assert all(price < picture.best_ask_ticks for price in bids)
    assert all(price > picture.best_bid_ticks for price in asks)
    assert not (bids and asks) or max(bids) < min(asks)
    assert bids == sorted(bids, reverse=True)
    assert asks == sorted(asks)
    assert len({one.slot_name for one in quotes}) == len(quotes)
    state = risk_state(position=script.view.positions["main"], book=picture, instrument=PERP)
    kept = trim_quotes(quotes, RiskLimits(max_position_lots=LIMIT), state).allowed
    assert held + sum(one.size_lots for one in kept if one.side is Side.BUY) <= LIMIT
    assert held - sum(one.size_lots for one in kept if one.side is Side.SELL) >= -LIMIT


def test_it_is_found_by_its_name() -> None:
    assert strategy_class("avellaneda_stoikov") is STRATEGY is AvellanedaStoikov
