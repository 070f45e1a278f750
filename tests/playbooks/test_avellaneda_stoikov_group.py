"""avellaneda_stoikov_group as a script: event, expected commands, event, ..."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from core.market.book import OrderBook
from core.market.commands import Command, Flatten, Quote, Quotes, Take
from core.market.events import BookUpdate, FillEvent, Timer, TradePrint, Watch
from core.market.order import Side
from core.market.position import Position
from strategies.avellaneda_stoikov import AvellanedaStoikov
from strategies.avellaneda_stoikov_group import STRATEGY, AvellanedaStoikovGroup
from strategies.base import View, strategy_class
from tests.market_parts import NOW, SECOND, book, fill, instrument, order
from utils.errors import ConfigError

PERP = instrument(symbol="SOL-PERP", kind="perp", tick_size=Decimal("0.01"), min_notional=Decimal(0))
FUTURE = replace(PERP, symbol="SOL-27DEC30", kind="future")
LIMIT = 400  # lots of 0.001: 0.4 of net delta
MID, THERE = 1_000_000, 1_002_000  # ticks: the future costs 20 more than the perpetual
MODEL = {
    "order_size": 0.1,
    "layers": 1,
    "gamma": 1,
    "kappa": 1000,
    "sigma_method": "fixed",
    "sigma": 1e-3,
    "horizon_s": 100,
}
WIDE = {"min_spread_bps": 0.001, "max_spread_bps": 9000}


def config(rows: dict[str, dict[str, Any]] | None = None, **keys: Any) -> dict[str, Any]:
    """Return a section with a perpetual and a future; `rows` changes them by their symbol."""
    instruments = [
        {"symbol": symbol, "max_position": 0.4, **(rows or {}).get(symbol, {})}
        for symbol in ("SOL-27DEC30", "SOL-PERP")
    ]
    given = {"symbol": "SOL-PERP", "instruments": instruments, "group_max_position": 0.4}
    return given | MODEL | WIDE | keys


class Script:
    """A bot with a view of its own; `hold` says what it has."""

    def __init__(self, rows: dict[str, dict[str, Any]] | None = None, **keys: Any) -> None:
        future = keys.pop("future", FUTURE)
        self.view = View(now_ns=NOW, utc_ns=NOW, instruments={"main": PERP, "leg2": future})
        self.view.books = {"main": book(MID - 1, MID + 1), "leg2": book(THERE - 1, THERE + 1)}
        self.strategy = AvellanedaStoikovGroup(AvellanedaStoikovGroup.params_from(config(rows, **keys)))

    def hold(self, main: int = 0, leg2: int = 0) -> Script:
        for leg, lots, price in (("main", main, MID), ("leg2", leg2, THERE)):
            entry = fill(Side.BUY if lots > 0 else Side.SELL, price, abs(lots) or 1, leg=leg)
            traded = self.view.instruments[leg]
            self.view.positions[leg] = Position(leg).after_fill(entry, traded) if lots else Position(leg)
        return self

    def show(self, leg: str, picture: OrderBook) -> Script:
        """Let a book come in, and the strategy hear of it."""
        self.view.books[leg] = picture
        assert self.strategy.on_event(BookUpdate(leg, picture), self.view) == []
        return self

    def wait(self, duration_s: float) -> Script:
        self.view.now_ns += int(duration_s * SECOND)
        self.view.utc_ns += int(duration_s * SECOND)
        return self

    def due(self) -> list[Command]:
        return self.strategy.on_event(Timer(self.view.now_ns), self.view)

    def quotes(self) -> dict[str, tuple[Quote, ...]]:
        found = {}
        for command in self.due():
            assert isinstance(command, Quotes)
            found[command.leg] = command.quotes
        return found

    def prices(self, leg: str) -> list[int]:
        return [one.price_ticks for one in self.quotes()[leg]]

    def leg(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.strategy.stats()["legs"][name]
        return found


def test_the_name_leads_to_the_strategy() -> None:
    assert strategy_class("avellaneda_stoikov_group") is STRATEGY


# The model


def test_each_leg_is_quoted_as_a_bot_of_its_own_would_quote_it() -> None:
    single = AvellanedaStoikov(AvellanedaStoikov.params_from(MODEL | WIDE))
    view = View(now_ns=NOW, utc_ns=NOW, instruments={"main": FUTURE}, books={"main": book(THERE - 1, THERE + 1)})
    view.position_limits["main"] = LIMIT
    (alone,) = single.on_event(Timer(NOW), view)
    assert isinstance(alone, Quotes)
    found = Script().quotes()
    assert [replace(one, leg="main") for one in found["leg2"]] == list(alone.quotes)
    assert [one.price_ticks for one in found["main"]] == [998_950, 1_001_050]


def test_the_inventory_of_every_leg_is_the_net_delta_of_the_group() -> None:
    script = Script().hold(main=LIMIT)
    assert script.prices("main") == [1_000_950]  # as one bot with a full inventory, which buys nothing
    assert script.leg("leg2")["skew_bps"] == pytest.approx(-1.0)
    assert script.strategy.stats()["group_util"] == 1.0


def test_a_quote_that_would_cross_is_held_off_the_touch_and_counted_by_leg() -> None:
    script = Script(gamma="auto", full_inventory_shift=1.9).hold(main=LIMIT)
    assert (script.prices("main"), script.prices("leg2")) == ([MID], [THERE])  # one tick above the best bid
    counted = [[script.leg(leg)[key] for key in ("decisions", "clamped", "held_at_touch")] for leg in ("main", "leg2")]
    assert counted == [[2, 0, 2], [2, 0, 2]]


def test_a_long_perpetual_and_a_short_future_offset_each_other() -> None:
    script = Script().hold(main=200, leg2=-200)
    assert script.prices("main") == [998_950, 1_001_050]
    assert (script.strategy.stats()["net_delta"], script.leg("main")["skew_bps"]) == ("0", 0)


def test_beta_says_how_much_of_the_main_instrument_a_leg_is_worth() -> None:
    script = Script({"SOL-27DEC30": {"beta": 2}}).hold(main=200, leg2=-50)
    script.due()
    assert script.strategy.stats()["net_delta"] == "0.1"
    assert script.leg("leg2")["skew_bps"] == pytest.approx(-0.25)


def test_weight_is_in_the_sizes_and_in_the_share_of_the_groups_room() -> None:
    script = Script({"SOL-27DEC30": {"weight": 3}}, order_size=0.05)
    assert {leg: {one.size_lots for one in found} for leg, found in script.quotes().items()} == {
        "main": {50},
        "leg2": {150},
    }
    script.hold(main=300)  # 100 lots are left to buy: a quarter of them for the perpetual
    found = script.quotes()
    assert [one.size_lots for leg in ("main", "leg2") for one in found[leg] if one.side is Side.BUY] == [25, 75]
    assert [one.size_lots for leg in ("main", "leg2") for one in found[leg] if one.side is Side.SELL] == [50, 150]


def test_a_full_group_buys_nothing_more_on_any_leg() -> None:
    found = Script().hold(main=100, leg2=300).quotes()
    assert {one.side for quotes in found.values() for one in quotes} == {Side.SELL}


def test_the_gross_value_is_shared_and_never_keeps_a_leg_from_reducing() -> None:
    script = Script(group_max_notional=4000).hold(main=200, leg2=-200)  # 4,004 are held
    found = script.quotes()
    assert [(one.side, one.size_lots) for one in found["main"]] == [(Side.SELL, 100)]
    assert [(one.side, one.size_lots) for one in found["leg2"]] == [(Side.BUY, 100)]


def test_a_leg_without_quote_is_watched_and_counts() -> None:
    script = Script({"SOL-27DEC30": {"quote": False}}).hold(leg2=200)
    assert script.quotes()["leg2"] == ()
    assert (script.leg("leg2")["source"], script.strategy.stats()["net_delta"]) == ("watched", "0.2")
    assert script.leg("main")["skew_bps"] == pytest.approx(-0.5)


# A thin book


def test_a_thin_book_is_quoted_round_the_perpetual_and_the_basis() -> None:
    script = Script().show("leg2", book(THERE - 1, THERE + 1))
    script.show("main", book(MID + 99, MID + 101))
    script.show("leg2", book(980_000, 1_030_000))  # 4.9 % wide
    assert script.prices("leg2") == pytest.approx([THERE + 100 - 1_052, THERE + 100 + 1_052], abs=2)
    assert script.leg("leg2")["thin"]
    assert script.leg("leg2")["basis"] == pytest.approx(20)


def test_a_book_that_shows_little_is_thin_too() -> None:
    script = Script(thin_size_quote=20).show("leg2", book(THERE - 1, THERE + 1))
    assert not script.leg("leg2")["thin"]  # 1,000 lots of 10 each
    script.show("leg2", book(THERE + 499, THERE + 501, bid_lots=1))
    assert script.leg("leg2")["thin"]
    script.due()
    assert script.leg("leg2")["reference_ticks"] == pytest.approx(THERE)


def test_a_book_that_falls_silent_is_quoted_round_the_main_price() -> None:
    script = Script().show("leg2", book(THERE - 1, THERE + 1))
    script.wait(5).show("main", book(MID + 99, MID + 101)).due()
    assert script.leg("leg2")["reference_ticks"] == THERE
    script.wait(0.1).due()
    assert script.leg("leg2")["reference_ticks"] == pytest.approx(THERE + 100)
    assert script.leg("leg2")["thin"]


def test_a_thin_book_whose_basis_was_never_seen_is_not_quoted() -> None:
    script = Script().show("leg2", book(980_000, 1_030_000))
    found = script.quotes()
    assert (found["leg2"], len(found["main"])) == ((), 2)
    assert script.leg("leg2")["source"] == "basis"


def test_the_basis_follows_by_its_half_life() -> None:
    script = Script(basis_halflife_s=100).show("leg2", book(THERE - 1, THERE + 1))
    script.wait(100).show("leg2", book(THERE + 999, THERE + 1001))  # 10 more
    assert script.leg("leg2")["basis"] == pytest.approx(25)
    script.wait(1).show("leg2", book(980_000, 1_030_000))
    assert script.leg("leg2")["basis"] == pytest.approx(25)  # of a thin book none is learned


def test_the_main_instruments_own_book_is_never_thin() -> None:
    script = Script().show("main", book(MID - 20_000, MID + 20_000))
    assert script.prices("main") == [998_950, 1_001_050]


# Too much for too long


def test_a_delta_beyond_its_share_is_reduced_after_the_cooldown_where_the_exit_is_cheapest() -> None:
    script = Script(rebalance_cooldown_s=60).hold(main=150, leg2=200)  # 0.35 of 0.4
    script.view.books["main"] = book(MID - 500, MID + 500)
    assert set(script.quotes()) == {"main", "leg2"}
    assert set(script.wait(59).quotes()) == {"main", "leg2"}
    off = [Quotes((), "main"), Quotes((), "leg2")]
    script.wait(1).view.open_orders["main"] = (order(Side.BUY, MID - 500, 10),)
    assert script.due() == off  # no order beside one that could fill
    script.view.open_orders.clear()
    assert script.due() == [*off, Take(Side.SELL, 999_996, 190, "leg2", reduce_only=True)]  # to 0.16; 20 bps through
    assert script.due() == off
    script.hold(main=150, leg2=10)
    assert set(script.wait(1).quotes()) == {"main", "leg2"}


def test_the_clock_begins_anew_when_the_delta_was_within_its_share() -> None:
    script = Script(rebalance_cooldown_s=60).hold(main=350)
    script.due()
    script.wait(59).hold(main=300).due()
    script.wait(1).hold(main=350)
    assert script.quotes()["main"]


def test_a_delta_beyond_the_limit_is_reduced_at_once_also_while_a_gate_is_shut() -> None:
    script = Script().hold(main=-450)
    (*off, take) = script.strategy.on_event(Watch(NOW), script.view)
    assert off == [Quotes((), "main"), Quotes((), "leg2")]
    assert isinstance(take, Take)
    assert (take.side, take.size_lots, take.leg, take.reduce_only) == (Side.BUY, 290, "main", True)


def test_a_thin_book_is_the_last_to_be_reduced_on() -> None:
    script = Script().hold(main=-200, leg2=-250)
    assert [one.leg for one in script.due() if isinstance(one, Take)] == ["leg2"]  # the spread is a smaller share there
    script = Script().hold(main=-200, leg2=-250).show("leg2", script.view.books["leg2"])
    script.wait(6)
    assert [one.leg for one in script.due() if isinstance(one, Take)] == ["main"]
    script.hold(leg2=-450).wait(1)
    assert [one.leg for one in script.due() if isinstance(one, Take)] == ["leg2"]


def test_orders_in_vain_leave_it_to_the_quotes_for_a_while() -> None:
    script = Script().hold(main=-450)
    for _ in range(3):
        assert [type(one) for one in script.wait(1).due()] == [Quotes, Quotes, Take]
    assert script.wait(1).quotes()["leg2"]
    assert script.wait(29).quotes()["leg2"]
    assert [type(one) for one in script.wait(1).due()] == [Quotes, Quotes, Take]


def test_fills_that_are_not_booked_yet_are_waited_for() -> None:
    script = Script().hold(main=-450)
    script.view.unbooked["main"] = frozenset({"take"})
    assert script.due() == [Quotes((), "main"), Quotes((), "leg2")]


def test_where_nothing_can_be_reduced_the_quotes_stay() -> None:
    script = Script().hold(main=-450)
    script.view.books["main"] = book(MID + 1, MID - 1)
    assert script.quotes()["leg2"]


# The positions


def test_a_barrier_closes_its_leg_only() -> None:
    script = Script(stop_loss=1, group_max_position=4).hold(main=100, leg2=-100)
    assert script.quotes()
    script.view.books["leg2"] = book(THERE + 1_000, THERE + 1_002)  # 1 lost on 0.1
    assert script.due() == [Flatten("stop_loss", 20.0, 200.0, "leg2")]
    assert script.leg("leg2")["barrier_hits"] == {"stop_loss": 1}
    script.hold(main=100)
    found = script.quotes()
    assert (found["leg2"], len(found["main"])) == ((), 2)  # nothing is added there for a while


def test_a_legs_own_expiry_leaves_the_others_alone() -> None:
    ends = NOW + 86_400 * SECOND
    script = Script(future=replace(FUTURE, expiry_utc_ns=ends)).hold(leg2=100)
    found = script.quotes()
    assert [(one.side, one.reduce_only) for one in found["leg2"]] == [(Side.SELL, True)]
    assert len(found["main"]) == 2
    script.wait(86_400 - 3_600)
    assert script.due() == [Flatten("expiry", 20.0, 200.0, "leg2")]
    found = script.hold().quotes()
    assert (found["leg2"], len(found["main"]), script.leg("leg2")["source"]) == ((), 2, "expiry")


def test_the_clocks_of_barriers_are_those_of_the_life_before() -> None:
    script = Script(time_limit_s=100).hold(leg2=100)
    script.strategy.on_event(FillEvent("leg2", fill(Side.BUY, THERE, 100, leg="leg2")), script.view)
    saved = script.strategy.saved()
    assert script.strategy.saved() is saved
    later = Script(time_limit_s=100).hold(leg2=100).wait(99)
    later.strategy.restore(saved, later.view)
    assert later.quotes()
    assert later.wait(1).due() == [Flatten("time_limit", 20.0, 200.0, "leg2")]


def test_prints_are_heard_by_their_leg() -> None:
    script = Script(kappa=None)
    script.show("main", book(MID - 1, MID + 1))
    assert script.strategy.on_event(TradePrint("main", MID + 5, 1, Side.BUY, 0, NOW), script.view) == []
    script.due()
    assert script.leg("main")["source"] == "fallback"


def test_other_parameters_go_for_all_legs_from_the_next_decision_on() -> None:
    script = Script().hold(main=200)
    script.due()
    script.strategy.reconfigure(AvellanedaStoikovGroup.params_from(config(group_max_position=0.8, gamma=2)))
    script.due()
    assert script.strategy.stats()["group_util"] == 0.25
    assert script.leg("leg2")["gamma"] == pytest.approx(2)


def test_before_anything_is_known_there_are_figures() -> None:
    stats = AvellanedaStoikovGroup(AvellanedaStoikovGroup.params_from(config())).stats()
    assert (stats["net_delta"], stats["legs"]) == (None, {})


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({"symbol": "ETH-PERP"}, "ETH-PERP is none of the instruments"),
        (
            {"rows": {"SOL-PERP": {"quote": False}, "SOL-27DEC30": {"quote": False}}},
            "none of the instruments is quoted",
        ),
        ({"order_size_quote": 5}, "exactly one of order_size"),
        ({"stop_loss": 0}, "stop_loss must not be 0"),
    ],
)
def test_keys_that_contradict_each_other_are_refused(keys: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        AvellanedaStoikovGroup.params_from(config(**keys))
