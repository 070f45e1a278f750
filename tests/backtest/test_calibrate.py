"""Calibration finds what a made market was made with, and writes a file that the strategy takes."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from api.event_file import CLEAR, LEVEL, ROW, TRADE, EventSpan, EventWriter
from api.market_facts import Market
from core.backtest.calibrate import calibrate, calibrate_bot
from core.backtest.data import last_hours
from core.backtest.walk import walk
from core.market.as_file import GivenParams
from core.market.as_params import params_of
from core.market.auto_gamma import AutoGamma
from core.market.model_file import FileText
from core.market.order import Side
from utils.errors import ConfigError
from utils.home import Home

SECOND, START = 10**9, 1_700_000_000 * 10**9
MID, SIGMA, KAPPA, BURSTS_PER_S = 1_000_000, 2e-5, 20_000.0, 0.5  # one side's
MARKET = Market("BTC-PERP", "BTCUSDT", "perp", "BTC", "USDT", Decimal("0.1"), Decimal("0.001"), Decimal(5), {})
PARAMS = params_of({"order_size": 0.01, "kappa": None})


@cache
def made(seconds: int = 4000) -> EventSpan:
    """Return a market whose mid makes a normal step a second, with bursts of exponential depth."""
    made_by, mid = np.random.default_rng(7), float(MID)
    rows: list[tuple[int, int, int, int, int, int]] = [(START, START, 0, 0, CLEAR, 0)]
    best: dict[int, int] = {}
    for number in range(seconds):
        at = START + number * SECOND
        mid *= 1 + SIGMA * made_by.normal()
        for sign in (1, -1):
            price = round(mid) - sign
            if best.get(sign) not in (None, price):
                rows.append((at, at, 0, best[sign], LEVEL, sign))
            rows.append((at, at, 5, price, LEVEL, sign))
            best[sign] = price
        for sign in (1, -1):
            if made_by.random() < BURSTS_PER_S:
                depth = made_by.exponential(1 / KAPPA) * mid
                rows.append((at + SECOND // 2, at, 1, round(mid + sign * depth), TRADE, sign))
    return EventSpan(MARKET, np.array(rows, dtype=ROW), 0)


def saved(folder: Path, span: EventSpan) -> Path:
    path = folder / "made.events"
    writer = EventWriter(path, MARKET)
    writer.write(span.rows)
    writer.finish()
    return path


def found_in(span: EventSpan, full_q: float | None = 1.0, **changes: Any) -> dict[str, Any]:
    found = calibrate(replace(PARAMS, **changes), MARKET, span, full_q)
    return {one.name: one for one in found.findings}


def test_what_the_market_was_made_with_is_found_within_its_error() -> None:
    found = found_in(made())
    for name, truth in (("sigma", SIGMA), ("kappa", KAPPA), ("A", BURSTS_PER_S)):
        assert abs(found[name].value - truth) < 4 * found[name].error, name
        assert found[name].error < 0.1 * truth
    gamma = AutoGamma(PARAMS.gamma_settings()).update(0, found["kappa"].value, found["sigma"].value, PARAMS.horizon_s)
    assert found["gamma"].value == pytest.approx(gamma)


def test_the_unit_of_the_config_is_that_of_what_is_found() -> None:
    relative, ticks = found_in(made()), found_in(made(), unit="ticks")
    assert ticks["sigma"].value == pytest.approx(relative["sigma"].value * MID, rel=0.01)
    assert ticks["kappa"].value == pytest.approx(relative["kappa"].value / MID, rel=0.01)
    assert ticks["A"].value == pytest.approx(relative["A"].value, rel=0.01)


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"gamma": 2.0}, "the config gives it"),
        ({"horizon": "daily"}, "horizon is daily"),
        ({"intensity_min_bursts": 20_000}, "needs the others"),
    ],
)
def test_a_gamma_that_is_the_bots_own_affair_is_left_out(changes: dict[str, Any], note: str) -> None:
    found = found_in(made(600), **changes)
    assert found["gamma"].value is None
    assert note in found["gamma"].note


def test_a_refused_kappa_is_the_configs_for_gamma() -> None:
    found = found_in(made(600), intensity_min_bursts=20_000, kappa=30_000.0)
    assert "fewer than 20000" in found["kappa"].note and found["kappa"].value is None
    assert found["gamma"].value > 0 and "kappa is the config's" in found["gamma"].note


def test_glft_has_the_gamma_of_its_own_formula() -> None:
    assert found_in(made(), model="glft")["gamma"].value > 10 * found_in(made())["gamma"].value


def test_only_what_is_in_the_span_counts_and_the_book_before_it_stands() -> None:
    whole = made(600)
    end = last_hours(whole, 100 / 3600)
    mids: list[int] = []
    trades: list[int] = []
    last = walk(end, lambda at, mid: mids.append(at), lambda at, price, mid, side: trades.append(at))
    assert min(mids) >= START + 499 * SECOND
    assert min(trades) >= START + 499 * SECOND
    assert last == pytest.approx(MID, rel=0.01)


def test_a_trade_is_told_with_the_mid_before_it_and_who_crossed() -> None:
    rows = [(1, 1, 0, 0, CLEAR, 0), (1, 1, 5, 99, LEVEL, 1), (1, 1, 5, 101, LEVEL, -1), (2, 2, 1, 101, TRADE, 1)]
    rows += [(2, 2, 0, 101, LEVEL, -1), (2, 2, 5, 103, LEVEL, -1), (3, 3, 1, 99, TRADE, -1)]
    heard: list[tuple[Any, ...]] = []
    last = walk(
        EventSpan(MARKET, np.array(rows, dtype=ROW), 0),
        lambda *told: heard.append(told),
        lambda *told: heard.append(told),
    )
    assert heard == [(1, 100.0), (2, 101, 100.0, Side.BUY), (2, 101.0), (3, 99, 101.0, Side.SELL)]
    assert last == 101.0


# The file


def config(**strategy: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "cal", "exchange": "paper", "strategy": "avellaneda_stoikov", "schema_version": 1},
        "daemon_config": {},
        "exchange_config": {},
        "strategy_config": {"symbol": "BTC-PERP", "order_size": 0.01, "kappa": 30_000, "min_spread_bps": 0.5}
        | strategy,
        "risk_config": {"max_position": 0.1},
    }


def calibrated(home: Home, span: EventSpan, request: dict[str, Any] | None = None, **strategy: Any) -> dict[str, Any]:
    files = [str(saved(home.root, span))]
    return calibrate_bot(home, config(**strategy), "test", {"files": files} | (request or {}), {})


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made_home = Home(tmp_path / "home")
    made_home.make_folders()
    return made_home


def test_the_bot_takes_the_file_that_was_written_where_it_looks_for_it(home: Home) -> None:
    span = made(1000)
    result = calibrated(home, span, params_file="params.json")
    out = home.state / "cal" / "params.json"
    assert result["out"] == str(out)
    given = GivenParams(params_of(config(params_file="params.json")["strategy_config"]))
    given.look(FileText(1, out.read_text()), MARKET.instrument(Decimal(0), Decimal(0)), MID, span.last_ns + SECOND)
    assert (given.error, given.is_usable) == (None, True)
    assert given.now.kappa == pytest.approx(result["found"]["kappa"]["value"])
    assert given.now.sigma == pytest.approx(result["found"]["sigma"]["value"])
    assert given.now.fixed_gamma == pytest.approx(result["found"]["gamma"]["value"])
    assert [path.name for path in out.parent.iterdir()] == ["params.json"]
    assert json.loads(out.read_text())["generated_at"] == span.last_ns / 1e9


def test_the_mean_of_the_last_three_periods_is_written(home: Home) -> None:
    ends, kappas = (600, 1200, 1800, 2400), []
    for end in ends:
        rows = made().rows
        span = EventSpan(MARKET, rows[rows["local_ns"] < START + end * SECOND], 0)
        result = calibrated(home, span, {"hours": 600 / 3600, "out": str(home.root / "p.json")})
        kappas.append(result["found"]["kappa"]["value"])
        written = json.loads((home.root / "p.json").read_text())
        assert written["kappa"] == pytest.approx(float(np.exp(np.mean(np.log(kappas[-3:])))))
    again = calibrated(home, span, {"hours": 600 / 3600, "out": str(home.root / "p.json")})
    assert again["written"] == result["written"]  # the same data are no new period


def test_only_what_is_asked_for_is_written_and_nothing_without_a_name(home: Home) -> None:
    request = {"only": ["kappa"], "out": str(home.root / "p.json"), "now": True}
    assert set(calibrated(home, made(600), request)["written"]) == {"kappa"}
    assert json.loads((home.root / "p.json").read_text())["generated_at"] > START / 1e9 + 1e6
    silent = calibrated(home, made(600))
    assert (silent["out"], silent["written"]) == (None, {})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"symbol": "BTC-PERP", "unit": "relative", "periods": [{"end_ns": "x"}]}',
        '{"symbol": "BTC-PERP", "unit": "relative", "periods": [{"end_ns": Infinity}]}',
    ],
)
def test_an_earlier_file_that_is_none_of_ours_is_replaced(home: Home, text: str) -> None:
    (home.root / "p.json").write_text(text)
    result = calibrated(home, made(600), {"out": str(home.root / "p.json")})
    assert result["written"]["kappa"] == pytest.approx(result["found"]["kappa"]["value"])


@pytest.mark.parametrize(
    ("strategy", "fault"),
    [({"symbol": "ETH-PERP"}, "the data are of BTC-PERP"), ({"intensity_min_bursts": 20_000}, "nothing was found")],
)
def test_what_cannot_be_calibrated_is_told_and_nothing_is_written(
    home: Home, strategy: dict[str, Any], fault: str
) -> None:
    out = home.root / "p.json"
    with pytest.raises(ConfigError, match=fault):
        calibrated(home, made(600), {"only": ["kappa"], "out": str(out)}, **strategy)
    assert not out.exists()


def test_a_file_that_the_bot_would_refuse_is_not_written(home: Home) -> None:
    out = home.root / "p.json"
    absurd = {"symbol": "BTC-PERP", "unit": "relative", "periods": [{"end_ns": START, "kappa": 1e-6}] * 2}
    out.write_text(json.dumps(absurd))
    with pytest.raises(ConfigError, match="beyond 20 %"):
        calibrated(home, made(600), {"out": str(out)})
    assert json.loads(out.read_text()) == absurd
