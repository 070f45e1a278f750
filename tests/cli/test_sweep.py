"""`run.py sweep` as a person uses it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from cli.sweep import axis_of

ROOT = Path(__file__).resolve().parents[2]
RECORDING = "slice20s_binance_usdm_btcusdt_20240808.csv.gz"
ARGUMENTS = (
    "sweep", "config/templates/paper_market_maker.json", "--data", RECORDING, "--set", "symbol=BTC-PERP",
    "--set", "inventory_skew_enabled=false", "--set", "price_skew=0", "--to", "2024-08-08T23:54:25",
    "--engine", "python",
)  # fmt: skip


def run(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "run.py", *ARGUMENTS, *arguments, "--home", str(home)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("text", "axis"),
    [
        ("gamma=0.05,0.1", ("strategy_config", "gamma", [0.05, 0.1])),
        ("risk.max_position=1, 2,", ("risk_config", "max_position", [1, 2])),
        ("layer_mode=linear,equal", ("strategy_config", "layer_mode", ["linear", "equal"])),
        ("a=true,null", ("strategy_config", "a", [True, None])),
        ("sizes=[[1, 2], [3]]", ("strategy_config", "sizes", [[1, 2], [3]])),
    ],
)
def test_a_grid_is_a_key_and_its_values(text: str, axis: tuple[str, str, list[Any]]) -> None:
    assert axis_of(text) == axis


@pytest.mark.parametrize("text", ["gamma", "gamma=", "=1", "nothing.at.all=1"])
def test_what_is_no_grid_is_a_wrong_usage(text: str) -> None:
    with pytest.raises(click.UsageError):
        axis_of(text)


def test_a_sweep_writes_table_and_page_and_says_the_best(tmp_path: Path) -> None:
    csv, html = tmp_path / "out.csv", tmp_path / "out.html"
    done = run(tmp_path, "--grid", "spread_pct=0.005,0.02", "--csv", str(csv), "--html", str(html))
    assert done.returncode == 0, done.stderr
    assert "2 sets, 0 failed" in done.stdout and "net_pnl" in done.stdout
    assert len(csv.read_text().splitlines()) == 3
    assert "<rect" in html.read_text()
    again = run(tmp_path, "--grid", "spread_pct=0.005,0.02", "--json")
    answer = json.loads(again.stdout)
    assert [row["set"] for row in answer["rows"]] == [{"spread_pct": 0.005}, {"spread_pct": 0.02}]
    assert len(Path(answer["results"]).read_text().splitlines()) == 3


def test_a_sweep_of_which_nothing_works_fails_and_says_why(tmp_path: Path) -> None:
    done = run(tmp_path, "--grid", "layer_mode=list")  # whose lists are missing
    assert done.returncode == 1
    assert "layer_spreads_pct" in done.stderr and "1 sets, 1 failed" in done.stdout
    assert done.stderr.splitlines()[-1].startswith("makerd: 1 OF 1 SETS FAILED")


def test_sets_that_fail_beside_others_are_told_in_the_last_line(tmp_path: Path) -> None:
    done = run(tmp_path, "--grid", "spread_pct=0.02,-1", "--json")
    assert done.returncode == 0
    assert done.stderr.splitlines()[-1].startswith("makerd: 1 OF 2 SETS FAILED")
    assert len(json.loads(done.stdout)["rows"]) == 2


def test_a_key_that_no_set_can_use_is_refused_in_one_line_before_anything_runs(tmp_path: Path) -> None:
    done = run(tmp_path, "--grid", "sprad_pct=1,2", "--grid", "spread_pct=0.01,0.02")
    assert (done.returncode, done.stdout) == (78, "")
    (line,) = done.stderr.splitlines()
    assert "no set can use --grid sprad_pct: found an unknown key" in line and "nearest known key: spread_pct" in line
    assert not (tmp_path / "var" / "data" / "sweeps").exists()
