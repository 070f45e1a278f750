"""`run.py calibrate` and `run.py train-regime` as a person uses them."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.test_backtest import RECORDING, run

TEMPLATE = "config/templates/paper_avellaneda_stoikov.json"


def test_a_recording_becomes_a_parameter_file_and_a_table(tmp_path: Path) -> None:
    out = tmp_path / "params.json"
    done = run(tmp_path, "calibrate", TEMPLATE, "--data", RECORDING, "--set", "intensity_min_bursts=20", "-o", str(out))
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "paper-avellaneda: BTC-PERP, 23669 events, 20 s, unit relative"
    assert [line.split()[0] for line in lines[2:6]] == ["sigma", "kappa", "A", "gamma"]
    assert "depths do not decay" in lines[3]
    assert set(json.loads(out.read_text())) >= {"version", "generated_at", "sigma", "gamma"}


def test_a_config_of_another_strategy_is_refused_in_one_line(tmp_path: Path) -> None:
    done = run(tmp_path, "calibrate", "config/templates/paper_market_maker.json", "--data", RECORDING)
    assert done.returncode == 78
    assert done.stderr.strip().endswith("a parameter file is for avellaneda_stoikov")


def test_a_recording_becomes_a_regime_model(tmp_path: Path) -> None:
    out = tmp_path / "model.json"
    done = run(tmp_path, "train-regime", "--data", RECORDING, "--candle", "0.05", "-o", str(out))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("BTC-PERP: 276 candles of 0.05 s")
    assert json.loads(out.read_text())["candle_s"] == 0.05
