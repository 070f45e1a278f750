from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.backtest.golden_backtests import CASES, KEPT, play


@pytest.mark.parametrize("case", CASES)
def test_a_shipped_template_over_a_shipped_recording_does_what_it_did(case: str, tmp_path: Path) -> None:
    kept = json.loads(KEPT.read_text())
    assert kept.keys() == CASES.keys()
    assert kept[case]["fills"] > 0
    assert play(case, tmp_path) == kept[case], "meant? then: python -m tests.backtest.golden_backtests"
