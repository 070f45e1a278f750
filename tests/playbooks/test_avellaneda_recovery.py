"""avellaneda_stoikov after a stop: the way back; and what results do to gamma, kappa and sizes."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from core.market.commands import Halt, Quotes
from core.market.order import Side
from core.market.reports import Balance
from tests.playbooks.care_script import MID, Script, capital

NOTHING = Quotes((), "main")


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
