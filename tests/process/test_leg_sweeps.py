"""Sweeps of venues that are not well: a dead leg costs the others nothing, and nothing is called clean that is not."""

from __future__ import annotations

import dataclasses
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from api.base_client import Inbox, RateScope
from core.bot_config import BotConfig, Leg
from core.market.client_ids import ClientOrderIds, NumberIds, OrderIds
from core.market.events import OrderUpdate
from core.market.order import Order, OrderEvent, Side
from core.process.leg_sweeps import LegSweeps
from core.process.legs import LEDGER_NAME, build_client
from core.process.run_record import RunRecord
from core.process.sweep import sweep, sweep_answer
from core.process_logs import ProcessLogs
from core.trading.clock import SystemClock, seconds
from core.trading.ledger import Ledger
from tests.process.live_parts import LiveVenue, bot_config, use_live_venue
from utils.env import MissingVariables
from utils.errors import NotListed, VenueAuthError, VenueUnreachable
from utils.home import Home

LEGS = (Leg("maker", "paper:a", "bot", "BTC-USDT"), Leg("hedge", "paper:b", "bot", "BTC-USDT"))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("MAKERD_CLAIMS_DIR", str(tmp_path / "claims"))
    home = Home(tmp_path / "home")
    home.make_folders()
    home.bot_state("bot").mkdir()
    return home


def sweeps(home: Home, config: BotConfig, needs: Callable[[float], None] = lambda _seconds: None) -> LegSweeps:
    text = ClientOrderIds(home.identity(), "bot", 2)
    return LegSweeps(home, config, {leg.leg: text for leg in config.legs}, needs)


def order_in_ledger(home: Home, client: LiveVenue, key: str) -> None:
    ledger = Ledger.open(home.bot_state("bot") / LEDGER_NAME)
    ledger.use_instrument("main", client.instrument)
    order = Order(key, "main", Side.BUY, 1000, 1, sent_ns=1)
    ledger.record_orders([order])
    ledger.close()


@pytest.mark.parametrize("dead", ["maker", "hedge"])
def test_a_leg_whose_venue_hangs_does_not_keep_the_other_from_being_swept(
    home: Home, monkeypatch: pytest.MonkeyPatch, dead: str
) -> None:
    other_closed = threading.Event()

    def hang(client: LiveVenue) -> None:
        if client.context.exchange == {leg.leg: leg.exchange for leg in LEGS}[dead]:
            assert other_closed.wait(20), "the other leg was not swept meanwhile"
            raise VenueUnreachable("nobody answers")

    kind = use_live_venue(monkeypatch, on_open=hang)
    close = LiveVenue.close

    def closed(client: LiveVenue) -> None:
        close(client)
        other_closed.set()

    monkeypatch.setattr(kind, "close", closed)
    result = sweeps(home, bot_config(home, "bot", *LEGS)).run()
    assert (result.confirmed, result.auth) == (False, False)
    assert result.reason == f"{dead}: nobody answers"


def test_a_sweep_says_what_time_it_needs_for_each_leg(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    use_live_venue(monkeypatch)
    said: list[float] = []
    assert sweeps(home, bot_config(home, "bot", *LEGS), said.append).run().confirmed
    assert len(said) == 4
    assert sorted(said)[-1] >= 60


def test_a_sweep_takes_the_share_of_the_budget_that_no_worker_is_granted(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = use_live_venue(monkeypatch, scopes=(RateScope("venue:key:ab", 10.0, 100.0),))
    assert sweeps(home, bot_config(home, "bot")).run().confirmed
    ((key, per_s, burst, _until_ns),) = kind.leased
    assert (key, round(per_s, 6), round(burst, 6)) == ("venue:key:ab", 2.0, 20.0)


def test_a_key_that_is_not_accepted_is_told_apart(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_client: LiveVenue) -> None:
        raise VenueAuthError("INVALID_KEY: revoked; make a new one")

    use_live_venue(monkeypatch, on_open=refuse)
    result = sweeps(home, bot_config(home, "bot")).run()
    assert (result.confirmed, result.auth) == (False, True)
    assert result.reason == "INVALID_KEY: revoked; make a new one"


def test_a_client_that_breaks_is_not_confirmed(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def break_it(_client: LiveVenue) -> None:
        raise ZeroDivisionError("oops")

    use_live_venue(monkeypatch, on_open=break_it)
    result = sweeps(home, bot_config(home, "bot")).run()
    assert not result.confirmed
    assert "ZeroDivisionError" in result.reason


def test_an_open_order_whose_number_was_never_reserved_is_not_called_swept(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def issue(_until: int) -> None:
        raise AssertionError

    seen: list[LiveVenue] = []
    use_live_venue(monkeypatch, on_open=seen.append)
    config = bot_config(home, "bot")
    ids: dict[str, OrderIds] = {"main": NumberIds(5, 0, 0, issue)}
    assert LegSweeps(home, config, ids, lambda _seconds: None).run().confirmed
    order_in_ledger(home, seen[0], "n5.7")
    result = LegSweeps(home, config, ids, lambda _seconds: None).run()
    assert (result.confirmed, result.left) == (False, ("n5.7",))


def rested(home: Home, config: BotConfig, key: str) -> LiveVenue:
    """Let an order rest at the venue, far from the market; return the client that sent it, closed."""
    clock, inbox, ids = SystemClock(), Inbox(), ClientOrderIds("h", "b", 1)
    client = build_client(config, config.legs[0], home.state, home.data_dirs, clock, ids)
    assert isinstance(client, LiveVenue)
    client.open(inbox, "main")
    lots = 2 * max(client.instrument.min_lots, client.instrument.min_units // 1000)
    client.submit([Order(key, "main", Side.BUY, 1000, lots, sent_ns=clock.now_ns())])
    deadline_ns = clock.now_ns() + seconds(30)
    told: list[OrderEvent] = []
    while not told:
        assert clock.now_ns() < deadline_ns, "the order was never answered"
        client.poll(clock.now_ns())
        told = [item.event for item in inbox.drain() if isinstance(item, OrderUpdate)]
    assert told == [OrderEvent.ACCEPTED]
    client.close()
    return client


def test_an_order_in_a_state_that_only_newer_code_knows_is_cancelled_by_the_venues_listing(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_live_venue(monkeypatch)
    config = bot_config(home, "bot")
    own = sweeps(home, config)
    key = own.ids["main"].next()
    order_in_ledger(home, rested(home, config, key), key)
    with sqlite3.connect(home.bot_state("bot") / LEDGER_NAME) as rows:
        rows.execute("UPDATE orders SET state = 'GRAZING'")
    rows.close()
    result = own.run()
    assert (result.confirmed, result.cancelled, result.left) == (True, 1, ())


def test_a_secret_that_is_gone_at_the_time_of_the_sweep_is_named(home: Home) -> None:
    config = bot_config(home, "bot", api_key="${GONE_KEY}", api_secret="${GONE_SECRET}")
    live = dataclasses.replace(config, exchange="backpack", legs=(Leg("main", "backpack", "a", "SOL-USDC"),))
    RunRecord(live, 1, clean=False).write(home.bot_state("bot"))
    with pytest.raises(MissingVariables, match="GONE_KEY, GONE_SECRET"):
        sweep(home, live, {})
    record = RunRecord.read(home.bot_state("bot"))
    assert record is not None and not record.clean


@pytest.mark.usefixtures("logging_restored")
def test_a_refusal_during_a_sweep_is_told_without_the_key(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_client: LiveVenue, _number: int, _since: str | None) -> None:
        raise VenueAuthError("19: key hunter2hunter2 is not accepted")

    kind = use_live_venue(monkeypatch)
    monkeypatch.setattr(kind, "request_report", refuse)
    config = bot_config(home, "bot", api_key="${SWEPT_KEY}")
    RunRecord(config, 1, clean=False).write(home.bot_state("bot"))
    secrets, logs = {"SWEPT_KEY": "hunter2hunter2"}, ProcessLogs(home.log, "bot")
    answer = sweep_answer(home, config, lambda: secrets, lambda _seconds: None, logs)
    assert (answer["confirmed"], answer["auth"]) == (False, True)
    assert answer["reason"] == "19: key *** is not accepted"


def unlisted(monkeypatch: pytest.MonkeyPatch, left: tuple[str, ...]) -> list[bool]:
    """Let the venue not list the symbol, with these orders of ours on the account; return what was asked by then."""
    asked: list[bool] = []

    def refuse(_client: LiveVenue) -> None:
        raise NotListed("no such symbol")

    def look(_client: LiveVenue, owns: Callable[[str], bool]) -> tuple[str, ...]:
        asked.append(owns("somebody-elses"))
        return left

    kind = use_live_venue(monkeypatch, on_open=refuse)
    monkeypatch.setattr(kind, "orders_anywhere", look)
    return asked


def test_a_symbol_that_is_not_listed_any_more_is_swept_by_the_accounts_orders(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = unlisted(monkeypatch, ())
    result = sweeps(home, bot_config(home, "bot")).run()
    assert (result.confirmed, result.left, asked) == (True, (), [False])


def test_a_symbol_that_is_not_listed_while_an_order_of_ours_rests_is_not_called_swept(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlisted(monkeypatch, ("mk-1",))
    result = sweeps(home, bot_config(home, "bot")).run()
    assert (result.confirmed, result.left) == (False, ("mk-1",))
    assert "no such symbol" in result.reason


def test_a_venue_that_cannot_tell_an_accounts_orders_confirms_nothing(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_client: LiveVenue) -> None:
        raise NotListed("no such symbol")

    use_live_venue(monkeypatch, on_open=refuse)
    assert not sweeps(home, bot_config(home, "bot")).run().confirmed
