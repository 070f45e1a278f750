"""Backtests of bots with several legs: the same bytes, everything hedged, nothing seen before its time."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from core.backtest.fills_csv import fills_text
from core.backtest.lockstep import WINDOW_NS
from core.backtest.result import BacktestResult
from core.backtest.run import Backtest
from core.backtest.together import together_of
from core.bot_config import Leg
from core.market.order import Side
from tests.backtest.legs_on_paper import on_one_account, paper_fills
from tests.backtest.legs_parts import (
    MS,
    Mirror,
    Truth,
    config_of,
    crafted,
    hedged,
    made_spans,
    spans_of_rows,
)
from tests.backtest.made_events import START_NS, made_rows
from utils.errors import ConfigError

LATENCIES = [0, 20]
BOTH = ("maker", "hedge")


def held(result: BacktestResult) -> list[tuple[int, Decimal]]:
    """Return what all legs held together after each moment with a fill, in base."""
    changes = sorted(
        (fill.venue_ns, fill.side.sign * fill.size_lots * leg.instrument.lot_base)
        for leg in result.legs
        for fill in leg.record.fills
    )
    total, found = Decimal(0), {}
    for at_ns, change in changes:
        total += change
        found[at_ns] = total
    return list(found.items())


def mirrored(
    spans: Any, latency_ms: float, quoted: tuple[str, ...] = BOTH, sides: Any = tuple(Side), **exchange: Any
) -> tuple[Mirror, BacktestResult]:
    strategy = Mirror(quoted, sides)
    config = config_of({"latency_ms": latency_ms, **exchange}, risk={"max_position": None})
    return strategy, Backtest(config, spans, strategy=strategy, engine="python").run()


@pytest.mark.parametrize("latency_ms", LATENCIES)
def test_the_same_events_seed_and_config_give_the_same_bytes_of_each_leg_and_of_all(latency_ms: float) -> None:
    first, second = (hedged(5, {"latency_ms": latency_ms}) for _ in range(2))
    assert all(len(leg.record.fills) > 10 for leg in first.legs)
    assert first.fills_text() == second.fills_text()
    assert first.summary == second.summary


@pytest.mark.parametrize("latency_ms", LATENCIES)
def test_each_maker_fill_is_hedged_soon_and_no_leg_holds_more_than_its_limit(latency_ms: float) -> None:
    result = hedged(6, {"latency_ms": latency_ms})
    maker, hedge = result.legs
    assert {fill.liquidity for fill in maker.record.fills} == {"maker"}
    assert {fill.liquidity for fill in hedge.record.fills} == {"taker"}
    moments = held(result)
    open_ns = [after - at for (at, amount), (after, _) in pairwise(moments) if amount]
    assert max(open_ns, default=0) <= (latency_ms * 2 + 100) * MS
    assert moments[-1][1] == 0 or moments[-1][0] > together_of(result.legs).times_ns[-1] - 100 * MS
    for leg in result.summary["legs"]:
        assert 0 < leg["max_position"] <= 0.02 + 1e-12


def test_the_time_that_a_hedge_is_under_way_is_open_and_without_latency_it_is_not() -> None:
    at_once, later = (hedged(7, {"latency_ms": latency_ms}).summary for latency_ms in LATENCIES)
    assert [run["strategy"]["hedge_latency_ms"]["p50"] for run in (at_once, later)] == [0, 20]
    assert 0.004 <= later["exposure"]["SYN"]["max"] <= 0.02
    assert at_once["exposure"]["SYN"]["mean"] < later["exposure"]["SYN"]["mean"] / 2


def test_what_the_legs_come_to_adds_up_and_is_what_the_fills_say() -> None:
    result = hedged(8, {})
    summary = result.summary
    for key in ("net_pnl", "spread_pnl", "inventory_pnl", "fees", "funding", "volume_quote"):
        assert Decimal(summary[key]) == sum(Decimal(leg[key]) for leg in summary["legs"])
    cash, worth, open_base = Decimal(0), Decimal(0), Decimal(0)
    for leg in result.legs:
        instrument, mid = leg.instrument, leg.instrument.tick_size * leg.record.mids[-1] / 2
        for fill in leg.record.fills:
            cash -= fill.side.sign * instrument.notional_quote(fill.price_ticks, fill.size_lots) + fill.fee
        lots = sum(fill.side.sign * fill.size_lots for fill in leg.record.fills)
        worth += lots * instrument.lot_base * mid
        open_base += lots * instrument.lot_base
    assert Decimal(summary["net_pnl"]) == cash + worth
    assert Decimal(summary["exposure"]["SYN"]["end"]) == open_base
    assert float(together_of(result.legs).net[-1]) == pytest.approx(float(summary["net_pnl"]))
    assert Decimal(str(summary["exposure"]["SYN"]["max"])) == max(abs(amount) for _, amount in held(result))
    assert summary["strategy"]["hedges"] > 0


def test_compiled_and_python_fill_alike_on_every_leg() -> None:
    slow, fast = (hedged(9, {"fill_model": "queue"}, engine=engine) for engine in ("python", "compiled"))
    assert len(slow.legs[0].record.fills) > 3
    assert fast.fills_text() == slow.fills_text()
    assert fast.summary == slow.summary


def test_compiled_and_python_fill_alike_where_orders_rest_on_both_legs() -> None:
    config, spans = config_of({"latency_ms": 1.5}), made_spans(10, 2000)
    slow, fast = (Backtest(config, spans, Mirror(BOTH), engine).run() for engine in ("python", "compiled"))
    assert all({fill.liquidity for fill in leg.record.fills} == {"maker", "taker"} for leg in slow.legs)
    assert fast.fills_text() == slow.fills_text()


def test_a_leg_on_which_nothing_is_done_changes_nothing_on_the_other() -> None:
    spans = made_spans(11, 2000)
    both = Backtest(config_of({}), spans, strategy=_Alone(("maker",)), engine="python").run()
    alone = config_of({}, names=("maker",))
    one = Backtest(alone, spans[:1], strategy=_Alone(("maker",)), engine="python").run()
    assert len(one.only.record.fills) > 10
    assert fills_text(both.legs[0].record.fills, one.only.instrument) == one.fills_text()


class _Alone(Mirror):
    """The same quotes, and nothing to take anything back on."""

    def taken_back(self, fill: Any, view: Any) -> list[Any]:
        return []


@pytest.mark.parametrize("latency_ms", LATENCIES)
def test_legs_of_one_account_are_what_they_are_on_paper(tmp_path: Path, latency_ms: float) -> None:
    spot, perp = made_rows(14, 1500), made_rows(15, 1500)
    exchange = {"latency_ms": latency_ms}
    config = on_one_account(exchange)
    result = Backtest(config, spans_of_rows(spot, perp), engine="python").run()
    assert all(len(leg.record.fills) > 10 for leg in result.legs)
    assert paper_fills(tmp_path, spot, perp, exchange) == result.fills_text()


def test_legs_whose_gate_shuts_now_and_then_are_what_they_are_on_paper(tmp_path: Path) -> None:
    spot, perp = made_rows(14, 1500), made_rows(15, 1500)
    exchange, risk = {"latency_ms": 0, "book_interval_ms": 400}, {"max_spread_bps": 25}
    result = Backtest(on_one_account(exchange, risk), spans_of_rows(spot, perp), engine="python").run()
    open_result = Backtest(on_one_account(exchange), spans_of_rows(spot, perp), engine="python").run()
    assert all(len(leg.record.fills) > 10 for leg in result.legs)
    assert result.fills_text() != open_result.fills_text()
    assert paper_fills(tmp_path, spot, perp, exchange, risk) == result.fills_text()


# Nothing is seen before its time


def jump(first: str) -> Any:
    """Return two markets: at 1.01 s somebody sells through our bid on one, 1.5 ms later the other jumps by 100."""
    hit = crafted([(1010.0, "trade", "bid", 999, 50)], 1000, 1002)
    moved = [
        (1011.5, "level", "ask", 2010, 0), (1011.5, "level", "ask", 2110, 1000),
        (1011.5, "level", "bid", 2000, 0), (1011.5, "level", "bid", 2100, 1000),
    ]  # fmt: skip
    jumps = crafted(moved, 2000, 2010)
    return spans_of_rows(hit, jumps) if first == "hit" else spans_of_rows(jumps, hit)


@pytest.mark.parametrize("first", ["hit", "jump"])
@pytest.mark.parametrize(("latency_ms", "price"), [(0, 2000), (20, 2100)])
def test_a_price_that_comes_after_a_fill_on_another_leg_is_not_traded_at_before(
    first: str, latency_ms: float, price: int
) -> None:
    strategy, result = mirrored(jump(first), latency_ms, sides=(Side.BUY,))
    (heard,) = strategy.heard
    taken = next(fill for leg in result.legs for fill in leg.record.fills if fill.liquidity == "taker")
    assert heard[1].venue_ns == START_NS + 1010 * MS
    assert 0 <= heard[0] - heard[1].venue_ns <= WINDOW_NS
    assert taken.price_ticks == price
    assert taken.venue_ns == heard[0] + latency_ms * MS


def test_with_orders_on_one_leg_alone_its_fills_are_heard_when_they_happen() -> None:
    strategy, result = mirrored(jump("hit"), 0, ("maker",), (Side.BUY,))
    (heard,) = strategy.heard
    assert heard[0] == heard[1].venue_ns == START_NS + 1010 * MS
    assert [fill.venue_ns for fill in result.legs[1].record.fills] == [heard[0]]


@pytest.mark.parametrize("latency_ms", [0, 0.3, 7])
def test_every_fill_is_heard_a_window_late_at_most_and_every_order_meets_the_book_of_its_arrival(
    latency_ms: float,
) -> None:
    spans = made_spans(12, 2000)
    strategy, result = mirrored(spans, latency_ms, fill_model="cross")
    window_ns = min(WINDOW_NS, round(latency_ms * MS) or WINDOW_NS)
    assert len(strategy.heard) > 10
    assert all(0 <= at_ns - fill.venue_ns <= window_ns for at_ns, fill in strategy.heard)
    taken = 0
    for leg, span in zip(result.legs, spans, strict=True):
        truth = Truth(span.rows)
        for fill in leg.record.fills:
            if fill.liquidity == "taker":
                taken += 1
                assert fill.price_ticks in truth.prices(fill.venue_ns)[fill.side.opposite]
    assert taken > 10


@pytest.mark.parametrize("engine", ["python", "compiled"])
def test_every_leg_is_sampled_as_its_market_was_then_also_one_whose_data_begin_otherwise(engine: str) -> None:
    early, late = made_spans(13, 1500)
    begin_ns, end_ns = START_NS + 777 * MS + 13, early.last_ns - 500 * MS
    cut = []
    for span in (early, late):
        times = span.rows["local_ns"]
        begin, end = int((times < begin_ns).sum()), int((times <= end_ns).sum())
        cut.append(type(span)(span.market, span.rows[:end], begin, begin_ns, end_ns))
    result = Backtest(config_of({}), cut, engine=engine).run()
    for leg, span in zip(result.legs, cut, strict=True):
        truth = Truth(span.rows)
        assert list(leg.record.mids) == [truth.half_ticks(at_ns) for at_ns in leg.record.times]
        assert leg.record.times[0] == begin_ns
        assert leg.record.times[-1] == end_ns


# What is told


def test_the_fills_of_all_legs_are_by_time_and_those_of_each_leg_are_its_own() -> None:
    result = hedged(5, {})
    head, *rows = result.fills_text().splitlines()
    assert head.startswith("leg,venue_ns,")
    stamps = [int(row.split(",")[1]) for row in rows]
    assert stamps == sorted(stamps)
    for leg in result.legs:
        own = [row.partition(",")[2] for row in rows if row.startswith(f"{leg.leg.leg},")]
        assert own == fills_text(leg.record.fills, leg.instrument).splitlines()[1:]


def test_progress_grows_to_the_whole_span() -> None:
    spans = made_spans(12, 3000)
    heard: list[int] = []
    Backtest(config_of({}), spans, engine="python").run(heard.append)
    assert len(heard) > 1
    assert heard == sorted(heard)
    assert heard[-1] == spans[0].last_ns - spans[0].first_ns


def test_a_bot_whose_duration_is_over_ends_before_the_data() -> None:
    result = Backtest(config_of({}, {"duration_s": 2}), made_spans(13, 2000), engine="python").run()
    assert result.ended == "the duration is over"
    assert together_of(result.legs).times_ns[-1] < START_NS + 4000 * MS


def test_spans_that_are_not_of_every_leg_or_not_of_one_time_are_refused() -> None:
    spot, perp = made_spans(5, 200)
    other = spans_of_rows(made_rows(1, 100), made_rows(2, 100))[1]
    for spans in ([spot], [spot, other], [spot, perp, perp]):
        with pytest.raises(ConfigError, match="each leg, all of one span"):
            Backtest(config_of({}), spans)


def test_there_may_be_more_than_two_legs() -> None:
    pair, spans = config_of({}), made_spans(17, 1000)
    third = replace(spans[1], rows=made_spans(18, 1000)[1].rows, until_ns=spans[0].last_ns)
    config = replace(pair, legs=(*pair.legs, Leg("third", "paper:c", "acc", "SYN-PERP")))
    names = tuple(leg.leg for leg in config.legs)
    result, slow = (
        Backtest(config, [*spans, third], strategy=_Alone(names), engine=engine).run()
        for engine in ("compiled", "python")
    )
    assert all(len(leg.record.fills) > 3 for leg in result.legs)
    assert {row.split(",")[0] for row in result.fills_text().splitlines()[1:]} == set(names)
    assert result.summary["fills"] == sum(len(leg.record.fills) for leg in result.legs)
    assert result.fills_text() == slow.fills_text()
