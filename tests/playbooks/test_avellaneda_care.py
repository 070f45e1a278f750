"""avellaneda_stoikov as a script: what it does for its position beside barriers, and sizes by capital."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, Self

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.market.book import OrderBook
from core.market.commands import Flatten, Halt, Quote, Quotes
from core.market.events import Watch
from core.market.instrument import Instrument
from core.market.order import Side
from core.market.reports import Balance
from core.market.risk_limits import RiskLimits
from core.market.risk_room import trim_quotes
from strategies.avellaneda_stoikov import AvellanedaStoikov
from tests.market_parts import SECOND, book, fill, instrument, risk_state
from tests.scripts import PerpScript
from utils.errors import ConfigError

PERP = instrument(kind="perp", tick_size=Decimal("0.01"), min_notional=Decimal(5))  # lots of 0.001
MID = 10_000  # 100.00
ROUND_100 = book(MID - 1, MID + 1)
NOTHING = Quotes((), "main")
MODEL: dict[str, Any] = {
    "symbol": "SOL-PERP",
    "order_size": 0.1,
    "layers": 2,
    "position_threshold": 9,
    "gamma": 1,
    "kappa": 1000,
    "sigma_method": "fixed",
    "sigma": 1e-6,
    "liquidation_buffer_pct": 0,
}


class Script(PerpScript):
    """A bot with a view of its own whose position follows its fills."""

    def __init__(self, traded: Instrument = PERP, **config: Any) -> None:
        self.config = MODEL | config
        super().__init__(AvellanedaStoikov(AvellanedaStoikov.params_from(self.config)), traded, ROUND_100, 9_000)
        self.hold(0, MID).move(MID)

    def trade(self, side: Side, lots: int, price: int = MID, slot: str = "") -> Self:
        """Let an order of ours fill."""
        return self.burst(fill(side, price, lots), slot=slot)

    def next_life(self, **changes: Any) -> Script:
        """Return the same bot after a restart; the clock of decisions begins anew."""
        other = Script(self.instrument, **(self.config | changes))
        other.view.now_ns, other.view.utc_ns = 5 * SECOND, self.view.utc_ns
        other.view.books, other.view.positions = self.view.books, self.view.positions
        other.strategy.restore(json.loads(json.dumps(self.strategy.saved())), other.view)
        return other


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


# The way back

BACK: dict[str, Any] = {"recovery_enabled": True, "stop_loss_pct": 1, "barrier_cooldown_s": 0}


def stopped(script: Script) -> Script:
    """Let a stop close a position."""
    script.move(MID).trade(Side.BUY, 200).move(9_890)
    assert script.closes() == "stop_loss"
    return script.trade(Side.SELL, 200, 9_890).move(MID)


def widths(script: Script) -> tuple[int, int]:
    """Return the spread of the innermost quotes and the size of one."""
    wanted = {one.slot_name: one for one in script.quotes()}
    return wanted["sell.0"].price_ticks - wanted["buy.0"].price_ticks, wanted["buy.0"].size_lots


def test_after_a_stop_it_comes_back_step_by_step_smaller_and_wider() -> None:
    script = Script(**BACK)
    normal = widths(script)
    assert normal == (20, 100)
    stopped(script)
    assert script.due() == [NOTHING]
    assert script.wait(8.9).due() == [NOTHING]
    script.wait(0.1).due()
    found = [widths(script)]
    for _ in range(3):
        script.wait(30).due()
        found.append(widths(script))
    assert [lots for _, lots in found] == [25, 50, 75, 100]
    assert [wide for wide, _ in found] == [40, 30, 24, 20]


def test_a_stop_on_the_way_back_doubles_the_pause() -> None:
    script = stopped(Script(**BACK))
    script.wait(9).due()
    stopped(script)
    assert script.wait(17.9).due() == [NOTHING]
    assert script.wait(0.1).due() != [NOTHING]


def test_a_position_that_loses_too_much_keeps_it_from_going_on() -> None:
    script = stopped(Script(**BACK))
    script.wait(9).due()
    script.trade(Side.BUY, 100).move(9_915).wait(31).due()  # 0.85 % of 1 %
    assert script.strategy.stats()["recovery_scale"] == 0.25
    script.move(9_990).due()
    assert script.wait(31).due()
    assert script.strategy.stats()["recovery_scale"] == 0.5


def test_more_breaches_a_day_than_allowed_end_the_bot() -> None:
    script = Script(**BACK, max_recoveries=1)
    stopped(script)
    script.wait(100).due()
    stopped(script)
    assert script.due() == [NOTHING, Halt("more than 1 breaches in 24 hours")]


def test_too_many_lost_round_trips_in_a_row_are_a_breach() -> None:
    script = Script(recovery_enabled=True, max_consecutive_losses=2)
    for exit_price, halted in ((9_999, False), (10_001, False), (9_999, False), (9_999, True)):
        script.trade(Side.BUY, 100).due()
        script.trade(Side.SELL, 100, exit_price)
        assert (script.due() == [NOTHING]) is halted


def test_the_way_back_goes_on_over_a_restart() -> None:
    script = stopped(Script(**BACK))
    script.due()
    later = script.wait(5).next_life()
    assert later.wait(3.9).due() == [NOTHING]
    assert widths(later.wait(0.1)) == (40, 25)


def test_without_its_key_a_stop_has_no_way_back() -> None:
    script = stopped(Script(**BACK | {"recovery_enabled": False}))
    assert widths(script) == (20, 100)


# The tuner


def round_trips(script: Script, count: int, exit_price: int) -> Script:
    for _ in range(count):
        script.trade(Side.BUY, 100).due()
        script.trade(Side.SELL, 100, exit_price).due()
    return script


def test_losing_raises_gamma_and_lowers_kappa_and_winning_brings_them_back() -> None:
    script = Script(tuner_enabled=True)
    before = widths(script)[0]
    assert round_trips(script, 9, 9_990).strategy.stats()["tuned_gamma"] == 1  # too few to learn from
    lost = round_trips(script, 20, 9_990).strategy.stats()
    assert lost["tuned_gamma"] > 1.5 > 0.7 > lost["tuned_kappa"]
    assert widths(script)[0] > before
    won = round_trips(script, 60, 10_010).strategy.stats()
    assert won["tuned_gamma"] < 1 < won["tuned_kappa"]


def test_the_tuner_stays_within_its_band() -> None:
    stats = round_trips(Script(tuner_enabled=True, tuner_band=1.2), 40, 9_990).strategy.stats()
    assert (stats["tuned_gamma"], stats["tuned_kappa"]) == (pytest.approx(1.2), pytest.approx(1 / 1.2))


def test_what_was_learned_outlives_a_restart_unless_its_base_has_changed() -> None:
    script = round_trips(Script(tuner_enabled=True), 20, 9_990)
    learned = script.strategy.stats()["tuned_gamma"]
    assert script.next_life().strategy.stats()["tuned_gamma"] == learned
    assert script.next_life(kappa=900).strategy.stats()["tuned_gamma"] == 1
    assert "tuned_gamma" not in script.next_life(tuner_enabled=False).strategy.stats()


def test_by_default_nothing_is_tuned() -> None:
    script = Script()
    assert widths(round_trips(script, 30, 9_990)) == widths(Script())


# Sizes by capital


def capital(**config: Any) -> Script:
    script = Script(**{"order_size": None, "sizing": "capital", "leverage": 2} | config)
    script.view.balances["main"] = {"USDC": Balance("USDC", Decimal(1000), Decimal(1000))}
    return script


def test_an_order_is_a_share_of_what_the_account_is_worth() -> None:
    # 1000 x 0.99 x 0.99 x 2 over twice two layers are 490.05, at 100.00
    assert {one.size_lots for one in capital().quotes()} == {4_900}


def test_sizes_follow_the_worth_when_nothing_is_held_else_once_in_a_while() -> None:
    script = capital(capital_refresh_s=60)
    script.quotes()
    script.view.balances["main"] = {"USDC": Balance("USDC", Decimal(2000), Decimal(2000))}
    assert script.quotes()[0].size_lots == 9_801
    script.trade(Side.BUY, 100)
    script.view.balances["main"] = {"USDC": Balance("USDC", Decimal(1000), Decimal(1000))}
    assert script.wait(59).quotes()[0].size_lots == 9_801
    assert script.wait(1).quotes()[0].size_lots == 4_900


def test_a_wilder_market_has_smaller_orders() -> None:
    script = capital(sigma_ref=5e-7)
    script.quotes()
    assert script.quotes()[0].size_lots == 2_450


def test_a_worth_that_is_not_known_is_no_size() -> None:
    script = capital()
    script.view.balances.clear()
    assert script.quotes() == ()


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
