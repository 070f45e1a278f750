"""maker_taker_hedge as a script: event, expected command, event, ..."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from core.market.book import OrderBook
from core.market.commands import Command, Confirm, Quote, Quotes, Take, Wake
from core.market.events import BookUpdate, Event, FillEvent, LinkDown, LinkUp, OrderUpdate, Timer, TradePrint, Watch
from core.market.order import OrderEvent, Side
from core.market.position import Position
from core.market.reports import Balance
from core.market.risk_limits import RiskLimits
from strategies.base import View, strategy_class
from strategies.maker_taker_hedge import STRATEGY, MakerTakerHedge
from tests.market_parts import NOW, SECOND, book, fill, instrument, order
from utils.errors import ConfigError

MAKER = instrument(min_notional=Decimal(0))
HEDGE = instrument(min_notional=Decimal(0), kind="perp", lot_size=Decimal("0.01"), taker_fee_bps=Decimal(5))
RICH = {"USDC": Balance("USDC", Decimal(10**6), Decimal(10**6)), "SOL": Balance("SOL", Decimal(10**4), Decimal(10**4))}


class Script:
    """A hedged maker with a view of its own; both legs are up and show a book."""

    def __init__(self, hedge_book: OrderBook | None = None, cross: bool = True, up: bool = True, **config: Any) -> None:
        legs = {"maker": MAKER, **({"hedge": HEDGE} if cross else {})}
        self.view = View(now_ns=NOW, utc_ns=NOW, instruments=dict(legs))
        self.view.books["maker"] = book(1499, 1501, 10**6, 10**6)
        if cross:
            self.view.books["hedge"] = hedge_book or book(1498, 1502, 10**6, 10**6)
        self.view.balances = {leg: dict(RICH) for leg in legs}
        self.view.limits = {leg: RiskLimits() for leg in legs}
        mode = "cross_venue" if cross else "same_venue"
        keys = {"mode": mode, "order_size": 0.1, "reference_position": "zero", **config}
        self.strategy = MakerTakerHedge(MakerTakerHedge.params_from(keys))
        if up:
            self.rise()

    def rise(self) -> list[Command]:
        """Bring all legs up and show their books; return what was said last."""
        for leg in self.view.instruments:
            self.hear(LinkUp(leg))
        return [self.show(leg) for leg in self.view.instruments][-1]

    def hear(self, event: Event) -> list[Command]:
        return self.strategy.on_event(event, self.view)

    def show(self, leg: str) -> list[Command]:
        """Tell of the leg's book."""
        return self.hear(BookUpdate(leg, self.view.books[leg]))

    def later(self, duration_s: float) -> None:
        """Let time pass; the books stay fresh."""
        self.view.now_ns += round(duration_s * SECOND)
        self.view.utc_ns += round(duration_s * SECOND)
        for leg in self.view.books:
            self.strategy._book_heard_ns[leg] = self.view.now_ns

    def hold(self, **lots: int) -> None:
        """Set the positions."""
        for leg, size in lots.items():
            self.view.positions[leg] = Position(leg, size)

    def fill(self, leg: str, side: Side, price_ticks: int, lots: int) -> list[Command]:
        """Book a fill in the position and tell of it."""
        before = self.view.positions.get(leg) or Position(leg)
        self.view.positions[leg] = replace(before, size_lots=before.size_lots + side.sign * lots)
        liquidity = "maker" if leg == "maker" else "taker"
        return self.hear(FillEvent(leg, fill(side, price_ticks, lots, leg=leg, liquidity=liquidity)))

    def due(self) -> dict[str, Quote]:
        """Return the quotes of a decision, by slot."""
        said = self.hear(Timer(self.view.now_ns))
        (quotes,) = [one for one in said if isinstance(one, Quotes)]
        assert quotes.leg == "maker"
        return {one.slot_name: one for one in quotes.quotes}

    def rows(self) -> list[tuple[str, int, int]]:
        return [(slot, one.price_ticks, one.size_lots) for slot, one in self.due().items()]


def takes(said: list[Command]) -> list[Take]:
    return [one for one in said if isinstance(one, Take)]


def test_the_touch_is_quoted_on_both_sides() -> None:
    assert Script().rows() == [("buy.0", 1499, 100), ("sell.0", 1501, 100)]


def test_a_quote_is_worth_its_share_of_the_makers_account_and_none_while_that_is_not_known() -> None:
    script = Script(order_size=None, order_size_pct=0.001)  # of 10,000 SOL at 150 and 1,000,000 USDC: 25
    assert script.rows() == [("buy.0", 1499, 166), ("sell.0", 1501, 166)]  # 25 / 149.9 = 0.1667, 25 / 150.1 = 0.1665
    del script.view.balances["maker"]["SOL"]
    assert script.rows() == []


def test_nothing_is_said_before_both_legs_were_reconciled() -> None:
    script = Script(up=False)
    script.hold(maker=100)
    assert script.rows() == []
    script.hear(LinkUp("maker"))
    assert takes(script.hear(Timer(NOW))) == []
    said = script.hear(LinkUp("hedge"))
    assert takes(said) == []  # no book of it was heard of yet
    assert [take.leg for take in takes(script.show("hedge"))] == ["hedge"]


def test_a_fill_is_answered_with_a_hedge_of_the_whole_exposure() -> None:
    script = Script()
    script.hold(maker=30)
    (take,) = takes(script.fill("maker", Side.BUY, 1499, 20))
    assert (take.side, take.size_lots, take.leg, take.is_hedge, take.reduce_only) == (
        Side.SELL,
        5,
        "hedge",
        True,
        False,
    )
    assert take.price_ticks == 1497  # the depth's price, and 10 bps beyond


def test_a_market_hedge_reaches_as_far_as_the_bound_at_once() -> None:
    script = Script(hedge_order="market")
    (take,) = takes(script.fill("maker", Side.BUY, 1499, 20))
    assert take.price_ticks == 1484


def test_other_parameters_count_from_the_next_attempt_on() -> None:
    script = Script()
    script.fill("maker", Side.BUY, 1499, 20)
    wide = {"mode": "cross_venue", "order_size": 0.1, "reference_position": "zero", "hedge_slippage_bps": 50}
    script.strategy.reconfigure(MakerTakerHedge.params_from(wide))
    script.later(1)
    (take,) = takes(script.hear(Timer(NOW)))
    assert take.price_ticks == 1487  # 1498 less 75 bps: the second attempt of the new reach


def test_a_second_fill_in_the_same_breath_is_not_hedged_twice() -> None:
    script = Script()
    assert len(takes(script.fill("maker", Side.BUY, 1499, 20))) == 1
    assert takes(script.fill("maker", Side.BUY, 1499, 30)) == []


@pytest.mark.parametrize("how", ["in flight", "ended and not booked"])
def test_while_the_hedge_is_not_settled_none_follows(how: str) -> None:
    script = Script()
    script.fill("maker", Side.BUY, 1499, 20)
    script.later(1)
    if how == "in flight":
        script.view.open_orders["hedge"] = (order(Side.SELL, 1497, 2, "take", leg="hedge", time_in_force="IOC"),)
    else:
        script.view.unbooked["hedge"] = frozenset({"take"})
    assert takes(script.hear(Timer(NOW))) == []
    script.view.open_orders["hedge"], script.view.unbooked["hedge"] = (), frozenset()
    assert len(takes(script.hear(Timer(NOW)))) == 1


def test_a_hedge_that_is_done_is_confirmed_by_the_venue() -> None:
    script = Script()
    script.fill("maker", Side.BUY, 1499, 20)
    script.later(0.2)
    said = script.fill("hedge", Side.SELL, 1498, 2)
    assert Confirm("hedge") in said
    assert script.strategy.stats()["hedge_state"] == "VERIFY"
    script.view.confirmed_ns["hedge"] = script.view.now_ns
    script.hear(Timer(NOW))
    assert script.strategy.stats()["hedge_state"] == "IDLE"


def test_it_asks_to_be_woken_while_something_is_open() -> None:
    script = Script()
    said = script.fill("maker", Side.BUY, 1499, 20)
    assert [one for one in said if isinstance(one, Wake)]


def test_what_the_loop_takes_over_of_a_venues_position_is_hedged_and_no_round_trip() -> None:
    script = Script()
    script.hold(maker=20)
    adjusted = fill(Side.BUY, 1499, 20, leg="maker", liquidity="adjustment")
    assert len(takes(script.hear(FillEvent("maker", adjusted)))) == 1
    script.fill("hedge", Side.SELL, 1498, 2)
    assert script.strategy.stats()["round_trip_pnl"] == "0.00000000"


def test_a_hedge_ratio_scales_what_is_hedged() -> None:
    (take,) = takes(Script(hedge_ratio=1.5).fill("maker", Side.BUY, 1499, 20))
    assert take.size_lots == 3


def test_a_number_as_reference_is_what_flat_means() -> None:
    (take,) = takes(Script(reference_position=0.5, up=False).rise())
    assert (take.side, take.size_lots) == (Side.BUY, 50)


def test_on_one_venue_a_fill_first_clears_the_way_and_then_reduces() -> None:
    script = Script(cross=False)
    resting = order(Side.SELL, 1501, 100, "sell.0", leg="maker")
    script.view.open_orders["maker"] = (resting,)
    said = script.fill("maker", Side.BUY, 1499, 40)
    assert (said[0], takes(said)) == (Quotes((), "maker"), [])
    script.view.open_orders["maker"] = ()
    (take,) = takes(script.hear(OrderUpdate("maker", resting.client_order_id, OrderEvent.CANCELED)))
    assert (take.leg, take.side, take.size_lots, take.reduce_only) == ("maker", Side.SELL, 40, True)


def test_a_side_is_cut_to_its_share_of_the_hedge_legs_depth() -> None:
    script = Script(hedge_book=book(1498, 1502, 20, 10**6), depth_factor_pct=25)
    assert script.rows() == [("buy.0", 1499, 50), ("sell.0", 1501, 100)]


def test_what_is_not_hedged_yet_takes_room_of_its_side() -> None:
    script = Script(max_unhedged_usd=10**6)
    perp = {"USDC": Balance("USDC", Decimal(15), Decimal(15))}  # 0.1 SOL at 150
    script.view.balances["hedge"] = perp
    assert {slot: quote.size_lots for slot, quote in script.due().items()} == {"buy.0": 90, "sell.0": 90}
    script.fill("maker", Side.BUY, 1499, 50)
    assert script.due()["buy.0"].size_lots == 40


def test_a_side_that_could_not_be_hedged_is_not_quoted() -> None:
    script = Script()
    script.view.instruments["hedge"] = replace(HEDGE, kind="spot")
    script.view.balances["hedge"] = {"USDC": RICH["USDC"]}
    assert [slot for slot, _, _ in script.rows()] == ["sell.0"]
    script.view.balances["hedge"] = {}
    assert script.rows() == []


def test_an_old_book_of_the_hedge_leg_is_no_price() -> None:
    script = Script()
    script.view.now_ns += 6 * SECOND
    assert script.rows() == []


def test_a_hedge_leg_that_is_down_gets_no_order_and_no_quote_rests() -> None:
    script = Script()
    script.hear(LinkDown("hedge"))
    assert takes(script.fill("maker", Side.BUY, 1499, 20)) == []
    assert script.rows() == []


def test_profit_quotes_follow_the_hedge_legs_book() -> None:
    script = Script(quote_mode="profit", target_profit_bps=10, taker_slippage_bps=0)
    script.view.books["hedge"] = book(1600, 1602, 10**6, 10**6)
    assert script.rows() == [("buy.0", 1500, 100), ("sell.0", 1605, 100)]  # one tick better than the touch; 10 bps off
    script.view.books["hedge"] = book(1400, 1402, 10**6, 10**6)
    assert script.rows() == [("buy.0", 1397, 100), ("sell.0", 1500, 100)]


def test_a_quote_that_has_come_to_earn_too_little_goes_before_it_comes_back() -> None:
    script = Script(quote_mode="profit", taker_slippage_bps=0, max_improve_ticks=100)
    script.view.books["hedge"] = book(1500, 1502, 10**6, 10**6)
    first = script.due()["buy.0"]
    script.view.open_orders["maker"] = (order(Side.BUY, first.price_ticks, 100, "buy.0", leg="maker", sent_ns=NOW),)
    assert script.due()["buy.0"].price_ticks == first.price_ticks
    script.view.books["hedge"] = book(1495, 1497, 10**6, 10**6)
    assert "buy.0" not in script.due()
    script.view.open_orders["maker"] = ()
    assert script.due()["buy.0"].price_ticks < first.price_ticks


def test_a_residue_leans_the_quotes_one_tick_when_it_is_to_be_won_back() -> None:
    script = Script(residue_policy="maker_flatten")
    script.view.books["maker"] = book(1490, 1500, 10**6, 10**6)
    script.hold(maker=4)
    assert [price for _, price, _ in script.rows()] == [1489, 1499]
    script.hold(maker=-4)
    assert [price for _, price, _ in script.rows()] == [1491, 1501]


def test_an_old_residue_stops_the_side_that_adds_to_it() -> None:
    script = Script(residue_max_age_s=60)
    script.hold(maker=4)
    assert [slot for slot, _, _ in script.rows()] == ["buy.0", "sell.0"]
    script.later(61)
    assert [slot for slot, _, _ in script.rows()] == ["sell.0"]
    script.hold(maker=0)
    assert [slot for slot, _, _ in script.rows()] == ["buy.0", "sell.0"]


def test_a_large_residue_stops_the_side_that_adds_to_it() -> None:
    script = Script(residue_max_usd=0.5)
    script.hold(maker=-4)  # worth 0.6
    assert [slot for slot, _, _ in script.rows()] == ["buy.0"]


def test_too_much_unhedged_keeps_quotes_off_and_says_so() -> None:
    script = Script(max_unhedged_usd=10)
    said = script.fill("maker", Side.BUY, 1499, 100)
    assert said[0] == Quotes((), "maker")
    assert script.rows() == []
    assert "15.00 not hedged" in script.strategy.gates()["unhedged"]


def test_the_unwinding_reduces_where_it_can() -> None:
    for held, hedged, reduces in ((100, 0, True), (-100, 150, False)):
        script = Script(hedge_retries=1)
        script.hold(maker=held, hedge=hedged // 10)
        script.hear(Timer(NOW))
        script.later(1)
        script.hear(Timer(NOW))  # the attempt was in vain
        script.later(1)
        (take,) = takes(script.hear(Timer(NOW)))
        assert (take.leg, take.side, take.reduce_only, take.is_hedge) == ("maker", Side.SELL, reduces, True)


def test_a_watch_hedges_too() -> None:
    script = Script()
    script.hold(maker=20)
    assert len(takes(script.hear(Watch(NOW)))) == 1


def test_a_print_means_nothing() -> None:
    script = Script()
    script.hold(maker=20)
    assert script.hear(TradePrint("maker", 1499, 5, Side.SELL, 0, 0)) == []


def test_what_it_saves_is_the_reference_and_what_is_left_of_a_failure() -> None:
    script = Script(reference_position="startup", up=False)
    script.hold(maker=250)
    script.rise()
    saved = script.strategy.saved()
    assert saved == {"reference": "0.250", "failures": 0, "paused_until_utc_ns": 0}
    assert script.strategy.saved() is saved
    other = Script(reference_position="startup", up=False)
    other.hold(maker=350)
    other.strategy.restore(saved, other.view)
    (take,) = takes(other.rise())
    assert (take.side, take.size_lots) == (Side.SELL, 10)


def test_a_level_that_the_config_names_counts_and_not_the_one_that_was_saved() -> None:
    script = Script(reference_position="zero", up=False)
    script.strategy.restore({"reference": "0.250", "failures": 0, "paused_until_utc_ns": 0}, script.view)
    script.rise()
    assert script.strategy.stats()["reference_position"] == "0"


def test_a_book_is_as_old_as_its_client_says() -> None:
    script = Script()
    old = replace(script.view.books["hedge"], local_ns=NOW - 6 * SECOND)
    script.hear(BookUpdate("hedge", old))
    assert script.rows() == []


def test_on_one_venue_an_order_is_reduce_only_where_it_reduces() -> None:
    script = Script(cross=False, reference_position=0.1, up=False)
    script.hold(maker=60)
    (take,) = takes(script.rise())
    assert (take.side, take.size_lots, take.reduce_only) == (Side.BUY, 40, False)
    script = Script(cross=False, reference_position=0.1, up=False)
    script.hold(maker=160)
    (take,) = takes(script.rise())
    assert (take.side, take.size_lots, take.reduce_only) == (Side.SELL, 60, True)


def test_what_an_earlier_life_left_is_hedged_before_anything_is_quoted() -> None:
    script = Script(up=False)
    script.hold(maker=20)
    script.rise()
    assert script.rows() == []
    assert "hedge_first" in script.strategy.gates()
    script.hold(hedge=-2)
    script.later(1)
    script.hear(Timer(NOW))
    script.view.confirmed_ns["hedge"] = script.view.now_ns
    script.hear(Timer(NOW))
    assert [slot for slot, _, _ in script.rows()] == ["buy.0", "sell.0"]


def test_a_stop_waits_for_what_only_a_hedge_can_settle() -> None:
    script = Script()
    assert script.strategy.is_settled(script.view)
    script.hold(maker=20)
    assert not script.strategy.is_settled(script.view)
    script.hold(maker=4)  # no order can be made of that
    assert script.strategy.is_settled(script.view)
    script.view.open_orders["maker"] = (order(Side.BUY, 1499, 100, "buy.0", leg="maker"),)
    assert not script.strategy.is_settled(script.view)


def test_legs_of_two_assets_are_refused() -> None:
    params = MakerTakerHedge.params_from({"mode": "cross_venue", "order_size": 1})
    other = {"maker": MAKER, "hedge": instrument(base="BTC")}
    with pytest.raises(ConfigError, match="of one base asset, not BTC and SOL"):
        MakerTakerHedge.check(params, other, {})
    with pytest.raises(ConfigError, match="needs a hedge leg"):
        MakerTakerHedge.check(params, {"maker": MAKER}, {})


def test_the_file_stem_is_the_strategys_name() -> None:
    assert strategy_class("maker_taker_hedge") is STRATEGY is MakerTakerHedge


def test_at_one_moment_there_is_one_attempt_however_short_the_pause_between_them() -> None:
    script = Script(hedge_min_interval_s=0)
    assert len(takes(script.fill("maker", Side.BUY, 1499, 50))) == 1
    assert takes(script.hear(Watch(script.view.now_ns))) == []  # nothing of it was sent
    script.view.now_ns += 1
    assert len(takes(script.hear(Watch(script.view.now_ns)))) == 1
