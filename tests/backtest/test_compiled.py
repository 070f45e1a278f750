"""The compiled path against the one that paper has: the same fills, whatever the market does."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.compiled_recordings import find_recording
from api.compiled_venue import KernelBook
from api.event_convert import load_events
from api.event_file import EventSpan
from core.backtest.run import Backtest
from core.bot_config import Leg
from core.market.book import Level
from core.market.displayed import Displayed
from core.market.order import Side
from core.market.queue_position import QUEUE_MODELS
from tests.backtest.backtest_parts import backtested, config_of
from tests.backtest.made_events import made_rows, span_of

ROOT = Path(__file__).resolve().parents[2]
EXCHANGES = st.fixed_dictionaries(
    {
        "fill_model": st.sampled_from(["cross", "touch", "queue", "queue"]),
        "queue_model": st.sampled_from(QUEUE_MODELS),
        "touch_prob": st.sampled_from([0.2, 1.0]),
        "latency_ms": st.sampled_from([0, 1, 30, 150.5]),
        "print_band_pct": st.sampled_from([0.2, 1.0, 50.0]),
        "book_interval_ms": st.sampled_from([20, 100]),
    }
)


def both(span: EventSpan, exchange: dict[str, Any]) -> list[Any]:
    return [backtested(span, exchange, engine) for engine in ("python", "compiled")]


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10_000), EXCHANGES, st.integers(0, 300))
def test_compiled_and_python_fill_alike_to_the_byte(seed: int, exchange: dict[str, Any], begin: int) -> None:
    slow, fast = both(span_of(made_rows(seed, 700), begin), exchange)
    assert fast.fills_text() == slow.fills_text()
    assert fast.summary == slow.summary
    assert (fast.only.record.times, fast.only.record.mids) == (slow.only.record.times, slow.only.record.mids)
    assert (fast.only.record.bids, fast.only.record.asks) == (slow.only.record.bids, slow.only.record.asks)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10_000), EXCHANGES)
def test_both_know_the_places_of_orders_that_are_amended(seed: int, exchange: dict[str, Any]) -> None:
    config = config_of(exchange, {"amend_orders": True, "price_tolerance_pct": 0.02, "size_tolerance_pct": 0})
    span = span_of(made_rows(seed, 700))
    slow, fast = (Backtest(config, [span], engine=engine).run() for engine in ("python", "compiled"))
    assert fast.fills_text() == slow.fills_text()
    assert fast.summary == slow.summary
    assert slow.summary["orders"]["amended"] > 0


@pytest.mark.parametrize("model", ["cross", "queue"])
def test_compiled_and_python_fill_alike_over_a_shipped_recording(tmp_path: Path, model: str) -> None:
    recording = find_recording("slice20s_binance_usdm_btcusdt_20240808", [str(ROOT / "data" / "recordings")])
    file = load_events(recording, tmp_path)
    config = config_of({"fill_model": model}, {"spread_pct": 0.004, "layer_step_pct": 0.002, "symbol": "BTC-PERP"})
    config = replace(config, legs=(Leg("main", "paper", "acc", "BTC-PERP"),))
    span = EventSpan(file.market, file.rows, 0)
    texts = []
    for engine in ("python", "compiled"):
        result = Backtest(config, [span], engine=engine).run()
        texts.append(result.fills_text())
        assert len(result.only.record.fills) > 2
    assert texts[0] == texts[1]


SETS = st.lists(st.tuples(st.sampled_from(list(Side)), st.integers(100, 130), st.integers(0, 5)), max_size=80)


@given(SETS, st.integers(0, 80))
def test_the_compiled_book_is_the_python_book(sets: list[tuple[Side, int, int]], clear_at: int) -> None:
    compiled, plain = KernelBook(100, 130), Displayed()
    plain.clear()
    for at, (side, price, size) in enumerate(sets):
        if at == clear_at:
            compiled.clear()
            plain.clear()
        assert compiled.set_level(side, price, size) == plain.set_level(side, price, size)
        for each in Side:
            assert compiled.levels(each) == tuple(plain.levels(each))
            assert compiled.best_ticks(each) == plain.best_ticks(each)
            assert compiled.top(each, 3) == plain.top(each, 3)
        assert compiled.tops(3) == plain.tops(3)
        assert compiled.tops(40) == plain.tops(40)
    assert all(isinstance(level, Level) for level in compiled.levels(Side.BUY))


def test_nothing_that_a_worker_or_the_daemon_imports_imports_numba() -> None:
    modules = ["core.process.worker", "core.process.daemon", "core.process.zygote", "api.paper_client",
               "api.paper_on_feed", "api.backpack_client", "api.thalex_client", "strategies.market_maker",
               "core.backtest.run", "api.replay_venue", "core.daemon_manager", "run"]  # fmt: skip
    code = f"import importlib, sys\nfor name in {modules}: importlib.import_module(name)\nprint('numba' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_config_of_the_paper_venue_runs_without_numba_being_imported(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from tests.backtest.backtest_parts import backtested\n"
        "from tests.backtest.made_events import made_rows, span_of\n"
        "backtested(span_of(made_rows(1, 50)), {}, 'python')\n"
        "print('numba' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_funding_is_paid_at_its_hour_by_both_engines_and_is_in_the_profit() -> None:
    rows = made_rows(12, 2500)
    hours_8 = 8 * 3_600 * 10**9
    shift = -int(rows["local_ns"][0]) % hours_8 - 5 * 10**9  # an hour of payment comes five seconds after the beginning
    for name in ("local_ns", "venue_ns"):
        rows[name] += shift
    slow, fast = both(span_of(rows), {"fill_model": "cross", "funding_rate_bps": 100})
    (payment,) = fast.only.record.funding
    assert slow.only.record.funding == [payment]
    assert payment.venue_ns % hours_8 == 0
    held = sum(fill.side.sign * fill.size_lots for fill in fast.only.record.fills if fill.venue_ns < payment.venue_ns)
    assert held == payment.size_lots != 0
    summary = {key: Decimal(value) for key, value in fast.summary.items() if isinstance(value, str)}
    assert summary["funding"] == payment.amount != 0
    earned = summary["spread_pnl"] + summary["inventory_pnl"] - summary["fees"] + summary["funding"]
    assert summary["net_pnl"] == earned
    assert abs(Decimal(fast.only.course.net[-1]) - earned) < Decimal("1e-6")
    assert fast.summary == slow.summary


def test_an_account_that_cannot_hold_its_position_is_liquidated_by_both_engines() -> None:
    exchange = {"fill_model": "cross", "initial_balances": {"USDT": 0.03}, "maker_fee_bps": 0}
    slow, fast = both(span_of(made_rows(1, 2500)), exchange)
    forced = [fill for fill in fast.only.record.fills if "liquidation" in fill.client_order_id]
    assert forced and {fill.liquidity for fill in forced} == {"taker"}
    before = fast.only.record.fills[: fast.only.record.fills.index(forced[0])]
    held = sum(fill.side.sign * fill.size_lots for fill in before)
    assert held * forced[0].side.sign < 0
    assert fast.summary["position"] == "0"
    assert -0.031 < float(fast.summary["net_pnl"]) < -0.02  # what there was is gone
    assert fast.fills_text() == slow.fills_text()
    assert fast.summary == slow.summary
