"""`run.py backtest` and `run.py convert` as a person uses them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RECORDING = "slice20s_binance_usdm_btcusdt_20240808.csv.gz"
TEMPLATE = "config/templates/paper_market_maker.json"
SETTINGS = ("strategy_config.symbol=BTC-PERP", "inventory_skew_enabled=false", "price_skew=0", "order_size=0.002")


def run(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "run.py", arguments[0], "--home", str(home), *arguments[1:]]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def settings() -> list[str]:
    return [part for setting in SETTINGS for part in ("--set", setting)]


def test_a_template_is_run_over_a_shipped_recording_with_report_and_fills(tmp_path: Path) -> None:
    report, fills = tmp_path / "out.html", tmp_path / "fills.csv"
    done = run(
        tmp_path, "backtest", TEMPLATE, "--data", RECORDING, *settings(), "--engine", "python", "--json",
        "--report", str(report), "--fills", str(fills),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    table = json.loads(done.stdout)
    assert (table["symbol"], table["events"], table["ended"]) == ("BTC-PERP", 23_669, None)
    assert table["fills"] == len(fills.read_text().splitlines()) - 1 > 0
    assert "</svg>" in report.read_text()


def test_a_recording_is_converted_and_a_part_of_it_is_played(tmp_path: Path) -> None:
    out = tmp_path / "slice.events"
    done = run(tmp_path, "convert", f"data/recordings/{RECORDING}", str(out))
    assert done.returncode == 0 and "23669 rows" in done.stdout, done.stderr
    span = ("--from", "2024-08-08T23:54:20", "--to", "2024-08-08T23:54:25.5")
    done = run(tmp_path, "backtest", TEMPLATE, "--data", str(out), *span, *settings(), "--engine", "python")
    assert done.returncode == 0, done.stderr
    assert "BTC-PERP" in done.stdout and "5 s of market time" in done.stdout
    assert "net profit" in done.stdout


def test_what_cannot_be_played_is_told_in_one_line(tmp_path: Path) -> None:
    done = run(tmp_path, "backtest", TEMPLATE, "--data", RECORDING)
    assert done.returncode == 78
    assert done.stderr.strip() == "makerd: the data are of BTC-PERP, the config trades BTC-USDT"
    done = run(tmp_path, "backtest", TEMPLATE, "--data", "nowhere.events")
    assert done.returncode == 78 and "there is no file nowhere.events" in done.stderr
    done = run(tmp_path, "backtest", TEMPLATE, "--data", RECORDING, "--from", "yesterday")
    assert done.returncode == 78 and "'yesterday' is not a time" in done.stderr


LIVE = "config/templates/backpack_perp_market_maker.json"


def test_balances_that_the_data_do_not_trade_are_told_with_what_to_say_instead(tmp_path: Path) -> None:
    asked = ("backtest", LIVE, "--data", RECORDING, "--set", "symbol=BTC-PERP", "--engine", "python")
    done = run(tmp_path, *asked, "--to", "2024-08-08T23:54:20")
    assert done.returncode == 78
    (line,) = done.stderr.splitlines()
    assert "'USDC' is not used by BTC-PERP (USDT)" in line
    setting = line.partition("--set '")[2].rstrip("'")
    assert setting.startswith("exchange_config.initial_balances={")
    done = run(tmp_path, *asked, "--to", "2024-08-08T23:54:20", "--set", setting)
    assert done.returncode == 0, done.stderr


def test_a_job_is_called_one(tmp_path: Path) -> None:
    done = run(tmp_path, "backtest", "config/templates/job_heartbeat.json", "--data", RECORDING)
    assert done.returncode == 78
    (line,) = done.stderr.splitlines()
    assert "that of a job" in line


# Bots with several legs

HEDGED = "config/templates/paper_maker_taker_hedge_recorded.json"
SPOT_RECORDING = "slice60s_binance_spot_btcusdt_20240808.csv.gz"
LEGS = ("--data", f"maker={SPOT_RECORDING}", "--data", f"hedge={RECORDING}")


def test_a_hedged_maker_is_run_over_the_seconds_that_both_recordings_have(tmp_path: Path) -> None:
    report, fills = tmp_path / "out.html", tmp_path / "fills.csv"
    done = run(
        tmp_path, "backtest", HEDGED, *LEGS, "--engine", "python", "--json", "--report", str(report),
        "--fills", str(fills),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    table = json.loads(done.stdout)
    assert (table["symbol"], table["ended"]) == ("BTC-USDT + BTC-PERP", None)
    assert 15 < table["span_s"] < 20
    assert [leg["leg"] for leg in table["legs"]] == ["maker", "hedge"]
    assert table["strategy"]["hedges"] > 0 and all(leg["fills"] > 0 for leg in table["legs"])
    rows = fills.read_text().splitlines()
    assert table["fills"] == len(rows) - 1
    assert {row.split(",")[0] for row in rows} == {"leg", "maker", "hedge"}
    assert report.read_text().count("</svg>") == 11


def test_a_hedged_maker_whose_files_name_no_leg_is_told_as_a_table(tmp_path: Path) -> None:
    files = ("--data", RECORDING, "--data", SPOT_RECORDING)
    done = run(tmp_path, "backtest", HEDGED, *files, "--engine", "python", "--to", "2024-08-08T23:54:20")
    assert done.returncode == 0, done.stderr
    assert "paper-hedge-recorded: BTC-USDT + BTC-PERP" in done.stdout
    assert "exposure, BTC" in done.stdout and "hedge latency ms" in done.stdout


def test_data_that_do_not_fit_the_legs_are_told_in_one_line(tmp_path: Path) -> None:
    done = run(tmp_path, "backtest", HEDGED, "--data", f"taker={RECORDING}", "--data", SPOT_RECORDING)
    assert done.returncode == 78
    assert done.stderr.strip().endswith("no leg 'taker'; the config has maker (BTC-USDT), hedge (BTC-PERP)")
    done = run(tmp_path, "backtest", HEDGED, "--data", SPOT_RECORDING)
    assert done.returncode == 78 and "add --data hedge=FILE" in done.stderr
