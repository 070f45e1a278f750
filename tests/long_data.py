"""The long recordings and the bar files: not in the checkout, which has their first seconds, but where they may be.

Tests on them have the marker `long_data`. Where the files are missing those tests are left out, and that is said.
"""

from __future__ import annotations

import csv
import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
FOLDER = Path(os.environ.get("MAKERD_TEST_DATA") or ROOT.parent / "shared" / "data")
COINM, USDM = "binance_coinm_btcusd_perp_20240808", "binance_usdm_btcusdt_20240808"
SPOT_BTC, SPOT_ETH = "binance_spot_btcusdt_20240808", "binance_spot_ethusdt_20240808"
_LEFT_OUT = (
    "tests on the long recordings are left out: {missing} files not found; have ../shared/data beside the checkout, or "
    "name such a folder (recordings/, bars/) in MAKERD_TEST_DATA"
)


def _facts(symbol: str, venue_symbol: str, tick_size: str, lot_size: str) -> dict[str, Any]:
    base, _, quote = symbol.partition("-")
    is_perp = quote == "PERP"
    balances = {"USDT": "60000"} if is_perp else {base: "20" if base == "ETH" else "1", "USDT": "60000"}
    return {
        "symbol": symbol,
        "venue_symbol": venue_symbol,
        "kind": "perp" if is_perp else "spot",
        "base": base,
        "quote": "USDT",
        "tick_size": tick_size,
        "lot_size": lot_size,
        "min_notional": "5",
        "initial_balances": balances,
    }


# What a sidecar says. COIN-M is an inverse contract of 100 USD: its prices are played, its sizes count as base.
FACTS = {
    COINM: _facts("BTC-PERP", "BTCUSD_PERP", "0.1", "0.001"),
    USDM: _facts("BTC-PERP", "BTCUSDT", "0.1", "0.001"),
    SPOT_BTC: _facts("BTC-USDT", "BTCUSDT", "0.01", "0.00001"),
    SPOT_ETH: _facts("ETH-USDT", "ETHUSDT", "0.01", "0.0001"),
}
BARS = {  # file -> tick size
    "bars_1m_binance_coinm_btcusd_perp_20221213": "0.1",
    "bars_1m_dydx_btcusd_perp_20260101": "1",
    "bars_1m_coinbase_spot_ethusd_20180404_05": "0.01",
}


class Minute(NamedTuple):
    """A minute with a quote at its end; `low` and `high` of its trades, None when there was none."""

    open_ms: int
    bid: float
    ask: float
    low: float | None
    high: float | None


def _files() -> list[Path]:
    recordings = [FOLDER / "recordings" / f"{name}.csv.gz" for name in FACTS]
    return recordings + [FOLDER / "bars" / f"{name}.csv.gz" for name in BARS]


def left_out() -> str:
    """Return what to say about tests that are left out, "" when none is."""
    missing = sum(not path.is_file() for path in _files())
    return _LEFT_OUT.format(missing=missing) if missing else ""


def with_sidecar(name: str, folder: Path) -> Path:
    """Return a recording of a folder that has its facts beside it."""
    link = folder / f"{name}.csv.gz"
    if not link.exists():
        link.symlink_to(FOLDER / "recordings" / link.name)
        (folder / f"{name}.json").write_text(json.dumps(FACTS[name]))
    return link


def minutes(name: str) -> Iterator[Minute]:
    """Yield the minutes of a bar file that have a quote."""
    with gzip.open(FOLDER / "bars" / f"{name}.csv.gz", "rt", newline="") as file:
        for row in csv.DictReader(file):
            bid, ask, low, high = (row[key] for key in ("bid_close", "ask_close", "trade_low", "trade_high"))
            if bid and ask:
                traded = float(low) if low else None, float(high) if high else None
                yield Minute(int(row["open_ts_ms"]), float(bid), float(ask), *traded)
