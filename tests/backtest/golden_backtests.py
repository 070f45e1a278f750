"""The shipped templates over the shipped recordings: what came out is kept, and a change of it has to be meant.

    python -m tests.backtest.golden_backtests

plays all and writes `golden_backtests.json` anew; the difference belongs into the commit that causes it.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from core.backtest.run import run_backtest
from utils.home import CHECKOUT, Home

KEPT = Path(__file__).with_name("golden_backtests.json")
SPOT, PERP = "slice60s_binance_spot_btcusdt_20240808.csv.gz", "slice20s_binance_usdm_btcusdt_20240808.csv.gz"
QUEUE = {"fill_model": "queue"}
CASES: dict[str, tuple[str, list[str], dict[str, Any]]] = {
    "market_maker": ("paper_market_maker", [SPOT], {}),
    "market_maker, queue": ("paper_market_maker", [SPOT], QUEUE),
    "perp_market_maker": ("paper_perp_market_maker", [PERP], {}),
    "perp_market_maker, queue": ("paper_perp_market_maker", [PERP], QUEUE),
    "grid_strategy": ("paper_grid_strategy", [SPOT], {}),
    "perp_grid_strategy": ("paper_perp_grid_strategy", [PERP], {}),
    "avellaneda_stoikov": ("paper_avellaneda_stoikov", [PERP], {}),
    "maker_taker_hedge": ("paper_maker_taker_hedge_recorded", [f"maker={SPOT}", f"hedge={PERP}"], {}),
}
TOLD = (
    "fills",
    "fills_sha256",
    "net_pnl",
    "spread_pnl",
    "inventory_pnl",
    "fees",
    "position",
    "quote_uptime_pct",
    "orders",
)


def play(case: str, folder: Path) -> dict[str, Any]:
    """Play one case in a home of its own and return what is kept of it."""
    template, files, exchange = CASES[case]
    path = CHECKOUT / "config" / "templates" / f"{template}.json"
    plain = json.loads(path.read_text())
    plain["exchange_config"] = {**plain.get("exchange_config", {}), **exchange}
    home = Home(folder)
    home.make_folders()
    facts = run_backtest(home, plain, str(path), {"files": files, "from": None, "to": None, "engine": "python"}, None)
    return {key: facts[key] for key in TOLD if key in facts}


def main() -> None:
    """Write down what comes out now."""
    with tempfile.TemporaryDirectory() as folder:
        found = {case: play(case, Path(folder) / str(number)) for number, case in enumerate(CASES)}
    KEPT.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
