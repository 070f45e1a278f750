"""Our fills and profit beside those of hftbacktest: hand-made scenarios, and the feed of the backtest benchmark.

    python benchmarks/peers/fills.py [--quick]

hftbacktest is installed into an environment that is thrown away: this needs the network. Both engines get the same
events, the same messages at the same times, the same latency and the same queue model. On the feed the messages are
those that the product sends by itself; what they come to is compared order by order, and each difference is put down
to the rules that make it (`fill_causes.py`).
"""

from __future__ import annotations

import json
import logging
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

if not __package__:  # run by path
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from api.event_file import CLEAR, EventSpan, Rows
from benchmarks.bench_backtest import EVENTS, LATENCY_MS, QUICK_EVENTS, make_span
from benchmarks.parts import NS_PER_MS, Figure, Result, run_bench, say, temp_folder
from benchmarks.peers.environment import PEERS, run_peer
from benchmarks.peers.fill_causes import Life, Market, Sizes, cause_of
from benchmarks.peers.fill_parts import CANCEL, Act, OwnFill, by_order, position_of, profit_of
from benchmarks.peers.fill_scenarios import LATENCY_MS as SCENARIO_LATENCY_MS
from benchmarks.peers.fill_scenarios import SCENARIOS, Scenario, ns_of
from benchmarks.peers.fills_ours import Played, play_product, play_script

FEED_MODELS = ("risk_averse", "power3")
EXPONENT = 3.0
EQUAL, NOT_AS_WRITTEN = "equal", "NOT AS WRITTEN DOWN"
EXACT = "three parts, the last exactly the rest"
_AFTER_NS = 10**9  # events that the peer plays behind the end, so that all answers are heard
_EXAMPLES = 3


class Compared(NamedTuple):
    """The fills of one order here and there; `cause` is empty where they are equal."""

    key: int
    ours: tuple[OwnFill, ...]
    theirs: tuple[OwnFill, ...]
    cause: str


def measure(quick: bool) -> Result:
    """Compare; `quick`: a tenth of the feed."""
    logging.disable(logging.CRITICAL)
    result = Result()
    with temp_folder() as folder:
        say("our fills")
        scenarios = {one.name: play_script(one.span(), one.acts(), one.model, SCENARIO_LATENCY_MS, "python")
                     for one in SCENARIOS}  # fmt: skip
        span = make_span(folder / "feed.events", QUICK_EVENTS if quick else EVENTS, result)
        feeds = {model: play_product(span, model, LATENCY_MS) for model in FEED_MODELS}
        jobs = [_scenario_job(folder, one) for one in SCENARIOS]
        jobs += [_scenario_job(folder, one, exact=True) for one in SCENARIOS if one.name == EXACT]
        jobs += [_job(folder, model, span, played.acts, model, LATENCY_MS) for model, played in feeds.items()]
        (folder / "jobs.json").write_text(json.dumps(jobs))
        say(PEERS["hftbacktest"])
        told = run_peer("hftbacktest", "fills_hftbacktest.py", folder, str(folder))
    _judge_scenarios(scenarios, told["jobs"], result)
    for model, played in feeds.items():
        _judge_feed(span, model, played, told["jobs"][model], result)
    result.details["version"] = told["version"]
    return result


# -- what the peer is given and gives back --------------------------------------------------------------------------
def _scenario_job(folder: Path, scenario: Scenario, exact: bool = False) -> dict[str, Any]:
    name = scenario.name + (", exact" if exact else "")
    return _job(folder, name, scenario.span(), scenario.acts(), scenario.model, SCENARIO_LATENCY_MS, exact)


def _job(
    folder: Path, name: str, span: EventSpan, acts: Sequence[Act], model: str, latency_ms: float, exact: bool = False
) -> dict[str, Any]:
    """Write what the peer plays and return what it is told of it."""
    files = {what: f"{name}-{what}.npy" for what in ("rows", "acts")}
    np.save(folder / files["rows"], plain_rows(span.rows))
    np.save(folder / files["acts"], np.array(acts, dtype=np.int64))
    latency_ns = round(latency_ms * NS_PER_MS)
    told = {"name": name, "model": model, "exponent": EXPONENT, "latency_ns": latency_ns, "exact": exact}
    return {**told, **files, "until_ns": span.last_ns + _AFTER_NS // 2}


def plain_rows(rows: Rows) -> Any:
    """Return events as time, kind, side, price and size, and one far behind the end: an engine ends with its data."""
    kept = rows[rows["kind"] != CLEAR]
    made = np.array([kept[name] for name in ("local_ns", "kind", "side", "price_ticks", "size_lots")], np.int64).T
    last = made[-1].copy()
    last[0] += _AFTER_NS
    return np.vstack([made, last])


def peer_fills(told: Iterable[Sequence[int]], acts: Sequence[Act], latency_ns: int) -> tuple[OwnFill, ...]:
    """Return the peer's fills; one at the moment of the order's arrival took."""
    sent = {act.key: act for act in acts if act.what != CANCEL}
    return tuple(
        OwnFill(at_ns, key, sent[key].what, price, lots, at_ns != sent[key].at_ns + latency_ns)
        for at_ns, key, price, lots in told
        if lots > 0
    )


# -- scenarios ------------------------------------------------------------------------------------------------------
def _judge_scenarios(played: dict[str, Played], told: dict[str, Any], result: Result) -> None:
    latency_ns, counts, rows = SCENARIO_LATENCY_MS * NS_PER_MS, Counter[str](), []
    for scenario in SCENARIOS:
        ours, mid = played[scenario.name].fills, played[scenario.name].last_mid_ticks
        theirs = peer_fills(told[scenario.name]["fills"], scenario.acts(), latency_ns)
        verdict = verdict_of(scenario, ours, theirs)
        counts[verdict] += 1
        rows.append({"name": scenario.name, "verdict": verdict, "ours": _told(ours, mid), "theirs": _told(theirs, mid)})
        note = "" if verdict == EQUAL else f"{verdict}; position {position_of(ours)} here, {position_of(theirs)} there"
        result.figures.append(Figure(scenario.name, "equal" if verdict == EQUAL else "other", "", note=note))
    result.figures.append(Figure("scenarios, fill by fill: equal", counts.pop(EQUAL, 0), f"of {len(SCENARIOS)}"))
    result.figures += [Figure(f"scenarios: {cause}", count, "") for cause, count in counts.most_common()]
    ended = told[f"{EXACT}, exact"]["ended"]
    note = (
        "error that an order filled to exactly nothing brings at the next print; the orders above are a trace smaller"
    )
    result.figures.append(Figure("scenarios: hftbacktest ends with", ended, "", note=note))
    result.details["scenarios"] = rows


def verdict_of(scenario: Scenario, ours: Sequence[OwnFill], theirs: Sequence[OwnFill]) -> str:
    """Return how the fills of a scenario compare: equal, its difference, or not as they were written down."""
    if by_order(ours) != by_order(scenario.expected()):
        return NOT_AS_WRITTEN
    if by_order(ours) == by_order(theirs):
        return NOT_AS_WRITTEN if scenario.differs else EQUAL
    return scenario.differs if by_order(theirs) == by_order(scenario.expected(of_peer=True)) else NOT_AS_WRITTEN


def _told(fills: Sequence[OwnFill], last_mid_ticks: float) -> dict[str, Any]:
    lines = [
        f"{(fill.at_ns - ns_of(0)) / NS_PER_MS:g} ms, order {fill.key}: {fill.size_lots} at {fill.price_ticks}"
        for fill in fills
    ]
    return {"fills": lines, "position": position_of(fills), "profit": str(profit_of(fills, last_mid_ticks))}


# -- the feed -------------------------------------------------------------------------------------------------------
def _judge_feed(span: EventSpan, model: str, played: Played, told: dict[str, Any], result: Result) -> None:
    latency_ns = round(LATENCY_MS * NS_PER_MS)
    theirs = tuple(fill for fill in peer_fills(told["fills"], played.acts, latency_ns) if fill.at_ns <= span.last_ns)
    compared = compare(span, model, played, theirs, latency_ns)
    equal = [one for one in compared if not one.cause]
    result.figures.append(Figure(f"feed, {model}: orders sent", _sent(played.acts), ""))
    result.figures.append(Figure(f"feed, {model}: orders with fills", len(compared), ""))
    note = _both(sum(len(one.ours) for one in equal), sum(len(one.theirs) for one in equal), "fills")
    result.figures.append(Figure(f"feed, {model}: orders with equal fills", len(equal), "", note=note))
    for cause, count in Counter(one.cause for one in compared if one.cause).most_common():
        lots = [_lots(one.ours for one in compared if one.cause == cause),
                _lots(one.theirs for one in compared if one.cause == cause)]  # fmt: skip
        result.figures.append(Figure(f"feed, {model}: {cause}", count, "", note=_both(*lots, "lots")))
    sides = {"here": played.fills, "there": theirs}
    for where, fills in sides.items():
        profit, lots = profit_of(fills, played.last_mid_ticks), position_of(fills)
        note = f"{len(fills)} fills, {sum(fill.size_lots for fill in fills)} lots, position {lots}"
        result.figures.append(Figure(f"feed, {model}: profit {where}", round(float(profit), 6), "quote", note=note))
    refused = sum(fill[3] < 0 for fill in told["fills"])
    result.details[model] = {
        "acts": len(played.acts), "ended": told["ended"], "told_position": told["told_position"],
        "cancels_not_sent": refused, "examples": _examples(compared),
    }  # fmt: skip


def compare(
    span: EventSpan, model: str, played: Played, theirs: Sequence[OwnFill], latency_ns: int
) -> tuple[Compared, ...]:
    """Return the orders that filled here or there, each with the cause of what differs."""
    market, lives = Market(span.rows), lives_of(played.acts, latency_ns, span.last_ns)
    here, there = by_order(played.fills), by_order(theirs)
    found = []
    for key in sorted(here.keys() | there.keys()):
        both = here.get(key, ()), there.get(key, ())
        cause = "" if both[0] == both[1] else cause_of(market, lives[key], model, EXPONENT, *map(sizes_of, both))
        found.append(Compared(key, *both, cause))
    return tuple(found)


def lives_of(acts: Sequence[Act], latency_ns: int, last_ns: int) -> dict[int, Life]:
    """Return from when to when each order rested at the venue, unless it filled before."""
    lives: dict[int, Life] = {}
    for act in acts:
        arrives_ns = act.at_ns + latency_ns
        if act.what == CANCEL:
            lives[act.key] = lives[act.key]._replace(ends_ns=min(lives[act.key].ends_ns, arrives_ns))
        else:
            lives[act.key] = Life(arrives_ns, last_ns, act.what, act.price_ticks, act.size_lots)
    return lives


def sizes_of(fills: Sequence[OwnFill]) -> Sizes:
    """Return when how much of an order filled."""
    return tuple((fill.at_ns, fill.size_lots) for fill in fills)


def _sent(acts: Sequence[Act]) -> int:
    return sum(act.what != CANCEL for act in acts)


def _lots(orders: Iterable[Sequence[OwnFill]]) -> int:
    return sum(fill.size_lots for fills in orders for fill in fills)


def _both(here: int, there: int, what: str) -> str:
    return f"{here} {what} here, {there} there"


def _examples(compared: Sequence[Compared]) -> list[Any]:
    """Return a few orders of each cause: number, when how much of it filled here, and there."""
    found: list[Any] = []
    for cause in sorted({one.cause for one in compared if one.cause}):
        some = [one for one in compared if one.cause == cause][:_EXAMPLES]
        found += [f"{cause}: order {one.key}, {sizes_of(one.ours)} here, {sizes_of(one.theirs)} there" for one in some]
    return found


if __name__ == "__main__":
    raise SystemExit(run_bench("fills", measure))
