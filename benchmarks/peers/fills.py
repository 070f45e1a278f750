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
from collections.abc import Sequence
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
from benchmarks.peers.fill_judges import CLOCK, EXPONENT, Traded, judge_clock, judge_orders, judge_scenarios
from benchmarks.peers.fill_parts import Act
from benchmarks.peers.fill_scenarios import EXACT, SCENARIOS, Scenario
from benchmarks.peers.fill_scenarios import LATENCY_MS as SCENARIO_LATENCY_MS
from benchmarks.peers.fills_ours import play_product, play_script
from core.market.queue_position import QUEUE_MODELS

RECORDING, RECORDING_MODELS = "slice20s_binance_usdm_btcusdt_20240808", ("risk_averse", "power3")
CLOCK_MODEL = "risk_averse"  # that the feed is also played with where the peer's exchange goes by the venue's clock
_AFTER_NS = 10**9  # that the peer plays on behind the end, so that all answers are heard


def measure(quick: bool) -> Result:
    """Compare; `quick`: a tenth of the feed."""
    logging.disable(logging.CRITICAL)
    result = Result()
    with temp_folder() as folder:
        say("our fills")
        scenarios = {
            one.name: play_script(one.span(), one.acts(), one.model, SCENARIO_LATENCY_MS, "python") for one in SCENARIOS
        }
        feed = make_span(folder / "feed.events", QUICK_EVENTS if quick else EVENTS, result)
        traded = {f"feed, {model}": _traded(feed, model) for model in QUEUE_MODELS}
        traded |= {f"recording, {model}": _traded(_recorded(folder), model) for model in RECORDING_MODELS}
        jobs = [_scenario_job(folder, one) for one in SCENARIOS]
        jobs += [_scenario_job(folder, one, exact=True) for one in SCENARIOS if one.name == EXACT]
        jobs += [_job(folder, name, one.span, one.played.acts, one.model, LATENCY_MS) for name, one in traded.items()]
        by_clock = traded[f"feed, {CLOCK_MODEL}"]
        jobs.append(_job(folder, CLOCK, feed, by_clock.played.acts, CLOCK_MODEL, LATENCY_MS, clock="venue_ns"))
        (folder / "jobs.json").write_text(json.dumps(jobs))
        say(PEERS["hftbacktest"])
        told = run_peer("hftbacktest", "fills_hftbacktest.py", folder, str(folder))
    result.details["version"] = told["version"]
    judge_scenarios(scenarios, told["jobs"], result)
    latency_ns = round(LATENCY_MS * NS_PER_MS)
    for name, one in traded.items():
        judge_orders(name, one, told["jobs"][name], latency_ns, result)
    judge_clock(f"feed, {CLOCK_MODEL}, venue's clock", by_clock, told["jobs"][CLOCK], latency_ns, result)
    return result


def _traded(span: EventSpan, model: str) -> Traded:
    played = play_product(span, model, LATENCY_MS)
    return Traded(span, model, played)


def _recorded(folder: Path) -> EventSpan:
    file = load_events(find_recording(RECORDING, [str(CHECKOUT / "data" / "recordings")]), folder)
    return EventSpan(file.market, file.rows, 0)


def _scenario_job(folder: Path, scenario: Scenario, exact: bool = False) -> dict[str, Any]:
    name = scenario.name + (", exact" if exact else "")
    return _job(folder, name, scenario.span(), scenario.acts(), scenario.model, SCENARIO_LATENCY_MS, exact)


def _job(
    folder: Path,
    name: str,
    span: EventSpan,
    acts: Sequence[Act],
    model: str,
    latency_ms: float,
    exact: bool = False,
    clock: str = "local_ns",
) -> dict[str, Any]:
    """Write what the peer plays and return what it is told of it; its exchange goes by `clock` of the events."""
    files = {what: f"{name}-{what}.npy" for what in ("rows", "acts")}
    np.save(folder / files["rows"], plain_rows(span.rows, clock))
    np.save(folder / files["acts"], np.array(acts, dtype=np.int64))
    latency_ns = round(latency_ms * NS_PER_MS)
    told = {"name": name, "model": model, "exponent": EXPONENT, "latency_ns": latency_ns, "exact": exact}
    return {**told, **files, "until_ns": span.last_ns + _AFTER_NS // 2}


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
