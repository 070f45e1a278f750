"""perp_market_maker as a script: what outlives a restart."""

from __future__ import annotations

import json
from typing import Any, Self

import pytest

from core.market.commands import Quotes, Take
from core.market.events import FillEvent
from core.market.order import Side
from strategies.perp_market_maker import PerpMarketMaker
from tests.market_parts import SECOND, book, fill, instrument
from tests.scripts import PerpScript

PERP = instrument(kind="perp")  # ticks of 0.1, lots of 0.001


class Life(PerpScript):
    """One life of a bot; the clock of decisions begins anew with each, UTC and the ledger's position go on."""

    def __init__(self, config: dict[str, Any], before: Life | None = None, away_s: float = 0) -> None:
        self.config = {"symbol": "SOL-PERP", "order_size": 0.1, "layers": 1} | config
        super().__init__(PerpMarketMaker(PerpMarketMaker.params_from(self.config)), PERP, book(1_499, 1_501), 400)
        self.view.now_ns = 3 * SECOND
        if before is not None:
            self.view.utc_ns = before.view.utc_ns + int(away_s * SECOND)
            self.view.books, self.view.positions = before.view.books, before.view.positions
            self.strategy.restore(json.loads(json.dumps(before.strategy.saved())), self.view)

    def next_life(self, away_s: float = 0, **changes: Any) -> Life:
        """Return the same bot after a restart and some time away."""
        return Life(self.config | changes, self, away_s)

    def trade(self, side: Side, lots: int, price_ticks: int = 1_500) -> Self:
        """Let an order of ours fill."""
        return self.burst(fill(side, price_ticks, lots))


def test_the_age_of_a_position_goes_on_while_the_bot_is_away() -> None:
    first = Life({"time_limit_s": 60}).trade(Side.BUY, 100)
    assert first.wait(20).closes() == ""
    second = first.next_life(away_s=20)
    assert second.wait(19).closes() == ""
    assert second.wait(1).closes() == "time_limit"


def test_a_fill_that_was_not_heard_before_the_restart_sets_no_clock_back() -> None:
    first = Life({"time_limit_s": 60}).trade(Side.BUY, 100)
    first.due()
    second = first.next_life(away_s=50)
    assert second.trade(Side.BUY, 50).wait(10).closes() == "time_limit"


def test_a_position_that_turned_while_the_bot_was_away_has_a_new_clock() -> None:
    first = Life({"time_limit_s": 60}).trade(Side.BUY, 100)
    first.due()
    second = first.next_life(away_s=50).trade(Side.SELL, 200)
    assert second.wait(59).closes() == ""
    assert second.wait(1).closes() == "time_limit"


def test_a_trailing_stop_stays_armed_at_its_peak() -> None:
    config = {"trailing_start_pct": 1, "trailing_delta_pct": 0.5}
    first = Life(config).trade(Side.BUY, 100).move(1_530)
    assert first.closes() == ""
    second = first.next_life().move(1_523)
    assert second.closes() == ""
    assert second.move(1_522).closes() == "trailing_stop"


def test_the_time_after_a_barrier_goes_on() -> None:
    first = Life({"stop_loss_pct": 1, "barrier_cooldown_s": 60}).trade(Side.BUY, 100).move(1_480)
    assert first.closes() == "stop_loss"
    first.trade(Side.SELL, 100, 1_480)
    assert first.due() == [Quotes((), "main")]
    second = first.wait(30).next_life()
    assert second.wait(29).due() == [Quotes((), "main")]
    assert second.wait(1).due() != [Quotes((), "main")]


@pytest.mark.parametrize("wrong_s", [-86_400, 86_400])
def test_a_hosts_clock_that_was_set_makes_no_pause_longer_than_it_may_be(wrong_s: float) -> None:
    first = Life({"stop_loss_pct": 1, "barrier_cooldown_s": 60}).trade(Side.BUY, 100).move(1_480)
    first.closes()
    first.trade(Side.SELL, 100, 1_480).due()
    second = first.next_life(away_s=wrong_s)
    assert second.wait(60).due() != [Quotes((), "main")]


def test_a_close_that_was_begun_is_gone_on_with_whatever_the_price_does() -> None:
    first = Life({"stop_loss_pct": 1}).trade(Side.BUY, 100).move(1_480)
    assert first.closes() == "stop_loss"
    second = first.next_life().move(1_500)
    assert second.closes() == "stop_loss"
    second.trade(Side.SELL, 100)
    assert second.due() == [Quotes((), "main")]  # nothing is left; the pause after a barrier has begun
    assert second.next_life().closes() == ""


def test_the_patience_with_too_large_a_position_goes_on() -> None:
    first = Life({"position_threshold": 0.1, "reduce_wait_s": 15}).trade(Side.BUY, 150)
    first.due()
    second = first.wait(10).next_life(away_s=5)
    assert isinstance(second.due()[-1], Take)


def test_what_has_not_changed_is_not_written_again() -> None:
    bot = Life({"time_limit_s": 600}).trade(Side.BUY, 100)
    bot.due()
    saved = bot.strategy.saved()
    bot.wait(1).due()
    assert bot.strategy.saved() is saved
    bot.trade(Side.BUY, 1)
    assert bot.strategy.saved() is not saved


def test_ping_pong_on_a_perpetual_outlives_a_restart() -> None:
    bot = Life({"ping_pong": True})
    bot.due()
    bot.strategy.on_event(FillEvent("main", fill(Side.BUY, 1_498, 100), "buy.0"), bot.view)
    (wanted,) = bot.next_life().due()
    assert isinstance(wanted, Quotes)
    assert [one.slot_name for one in wanted.quotes] == ["sell.0"]
