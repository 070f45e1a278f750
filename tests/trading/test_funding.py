"""Funding: paid by the paper venue at its hours, booked once, and in the equity to the last digit."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.market.funding import FundingPayment, funding_amount, next_funding_ns
from core.market.order import Side
from core.market.position import Position
from core.trading.clock import seconds
from core.trading.ledger import Ledger
from core.trading.ledger_figures import recorded_figures
from tests.market_parts import fill, instrument
from tests.trading.perp_bot import HOUR_NS, PerpBot
from tests.trading.scripted_venue import PERP, ScriptedVenue
from tests.trading.workbench import Bench

PAYMENT = FundingPayment("f1", "main", Decimal("-0.25"), Decimal("0.0001"), Decimal(100), 10, 7)


@pytest.mark.parametrize(("size", "rate", "expected"), [("2", "0.0001", "-0.02"), ("-2", "0.0001", "0.02"),
                                                        ("2", "-0.0001", "0.02"), ("0", "1", "0")])  # fmt: skip
def test_at_a_positive_rate_longs_pay_and_shorts_are_paid(size: str, rate: str, expected: str) -> None:
    assert funding_amount(Decimal(size), Decimal(100), Decimal(rate)) == Decimal(expected)


@given(st.integers(0, 10**19), st.integers(1, 10**14))
def test_the_next_payment_is_after_now_and_no_farther_than_its_interval(utc_ns: int, interval_ns: int) -> None:
    due_ns = next_funding_ns(utc_ns, interval_ns)
    assert utc_ns < due_ns <= utc_ns + interval_ns
    assert due_ns % interval_ns == 0


# In the loop and the ledger


def test_a_payment_is_booked_once_from_stream_and_reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(tmp_path, ScriptedVenue(PERP))
    report = bench.venue.report
    monkeypatch.setattr(bench.venue, "report", lambda *given: replace(report(*given), funding=(PAYMENT,)))
    bench.run(2)
    bench.venue.inbox.put(PAYMENT)
    bench.run(30)
    assert bench.ledger.funding("main") == [PAYMENT]
    assert bench.ledger.position("main").funding_paid == Decimal("-0.25")
    assert bench.loop.snapshot()["funding"] == "-0.25"
    assert bench.loop.snapshot()["stats"]["session_net"] is not None
    bench.die()
    bench.begin()
    bench.run(30)
    assert bench.ledger.position("main").funding_paid == Decimal("-0.25")
    figures = recorded_figures(tmp_path)
    assert figures is not None and figures["funding"] == "-0.25"


def test_a_fill_and_a_payment_of_one_moment_are_both_in_the_position(tmp_path: Path) -> None:
    bench = Bench(tmp_path, ScriptedVenue(PERP))
    bench.run(2)
    bench.venue.inbox.put(PAYMENT)
    bench.venue.fill(bench.order_id("buy.0"), 5)
    bench.venue.inbox.put(replace(PAYMENT, payment_id="f2"))
    bench.run(1)
    found = bench.ledger.position("main")
    assert (found.size_lots, found.funding_paid) == (5, Decimal("-0.5"))
    assert bench.ledger.replay("main") == found


def test_an_older_ledger_gets_its_table_of_payments(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "ledger.db")
    ledger._connection.execute("DROP TABLE funding")
    ledger._connection.execute("PRAGMA user_version = 2")
    ledger.close()
    ledger = Ledger.open(tmp_path / "ledger.db")
    assert not ledger.has_funding("main", "f1")
    ledger.close()


@given(st.lists(st.tuples(st.sampled_from(Side), st.integers(1, 50), st.integers(900, 1100), st.integers(-99, 99))))
def test_the_equity_identity_holds_with_funding(steps: list[tuple[Side, int, int, int]]) -> None:
    """Net is cash + position x mark - fees + funding, to the last digit."""
    traded, position, cash, paid = instrument(kind="perp"), Position("main"), Decimal(0), Decimal(0)
    for side, lots, price, rate in steps:
        made = fill(side, price, lots, fee=Decimal("0.001"))
        position = position.after_fill(made, traded)
        cash -= side.sign * traded.notional_quote(price, lots) + made.fee
        amount = funding_amount(traded.to_size(position.size_lots), traded.to_price(price), Decimal(rate) / 10_000)
        position = position.after_funding(amount)
        paid += amount
    mark = Decimal("101.7")
    assert position.net_pnl(mark, traded) == cash + traded.to_size(position.size_lots) * mark + paid
    assert position.funding_paid == paid


# The paper venue


def test_the_paper_venue_pays_and_the_bots_equity_is_the_venues(tmp_path: Path) -> None:
    bot = PerpBot(tmp_path)
    bot.run(35)
    assert bot.ledger.funding("main") == []
    bot.run(25)
    (payment,) = bot.ledger.funding("main")
    assert payment.venue_ns % (8 * HOUR_NS) == 0
    size = bot.client.instrument.to_size(payment.size_lots)
    assert size and payment.amount == funding_amount(size, payment.mark_price, Decimal("0.001"))
    leg = bot.loop._bot.legs[0]
    assert leg.position.funding_paid == payment.amount
    account = bot.client._opened()._engine.account
    assert account.position.funding_paid == payment.amount
    earned = leg.position.realised_pnl - leg.position.fees_paid + leg.position.funding_paid
    assert account.balances["USDC"] == Decimal(50_000) + earned
    assert bot.ledger.replay("main") == bot.ledger.position("main")
    bot.loop.close()


def test_the_paper_venue_tells_mark_funding_leverage_and_liquidation(tmp_path: Path) -> None:
    bot = PerpBot(tmp_path)
    bot.run(15)
    view, leg = bot.loop._bot.view, bot.loop._bot.legs[0]
    assert view.facts["main"].funding_rate == Decimal("0.001")
    assert view.facts["main"].mark_price == leg.mark()
    assert 0 < view.funding_due_ns["main"] - bot.clock.now_ns() < seconds(40)
    terms = bot.client.margin_terms()
    assert terms is not None and (terms.leverage, terms.margin_mode) == (Decimal(5), "cross")
    bot.run(12)
    held = view.venue_positions["main"]
    assert held.size_lots and held.unrealised is not None
    if held.size_lots < 0:
        assert held.liquidation_price is not None and held.liquidation_price > 60_000
    bot.loop.close()


def test_a_payment_survives_the_death_of_the_bot_before_it_was_told(tmp_path: Path) -> None:
    bot = PerpBot(tmp_path)
    bot.run(60)
    (payment,) = bot.ledger.funding("main")
    bot.loop.close()
    bot.ledger.close()
    (tmp_path / "ledger.db").unlink()  # as if it had been told of nothing
    bot.begin()
    bot.run(5)
    assert bot.ledger.funding("main") == [payment]
    assert bot.ledger.position("main").funding_paid == payment.amount
    bot.loop.close()
