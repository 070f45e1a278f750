"""Our fills and profit beside those of hftbacktest: hand-made scenarios, the benchmark's feed, a recorded market.

    python benchmarks/peers/fills.py [--quick]

hftbacktest is installed into an environment that is thrown away: this needs the network. Both engines get the same
events, the same messages at the same times, the same latency and the same queue model. On feed and recording the
messages are those that the product sends by itself; what they come to is compared order by order, and each difference
is put down to the rules that make it (`fill_causes.py`).
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any

import numpy as np

if not __package__:  # run by path
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from api.compiled_recordings import find_recording
from api.event_convert import load_events
from api.event_file import CLEAR, EventSpan, Rows
from benchmarks.bench_backtest import EVENTS, LATENCY_MS, QUICK_EVENTS, make_span
from benchmarks.parts import CHECKOUT, NS_PER_MS, Result, run_bench, say, temp_folder
from benchmarks.peers.environment import PEERS, run_peer
from benchmarks.peers.fill_judges import EXACT_JOB, EXPONENT, Setup, Traded, judge_orders, judge_scenarios
from benchmarks.peers.fill_scenarios import EXACT, SCENARIOS
from benchmarks.peers.fills_ours import play_product, play_script
from benchmarks.peers.hand_made import LATENCY_MS as SCENARIO_LATENCY_MS
from benchmarks.peers.hand_made import Scenario
from core.market.queue_position import QUEUE_MODELS

RECORDING, RECORDING_MODELS = "slice20s_binance_usdm_btcusdt_20240808", ("risk_averse", "power3")
VARIED_MODEL = "risk_averse"  # that the feed is also played with where the peer is set up in other ways
VARIED = {"venue's clock": Setup(clock="venue_ns"), "whole fills": Setup(exchange="whole")}
_AFTER_NS = 10**9  # that the peer plays on behind the end, so that all answers are heard


def measure(quick: bool) -> Result:
    """Compare; `quick`: a tenth of the feed."""
    logging.disable(logging.CRITICAL)
    result = Result()
    with temp_folder() as folder:
        say("our fills")
        scenarios = {one.name: _played(one) for one in SCENARIOS}
        traded = _traded(folder, QUICK_EVENTS if quick else EVENTS, result)
        exact = scenarios[EXACT]._replace(setup=Setup(is_exact=True))
        jobs = [_job(folder, name, one) for name, one in (scenarios | traded | {EXACT_JOB: exact}).items()]
        (folder / "jobs.json").write_text(json.dumps(jobs))
        say(PEERS["hftbacktest"])
        told = run_peer("hftbacktest", "fills_hftbacktest.py", folder, str(folder))
    result.details["version"] = told["version"]
    judge_scenarios(scenarios, told["jobs"], result)
    for name, one in traded.items():
        judge_orders(name, one, told["jobs"][name], result)
    return result


def _played(scenario: Scenario) -> Traded:
    span, latency_ms = scenario.span(), SCENARIO_LATENCY_MS
    played = play_script(span, scenario.acts(), scenario.model, latency_ms, "python")
    return Traded(span, scenario.model, latency_ms * NS_PER_MS, played)


def _traded(folder: Path, count: int, result: Result) -> dict[str, Traded]:
    """Let the product trade the feed and the recording, with each queue model."""
    feed, latency_ns = make_span(folder / "feed.events", count, result), round(LATENCY_MS * NS_PER_MS)
    file = load_events(find_recording(RECORDING, [str(CHECKOUT / "data" / "recordings")]), folder)
    recording, found = EventSpan(file.market, file.rows, 0), {}
    for name, span, models in (("feed", feed, QUEUE_MODELS), ("recording", recording, RECORDING_MODELS)):
        for model in models:
            found[f"{name}, {model}"] = Traded(span, model, latency_ns, play_product(span, model, LATENCY_MS))
    varied = found[f"feed, {VARIED_MODEL}"]
    return found | {f"feed, {VARIED_MODEL}, {how}": varied._replace(setup=setup) for how, setup in VARIED.items()}


def _job(folder: Path, name: str, traded: Traded) -> dict[str, Any]:
    """Write what the peer plays and return what it is told of it."""
    files = {what: f"{name}-{what}.npy" for what in ("rows", "acts")}
    np.save(folder / files["rows"], plain_rows(traded.span.rows, traded.setup.clock))
    np.save(folder / files["acts"], np.array(traded.played.acts, dtype=np.int64))
    told = {"name": name, "model": traded.model, "exponent": EXPONENT, "latency_ns": traded.latency_ns}
    return {**told, **files, **traded.setup._asdict(), "until_ns": traded.span.last_ns + _AFTER_NS // 2}


def plain_rows(rows: Rows, clock: str) -> Any:
    """Return events as times (exchange, local), kind, side, price and size, with one far behind the end.

    Without that one an engine would end before the last answers are heard.
    """
    kept = rows[rows["kind"] != CLEAR]
    names = (clock, "local_ns", "kind", "side", "price_ticks", "size_lots")
    made = np.array([kept[name] for name in names], np.int64).T
    last = made[-1].copy()
    last[:2] += _AFTER_NS
    return np.vstack([made, last])


if __name__ == "__main__":
    raise SystemExit(run_bench("fills", measure))
