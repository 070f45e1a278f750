"""Fills here held against fills there: what a scenario came to, and order by order on a feed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from api.event_file import EventSpan
from benchmarks.parts import NS_PER_MS, Figure, Result
from benchmarks.peers.fill_causes import RULES, UNEXPLAINED, WHOLE_RULES, Life, Market, Peer, Sizes
from benchmarks.peers.fill_parts import CANCEL, Act, OwnFill, by_order, position_of, profit_of
from benchmarks.peers.fill_scenarios import EXACT, SCENARIOS
from benchmarks.peers.fills_ours import Played
from benchmarks.peers.hand_made import Scenario, ns_of

EXPONENT = 3.0  # of the queue models that have one
EQUAL, NOT_AS_WRITTEN = "equal", "NOT AS WRITTEN DOWN"
EXACT_JOB = f"{EXACT}, to the last bit"
CLOCK = "clock of the exchange"
_EXAMPLES = 3  # of each cause


class Setup(NamedTuple):
    """How hftbacktest is set up: `partial` or `whole` fills, the time its exchange goes by, sizes to the last bit."""

    exchange: str = "partial"
    clock: str = "local_ns"
    is_exact: bool = False


class Traded(NamedTuple):
    """What was sent into a market and what filled of it here, and what the peer is to do with the same."""

    span: EventSpan
    model: str
    latency_ns: int
    played: Played
    setup: Setup = Setup()


class Compared(NamedTuple):
    """The fills of one order here and there; `cause` is empty where they are equal."""

    key: int
    ours: tuple[OwnFill, ...]
    theirs: tuple[OwnFill, ...]
    cause: str


def peer_fills(told: Iterable[Sequence[int]], acts: Sequence[Act], latency_ns: int) -> tuple[OwnFill, ...]:
    """Return the peer's fills; one at the moment of the order's arrival took."""
    sent = {act.key: act for act in acts if act.what != CANCEL}
    return tuple(
        OwnFill(at_ns, key, sent[key].what, price, lots, at_ns != sent[key].at_ns + latency_ns)
        for at_ns, key, price, lots in told
        if lots > 0
    )


# -- scenarios ------------------------------------------------------------------------------------------------------
def judge_scenarios(traded: dict[str, Traded], told: dict[str, Any], result: Result) -> None:
    """Put down how each scenario came out here and there."""
    counts, rows = Counter[str](), []
    for scenario in SCENARIOS:
        ours, mid, acts = traded[scenario.name].played
        theirs = peer_fills(told[scenario.name]["fills"], acts, traded[scenario.name].latency_ns)
        verdict = verdict_of(scenario, ours, theirs)
        counts[verdict] += 1
        both = [_told(fills, mid) for fills in (ours, theirs)]
        rows.append({"name": scenario.name, "verdict": verdict, "ours": both[0], "theirs": both[1]})
        lots = [position_of(fills) for fills in (ours, theirs)]
        note = "" if verdict == EQUAL else f"position {lots[0]} here, {lots[1]} there; {verdict}"
        result.figures.append(Figure(scenario.name, "equal" if verdict == EQUAL else "other", "", note=note))
    result.figures.append(Figure("scenarios: all fills equal", counts.pop(EQUAL, 0), f"of {len(SCENARIOS)}"))
    result.figures += [Figure(f"scenarios: {cause}", count, "") for cause, count in counts.most_common()]
    note = "its error at the next print when an order is filled to exactly nothing; above, orders are a trace smaller"
    ended = told[EXACT_JOB]["ended"]
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
    lines = [f"{(one.at_ns - ns_of(0)) / NS_PER_MS:g} ms, order {one.key}: {one.size_lots} at {one.price_ticks}"
             for one in fills]  # fmt: skip
    return {"fills": lines, "position": position_of(fills), "profit": str(profit_of(fills, last_mid_ticks))}


# -- the feed -------------------------------------------------------------------------------------------------------
def judge_orders(name: str, traded: Traded, told: dict[str, Any], result: Result) -> None:
    """Put down how the orders of the product fared here and there."""
    theirs = peer_fills(told["fills"], traded.played.acts, traded.latency_ns)
    theirs = tuple(fill for fill in theirs if fill.at_ns <= traded.span.last_ns)
    _put_down(name, compare(traded, theirs), traded.played, told, result)


def compare(traded: Traded, theirs: Sequence[OwnFill]) -> tuple[Compared, ...]:
    """Return the orders that filled here or there, each with the cause of what differs.

    Where the exchange of the peer goes by another clock, fills are not compared by time.
    """
    span, setup = traded.span, traded.setup
    market, lives = Market(span.rows, setup.clock), lives_of(traded.played.acts, traded.latency_ns, span.last_ns)
    peer = Peer(market, traded.model, EXPONENT, WHOLE_RULES if setup.exchange == "whole" else RULES)
    by_clock, found = setup.clock != "local_ns", []
    for key, ours, others in _pairs(traded.played.fills, theirs):
        cause, sizes = "", (sizes_of(ours), sizes_of(others))
        if by_clock and [fill[1:] for fill in ours] != [fill[1:] for fill in others]:
            cause = _cause_by_clock(peer, lives[key], *sizes)
        elif not by_clock and ours != others:
            cause = peer.cause_of(lives[key], *sizes)
        found.append(Compared(key, ours, others, cause))
    return tuple(found)


def _cause_by_clock(peer: Peer, life: Life, ours: Sizes, theirs: Sizes) -> str:
    """Return whether the clock alone makes a difference, or rules as well, or rules alone."""
    if peer.lived(life) != theirs:
        return UNEXPLAINED
    ours_there = peer.lived(life, peer.rules)
    causes = [] if [lots for _, lots in ours_there] == [lots for _, lots in ours] else [CLOCK]
    if ours_there != theirs:
        causes.append(peer.cause_of(life, ours_there, theirs))
    return " + ".join(causes)


def _pairs(
    ours: Sequence[OwnFill], theirs: Sequence[OwnFill]
) -> list[tuple[int, tuple[OwnFill, ...], tuple[OwnFill, ...]]]:
    """Return each order that filled here or there: its number, its fills here, and there."""
    here, there = by_order(ours), by_order(theirs)
    return [(key, here.get(key, ()), there.get(key, ())) for key in sorted(here.keys() | there.keys())]


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


def _put_down(what: str, compared: Sequence[Compared], played: Played, told: dict[str, Any], result: Result) -> None:
    sent = sum(act.what != CANCEL for act in played.acts)
    equal = [one for one in compared if not one.cause]
    figures = [Figure(f"{what}: orders with fills", len(compared), "", note=f"of {sent} orders sent")]
    figures.append(Figure(f"{what}: orders with equal fills", len(equal), "", note=_both(equal)))
    for cause, count in Counter(one.cause for one in compared if one.cause).most_common():
        note = _both([one for one in compared if one.cause == cause])
        figures.append(Figure(f"{what}: {cause}", count, "", note=note))
    for where, at in (("here", 1), ("there", 2)):
        fills = [fill for one in compared for fill in one[at]]
        profit, note = profit_of(fills, played.last_mid_ticks), f"position {position_of(fills)}"
        figures.append(Figure(f"{what}: profit {where}", float(round(profit, 6)), "quote", note=note))
    result.figures += figures
    refused = sum(fill[3] < 0 for fill in told["fills"])
    result.details[what] = {
        "ended": told["ended"], "cancels_not_sent": refused, "position_it_tells": told["told_position"],
        "examples": _examples(compared),
    }  # fmt: skip


def _both(compared: Sequence[Compared]) -> str:
    parts = []
    for at in (1, 2):
        fills = [fill for one in compared for fill in one[at]]
        parts.append(f"{len(fills)} fills of {sum(fill.size_lots for fill in fills)} lots")
    return f"{parts[0]} here, {parts[1]} there"


def _examples(compared: Sequence[Compared]) -> list[str]:
    """Return a few orders of each cause: number, when how much of it filled here, and there."""
    found: list[str] = []
    for cause in sorted({one.cause for one in compared if one.cause}):
        some = [one for one in compared if one.cause == cause][:_EXAMPLES]
        found += [f"{cause}: order {one.key}, {sizes_of(one.ours)} here, {sizes_of(one.theirs)} there" for one in some]
    return found
