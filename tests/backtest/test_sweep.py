"""A sweep: every set once, the same figures as a backtest alone, whatever interrupts it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from core.backtest.run import run_backtest
from core.backtest.sweep import Axis, Sweep, Worker, digest_of, run_sweep, sweep_of
from core.backtest.sweep_page import best_first, figure, heads, sweep_csv, sweep_page
from core.backtest.sweep_results import SweepResults
from tests.backtest.legs_parts import HEDGED, PERP, SPOT
from tests.backtest.made_events import made_rows, save
from utils.errors import ConfigError
from utils.home import CHECKOUT, Home

TEMPLATE = json.loads((CHECKOUT / "config" / "templates" / "paper_market_maker.json").read_text())
HEDGE_TEMPLATE = json.loads((CHECKOUT / "config" / "templates" / "paper_maker_taker_hedge.json").read_text())
KEYS = {"symbol": "SYN-PERP", "inventory_skew_enabled": False, "price_skew": 0, "spread_pct": 0.3, "interval_s": 0.2}
DIGEST = "d" * 64


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path)
    made.make_folders()
    save(made_rows(3, 800), made.data / "made.events")
    return made


def swept(axes: Mapping[str, list[Any]], **span: Any) -> Sweep:
    plain = {**TEMPLATE, "strategy_config": {**TEMPLATE["strategy_config"], **KEYS}}
    found = tuple(Axis("strategy_config", key, tuple(values)) for key, values in axes.items())
    return Sweep(plain, "made", found, {"files": ["made.events"], "engine": "python", **span})


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def row(net: float | None, **chosen: Any) -> dict[str, Any]:
    if net is None:
        return {"set": chosen, "error": "=bad"}
    return {"set": chosen, "result": {"net_pnl": str(net), "fills": 3, "markouts_bps": {"5s": -net}, "ended": None}}


# Running


def test_each_set_has_the_figures_of_a_backtest_alone_and_runs_once(home: Home) -> None:
    sweep = swept({"spread_pct": [0.2, 0.4], "order_size": [0.01, 0.02]})
    shares: list[float] = []
    path, rows = run_sweep(home, sweep, None, 2, False, shares.append)
    assert [one["set"] for one in rows] == list(sweep.sets())
    assert shares == [0.25, 0.5, 0.75, 1.0]
    for one in rows:
        alone = run_backtest(home, sweep.with_set(one["set"]), "made", sweep.span, None)
        assert one["result"] == {key: alone[key] for key in alone if key not in ("elapsed_s", "events_per_s")}
    more = swept({"spread_pct": [0.2, 0.4, 0.5], "order_size": [0.01, 0.02]})
    assert run_sweep(home, more, None, 2, False, shares.append)[0] == path
    assert shares[4:] == [5 / 6, 1.0]
    assert len(lines(path)) == 1 + 6


def test_a_bot_with_several_legs_is_swept_too_with_its_exposure_in_the_table(home: Home) -> None:
    save(made_rows(3, 600), home.data / "spot.events", SPOT)
    save(made_rows(4, 600), home.data / "perp.events", PERP)
    keys = {**HEDGED, "symbol": "SYN-USDT", "hedge_symbol": "SYN-PERP"}
    plain = {**HEDGE_TEMPLATE, "strategy_config": {**HEDGE_TEMPLATE["strategy_config"], **keys}}
    span = {"files": ["maker=spot.events", "perp.events"], "engine": "python"}
    sweep = Sweep(plain, "made", (Axis("strategy_config", "order_size", (0.002, 0.004)),), span)
    _, rows = run_sweep(home, sweep, None, 1, False, None)
    alone = run_backtest(home, sweep.with_set(rows[1]["set"]), "made", span, None)
    assert rows[1]["result"] == {key: alone[key] for key in alone if key not in ("elapsed_s", "events_per_s")}
    assert alone["fills"] > 0
    assert "max_exposure_quote" in heads(rows)
    assert figure(rows[1], "max_exposure_quote") == alone["max_exposure_quote"] > 0
    unnamed = Sweep(plain, "made", sweep.axes, {**span, "files": ["spot.events", "perp.events"]})
    assert digest_of(home, unnamed) != digest_of(home, sweep)
    with pytest.raises(ConfigError, match="no data for the leg hedge"):
        run_sweep(home, Sweep(plain, "made", sweep.axes, {**span, "files": ["spot.events"]}), None, 1, False, None)


def test_a_set_that_is_not_valid_has_an_error_and_is_tried_again_the_next_time(home: Home) -> None:
    sweep = swept({"spread_pct": [0.2, -1]})
    for _ in range(2):
        path, rows = run_sweep(home, sweep, None, 1, False, None)
        assert "result" in rows[0] and "spread_pct" in rows[1]["error"]
        assert len(lines(path)) == 2


@pytest.mark.parametrize(
    ("axes", "told"),
    [
        ({"spread_pct": [0.2], "nope": [1, 2]}, "no set can use --grid nope: found an unknown key"),
        ({"spread_pct": [-1, 30]}, "no set can use --grid spread_pct: found -1, expected a number from 0 to 20"),
        ({"layer_mode": ["linaer"]}, "no set can use --grid layer_mode"),
    ],
)
def test_an_axis_that_no_set_can_use_is_refused(home: Home, axes: dict[str, list[Any]], told: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(told)):
        run_sweep(home, swept(axes), None, 1, False, None)
    assert not list(home.data.glob("sweeps/*"))


def test_values_that_only_do_not_go_together_are_an_affair_of_their_sets(home: Home) -> None:
    _, rows = run_sweep(home, swept({"layer_mode": ["list", "power"]}), None, 1, False, None)
    assert ["error" in one for one in rows] == [True, False]


def test_a_process_that_dies_costs_its_set_alone(home: Home) -> None:
    worker = Worker(home)
    try:
        sweep = swept({"spread_pct": [0.2]})
        os.kill(worker._process.pid, signal.SIGKILL)
        worker.give(sweep, {"spread_pct": 0.2})
        chosen, answer = worker.take()
        assert (chosen, answer["error"]) == ({"spread_pct": 0.2}, "the process that ran it ended with status -9")
        worker.start()
        worker.give(sweep, {"spread_pct": 0.2})
        assert "result" in worker.take()[1]
    finally:
        worker.end()


SWEEP = """
import os, sys
from pathlib import Path
sys.path.insert(0, os.getcwd())
from core.backtest.sweep import run_sweep
from tests.backtest.test_sweep import swept
from utils.home import Home
grid = {"spread_pct": [at / 100 for at in range(20, 40)]}
run_sweep(Home(Path(sys.argv[1])), swept(grid), Path(sys.argv[2]), 2, False, lambda share: print(share, flush=True))
"""


def test_a_killed_sweep_leaves_no_process_and_goes_on_where_it_was(home: Home) -> None:
    path = home.data / "results.jsonl"
    command = [sys.executable, "-c", SWEEP, str(home.root), str(path)]
    scratch = home.root / "scratch"
    scratch.mkdir()
    environ = {**os.environ, "TMPDIR": str(scratch)}
    process = subprocess.Popen(command, cwd=CHECKOUT, env=environ, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    workers = psutil.Process(process.pid).children()
    process.kill()
    process.wait()
    process.stdout.close()
    _, alive = psutil.wait_procs(workers, timeout=30)
    assert (len(workers), alive, list(scratch.iterdir())) == (2, [], [])
    with path.open("ab") as torn:
        torn.write(b'{"set": {"spread_pct"')
    before = len(path.read_bytes().splitlines()) - 2
    shares: list[float] = []
    _, rows = run_sweep(home, swept({"spread_pct": [at / 100 for at in range(20, 24)]}), path, 2, False, shares.append)
    assert before >= 1 and len(shares) == len(lines(path)) - 1 - before
    assert all("result" in one for one in rows)


def test_what_cannot_be_swept_is_told_before_anything_starts(home: Home) -> None:
    asked = {"plain": {}, "source": "x", "span": {"files": ["made.events"]}, "by": "net_pnl", "jobs": 1}
    for change, words in (
        ({"axes": [("strategy_config", "a", [1]), ("strategy_config", "a", [2])]}, "twice"),
        ({"axes": [("strategy_config", "a", [1])], "by": "luck"}, "no figure"),
        ({"axes": [("strategy_config", "a", [1])], "span": {"files": ["nothing.events"]}}, "no file"),
        ({"axes": [("strategy_config", key, list(range(100))) for key in "abc"]}, "100000 sets"),
    ):
        with pytest.raises(ConfigError, match=words):
            sweep_of(home, {**asked, "results": None, "fresh": False, **change}, None)
    assert not (home.data / "sweeps").exists()


# The file of results


def test_a_file_of_another_sweep_is_refused_unless_it_is_to_be_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    with SweepResults.open(path, DIGEST) as kept:
        kept.add({"a": 1}, {"result": {}})
    with pytest.raises(ConfigError, match="another config"), SweepResults.open(path, "e" * 64):
        pass
    with SweepResults.open(path, DIGEST) as kept:
        assert kept.find({"a": 1}) == {"set": {"a": 1}, "result": {}}
    with SweepResults.open(path, "e" * 64, fresh=True) as kept:
        assert kept.find({"a": 1}) is None
    assert lines(path) == [{"makerd_sweep": 1, "digest": "e" * 64}]


@pytest.mark.parametrize("content", ["my notes", "my notes\n", "[]\n", '{"a": 1}\n', "{}\n[1]\n"])
def test_a_file_that_is_no_file_of_results_is_refused_and_not_touched(tmp_path: Path, content: str) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text(content)
    for fresh in (False, True):
        with pytest.raises(ConfigError), SweepResults.open(path, DIGEST, fresh):
            pass
    assert path.read_text() == content


def test_every_kill_in_the_middle_of_a_line_costs_that_line_alone(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    with SweepResults.open(path, DIGEST) as kept:
        for at in range(3):
            kept.add({"a": at}, {"result": {"net_pnl": "1"}})
    content = path.read_bytes()
    for end in range(len(content) + 1):
        path.write_bytes(content[:end])
        with SweepResults.open(path, DIGEST) as kept:
            known = [at for at in range(3) if kept.find({"a": at})]
            assert len(known) == max(0, content[:end].count(b"\n") - 1)
            kept.add({"a": 9}, {"result": {}})
        assert lines(path)[-1]["set"] == {"a": 9}


def test_two_sweeps_do_not_write_to_one_file(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    again = SweepResults.open(path, DIGEST)
    with SweepResults.open(path, DIGEST), pytest.raises(ConfigError, match="another sweep"), again:
        pass


# What is shown


def test_the_best_is_first_and_what_failed_is_last() -> None:
    rows = [row(1, a=1), row(None, a=2), row(3, a=3), row(-2, a=4)]
    assert [one["set"]["a"] for one in best_first(rows, "net_pnl")] == [3, 1, 4, 2]
    assert [one["set"]["a"] for one in best_first(rows, "markout_5s")] == [4, 1, 3, 2]
    assert figure(rows[1], "net_pnl") is None


def test_the_table_is_safe_csv_in_the_order_of_the_grid() -> None:
    text = sweep_csv([row(1.5, a="=x", b=1), row(None, a="y", b=2)])
    head, first, second = text.splitlines()
    assert head.split(",") == heads([row(1.5, a="=x", b=1)])
    assert first.startswith("'=x,1,1.5,") and second.endswith("'=bad")


def test_the_page_has_a_map_for_each_choice_of_the_other_keys() -> None:
    rows = [row(x * y - z, x=x, y=y, **{"<z>": z}) for x in (1, 2, 3) for y in (1, 2) for z in (4, 5)]
    page = sweep_page("a<b>", [*rows[:-1], row(None, **rows[-1]["set"])], "net_pnl")
    maps = [ElementTree.fromstring(chart) for chart in re.findall(r"<svg.*?</svg>", page, re.DOTALL)]
    assert len(maps) == 2
    fields = [[field.get("class") for field in one.iter("rect")] for one in maps]
    assert [len(one) for one in fields] == [6, 6]
    assert fields[0].count("plus best") == 1 and fields[1].count("gap") == 1
    assert "<b>" not in page and not re.search(r"https?://|<script|<link|<img|src=|@import|url\(", page)


def test_a_grid_of_one_key_is_a_map_of_one_line() -> None:
    page = sweep_page("t", [row(1, a=1), row(2, a=2)], "net_pnl")
    assert page.count("<rect") == 2


def test_a_sweep_of_more_jobs_than_sets_starts_no_idle_process(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[float] = []
    start = Worker.start
    monkeypatch.setattr(Worker, "start", lambda worker: (started.append(time.monotonic()), start(worker))[1])
    run_sweep(home, swept({"spread_pct": [0.2]}), None, 8, False, None)
    assert len(started) == 1
