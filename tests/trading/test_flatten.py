"""What a strategy may do about a position: have it closed and go on, reduce it at once, also while a gate is shut."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from core.market.account_needs import AccountNeeds, MarginTerms
from core.market.commands import Flatten, Quote, Quotes, Take
from core.market.events import PerpFacts, Timer, Watch
from core.market.order import OrderEvent, Side
from core.market.reports import VenuePosition
from tests.trading.scripted_venue import PERP, SPOT, ScriptedVenue
from tests.trading.test_closing import fill_takes, takes_of
from tests.trading.workbench import Bench
from utils.errors import ConfigError, VenueRefused

FLATTEN = Flatten("stop_loss", 20.0, 200.0)


def holding(tmp_path: Path, lots: int = 10, **keys: Any) -> Bench:
    """Return a bot on a perpetual that has bought `lots` and quotes."""
    bench = Bench(tmp_path, ScriptedVenue(PERP), **{"risk": {"max_position": 10}, **keys})
    bench.run(1)
    bench.venue.fill(bench.order_id("buy.0"), lots)
    bench.run(1)
    assert bench.loop.snapshot()["position"] == str(PERP.to_size(lots))
    return bench


def say(bench: Bench, *commands: Any) -> None:
    bench.strategy.says = list(commands)
    bench.loop._decider.hear(Timer(bench.clock.now_ns()), bench.clock.now_ns())


def test_a_strategy_has_a_position_closed_and_quotes_again_after_it(tmp_path: Path) -> None:
    bench = holding(tmp_path)
    before = len(bench.venue.submitted)
    say(bench, FLATTEN)
    bench.step()
    assert (bench.phase, bench.gates) == ("CLOSING", ["flatten"])
    fill_takes(bench.venue)
    first = bench.venue.submitted[before]
    assert (first.side, first.size_lots, first.time_in_force, first.reduce_only) == (Side.SELL, 10, "IOC", True)
    assert first.price_ticks == 9_980  # 20 bps through the best bid of 9,999, an ask: rounded up
    bench.venue.open_orders.clear()
    bench.venue.fill(first.client_order_id, 10)
    bench.venue.tell(first.client_order_id, OrderEvent.EXPIRED)
    bench.run(5)
    assert (bench.phase, bench.gates, bench.loop.snapshot()["position"]) == ("QUOTING", [], "0.0")
    assert set(bench.resting) == {"buy.0", "sell.0"}
    assert bench.loop.snapshot()["stats"]["flattens"] == 1


def test_nothing_is_closed_before_every_quote_is_known_to_be_gone(tmp_path: Path) -> None:
    bench = holding(tmp_path)
    bench.venue.script.cancel = "lose"
    say(bench, FLATTEN)
    bench.run(1)
    assert takes_of(bench.venue) == []
    assert "not known to be gone" in str(bench.loop.snapshot()["closing"])


def test_a_close_that_leaves_something_trades_farther_each_time_up_to_the_widest(tmp_path: Path) -> None:
    bench = holding(tmp_path)
    rest = bench.venue.rest

    def expiring(order, tell=True):  # type: ignore[no-untyped-def]
        rest(order, tell)
        bench.venue.open_orders.pop(order.client_order_id)
        bench.venue.tell(order.client_order_id, OrderEvent.EXPIRED)

    bench.venue.rest = expiring  # type: ignore[method-assign]
    say(bench, Flatten("time_limit", 20.0, 60.0))
    bench.run(12)
    prices = [order.price_ticks for order in bench.venue.submitted if order.time_in_force == "IOC"]
    assert prices[:4] == [9_980, 9_970, 9_955, 9_940]  # 20, 30, 45, 60 bps
    assert set(prices[4:]) == {9_940}
    assert bench.phase == "CLOSING"  # never forgotten


def test_a_strategys_word_during_the_close_changes_nothing(tmp_path: Path) -> None:
    bench = holding(tmp_path)
    say(bench, FLATTEN)
    bench.step()
    sent = len(bench.venue.submitted)
    say(bench, Quotes((Quote(Side.BUY, 9_000, 5),)), Take(Side.SELL, 9_000, 5, reduce_only=True), FLATTEN)
    bench.step()
    assert len(bench.venue.submitted) == sent


def test_an_operators_close_takes_over_from_a_strategys(tmp_path: Path) -> None:
    from core.trading.trading_loop import SpotRule

    bench = holding(tmp_path)
    say(bench, FLATTEN)
    bench.loop.begin_close("asked to close", SpotRule.LEAVE)
    fill_takes(bench.venue)
    ended = bench.end()
    assert (ended.reason, bench.loop.snapshot()["position"]) == ("asked to close", "0.0")
    assert takes_of(bench.venue) == [(Side.SELL, 10)]


def test_while_a_gate_is_shut_the_strategy_may_reduce_and_nothing_else(tmp_path: Path) -> None:
    bench = holding(tmp_path, risk={"max_position": 10, "max_spread_bps": 50})
    fill_takes(bench.venue)
    bench.feed = (9_900, 10_100)
    bench.run(1)
    assert bench.gates == ["spread"]
    assert any(isinstance(event, Watch) for event in bench.strategy.heard)
    bench.strategy.wanted = None
    bench.strategy.says = [Take(Side.SELL, 9_900, 4), Take(Side.SELL, 9_900, 4, reduce_only=True)]
    bench.run(1)
    assert takes_of(bench.venue) == [(Side.SELL, 4)]
    assert bench.loop.snapshot()["stats"]["skipped.gate"] == 1
    assert bench.resting == {}


def test_a_paused_bot_still_has_its_position_closed(tmp_path: Path) -> None:
    bench = holding(tmp_path)
    fill_takes(bench.venue)
    bench.loop.pause()
    bench.run(1)
    bench.strategy.says = [FLATTEN]
    bench.run(5)
    assert (bench.gates, bench.loop.snapshot()["position"]) == (["paused"], "0.0")


@pytest.mark.parametrize("blinded", ["link", "book"])
def test_a_bot_that_sees_nothing_is_not_asked_to_watch(tmp_path: Path, blinded: str) -> None:
    bench = holding(tmp_path, risk={"max_position": 10, "max_book_age_s": 2})
    if blinded == "link":
        bench.venue.link_down()
    bench.feed = None
    bench.run(3)
    bench.strategy.heard.clear()
    bench.run(5)
    assert bench.phase == "PAUSED"
    assert not [event for event in bench.strategy.heard if isinstance(event, Watch)]


def test_a_reducing_order_is_cut_to_what_is_held_and_never_turns_the_position(tmp_path: Path) -> None:
    bench = holding(tmp_path, lots=3)
    bench.strategy.wanted = ()
    bench.run(1)
    fill_takes(bench.venue)
    say(bench, Take(Side.SELL, 9_900, 50, reduce_only=True))
    bench.run(1)
    say(bench, Take(Side.SELL, 9_900, 50, reduce_only=True), Take(Side.BUY, 10_100, 50, reduce_only=True))
    bench.run(1)
    assert takes_of(bench.venue) == [(Side.SELL, 3)]
    assert bench.loop.snapshot()["stats"]["skipped.not_reducing"] == 2


@pytest.mark.parametrize(("traded", "knows", "told"), [(PERP, True, True), (PERP, False, False), (SPOT, True, False)])
def test_a_venue_that_does_not_know_reduce_only_is_not_told_of_it(
    tmp_path: Path, traded: Any, knows: bool, told: bool
) -> None:
    venue = ScriptedVenue(traded)
    venue.capabilities = replace(venue.capabilities, reduce_only=knows)
    bench = Bench(tmp_path, venue)
    bench.strategy.wanted = (Quote(Side.SELL, 10_010, 5, reduce_only=True, slot="reduce"),)
    bench.run(3)
    assert [order.reduce_only for order in venue.submitted] == [told]  # once: it is not taken for another one


def test_the_view_shows_what_the_venue_tells_of_a_perpetual(tmp_path: Path) -> None:
    bench = holding(tmp_path)
    bench.run(12)  # the next report
    view, now_ns = bench.loop._bot.view, bench.clock.now_ns()
    due_ns = bench.clock.utc_ns() + 7
    bench.venue.inbox.put(PerpFacts("main", Decimal(1)))
    bench.venue.inbox.put(PerpFacts("main", Decimal("100.01"), Decimal("0.0001"), due_ns))
    bench.step()
    assert view.facts["main"].mark_price == Decimal("100.01")  # of facts the newest counts
    assert view.funding_due_ns["main"] == now_ns + 7
    assert view.venue_positions["main"].size_lots == 10
    assert view.position_limits == {"main": 100}


def test_another_open_profit_at_the_venue_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = holding(tmp_path)
    report = bench.venue.report

    def with_profit(*given: Any) -> Any:
        return replace(report(*given), positions=(VenuePosition("main", 10, None, Decimal(0)),))

    monkeypatch.setattr(bench.venue, "report", with_profit)
    bench.run(60)
    assert [record.message for record in caplog.records].count("unrealised_differs") == 1


class MarginVenue(ScriptedVenue):
    """A venue whose account has a leverage and a margin mode."""

    def __init__(self, traded: Any = PERP, obeys: bool = True, **terms: Any) -> None:
        super().__init__(traded)
        self.terms, self.obeys, self.asked = MarginTerms(**terms), obeys, []

    def margin_terms(self) -> MarginTerms:
        return self.terms

    def set_leverage(self, leverage: Decimal) -> None:
        self.asked.append(leverage)
        if self.obeys:
            self.terms = replace(self.terms, leverage=leverage)

    def set_margin_mode(self, mode: str) -> None:
        if not self.obeys:
            super().set_margin_mode(mode)
        self.asked.append(mode)
        self.terms = replace(self.terms, margin_mode=mode)


def begin_with(bench: Bench, needs: AccountNeeds | None) -> None:
    bench.strategy.account_needs = lambda: needs  # type: ignore[method-assign]
    bench.die()
    bench.begin()


THREE = AccountNeeds(Decimal(3), "cross")


def test_leverage_and_margin_mode_are_set_before_the_first_order(tmp_path: Path) -> None:
    venue = MarginVenue(leverage=Decimal(10), margin_mode="isolated")
    bench = Bench(tmp_path, venue)
    begin_with(bench, THREE)
    assert venue.asked == ["cross", Decimal(3)]
    begin_with(bench, THREE)
    assert venue.asked == ["cross", Decimal(3)]  # what is so already is not asked for
    bench.run(2)
    assert bench.phase == "QUOTING"


def test_a_leverage_that_the_venue_did_not_take_ends_the_start(tmp_path: Path) -> None:
    bench = Bench(tmp_path, MarginVenue(obeys=False, leverage=Decimal(10), margin_mode="cross"))
    with pytest.raises(ConfigError, match="the leverage is 10, not 3"):
        begin_with(bench, THREE)


def test_a_margin_mode_that_the_venue_does_not_have_ends_the_start(tmp_path: Path) -> None:
    bench = Bench(tmp_path, MarginVenue(obeys=False, leverage=Decimal(3), margin_mode="cross"))
    with pytest.raises(VenueRefused, match="no margin mode"):
        begin_with(bench, AccountNeeds(Decimal(3), "isolated"))


def test_an_account_in_hedge_mode_is_refused_unless_the_check_is_off(tmp_path: Path) -> None:
    bench = Bench(tmp_path, MarginVenue(is_hedge_mode=True))
    with pytest.raises(ConfigError, match="hedge mode"):
        begin_with(bench, AccountNeeds())
    begin_with(bench, AccountNeeds(one_way=False))


@pytest.mark.parametrize("venue", [ScriptedVenue(PERP), MarginVenue(SPOT, leverage=Decimal(10))])
def test_where_there_is_nothing_to_set_nothing_is_set(tmp_path: Path, venue: ScriptedVenue) -> None:
    bench = Bench(tmp_path, venue)
    begin_with(bench, THREE)
    bench.run(2)
    assert bench.phase == "QUOTING"
    assert getattr(venue, "asked", []) == []
