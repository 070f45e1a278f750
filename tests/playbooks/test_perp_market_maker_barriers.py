"""perp_market_maker closes: what is too much of a position, barriers, the liquidation price."""

from __future__ import annotations

from decimal import Decimal

import pytest

from core.market.book import OrderBook
from core.market.commands import Flatten, Quotes, Take
from core.market.events import PerpFacts
from core.market.order import OrderState, Side
from core.market.reports import VenuePosition
from strategies.perp_market_maker import PerpMarketMaker
from tests.market_parts import NOW, fill, instrument, order
from tests.playbooks.perp_maker_script import PERP, Script


def test_only_the_part_beyond_the_band_is_shed() -> None:
    script = Script(position_threshold=0.2).hold(250)  # 0.25 held, target 0: 0.05
    quotes = {one.slot_name: one for one in script.quotes()}
    reduce = quotes["reduce"]
    assert (reduce.side, reduce.price_ticks, reduce.size_lots) == (Side.SELL, 15_001, 50)
    assert (reduce.post_only, reduce.reduce_only) == (True, True)
    assert set(quotes) == {"buy.0", "reduce"}  # it takes the place of the asks
    assert script.hold(200).rows() == [("buy.0", 14_985, 100), ("sell.0", 15_015, 100)]


def test_without_a_threshold_it_is_half_of_the_limit() -> None:
    assert ("reduce", 15_001, 50) in Script().hold(250).rows()
    assert ("reduce", 14_999, 50) in Script().hold(-250).rows()


def test_without_threshold_and_limit_nothing_is_too_much() -> None:
    assert len(Script(limit=None).hold(10**6).rows()) == 2


def test_maker_gives_way_to_an_immediate_order_after_its_wait() -> None:
    script = Script(position_threshold=0.2, reduce_wait_s=15).hold(250)
    assert "reduce" in [row[0] for row in script.rows()]
    assert "reduce" in [row[0] for row in script.wait(14.9).rows()]
    resting = order(Side.SELL, 15_001, 50, "reduce")
    assert script.wait(0.1).rest(resting).due() == [Quotes(())]  # first every quote goes
    assert script.rest(order(Side.SELL, 15_001, 50, state=OrderState.PENDING_CANCEL)).due() == [Quotes(())]
    none, take = script.rest().due()
    assert none == Quotes(())
    assert take == Take(Side.SELL, 14_970, 50, "main", reduce_only=True)  # 20 bps through 14,999, rounded up
    assert script.wait(0.5).due() == [Quotes(())]  # not more than one a second
    assert len(script.wait(0.5).due()) == 2
    assert len(script.hold(200).quotes()) == 2


def test_the_wait_begins_anew_once_nothing_is_too_much() -> None:
    script = Script(position_threshold=0.2).hold(250)
    script.rows()
    script.wait(14).hold(200).rows()
    assert "reduce" in [row[0] for row in script.wait(14).hold(250).rows()]


@pytest.mark.parametrize(("mode", "kinds"), [("maker", [Quotes]), ("ioc", [Quotes, Take])])
def test_a_reduce_mode_can_be_the_only_one(mode: str, kinds: list[type]) -> None:
    script = Script(position_threshold=0.2, reduce_mode=mode).hold(-250)
    script.due()
    assert [type(command) for command in script.wait(3600).due()] == kinds


def test_what_lies_beyond_the_limit_is_closed_at_once_in_any_mode() -> None:
    script = Script(position_threshold=0.2, reduce_mode="maker").hold(-450)
    assert script.due() == [Quotes(()), Take(Side.BUY, 15_031, 50, "main", reduce_only=True)]


def test_an_excess_too_small_for_an_order_is_left() -> None:
    traded = instrument(kind="perp", tick_size=Decimal("0.01"), min_lots=50)
    assert len(Script(traded=traded, position_threshold=0.2, reduce_mode="ioc").hold(240).quotes()) == 2


# Barriers


@pytest.mark.parametrize("sign", [1, -1])
def test_a_stop_loss_or_take_profit_in_quote_is_of_the_unrealised_profit_and_its_sign_does_not_matter(
    sign: int,
) -> None:
    script = Script(stop_loss=sign * 2, take_profit=sign * 3).hold(100)  # 0.1 at 150
    assert script.move(13_001).closes() == ""
    assert script.move(13_000).closes() == "stop_loss"
    assert script.hold(0).quotes() == ()
    assert script.hold(100).move(17_999).closes() == ""
    assert script.move(18_000).closes() == "take_profit"
    assert script.strategy.stats()["barrier_hits"] == {"stop_loss": 1, "take_profit": 1}


def test_a_short_loses_when_the_price_rises() -> None:
    script = Script(stop_loss_pct=2, take_profit_pct=3).hold(-100)
    assert script.move(15_299).closes() == ""
    assert script.move(15_300).closes() == "stop_loss"
    assert script.move(14_550).closes() == "take_profit"


def test_a_trailing_stop_closes_what_has_gained_and_gives_back() -> None:
    script = Script(trailing_start_pct=1, trailing_delta_pct=0.5).hold(100)
    assert [script.move(mid).closes() for mid in (15_140, 15_000, 15_150, 15_300, 15_226)] == [""] * 5
    assert script.move(15_225).closes() == "trailing_stop"


def test_a_time_limit_counts_from_the_entry_and_anew_after_a_flip() -> None:
    script = Script(time_limit_s=60, position_threshold=9)
    script.fills(Side.BUY, 100)
    assert script.wait(59).closes() == ""
    script.fills(Side.BUY, 50).fills(Side.SELL, 200)  # a burst turns the position
    assert script.wait(59).closes() == ""
    assert script.wait(1).closes() == "time_limit"


def test_a_burst_that_turns_the_position_and_back_restarts_the_clock() -> None:
    script = Script(time_limit_s=60, position_threshold=9)
    script.fills(Side.BUY, 100)
    script.wait(59).burst(fill(Side.SELL, 15_000, 150), fill(Side.BUY, 15_000, 150))
    assert script.wait(1).closes() == ""


@pytest.mark.parametrize(
    ("mid", "age_s", "first"),
    [(13_000, 60, "stop_loss"), (18_000, 60, "time_limit"), (18_000, 59, "take_profit")],
)
def test_of_barriers_at_once_stop_comes_before_time_before_profit(mid: int, age_s: float, first: str) -> None:
    script = Script(stop_loss=2, take_profit=3, time_limit_s=60)
    script.fills(Side.BUY, 100)
    assert script.wait(age_s).move(mid).closes() == first


def test_a_barrier_begins_at_the_reduce_slippage_and_may_widen_to_the_widest() -> None:
    (command,) = Script(stop_loss=2, reduce_slippage_bps=25, max_close_slippage_bps=120).hold(100).move(12_000).due()
    assert command == Flatten("stop_loss", 25, 120)


def test_after_a_barrier_nothing_is_added_for_the_cooldown() -> None:
    script = Script(stop_loss=2, barrier_cooldown_s=60).hold(100)
    assert script.move(12_000).closes() == "stop_loss"
    assert script.hold(0).move(15_000).wait(3).quotes() == ()  # the loop asks again once it is closed
    assert script.wait(59).quotes() == ()
    kept = script.hold(30).quotes()  # a late fill: what reduces it may be quoted
    assert [(one.slot_name, one.size_lots, one.reduce_only) for one in kept] == [("sell.0", 30, True)]
    assert len(script.hold(0).wait(1).quotes()) == 2


def test_a_position_too_small_to_close_trips_nothing() -> None:
    script = Script(stop_loss_pct=1).hold(10)  # worth 1.5: below the least notional of 5
    assert script.move(12_000).closes() == ""


def test_barriers_are_judged_by_the_mark_price_while_it_is_fresh() -> None:
    script = Script(stop_loss=2).hold(100)
    script.view.facts["main"] = PerpFacts("main", Decimal(130), local_ns=NOW)
    assert script.closes() == "stop_loss"
    assert script.wait(11).closes() == ""  # old: the mid of 150 takes its place


def test_without_any_price_no_barrier_is_judged() -> None:
    script = Script(stop_loss=2).hold(100)
    script.view.books["main"] = OrderBook((), ())
    assert script.due() == [Quotes(())]


@pytest.mark.parametrize(("lots", "liquidation", "expected"), [
    (100, 13_501, "liquidation"),
    (100, 13_500, ""),
    (-100, 16_499, "liquidation"),
    (-100, 16_500, ""),
])  # fmt: skip
def test_a_mark_near_the_liquidation_price_closes_the_position(lots: int, liquidation: int, expected: str) -> None:
    script = Script(liquidation_buffer_pct=10).hold(lots)
    price = PERP.to_price(liquidation)
    script.view.venue_positions["main"] = VenuePosition("main", lots, None, None, price)
    assert script.closes() == expected
    assert script.strategy.stats()["liq_distance_pct"] == pytest.approx(10, abs=0.01)
    if not expected:
        script.view.venue_positions["main"] = VenuePosition("main", -lots, None, None, PERP.to_price(15_000))
        assert script.closes() == ""  # of a position that is not held any more


def test_other_parameters_do_not_set_the_clock_back() -> None:
    script = Script(time_limit_s=60)
    script.fills(Side.BUY, 100)
    changed = {"symbol": "SOL-PERP", "order_size": 0.1, "layers": 1, "time_limit_s": 50}
    script.wait(50).strategy.reconfigure(PerpMarketMaker.params_from(changed))
    assert script.closes() == "time_limit"
