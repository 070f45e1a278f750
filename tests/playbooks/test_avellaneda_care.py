"""avellaneda_stoikov as a script: what it does for its position beside barriers, and sizes by capital."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.market.book import OrderBook
from core.market.commands import Flatten, Quote, Quotes
from core.market.events import Watch
from core.market.order import Side
from core.market.risk_limits import RiskLimits
from core.market.risk_room import trim_quotes
from strategies.avellaneda_stoikov import AvellanedaStoikov
from tests.market_parts import instrument, risk_state
from tests.playbooks.care_script import MODEL, Script
from utils.errors import ConfigError

# The entry anchor


def test_a_long_position_is_not_sold_below_its_entry_and_not_added_to_near_it() -> None:
    free, held = Script(), Script(entry_anchor=True)
    for script in (free, held):
        script.trade(Side.BUY, 200).move(9_900)
    assert free.prices(Side.SELL)[0] < 9_950
    assert held.prices(Side.SELL) == [10_000, 10_001]
    assert held.move(10_050).prices(Side.BUY) == [9_995, 9_994]  # 0.05 % below the entry


def test_a_short_position_is_its_mirror() -> None:
    script = Script(entry_anchor=True).trade(Side.SELL, 200).move(10_100)
    assert script.prices(Side.BUY) == [10_000, 9_999]
    assert script.move(9_950).prices(Side.SELL) == [10_005, 10_006]


def test_an_anchor_is_above_the_fees_of_a_round_trip() -> None:
    dear = instrument(kind="perp", tick_size=Decimal("0.01"), maker_fee_bps=Decimal(2))
    script = Script(dear, entry_anchor=True).trade(Side.BUY, 200).move(9_900)
    assert script.prices(Side.SELL)[0] == 10_004


def test_an_old_position_has_the_looser_tolerance() -> None:
    script = Script(entry_anchor=True, anchor_max_age_s=60).trade(Side.BUY, 200).move(9_900)
    assert script.wait(60).prices(Side.SELL)[0] == 10_000
    assert script.wait(1).prices(Side.SELL)[0] == 9_950
    assert script.next_life().prices(Side.SELL)[0] == 9_950  # the age goes on


def test_without_a_position_nothing_is_anchored() -> None:
    assert Script(entry_anchor=True).prices(Side.BUY) == Script().prices(Side.BUY)


def test_an_anchor_never_holds_a_stop_back() -> None:
    script = Script(entry_anchor=True, stop_loss_pct=1).trade(Side.BUY, 200).move(9_890)
    assert script.closes() == "stop_loss"


# The open profit


def test_an_open_profit_is_taken_by_an_order_that_rests_then_at_once() -> None:
    script = Script(upnl_take_profit_pct=0.5).trade(Side.BUY, 200)
    assert "profit" not in script.move(10_049).slots()
    closing = Quote(Side.SELL, 10_051, 200, 0, "main", True, True, "profit")
    assert script.move(10_050).quotes() == (closing,)
    assert script.move(10_020).wait(2.9).quotes()[0].slot == "profit"  # once begun it goes on
    assert script.wait(0.1).due() == [Flatten("open_profit", 20.0, 200.0, "main")]
    script.trade(Side.SELL, 200, 10_020)
    assert "profit" not in script.slots()
    assert script.strategy.stats()["profits_taken"] == 1


def test_a_profit_that_does_not_pay_the_fee_of_closing_is_none() -> None:
    dear = instrument(kind="perp", tick_size=Decimal("0.01"), taker_fee_bps=Decimal(60))
    script = Script(dear, upnl_take_profit_quote=0.01).trade(Side.BUY, 200)
    assert "profit" not in script.move(10_060).slots()
    assert script.move(10_070).slots() == {"profit"}
    params = AvellanedaStoikov.params_from(MODEL | {"upnl_take_profit_pct": 0.6})
    limits = {"main": RiskLimits(max_position_lots=100)}
    with pytest.raises(ConfigError, match=r"closing costs 0\.6 % in fees"):
        AvellanedaStoikov.check(params, {"main": dear}, limits)


def test_what_is_enough_follows_the_volatility_within_its_bounds() -> None:
    config = {"upnl_take_profit_pct": 0.5, "tp_min_pct": 0.3, "tp_max_pct": 1.0}
    for usual, enough in ((1e-6, 10_050), (2e-6, 10_030), (1e-7, 10_100)):
        script = Script(**config, sigma_ref=usual).trade(Side.BUY, 200)
        assert "profit" not in script.slots()  # the model has spoken once
        assert "profit" not in script.move(enough - 1).slots()
        assert script.move(enough).slots() == {"profit"}


def test_while_a_gate_is_shut_no_profit_is_taken() -> None:
    script = Script(upnl_take_profit_pct=0.5).trade(Side.BUY, 200).move(10_100)
    assert script.hear(Watch(script.view.now_ns)) == []


# Rescue

RESCUE: dict[str, Any] = {"rescue_enabled": True, "rescue_max_steps": 2}


def rescue_of(script: Script) -> list[tuple[str, int, int]]:
    return [(q.slot, q.price_ticks, q.size_lots) for q in script.quotes() if q.slot.startswith("rescue")]


def test_a_losing_position_is_added_to_a_few_times_each_time_farther() -> None:
    script = Script(**RESCUE).trade(Side.BUY, 200)
    assert rescue_of(script.move(9_901)) == []
    assert rescue_of(script.move(9_900)) == [("rescue.0", 9_899, 100)]
    assert rescue_of(script.move(9_950)) == [("rescue.0", 9_899, 100)]  # it stays where it is
    script.trade(Side.BUY, 40, 9_899, "rescue.0")
    assert rescue_of(script) == [("rescue.0", 9_899, 60)]
    script.trade(Side.BUY, 60, 9_899, "rescue.0").move(9_850)
    assert rescue_of(script) == [("rescue.1", 9_849, 100)]
    script.trade(Side.BUY, 100, 9_849, "rescue.1").move(9_700)
    assert rescue_of(script) == []
    assert script.strategy.stats()["rescue_steps"] == 2


def test_quotes_and_rescue_do_not_cancel_each_other() -> None:
    slots = Script(**RESCUE).trade(Side.BUY, 200).move(9_900).slots()
    assert slots == {"buy.0", "buy.1", "sell.0", "sell.1", "rescue.0"}


def test_a_rescue_that_has_worked_closes_the_position_and_begins_anew_with_the_next() -> None:
    script = Script(**RESCUE).trade(Side.BUY, 200).move(9_900)
    script.quotes()
    script.trade(Side.BUY, 100, 9_899, "rescue.0")  # the average is 99.6633
    assert script.move(9_976).closes() == ""
    assert script.move(9_977).closes() == "rescue_exit"
    script.trade(Side.SELL, 300, 9_977)
    assert rescue_of(script) == []
    assert script.strategy.stats()["rescues"] == 1


def test_a_rescue_spends_no_more_than_it_may() -> None:
    script = Script(**RESCUE, rescue_size_mult=3, rescue_max_quote=15).trade(Side.BUY, 200).move(9_900)
    assert rescue_of(script) == [("rescue.0", 9_899, 151)]  # 300 would be worth 29.70


def test_a_short_position_is_rescued_by_sells() -> None:
    script = Script(**RESCUE).trade(Side.SELL, 200).move(10_100)
    assert rescue_of(script) == [("rescue.0", 10_101, 100)]


def test_what_was_added_outlives_a_restart_and_ends_with_the_position() -> None:
    script = Script(**RESCUE).trade(Side.BUY, 200).move(9_900)
    script.quotes()
    later = script.next_life()
    assert rescue_of(later) == [("rescue.0", 9_899, 100)]
    assert rescue_of(later.next_life(rescue_enabled=False)) == []
    later.trade(Side.SELL, 400, 9_900)  # now it is short
    assert rescue_of(later) == []


def test_nothing_is_added_after_a_stop() -> None:
    script = Script(**RESCUE, stop_loss_pct=1.2).trade(Side.BUY, 200).move(9_900)
    script.quotes()
    assert script.move(9_870).closes() == "stop_loss"
    assert rescue_of(script.move(9_890)) == []


def test_unwinding_leans_harder_until_the_position_is_small() -> None:
    loud = {"sigma": 1e-3, "horizon_s": 10, "min_spread_bps": 0.001, "max_spread_bps": 9000}
    script = Script(**RESCUE, **loud, rescue_mode="unwind").trade(Side.BUY, 4_000)
    plain = Script(**loud).trade(Side.BUY, 4_000)
    for one in (script, plain):
        one.move(9_900)
        one.quotes()  # the first one finds it lost
        one.quotes()
    skews = [one.strategy.stats()["skew_bps"] for one in (script, plain)]
    assert skews[0] == pytest.approx(2.5 * skews[1], rel=1e-6)  # five times the skew of half the gamma
    assert rescue_of(script) == []
    script.trade(Side.SELL, 2_000, 9_950).move(9_990)
    script.quotes()
    script.quotes()
    plain.trade(Side.SELL, 2_000, 9_950).move(9_990)
    plain.quotes()
    assert script.strategy.stats()["skew_bps"] == pytest.approx(plain.strategy.stats()["skew_bps"], rel=1e-6)


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"sizing": "capital"}, "neither order_size nor"),
        ({"order_size": None}, "exactly one of"),
        ({"tp_min_pct": 1}, "need each other"),
        ({"tp_min_pct": 1, "tp_max_pct": 2}, "need upnl_take_profit_pct and sigma_ref"),
        (
            {"tp_min_pct": 3, "tp_max_pct": 2, "upnl_take_profit_pct": 1, "sigma_ref": 0.1},
            "tp_min_pct must not be above",
        ),
    ],
)
def test_contradicting_keys_are_refused(config: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        AvellanedaStoikov.params_from(MODEL | config)


# All of it together

acts = st.lists(
    st.one_of(
        st.tuples(st.just("move"), st.integers(9_000, 11_000)),
        st.tuples(st.just("fill"), st.integers(0, 20)),
        st.tuples(st.just("wait"), st.integers(1, 60)),
    ),
    max_size=14,
)


@given(acts, st.booleans(), st.sampled_from(["add", "unwind"]))
def test_whatever_happens_no_quote_crosses_and_the_worst_case_stays_in_the_limit(
    moves: list[tuple[str, int]], is_anchored: bool, mode: str
) -> None:
    config = {"entry_anchor": is_anchored, "rescue_mode": mode, "upnl_take_profit_pct": 0.5, "recovery_enabled": True}
    script, wanted = Script(**RESCUE, **config, stop_loss_pct=3), ()
    for what, number in moves:
        if what == "move":
            script.move(number)
        elif what == "wait":
            script.wait(number)
        elif wanted:
            one = wanted[number % len(wanted)]
            script.trade(one.side, one.size_lots, one.price_ticks, one.slot_name)
        last = script.due()[-1]
        wanted = last.quotes if isinstance(last, Quotes) else ()
        check(script, wanted, script.view.books["main"])


def check(script: Script, wanted: tuple[Quote, ...], picture: OrderBook) -> None:
    bids = [one.price_ticks for one in wanted if one.side is Side.BUY]
    asks = [one.price_ticks for one in wanted if one.side is Side.SELL]
    assert max(bids, default=0) < picture.best_ask_ticks
    assert min(asks, default=1 << 40) > picture.best_bid_ticks
    assert max(bids, default=0) < min(asks, default=1 << 40)
    assert len({one.slot_name for one in wanted}) == len(wanted)
    for side in Side:
        layers = [one.price_ticks for one in wanted if one.side is side and one.slot_name.startswith(side.value)]
        assert layers == sorted(set(layers), reverse=side is Side.BUY)
    position = script.view.positions["main"]
    limits = RiskLimits(max_position_lots=450)
    state = risk_state(instrument=script.instrument, book=picture, position=position)
    allowed = trim_quotes(wanted, limits, state).allowed
    for side in Side:
        more = sum(one.size_lots for one in allowed if one.side is side)
        assert side.sign * position.size_lots + more <= max(450, side.sign * position.size_lots)
