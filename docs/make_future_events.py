"""Make event data of a dated future from a recording of its perpetual, for backtests of a bot with both.

    python docs/make_future_events.py slice20s_binance_usdm_btcusdt_20240808.csv.gz BTC-27DEC30 var/data/future.events

Prices are the recording's plus a constant basis, some time later and with a share of the size: a stand-in, no market.
Take it to see what a group does; what it would have earned only real data of both markets can tell.
"""

# ruff: noqa: E402  # the root of the project is put on the path first

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

import numpy as np

from api.event_convert import load_events
from api.event_file import CLEAR, EventWriter, Rows
from api.synthetic_markets import MARKETS
from core.backtest.event_spans import find_data
from utils.home import Home

NS_PER_MS = 1_000_000


def main() -> int:
    """Write the event file. Raises ConfigError, OSError."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recording", help="a path, or a name in var/data or among the shipped ones")
    parser.add_argument("symbol", help="of the future")
    parser.add_argument("out", type=Path)
    parser.add_argument("--basis-bps", type=float, default=25.0, help="above the recording's prices (25)")
    parser.add_argument("--lag-ms", type=int, default=30, help="after the recording (30)")
    parser.add_argument("--size-pct", type=int, default=30, help="of the recording's sizes (30)")
    options = parser.parse_args()
    recording = find_data(Home.find(), options.recording)
    rows = make_future(recording, options.symbol, options.out, options.basis_bps, options.lag_ms, options.size_pct)
    print(f"{rows} events of {options.symbol} in {options.out}")
    return 0


def make_future(
    recording: Path, symbol: str, out: Path, basis_bps: float = 25.0, lag_ms: int = 30, size_pct: int = 30
) -> int:
    """Write the event file of a future that follows a recording; return its rows. Raises ConfigError, OSError."""
    with tempfile.TemporaryDirectory() as cache:
        data = load_events(recording, Path(cache))
        listed = MARKETS.get(symbol)
        market = replace(
            data.market, symbol=symbol, venue_symbol=symbol, kind="future",
            expiry_utc_ns=listed.expiry_utc_ns if listed else None, source=f"made from {recording.name}",
        )  # fmt: skip
        out.parent.mkdir(parents=True, exist_ok=True)
        writer = EventWriter(out, market, market.source)
        writer.write(_followed(data.rows, basis_bps, lag_ms, size_pct))
        return writer.finish()


def _followed(rows: Rows, basis_bps: float, lag_ms: int, size_pct: int) -> Rows:
    """Return the rows of the future: whole ticks and lots, and what has a size keeps one."""
    made = np.array(rows)
    is_level = made["kind"] != CLEAR
    shift_ticks = round(float(np.median(made["price_ticks"][is_level])) * basis_bps / 10_000)
    made["price_ticks"][is_level] += shift_ticks
    made["size_lots"] = -(-made["size_lots"] * size_pct // 100)
    for clock in ("local_ns", "venue_ns"):
        made[clock] += lag_ms * NS_PER_MS
    return made


if __name__ == "__main__":
    raise SystemExit(main())
