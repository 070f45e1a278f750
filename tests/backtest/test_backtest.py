from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from core.backtest.run import Backtest
from core.market.order import Side
from tests.backtest.backtest_parts import backtested, config_of, paper_fills
from tests.backtest.made_events import made_rows, save, span_of

MODELS: list[dict[str, Any]] = [
    {"fill_model": "cross"},
    {"fill_model": "touch", "touch_prob": 0.4},
    {"fill_model": "queue", "queue_model": "risk_averse"},
    {"fill_model": "queue", "queue_model": "power3"},
]


def text_of(result: Any) -> str:
    return result.fills_text()


@pytest.mark.parametrize("exchange", MODELS, ids=lambda model: "-".join(map(str, model.values())))
def test_the_same_events_seed_and_config_give_the_same_bytes(exchange: dict[str, Any]) -> None:
    span = span_of(made_rows(5, 2500))
    first, second = (backtested(span, exchange) for _ in range(2))
    assert len(first.only.record.fills) > 10
    assert text_of(first) == text_of(second)
    assert first.summary == second.summary


@pytest.mark.parametrize("exchange", MODELS, ids=lambda model: "-".join(map(str, model.values())))
def test_the_paper_venue_fed_with_the_same_events_books_the_same_fills(
    tmp_path: Path, exchange: dict[str, Any]
) -> None:
    rows = made_rows(6, 2500)
    result = backtested(span_of(rows), exchange)
    assert len(result.only.record.fills) > 10
    assert paper_fills(tmp_path, save(rows, tmp_path / "made.events"), exchange) == text_of(result)


def test_a_bot_whose_gate_shuts_now_and_then_books_the_same_fills_on_paper(tmp_path: Path) -> None:
    rows, exchange = made_rows(6, 2500), {"book_interval_ms": 400}
    risk = {"max_price_move_pct": 0.2, "price_move_window_s": 1, "price_move_cooldown_s": 0.33}
    result = backtested(span_of(rows), exchange, risk=risk)
    assert len(result.only.record.fills) > 3
    assert text_of(result) != text_of(backtested(span_of(rows), exchange))
    assert paper_fills(tmp_path, save(rows, tmp_path / "made.events"), exchange, risk) == text_of(result)


@pytest.mark.parametrize(
    ("exchange", "keys"),
    [
        ({"fill_model": "touch", "touch_prob": 0.4}, {"filled_order_delay_s": 1}),
        ({"fill_model": "queue"}, {"filled_order_delay_s": 0.7}),
        ({"fill_model": "cross"}, {"warmup_s": 1}),
    ],
    ids=["delay-touch", "delay-queue", "warmup-cross"],
)
@pytest.mark.parametrize("seed", range(1, 5))
def test_rules_that_read_the_clock_decide_the_same_on_paper(
    tmp_path: Path, exchange: dict[str, Any], keys: dict[str, Any], seed: int
) -> None:
    rows = made_rows(seed, 2500)
    result = backtested(span_of(rows), exchange, keys=keys)
    assert text_of(result) != text_of(backtested(span_of(rows), exchange))
    assert paper_fills(tmp_path, save(rows, tmp_path / "made.events"), exchange, keys=keys) == text_of(result)


def test_the_speed_of_a_paper_bot_changes_nothing() -> None:
    span = span_of(made_rows(5, 1500))
    assert text_of(backtested(span, {"speed": 20})) == text_of(backtested(span, {}))


def test_another_seed_draws_other_fills() -> None:
    span = span_of(made_rows(5, 2500))
    texts = {text_of(backtested(span, {"touch_prob": 0.4, "seed": seed})) for seed in (1, 2)}
    assert len(texts) == 2


def test_profit_is_split_exactly_and_is_what_the_account_gained() -> None:
    result = backtested(span_of(made_rows(7, 3000)), {"touch_prob": 0.4})
    summary, instrument = result.summary, result.only.instrument
    parts = {key: Decimal(summary[key]) for key in ("net_pnl", "spread_pnl", "inventory_pnl", "fees", "position")}
    assert parts["net_pnl"] == parts["spread_pnl"] + parts["inventory_pnl"] - parts["fees"]
    cash = -sum(
        fill.side.sign * instrument.notional_quote(fill.price_ticks, fill.size_lots) + fill.fee
        for fill in result.only.record.fills
    )
    mid = instrument.tick_size * result.only.record.mids[-1] / 2
    assert parts["net_pnl"] == cash + parts["position"] * mid
    assert result.only.course.net[-1] == pytest.approx(float(parts["net_pnl"]))


def test_the_limit_on_the_position_holds() -> None:
    result = backtested(span_of(made_rows(8, 3000)), {"touch_prob": 0.8})
    assert 0 < result.summary["max_position"] <= 0.02 + 1e-12


def test_a_span_that_begins_later_has_the_book_of_that_moment() -> None:
    rows = made_rows(9, 2500)
    begin = 1200
    result = backtested(span_of(rows, begin), {})
    assert result.events == len(rows) - begin
    assert result.only.record.times[0] >= int(rows["local_ns"][begin])
    assert abs(result.only.record.mids[0] / 2 - 1000) < 200


def test_latency_keeps_an_order_away_from_trades_that_come_before_it() -> None:
    span = span_of(made_rows(10, 2500))
    fills = [backtested(span, {"latency_ms": ms, "touch_prob": 0.9}).only.record.fills for ms in (0, 400)]
    assert min(fill.venue_ns for fill in fills[1]) >= span.first_ns + 400_000_000
    assert fills[0] != fills[1]


def test_progress_grows_to_the_whole_span() -> None:
    span = span_of(made_rows(12, 1500))
    heard: list[int] = []
    Backtest(config_of({}), [span], engine="python").run(heard.append)
    assert len(heard) > 1
    assert heard == sorted(heard)
    assert heard[-1] == span.last_ns - span.first_ns


def test_a_bot_whose_duration_is_over_ends_before_the_data() -> None:
    span = span_of(made_rows(13, 2500))
    result = Backtest(config_of({}, {"duration_s": 3}), [span], engine="python").run()
    assert result.ended == "the duration is over"
    assert result.only.record.times[-1] < span.first_ns + 5_000_000_000 < span.last_ns


def test_a_limit_that_trips_ends_the_run_as_it_ends_a_bot() -> None:
    span = span_of(made_rows(14, 3000))
    result = Backtest(config_of({"touch_prob": 0.9}, risk={"max_loss": 0.001}), [span], engine="python").run()
    assert "max_loss" in result.ended
    assert result.only.record.times[-1] < span.last_ns


def test_a_run_writes_nothing_although_a_limit_trips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    config = config_of({"touch_prob": 0.9}, risk={"max_loss": 0.001})
    result = Backtest(config, [span_of(made_rows(14, 3000))], engine="python").run()
    assert "max_loss" in result.ended
    assert list(tmp_path.iterdir()) == []


def test_both_sides_trade() -> None:
    result = backtested(span_of(made_rows(11, 3000)), {"touch_prob": 0.4})
    assert {fill.side for fill in result.only.record.fills} == set(Side)
