"""avellaneda_stoikov as a script: event, expected command, event, ..."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.market.book import OrderBook
from core.market.commands import Command, Flatten, Quote, Quotes
from core.market.events import BookUpdate, Event, PerpFacts, Timer, TradePrint
from core.market.filter import Signal
from core.market.filters import FILTERS
from core.market.instrument import Instrument
from core.market.model_file import FileText
from core.market.order import Side
from core.market.position import Position
from core.market.risk_limits import RiskLimits
from core.market.risk_room import trim_quotes
from core.market.signal_latch import SignalLatch
from strategies.avellaneda_stoikov import STRATEGY, AvellanedaStoikov
from strategies.base import View, strategy_class
from tests.golden_parts import golden
from tests.market_parts import NOW, SECOND, book, fill, instrument, risk_state
from utils.errors import ConfigError

PERP = instrument(kind="perp", tick_size=Decimal("0.01"), min_notional=Decimal(0))  # lots of 0.001
MID = 1_000_000
ROUND_10_000 = book(MID - 1, MID + 1)
LIMIT = 400  # lots: 0.4
BOTH = {"min_spread_bps": 0.001, "max_spread_bps": 9000}


class Script:
    """A bot with a view of its own; `hold` says what its position is."""

    def __init__(self, picture: OrderBook = ROUND_10_000, limit: int | None = LIMIT, **config: Any) -> None:
        self.instrument: Instrument = config.pop("traded", PERP)
        self.view = View(now_ns=NOW, utc_ns=NOW, instruments={"main": self.instrument}, books={"main": picture})
        self.view.position_limits["main"] = limit
        config = {"symbol": "SOL-PERP", "order_size": 0.1, "layers": 1, "position_threshold": 9} | config
        self.strategy = AvellanedaStoikov(AvellanedaStoikov.params_from(config))

    def hold(self, lots: int) -> Script:
        """Hold a position."""
        self.view.positions["main"] = Position("main")
        if lots:
            entry = fill(Side.BUY if lots > 0 else Side.SELL, MID, abs(lots))
            self.view.positions["main"] = Position("main").after_fill(entry, self.instrument)
        return self

    def move(self, mid_ticks: int) -> Script:
        """Let the market go to a price, and the strategy hear of it."""
        self.view.books["main"] = book(mid_ticks - 1, mid_ticks + 1)
        assert self.hear(BookUpdate("main", self.view.books["main"])) == []
        return self

    def wait(self, duration_s: float) -> Script:
        self.view.now_ns += int(duration_s * SECOND)
        self.view.utc_ns += int(duration_s * SECOND)
        return self

    def swing(self, seconds: int, ticks: int = 300) -> Script:
        """Let the market go to and fro once a second."""
        for number in range(seconds):
            self.wait(1).move(MID + ticks * (-1) ** number)
        return self.move(MID)

    def trades(self, count: int, mean_ticks: float = 500.0) -> Script:
        """Let somebody trade once a second and side, at depths that decay exponentially."""
        for number in range(count):
            self.wait(1)
            depth = round(-mean_ticks * math.log((number * 0.618034) % 1 or 0.5))
            for side in Side:
                price = MID + side.sign * depth
                assert self.hear(TradePrint("main", price, 1, side, 0, self.view.now_ns)) == []
        return self

    def hear(self, event: Event) -> list[Command]:
        return self.strategy.on_event(event, self.view)

    def due(self) -> list[Command]:
        return self.hear(Timer(self.view.now_ns))

    def quotes(self) -> tuple[Quote, ...]:
        (command,) = self.due()
        assert isinstance(command, Quotes)
        return command.quotes

    def prices(self) -> list[int]:
        return [one.price_ticks for one in self.quotes()]

    def stats(self) -> dict[str, Any]:
        return self.strategy.stats()


def relative(**config: Any) -> Script:
    """Return scenario 18: gamma 1, kappa 1000, sigma^2 tau 1e-4, as shares of the mid."""
    given = {"gamma": 1, "kappa": 1000, "sigma_method": "fixed", "sigma": 1e-3, "horizon_s": 100}
    return Script(**(BOTH | given | config))


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


# Trend and signals

RSI = {"trend_filter": "rsi", "rsi_period": 2, "candle_s": 1}


def trending(closes: list[int], **config: Any) -> Script:
    """Return a bot that has seen candles of a second with these closes, and one more that is open."""
    script = relative(sigma=0, boost_step_pct=0.05, **(RSI | config))
    return after(script, closes)


def after(script: Script, closes: list[int]) -> Script:
    for close in closes:
        script.wait(1).move(close)
    script.wait(1).move(MID)
    return script


FALL, RISE = ([MID + step * number for number in range(9, -1, -1)] for step in (100, -100))


def test_a_buy_signal_has_extra_bids_beside_the_models_and_they_go_with_it() -> None:
    script = trending(FALL).hold(100)
    assert [(one.slot_name, one.price_ticks, one.size_lots) for one in script.quotes()][:3] == [
        ("boost.1", 999_500, 100),
        ("buy.0", 999_000, 100),
        ("boost.2", 999_000, 100),
    ]
    assert script.stats()["regime"] == "buy_signal"
    assert all(one.post_only for one in script.quotes())
    after(script, [MID, MID + 30])  # RSI recovers
    assert [one.slot_name for one in script.quotes()] == ["buy.0", "sell.0"]


def test_a_sell_signal_has_extra_asks() -> None:
    script = trending(RISE, boost_orders=1).hold(-100)
    assert [(one.slot_name, one.price_ticks) for one in script.quotes() if one.side is Side.SELL] == [
        ("boost.1", 1_000_500),
        ("sell.0", 1_001_000),
    ]


@pytest.mark.parametrize(
    ("closes", "wait_s", "held", "latched"),
    [
        ([MID, MID + 120], 0, 100, "buy_signal"),  # RSI between low and release: kept
        ([MID, MID + 300], 0, 100, None),  # RSI above the release
        ([MID, MID + 120], 0, 0, None),  # flat
        ([MID, MID + 120], 4000, 100, None),  # too old
        ([MID, MID + 900], 0, 100, "sell_signal"),  # the opposite signal
    ],
    ids=["kept", "rsi", "flat", "age", "opposite"],
)
def test_a_signal_is_kept_until_it_is_released(closes: list[int], wait_s: int, held: int, latched: str | None) -> None:
    """Scenario 20."""
    script = trending(FALL, rsi_period=5, latch_buy_release=50, rsi_high=60, rsi_low=20).hold(100)
    script.due()
    assert script.stats()["latched"] == "buy_signal"
    after(script, closes).wait(wait_s).hold(held).due()
    assert script.stats()["latched"] == latched


def test_a_kept_signal_outlives_a_restart() -> None:
    script = trending(FALL).hold(100)
    script.due()
    saved = script.strategy.saved()
    assert saved["latch"]["signal"] == "buy_signal"
    script.due()
    assert script.strategy.saved() is saved  # nothing new, nothing to write
    other = relative(sigma=0, **RSI)
    other.strategy.restore(saved, other.view)
    other.view.utc_ns = script.view.utc_ns
    other.hold(100).due()
    assert other.stats()["latched"] == "buy_signal"
    assert other.strategy.saved() == saved


def test_overbought_blocks_buys_but_those_that_close() -> None:
    long, short = trending(RISE, boost_orders=0).hold(100), trending(RISE, boost_orders=0).hold(-60)
    assert [one.side for one in long.quotes()] == [Side.SELL]
    bid, _ = short.quotes()
    assert (bid.size_lots, bid.reduce_only) == (60, True)
    assert [one.side for one in trending(FALL, boost_orders=0).hold(0).quotes()] == [Side.BUY]


def test_in_a_trend_the_quotes_lean_twice_as_much() -> None:
    config = {"trend_filter": "chop", "chop_period": 3, "candle_s": 1, "rsi_low": 0.5, "rsi_high": 99.5}
    script, plain = relative(**config), relative()
    after(script, [MID + 100 * number for number in range(12)]).hold(LIMIT).due()
    plain.hold(LIMIT).due()
    assert script.stats()["regime"] == "trending"
    assert script.stats()["skew_bps"] == pytest.approx(2 * plain.stats()["skew_bps"])
    assert script.stats()["spread_bps"] == pytest.approx(plain.stats()["spread_bps"])


def test_a_volatile_market_has_more_gamma_and_sigma() -> None:
    config = {"trend_filter": "atr", "atr_period": 3, "atr_base": 10, "candle_s": 1, "rsi_low": 0.5, "rsi_high": 99.5}
    script = relative(**config)
    calm = [MID + number % 2 for number in range(20)]
    after(script, [*calm, MID + 3000, MID, MID + 3000]).hold(LIMIT).due()
    assert script.stats()["regime"] == "volatile"
    assert script.stats()["skew_bps"] == pytest.approx(-1.0 * 1.5**3)


@pytest.mark.parametrize("name", ["off", *FILTERS])
def test_every_filter_can_be_asked_for(name: str) -> None:
    script = after(relative(trend_filter=name, candle_s=1), RISE)
    assert script.quotes()


def test_another_filter_keeps_the_latch() -> None:
    script = trending(FALL).hold(100)
    script.due()
    config = {"order_size": 0.1, "trend_filter": "bollinger"}
    script.strategy.reconfigure(AvellanedaStoikov.params_from(config))
    script.due()
    assert script.stats()["latched"] == "buy_signal"


# The tape


def traded(script: Script, *signed_lots: int, step_ticks: int = 0) -> Script:
    """Let others trade once a second, buys positive, the price going on by a step with each."""
    for number, lots in enumerate(signed_lots):
        side = Side.BUY if lots > 0 else Side.SELL
        print_ = TradePrint("main", MID + number * step_ticks, abs(lots), side, 0, script.wait(1).view.now_ns)
        assert script.hear(print_) == []
    return script


def test_pressure_moves_both_quotes_by_a_part_of_the_half_spread() -> None:
    script = traded(relative(vamp=True, vamp_weight=0.5), 30, -10)
    script.due()
    assert script.stats()["pressure"] == 0.5
    assert script.stats()["skew_bps"] == pytest.approx(0.5 * 0.5 * script.stats()["spread_bps"] / 2)
    script.wait(61).due()
    assert script.stats()["skew_bps"] == 0


def test_a_shift_by_pressure_is_of_the_spread_after_its_bounds() -> None:
    script = traded(relative(vamp=True, max_spread_bps=4), 30, -10)
    script.due()
    assert script.stats()["skew_bps"] == pytest.approx(0.25 * 0.5 * 2)


def test_a_side_that_is_run_over_stays_out_but_for_what_closes() -> None:
    script = traded(relative(vamp=True, vamp_weight=0), 95, -5).hold(0)
    assert [one.side for one in script.quotes()] == [Side.BUY]
    assert [one.reduce_only for one in script.hold(50).quotes()] == [False, True]
    traded(script.hold(0), -90)
    assert [one.side for one in script.quotes()] == [Side.BUY]  # the hold goes on
    assert len(script.wait(5).quotes()) == 2
    assert len(traded(relative(), 95, -5).quotes()) == 2  # off by default


def test_signals_of_volume_candles_do_nothing_until_they_have_weights() -> None:
    loud, plain = {"volume_candle_size": 0.01}, relative(gamma=100)
    silent = traded(relative(gamma=100, **loud), *[10] * 12, step_ticks=50)
    assert silent.prices() == plain.prices()
    assert silent.stats()["volume_signals"]["momentum"] > 0.5
    moved = traded(relative(gamma=100, signal_momentum=0.25, **loud), *[10] * 12, step_ticks=50)
    moved.due()
    assert 0 < moved.stats()["skew_bps"] <= 0.25 * moved.stats()["spread_bps"] / 2
    moved.wait(240).due()
    assert moved.stats()["skew_bps"] == 0  # too old


def test_candles_with_a_wide_range_change_gamma_and_kappa() -> None:
    config = {"volume_candle_size": 0.02, "signal_gamma_volatility": 0.5, "signal_kappa_volatility": 0.3}
    script = traded(relative(**config), *[10] * 30)
    traded(script, *[10] * 12, step_ticks=500)
    script.due()
    assert script.stats()["volume_signals"]["volatility"] > 0.5
    assert script.stats()["spread_bps"] > 20.99  # kappa fell


# Parameters from a file

FILE = {"version": 1, "symbol": "SOL-USDC", "unit": "relative", "generated_at": NOW / SECOND, "gamma": 1, "kappa": 500}


def with_file(text: str | None = None, **config: Any) -> Script:
    """Return a bot that takes gamma and kappa of a file and has another kappa of its own."""
    script = relative(sigma=0, params_file="params.json", **config)
    return give(script, json.dumps(FILE) if text is None else text, 1)


def give(script: Script, text: str | None, version: int) -> Script:
    script.view.files = {"params_file": None if text is None else FileText(version, text)}
    return script


def changed(**keys: Any) -> str:
    return json.dumps(FILE | keys)


def test_a_good_file_takes_the_place_of_the_configs_keys() -> None:
    script = with_file()
    assert script.prices() == [998_001, 1_001_999]  # 2 ln(1.002)
    assert (script.stats()["params_error"], script.stats()["params_age_s"]) == (None, 0)
    give(script, changed(kappa={"bid": 900, "ask": 1100}), 2)
    assert script.prices() == [999_000, 1_001_000]
    give(script, changed(sigma=1e-3, horizon_s=100, min_spread_bps=1), 3)
    script.hold(LIMIT).due()
    assert script.stats()["skew_bps"] == pytest.approx(-1.0)
    assert script.stats()["tau_s"] == 100


def test_a_file_can_bring_the_volatility_that_is_else_measured() -> None:
    script = give(Script(**BOTH, params_file="params.json"), changed(kappa=1000, sigma=1e-3, horizon_s=100), 1)
    script.hold(LIMIT).due()
    assert (script.stats()["source"], script.stats()["sigma_source"]) == ("as", "fixed")
    assert script.stats()["skew_bps"] == pytest.approx(-1.0)


BAD = {
    "missing": (None, "no such file"),
    "wrong symbol": (changed(symbol="ETH-PERP"), "ETH-PERP"),
    "wrong unit": (changed(unit="ticks"), "unit"),
    "no number": (json.dumps(FILE | {"gamma": math.nan}), "gamma"),
    "infinite": (changed(kappa=math.inf), "kappa"),
    "negative": (changed(kappa=-1), "kappa"),
    "huge": (changed(kappa=10**400), "kappa"),
    "a word": (changed(kappa="500"), "kappa"),
    "half written": (changed()[:40], "JSON"),
    "empty": ("", "JSON"),
    "a list": ("[]", "version"),
    "another version": (changed(version=2), "version"),
    "from the future": (changed(generated_at=NOW / SECOND + 3600), "ahead"),
    "nothing in it": (changed(gamma=None, kappa=None), "no parameter"),
    "absurd": (changed(kappa=1), "beyond 20 %"),
    "bounds that cross": (changed(min_spread_bps=9000), "min_spread_bps"),
}


@pytest.mark.parametrize("text", [text for text, _ in BAD.values()], ids=BAD)
def test_without_a_good_file_the_static_spread_is_quoted_or_nothing(text: str | None) -> None:
    """Scenario 21."""
    script = give(with_file(), text, 1)
    assert script.prices() == [999_825, 1_000_175]
    assert (script.stats()["source"], script.stats()["waiting"]) == ("fallback", "params")
    strict = give(with_file(require_params=True), text, 1)
    assert strict.quotes() == ()
    assert strict.stats()["source"] == "params"
    assert list(strict.strategy.gates()) == ["params"]
    assert script.strategy.gates() == {}


@pytest.mark.parametrize(("text", "error"), BAD.values(), ids=BAD)
def test_a_bad_file_keeps_the_last_good_one_and_says_what_is_wrong(text: str | None, error: str) -> None:
    script = with_file()
    before = script.prices()
    after_it = give(script, text, 2).prices()
    assert error in script.stats()["params_error"]
    assert after_it == (before if text is not None else [999_825, 1_000_175])  # a file that is gone says nothing
    assert give(script, changed(kappa=250), 3).prices()[0] < before[0]
    assert script.stats()["params_error"] is None


def test_an_old_file_counts_as_absent() -> None:
    script = with_file(params_max_age_s=100, require_params=True)
    assert script.quotes()
    assert script.wait(100).quotes()
    assert script.wait(1).quotes() == ()
    assert script.strategy.gates() == {"params": "the parameter file is 101 s old"}
    assert give(script, changed(generated_at=NOW / SECOND + 101), 2).quotes()


@settings(max_examples=40)
@given(st.text() | st.recursive(st.none() | st.floats() | st.text(), st.lists, max_leaves=5).map(json.dumps))
def test_no_text_breaks_it(text: str) -> None:
    assert give(with_file(), text, 1).prices() == [999_825, 1_000_175]


# Regimes from a model

ONE_REGIME = {
    "format": "makerd-gmm-1",
    "features": ["ret_z", "vol_ratio", "trend_strength"],
    "labels": ["calm"],
    "mean": [0, 0, 0],
    "scale": [1, 1, 1],
    "weights": [1],
    "means": [[0, 1, 0]],
    "precisions_cholesky": [[[1, 0, 0], [0, 1, 0], [0, 0, 1]]],
}
HALF_KAPPA = {"calm": {"kappa": 500}}
CONFIGURED, BLENDED = [999_000, 1_001_000], [998_001, 1_001_999]  # kappa 1000 and 500


def with_model(text: str | None = json.dumps(ONE_REGIME), **config: Any) -> Script:
    """Return a bot with a model that knows one regime, in which kappa is half, and candles of a second."""
    config = {"regime_params": HALF_KAPPA, "candle_s": 1} | config
    return give_model(relative(sigma=0, regime_model_file="model.json", **config), text, 1)


def give_model(script: Script, text: str | None, version: int) -> Script:
    script.view.files = {"regime_model_file": None if text is None else FileText(version, text)}
    return script


def other_model(**keys: Any) -> str:
    return json.dumps(ONE_REGIME | keys)


def test_a_regimes_parameters_apply_once_its_features_are_whole() -> None:
    script = with_model()
    script.swing(101)
    assert script.prices() == CONFIGURED  # 100 candles have ended
    assert script.stats()["regime_probabilities"] is None
    script.swing(1)
    assert script.prices() == BLENDED
    assert script.stats()["regime_probabilities"] == {"calm": 1.0}
    without = relative(sigma=0, candle_s=1).swing(102)
    assert without.prices() == CONFIGURED
    assert (without.stats()["regime_probabilities"], without.stats()["regime_error"]) == (None, None)


def test_gamma_and_kappa_are_blended_in_logs_by_the_probabilities() -> None:
    plain = golden("regime")["model"]
    params = {"trending": {"kappa": 250}, "ranging": {"kappa": 4000, "gamma": 2}, "volatile": {"gamma": 4}}
    script = with_model(json.dumps(plain), regime_params=params).swing(110)
    script.due()
    shares = script.stats()["regime_probabilities"]
    assert sum(shares.values()) == pytest.approx(1)
    kappa = 250 ** shares["trending"] * 4000 ** shares["ranging"] * 1000 ** shares["volatile"]
    gamma = 2 ** shares["ranging"] * 4 ** shares["volatile"]
    assert script.stats()["spread_bps"] == pytest.approx(20_000 / gamma * math.log1p(gamma / kappa))


@pytest.mark.parametrize("unit", ["relative", "ticks", "quote"])
def test_a_regimes_parameters_are_in_the_unit_of_the_config(unit: str) -> None:
    scale = {"relative": MID, "ticks": 1.0, "quote": 100.0}[unit]
    own = {
        "unit": unit,
        "kappa": 1e-3 * scale,
        "gamma": 1e-6 * scale,
        "regime_params": {"calm": {"kappa": 5e-4 * scale}},
    }
    assert with_model(**own).swing(102).prices() == BLENDED


BAD_MODELS = {
    "half written": (other_model()[:50], "JSON"),
    "a list": ("[]", "object"),
    "another format": (other_model(format="pickle"), "format"),
    "another feature": (other_model(features=["ret_z", "vol_ratio", "moon"]), "moon"),
    "another regime": (other_model(labels=["wild"]), "calm"),
    "other candles": (other_model(candle_s=60), "candles"),
    "other windows": (other_model(windows=[5, 10]), "candles"),
    "weights": (other_model(weights=[0.5]), "add up to 1"),
}


@pytest.mark.parametrize(("text", "error"), BAD_MODELS.values(), ids=BAD_MODELS)
def test_a_bad_model_keeps_the_last_good_one_and_says_what_is_wrong(text: str, error: str) -> None:
    script = with_model(text).swing(102)
    assert script.prices() == CONFIGURED
    assert error in script.stats()["regime_error"]
    assert give_model(script, other_model(), 2).prices() == BLENDED
    assert script.stats()["regime_error"] is None
    assert give_model(script, text, 3).prices() == BLENDED
    assert error in script.stats()["regime_error"]


def test_without_a_model_the_configured_parameters_apply() -> None:
    script = with_model(None).swing(102)
    assert script.prices() == CONFIGURED
    assert script.stats()["regime_error"] == "there is no such file"
    assert give_model(script, other_model(), 1).prices() == BLENDED
    assert give_model(script, None, 1).prices() == CONFIGURED


def test_in_a_market_like_none_that_was_trained_on_the_configured_parameters_apply() -> None:
    assert with_model(other_model(least_log_density=0.0)).swing(102).prices() == CONFIGURED


def test_other_parameters_of_a_regime_apply_at_once_and_need_no_new_candles() -> None:
    script = with_model(regime_params={"calm": {"kappa": 1000}}).swing(102)
    assert script.prices() == CONFIGURED
    common = {"order_size": 0.1, "layers": 1, "position_threshold": 9, "gamma": 1, "kappa": 1000, **BOTH}
    own = {"sigma_method": "fixed", "sigma": 0, "candle_s": 1, "regime_model_file": "model.json"}
    script.strategy.reconfigure(AvellanedaStoikov.params_from(common | own | {"regime_params": HALF_KAPPA}))
    assert script.prices() == BLENDED


@settings(max_examples=40)
@given(st.text() | st.recursive(st.none() | st.floats() | st.text(), st.lists, max_leaves=5).map(json.dumps))
def test_no_text_of_a_model_breaks_it(text: str) -> None:
    assert with_model(text).prices() == CONFIGURED


# What is refused


@pytest.mark.parametrize(
    ("config", "fault"),
    [
        ({"order_size_quote": 5}, "exactly one"),
        ({"order_size": None}, "exactly one"),
        ({"gamma": "automatic"}, "gamma"),
        ({"min_spread_bps": 20, "max_spread_bps": 20}, "min_spread_bps"),
        ({"min_spread_ticks": 3}, "need each other"),
        ({"min_spread_ticks": 3, "max_spread_ticks": 2}, "min_spread_ticks"),
        ({"sigma_method": "fixed"}, "sigma"),
        ({"sigma": 1e-4}, "sigma"),
        ({"sigma_min_samples": 300}, "min_samples"),
        ({"trailing_start_pct": 1}, "trailing"),
        ({"trend_filter": "ma", "ma_fast": 30}, "fast"),
        ({"rsi_low": 80}, "rsi_low"),
        ({"regime_params": {"volatile": {"gamma": 2}}}, "regime_model_file"),
    ],
)
def test_a_contradiction_is_refused(config: dict[str, Any], fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        Script(**config)


@pytest.mark.parametrize(
    ("config", "fault"),
    [
        ({"unit": "ticks"}, "less than one: is unit 'ticks' meant"),
        ({"gamma": 0.1, "kappa": 1.5}, "beyond 20 %"),
        ({"unit": "quote", "kappa": 1e6}, "less than one"),
        ({"regime_model_file": "m", "regime_params": {"calm": {"kappa": 1}}}, "beyond 20 %"),
    ],
)
def test_parameters_of_another_unit_are_refused_before_the_start(config: dict[str, Any], fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        check(config)


def test_a_spread_that_only_the_price_makes_absurd_is_not_quoted() -> None:
    script = Script(unit="quote", gamma=0.1, kappa=0.0001)
    check({"unit": "quote", "gamma": 0.1, "kappa": 0.0001})
    assert Script(unit="quote", gamma=1e-9, kappa=0.0001).quotes() == ()
    assert script.quotes()  # 138 of 10,000
    refused = Script(book(999, 1001), unit="relative", kappa=1e5)
    assert refused.quotes() == ()
    assert "less than one" in refused.stats()["refusal"]
    assert refused.stats()["source"] == "refused"


def check(config: dict[str, Any], traded: Instrument = PERP, **limits: Any) -> None:
    params = AvellanedaStoikov.params_from({"order_size": 0.1} | config)
    AvellanedaStoikov.check(params, {"main": traded}, {"main": RiskLimits(**({"max_position_lots": 9} | limits))})


def test_spot_and_a_missing_limit_are_refused() -> None:
    with pytest.raises(ConfigError, match="spot"):
        check({}, instrument())
    with pytest.raises(ConfigError, match="max_position"):
        check({}, max_position_lots=None)


def test_fees_that_no_allowed_spread_pays_are_refused() -> None:
    dear = instrument(kind="perp", maker_fee_bps=Decimal(10))
    check({}, dear)
    with pytest.raises(ConfigError, match=r"at least 24 .*min_profit_check"):
        check({"min_profit_check": True}, dear)
    with pytest.raises(ConfigError, match=r"max_spread_bps: .* 24 bps"):
        check({"max_spread_bps": 20}, dear)


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
