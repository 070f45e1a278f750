"""A group of instruments in the loop: venues scripted, time simulated; its limits hold whatever the venues do."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.market.commands import Command, Quote, Quotes, Take
from core.market.events import Event, Timer
from core.market.order import Side
from core.trading.closing import SpotRule
from strategies.base import Strategy, View
from tests.trading.group_bench import MID, SYMBOLS, GroupBench
from tests.trading.hedge_bench import FILL, NOTHING
from tests.trading.scripted_venue import LOSE
from utils.errors import ConfigError


class Greedy(Strategy):
    """Wants far too much on both sides of every leg, at prices that move with each decision."""

    @classmethod
    def params_from(cls, strategy_config: Mapping[str, Any]) -> int:
        return len(strategy_config["instruments"])

    def on_event(self, event: Event, view: View) -> list[Command]:
        if not isinstance(event, Timer):
            return []
        step = view.now_ns // 1_000_000_000 % 7
        sides = [(side, i) for side in Side for i in (0, 1)]
        return [
            Quotes(tuple(Quote(side, MID[leg] - side.sign * (2 + step + i), 45, i, leg) for side, i in sides), leg)
            for leg in list(SYMBOLS)[: self.params]
        ]


class Obedient(Strategy):
    """Says what a test puts into its mouth."""

    says: tuple[Command, ...] = ()

    @classmethod
    def params_from(cls, strategy_config: Mapping[str, Any]) -> None:
        """Read nothing."""

    def on_event(self, event: Event, view: View) -> list[Command]:
        return list(self.says) if isinstance(event, Timer) else []


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[GroupBench]:
    made = GroupBench(tmp_path)
    yield made
    made.close()


LEGS = st.sampled_from(list(SYMBOLS))
MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("hit"), LEGS, st.integers(0, 3), st.integers(1, 60), st.booleans()),
        st.tuples(st.just("wait"), st.integers(1, 12)),
        st.tuples(st.just("deaf"), LEGS),
        st.tuples(st.just("hearing"), LEGS),
        st.tuples(st.just("mute"), LEGS),
        st.tuples(st.just("restart")),
    ),
    max_size=16,
)
BETAS = {"leg2": {"beta": 1.5, "weight": 0.5}, "leg3": {"beta": 0.4, "max_position": 0.6}}


def hold_to_limits(bench: GroupBench, betas: Mapping[str, float]) -> None:
    """Fail when any outcome of what rests at the venues would be beyond a limit of the group or of a leg."""
    for side in Side:
        worst = bench.worst(side)
        delta = sum(Decimal(str(betas[leg])) * size for leg, size in worst.items())
        assert abs(delta) <= 1, worst
        for row, (leg, size) in zip(bench.config["instruments"], worst.items(), strict=True):
            assert abs(size) <= Decimal(str(row["max_position"])), leg
    gross = sum(max(abs(bench.worst(side)[leg]) for side in Side) * Decimal(MID[leg] + 1) / 100 for leg in bench.venues)
    assert gross <= bench.config["group_max_notional"]


def play(bench: GroupBench, what: str, *more: Any) -> None:
    if more and isinstance(more[0], str) and more[0] not in bench.venues:
        return
    if what == "hit":
        bench.hit(*more)
    elif what == "wait":
        bench.run(more[0] / 4)
    elif what == "mute":  # and what has filled unheard is not told for a while
        bench.venues[more[0]].script.reports.extend(["incomplete"] * 4)
    elif what in ("deaf", "hearing"):  # its cancels are never answered for a while
        bench.venues[more[0]].script.cancel = "lose" if what == "deaf" else "answer"
    else:
        bench.restart()
        bench.run(0.5)


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.integers(2, 3), MOVES, st.booleans())
def test_no_sequence_of_fills_passes_a_limit_of_the_group(
    legs: int, moves: list[tuple[Any, ...]], greedy: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        keys: dict[str, Any] = {"strategy": Greedy} if greedy else {}
        bench = GroupBench(Path(folder), legs, rows=BETAS, group_max_notional=140, rebalance_util=1, **keys)
        betas = {"main": 1.0, "leg2": 1.5, "leg3": 0.4}
        bench.run(0.5)
        try:
            for move in moves:
                play(bench, *move)
                hold_to_limits(bench, betas)
        finally:
            bench.close()


def test_a_greedy_strategy_fills_the_groups_room_and_no_more(tmp_path: Path) -> None:
    bench = GroupBench(tmp_path, strategy=Greedy)
    bench.run(1)
    assert sum(bench.worst(Side.BUY).values()) == 1
    assert sum(bench.worst(Side.SELL).values()) == -1
    assert bench.loop.snapshot()["stats"]["skipped.group_max_position"] > 0
    bench.close()


def test_fills_that_are_told_of_and_not_booked_take_up_room_on_the_other_legs(tmp_path: Path) -> None:
    bench = GroupBench(tmp_path, strategy=Greedy)
    bench.run(0.5)
    bench.venues["main"].script.reports.extend(["incomplete"] * 50)
    bench.hit("main", 0, 30, stream=False)
    bench.run(1.5)  # the order was moved meanwhile, and its cancel told of the fill
    assert bench.loop.snapshot()["legs"][0]["position"] == "0.00"
    assert sum(bench.worst(Side.BUY).values()) <= 1
    bench.close()


def test_less_on_one_leg_is_held_to_the_groups_limit_but_for_a_close(tmp_path: Path) -> None:
    bench = GroupBench(tmp_path, strategy=Obedient, group_max_position=0.5)
    say = bench.strategy
    assert isinstance(say, Obedient)
    for leg, quote in (("main", Quote(Side.BUY, 9_990, 50)), ("leg2", Quote(Side.SELL, 10_060, 80))):
        say.says = (Quotes((replace(quote, leg=leg),), leg),)
        bench.run(1.2)
        bench.hit(leg, 0, quote.size_lots)
    say.says = (Quotes((), "main"), Quotes((), "leg2"), Take(Side.SELL, 9_990, 50, "main", reduce_only=True))
    bench.run(3)
    assert bench.held() == {"main": Decimal("0.3"), "leg2": Decimal("-0.8")}  # 20 of 50: then the group is at its limit
    say.says = ()
    bench.loop.begin_close("test", SpotRule.LEAVE)
    bench.run(4)
    assert bench.held() == {"main": 0, "leg2": 0}
    bench.close()


def test_both_legs_are_quoted_and_a_fill_on_one_leans_both(bench: GroupBench) -> None:
    bench.run(1)
    before = {leg: bench.resting(leg) for leg in bench.venues}
    assert {leg: len(orders) for leg, orders in before.items()} == {"main": 4, "leg2": 4}
    bench.hit("main", 0, 20)
    bench.run(1.5)
    for leg in bench.venues:
        best = max(order.price_ticks for order in bench.resting(leg, Side.BUY))
        assert best < max(order.price_ticks for order in before[leg] if order.side is Side.BUY), leg
    assert bench.stats()["net_delta"] == "0.2"


def test_profit_and_fees_are_kept_for_each_leg_and_for_the_group(bench: GroupBench) -> None:
    bench.run(1)
    bench.hit("main", 0, 20)
    bench.hit("leg2", 0, 10)
    bench.run(1)
    stats, shot = bench.stats(), bench.loop.snapshot()
    nets = [Decimal(row["net"]) for row in stats["legs"].values()]
    assert Decimal(stats["group_net"]) == sum(nets)
    assert [row["fees"] for row in stats["legs"].values()] == ["0.01", "0.01"]
    assert {leg["leg"]: Decimal(leg["position"]) for leg in shot["legs"]} == {
        leg: Decimal(row["position"]) for leg, row in stats["legs"].items()
    }


def test_a_leg_that_is_watched_is_never_quoted(tmp_path: Path) -> None:
    bench = GroupBench(tmp_path, rows={"leg2": {"quote": False}})
    bench.run(2)
    assert (len(bench.resting("main")), bench.venues["leg2"].submitted) == (4, [])
    bench.close()


def test_too_much_delta_for_too_long_is_reduced_on_one_leg_with_no_quotes_left(tmp_path: Path) -> None:
    bench = GroupBench(tmp_path, rebalance_cooldown_s=5, rebalance_util=0.5, layers=1, order_size=0.4)
    bench.run(1)
    bench.hit("main", 0, 30)
    bench.hit("leg2", 0, 40)
    bench.run(3)
    assert sum(bench.held().values()) == Decimal("0.7")
    bench.run(6)
    assert sum(bench.held().values()) == Decimal("0.25")  # half of rebalance_util
    assert bench.stats()["rebalances"] >= 1
    takes = [leg for leg, what in bench.journal if what.startswith("take")]
    assert set(takes) <= {"main", "leg2"}
    assert bench.resting("main")  # and quotes are back
    bench.close()


def test_the_clocks_of_a_legs_barriers_outlive_a_life(tmp_path: Path) -> None:
    bench = GroupBench(tmp_path, time_limit_s=10, layers=1)
    bench.run(1)
    bench.hit("leg2", 0, 20)
    bench.run(4)
    bench.restart()
    bench.run(3)
    assert bench.held()["leg2"] == Decimal("0.2")
    bench.run(5)
    assert bench.held()["leg2"] == 0
    assert bench.stats()["legs"]["main"]["barrier_hits"] == {}
    bench.close()


def test_a_lower_limit_of_the_group_holds_at_once(bench: GroupBench) -> None:
    bench.run(1)
    lower = {**bench.config, "group_max_position": 0.3, "interval_s": 1.0}
    bench.loop.apply_change(bench.loop.prepare_change(lower, {}, 8.0))
    bench.run(0.2)
    for side in Side:
        assert abs(sum(bench.worst(side).values())) <= Decimal("0.3")
    bench.run(2)
    assert all(bench.resting(leg) for leg in bench.venues)


def test_legs_of_two_quote_assets_or_a_spot_market_are_refused(bench: GroupBench) -> None:
    kind, params = type(bench.strategy), bench.strategy.params
    view = bench.loop.view
    for change, why in (({"quote": "EUR"}, "one quote asset"), ({"kind": "spot"}, "is spot")):
        markets = {**view.instruments, "leg2": replace(view.instruments["leg2"], **change)}
        with pytest.raises(ConfigError, match=why):
            kind.check(params, markets, view.limits)


def test_a_limit_below_one_lot_of_a_quoted_leg_is_refused(bench: GroupBench) -> None:
    kind, view = type(bench.strategy), bench.loop.view
    params = kind.params_from({**bench.config, "group_max_position": 0.005})
    with pytest.raises(ConfigError, match=r"one lot of SOL-PERP is 0\.01"):
        kind.check(params, view.instruments, view.limits)


def test_a_close_that_does_not_get_on_keeps_no_other_leg_from_being_closed(tmp_path: Path) -> None:
    bench = GroupBench(tmp_path, stop_loss=0.5, layers=1)
    bench.run(1)
    for leg in bench.venues:
        bench.hit(leg, 0, 20)
    bench.run(0.5)
    bench.venues["leg2"].take = NOTHING
    bench.books["leg2"] = (MID["leg2"] - 301, MID["leg2"] - 299)  # 0.6 lost
    bench.run(3)
    assert (bench.held()["leg2"], bench.loop.snapshot()["gates"]) == (Decimal("0.2"), ["flatten"])
    bench.books["main"] = (MID["main"] - 301, MID["main"] - 299)
    bench.run(3)
    assert bench.held() == {"main": 0, "leg2": Decimal("0.2")}
    bench.venues["leg2"].take = FILL
    bench.run(4)
    assert bench.held() == {"main": 0, "leg2": 0}
    assert [row["barrier_hits"] for row in bench.stats()["legs"].values()] == [{"stop_loss": 1}, {"stop_loss": 1}]
    assert bench.loop.snapshot()["closing"] is None
    bench.close()


def holding_both_ways(folder: Path, **keys: Any) -> GroupBench:
    """Return a bench that is long on one leg, short on the other, and leaves 0.5 to each."""
    bench = GroupBench(folder, stop_loss=0.5, layers=1, **keys)
    bench.run(1)
    for leg, side in (("main", Side.BUY), ("leg2", Side.SELL)):
        bench.venues[leg].fill(bench.resting(leg, side)[0].client_order_id, 20)
    bench.run(0.5)
    assert bench.held() == {"main": Decimal("0.2"), "leg2": Decimal("-0.2")}
    return bench


def lose_on_leg2(bench: GroupBench) -> None:
    """Let a short position of 0.2 on the second leg lose 0.6."""
    bench.books["leg2"] = (MID["leg2"] + 299, MID["leg2"] + 301)
    bench.run(3)


def test_while_a_start_closes_one_leg_a_barrier_closes_another(tmp_path: Path) -> None:
    bench = holding_both_ways(tmp_path, startup_position="close_long")
    bench.venues["main"].take = NOTHING
    bench.restart(fresh=True)
    bench.run(2)
    assert bench.held() == {"main": Decimal("0.2"), "leg2": Decimal("-0.2")}
    assert bench.loop.snapshot()["phase"] == "CLOSING"
    lose_on_leg2(bench)
    assert bench.held() == {"main": Decimal("0.2"), "leg2": 0}
    bench.venues["main"].take = FILL
    bench.run(4)
    assert bench.held() == {"main": 0, "leg2": 0}
    assert bench.loop.snapshot()["closing"] is None
    bench.close()


def test_while_a_start_waits_for_its_cancels_on_one_leg_a_barrier_closes_another(tmp_path: Path) -> None:
    bench = holding_both_ways(tmp_path, startup_orders="cancel_all")
    bench.venues["main"].script.cancel = LOSE
    bench.close()
    sent = len(bench.venues["main"].submitted)
    bench.begin()
    bench.run(2)
    assert bench.held() == {"main": Decimal("0.2"), "leg2": Decimal("-0.2")}
    lose_on_leg2(bench)
    assert bench.held() == {"main": Decimal("0.2"), "leg2": 0}
    assert (bench.loop.snapshot()["phase"], len(bench.venues["main"].submitted)) == ("SYNC", sent)
    bench.close()


def test_what_a_close_leaves_beyond_the_limit_is_reduced_on_the_others(tmp_path: Path) -> None:
    bench = GroupBench(tmp_path, group_max_position=0.5, stop_loss=0.5, layers=1, barrier_cooldown_s=60)
    bench.run(1)
    for _ in range(4):  # long on the one, short on the other
        bench.hit("main", 0, 20)
        bench.hit("leg2", len(bench.resting("leg2")) - 1, 20)
        bench.run(1.5)
    assert bench.held() == {"main": Decimal("0.8"), "leg2": Decimal("-0.8")}
    bench.books["leg2"] = (MID["leg2"] + 99, MID["leg2"] + 101)
    bench.run(6)
    assert bench.held()["leg2"] == 0
    assert abs(bench.held()["main"]) <= Decimal("0.5")
    bench.close()


def test_a_leg_whose_contract_has_ended_keeps_no_other_from_being_quoted(tmp_path: Path) -> None:
    bench = GroupBench(tmp_path, lasts_s=10, roll_before_s=6, stop_before_s=3)
    bench.run(1)
    bench.hit("leg2", 0, 20)
    bench.run(4)
    assert {order.side for order in bench.resting("leg2")} == {Side.SELL}
    bench.run(3)
    assert (bench.held()["leg2"], bench.resting("leg2")) == (0, [])
    bench.silent.add("leg2")
    bench.run(3)
    bench.venues["leg2"].link_down()
    bench.run(8)
    assert (bench.loop.snapshot()["gates"], len(bench.resting("main"))) == ([], 4)
    bench.close()


def test_a_leg_that_has_not_ended_is_missed_when_it_falls_silent(bench: GroupBench) -> None:
    bench.run(1)
    bench.silent.add("leg2")
    bench.run(7)
    assert (bench.loop.snapshot()["gates"], bench.resting("main")) == (["stale"], [])
