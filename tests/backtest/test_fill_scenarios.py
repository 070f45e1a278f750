"""Small markets made by hand: what fills and why, on both engines; and how fills are held against hftbacktest's.

`fills` of each scenario are worked out by hand, `theirs` is what hftbacktest did. `benchmarks/peers/fills.py` plays the
same scenarios on hftbacktest itself.
"""

from __future__ import annotations

from decimal import Decimal
from functools import cache
from itertools import combinations

import pytest

from api.event_file import EventSpan
from benchmarks.backtest_feed import MARKET as FACTS
from benchmarks.backtest_feed import as_events, generate
from benchmarks.backtest_rule import TouchMaker, config_of
from benchmarks.peers.fill_causes import RULES, UNEXPLAINED, WHOLE, WHOLE_RULES, Life, Market, Peer
from benchmarks.peers.fill_judges import (
    CLOCK,
    EQUAL,
    EXPONENT,
    NOT_AS_WRITTEN,
    Setup,
    Traded,
    compare,
    lives_of,
    peer_fills,
    sizes_of,
    verdict_of,
)
from benchmarks.peers.fill_parts import POST_ONLY, OwnFill, by_order, position_of, profit_of
from benchmarks.peers.fill_scenarios import SCENARIOS
from benchmarks.peers.fills import plain_rows
from benchmarks.peers.fills_ours import Played, play_product, play_script
from benchmarks.peers.hand_made import LATENCY_MS, START_NS, Scenario, ns_of
from core.backtest.run import Backtest
from core.market.queue_position import QUEUE_MODELS

LATENCY_NS = LATENCY_MS * 1_000_000
RESTING = [one for one in SCENARIOS if len(one.acts()) == 1 and one.acts()[0].force == POST_ONLY]


def named(scenario: Scenario) -> str:
    return scenario.name.replace(" ", "-")


@pytest.mark.parametrize("engine", ["python", "compiled"])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=named)
def test_what_was_worked_out_by_hand_fills(scenario: Scenario, engine: str) -> None:
    played = play_script(scenario.span(), scenario.acts(), scenario.model, LATENCY_MS, engine)
    assert played.fills == scenario.expected(), scenario.why


def test_no_scenario_has_the_name_of_another_and_each_says_how_hftbacktest_differs_where_it_does() -> None:
    assert len({one.name for one in SCENARIOS}) == len(SCENARIOS)
    for one in SCENARIOS:
        assert bool(one.differs) == (by_order(one.expected()) != by_order(one.expected(of_peer=True)))


def life_in(scenario: Scenario, rules: tuple[str, ...] = RULES) -> tuple[Peer, Life]:
    (life,) = lives_of(scenario.acts(), LATENCY_NS, scenario.span().last_ns).values()
    return Peer(Market(scenario.rows()), scenario.model, EXPONENT, rules), life


@pytest.mark.parametrize("scenario", RESTING, ids=named)
def test_a_resting_order_is_explained_by_the_rules_that_the_scenario_is_about(scenario: Scenario) -> None:
    peer, life = life_in(scenario)
    ours, theirs = sizes_of(scenario.expected()), sizes_of(scenario.expected(of_peer=True))
    assert peer.lived(life, RULES) == ours
    assert peer.lived(life) == theirs
    assert peer.cause_of(life, ours, theirs) == scenario.differs


def test_an_exchange_that_fills_orders_whole_does_so_at_the_first_lot_that_reaches_them() -> None:
    scenario = next(one for one in RESTING if one.name == "one lot more than the queue")
    peer, life = life_in(scenario, WHOLE_RULES)
    ours, theirs = sizes_of(scenario.expected()), ((ns_of(20), 5),)
    assert peer.lived(life) == theirs
    assert peer.cause_of(life, ours, theirs) == WHOLE


def test_a_difference_that_no_rule_makes_is_not_explained() -> None:
    peer, life = life_in(RESTING[0])
    ours = sizes_of(RESTING[0].expected())
    assert peer.cause_of(life, ours, ((START_NS, 1),)) == UNEXPLAINED
    assert peer.cause_of(life, ((START_NS, 1),), ours) == UNEXPLAINED


def test_a_scenario_that_comes_out_otherwise_than_written_down_is_told() -> None:
    for scenario in SCENARIOS:
        ours, theirs = scenario.expected(), scenario.expected(of_peer=True)
        assert verdict_of(scenario, ours, theirs) == (scenario.differs or EQUAL)
        more = OwnFill(START_NS, 1, 1, 1000, 1, True)
        assert verdict_of(scenario, (*ours, more), theirs) == NOT_AS_WRITTEN
        assert verdict_of(scenario, ours, (*theirs, more)) == NOT_AS_WRITTEN
        if scenario.differs:
            assert verdict_of(scenario, ours, ours) == NOT_AS_WRITTEN


@cache
def feed() -> EventSpan:
    return EventSpan(FACTS, as_events(generate(20_000)), 0)


@cache
def traded(model: str) -> Played:
    return play_product(feed(), model, LATENCY_MS)


@pytest.mark.parametrize("model", QUEUE_MODELS)
def test_the_rules_written_down_for_the_explanation_are_those_of_the_engine(model: str) -> None:
    played, peer = traded(model), Peer(Market(feed().rows), model, EXPONENT)
    filled = by_order(played.fills)
    assert len(filled) > 5
    for key, life in lives_of(played.acts, LATENCY_NS, feed().last_ns).items():
        assert peer.lived(life, RULES) == sizes_of(filled.get(key, ())), life


@pytest.mark.parametrize(
    "how", [Setup(), Setup(exchange="whole"), Setup(clock="venue_ns")], ids=["parts", "whole", "clock"]
)
def test_orders_are_compared_one_by_one_and_every_difference_has_its_cause(how: Setup) -> None:
    one = Traded(feed(), "power2", LATENCY_NS, traded("power2"), how)
    theirs = _as_peer(one)
    compared = compare(one, theirs)
    allowed = _joined(WHOLE_RULES if how.exchange == "whole" else RULES)
    if how.clock == "venue_ns":
        allowed |= {CLOCK, *(f"{CLOCK} + {cause}" for cause in allowed)}
    causes = {order.cause for order in compared}
    assert causes - {""} <= allowed
    assert "" in causes and len(causes) > 1
    assert {order.key for order in compared} == by_order(one.played.fills).keys() | by_order(theirs).keys()
    assert (CLOCK in causes) == (how.clock == "venue_ns")
    if how.clock == "local_ns":
        assert all((order.ours == order.theirs) == (order.cause == "") for order in compared)


def _joined(rules: tuple[str, ...]) -> set[str]:
    return {" + ".join(some) for count in range(1, len(rules) + 1) for some in combinations(rules, count)}


def _as_peer(one: Traded) -> list[OwnFill]:
    rules = WHOLE_RULES if one.setup.exchange == "whole" else RULES
    peer = Peer(Market(one.span.rows, one.setup.clock), one.model, EXPONENT, rules)
    lives = lives_of(one.played.acts, LATENCY_NS, one.span.last_ns)
    return [
        OwnFill(at_ns, key, life.sign, life.price_ticks, lots, True)
        for key, life in lives.items()
        for at_ns, lots in peer.lived(life)
    ]


def test_fills_of_one_moment_at_one_price_count_as_one() -> None:
    one, other = OwnFill(START_NS, 1, 1, 1000, 2, True), OwnFill(START_NS, 1, 1, 1001, 3, True)
    assert by_order([one, other, one]) == {1: (one._replace(size_lots=4), other)}


def test_profit_is_money_and_position_at_the_last_mid_less_fees() -> None:
    fills = [OwnFill(START_NS, 1, 1, 1000, 5, True), OwnFill(START_NS, 2, -1, 1002, 3, False)]
    assert position_of(fills) == 2
    gained = -5 * 1000 + 3 * 1002 + 2 * 1001.5
    fees = -0.00005 * 5 * 1000 + 0.0005 * 3 * 1002
    assert float(profit_of(fills, 1001.5)) == pytest.approx((gained - fees) * 0.0001)


def test_a_fill_of_the_peer_takes_when_it_is_at_the_arrival_of_its_order_and_refused_cancels_are_none() -> None:
    scenario = next(one for one in SCENARIOS if one.name == "the cancel is late")
    (sent, _), arrives_ns = scenario.acts(), START_NS + 15_000_000
    told = [[arrives_ns, 1, 1000, 2], [arrives_ns + 1, 1, 1000, 1], [arrives_ns + 2, 1, 0, -1]]
    made, taken = OwnFill(arrives_ns + 1, 1, 1, 1000, 1, True), OwnFill(arrives_ns, 1, 1, 1000, 2, False)
    assert peer_fills(told, scenario.acts(), LATENCY_NS) == (taken, made)
    assert sent.what == 1


def test_the_peer_gets_all_events_but_the_beginning_of_the_book_and_one_behind_the_end() -> None:
    scenario = SCENARIOS[0]
    given, own = plain_rows(scenario.rows(), "venue_ns"), scenario.rows()[1:]
    for column, name in enumerate(("venue_ns", "local_ns", "kind", "side", "price_ticks", "size_lots")):
        assert given[:-1, column].tolist() == own[name].tolist()
    assert (given[-1, :2] > own["local_ns"][-1]).all()


def test_the_profit_that_is_compared_is_the_one_that_a_backtest_tells() -> None:
    played, bot = traded("power3"), Backtest(config_of("power3", LATENCY_MS), [feed()], strategy=TouchMaker(None))
    assert profit_of(played.fills, played.last_mid_ticks) == Decimal(bot.run().summary["net_pnl"])
