"""A worker of a venue with keys: who may trade, what a key may not do, what is left when the venue cannot be opened."""

from __future__ import annotations

import dataclasses
import json
import logging
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from api.base_client import KeyReport, RateScope
from api.synthetic_markets import MARKETS
from core.bot_config import Leg
from core.market.order import Order, Side
from core.process import channel
from core.process.child_setup import SignalFlags
from core.process.rate_leases import RateLeases
from core.process.worker import Task, Worker
from core.process_logs import ProcessLogs
from core.trading.ledger import Ledger
from core.trading.trading_loop import LoopExit
from tests.process.live_parts import LiveVenue, bot_config, use_live_venue
from tests.process.worker_parts import Start
from utils.errors import MakerdError, VenueAuthError, VenueRefused, VenueUnreachable
from utils.exit_statuses import AUTH, CONFIG, DONE, VENUE_UNREACHABLE
from utils.home import Home


def record_of(home: Home, name: str) -> dict[str, Any] | None:
    path = home.bot_state(name) / "run.json"
    found: dict[str, Any] | None = json.loads(path.read_text()) if path.exists() else None
    return found


def test_a_second_bot_with_the_same_key_is_refused_whatever_its_account_is_called(
    home: Home, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_live_venue(monkeypatch)
    first = start(bot_config(home, "first", key="K1")).trading()
    second = start(bot_config(home, "second", key="K1"))
    end = second.ended()
    assert (end.status, end.clean) == (CONFIG, True)
    assert "'first'" in end.reason and "API key" in end.reason
    assert "K1" not in end.reason
    assert start(bot_config(home, "third", key="K2")).trading().stop().status == DONE
    assert first.stop().status == DONE
    assert start(bot_config(home, "second", key="K1")).trading().stop().status == DONE


def test_the_venues_own_spelling_of_a_symbol_is_claimed_too(
    home: Home, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    use_live_venue(monkeypatch, venue_symbol="ONE", on_open=lambda client: opened.append(client.context.bot_name))
    start(bot_config(home, "first", key="K1")).trading()
    other = start(bot_config(home, "second", Leg("main", "paper", "second", "ONE"), key="K1"))
    assert other.ended().status == CONFIG
    assert opened == ["first"]


def test_two_spellings_of_one_symbol_are_one_symbol_once_the_venue_is_open(
    home: Home, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_live_venue(monkeypatch, venue_symbol="ONE")
    start(bot_config(home, "first", key="K1")).trading()
    leg = Leg("main", "paper", "second", "SOL-USDC")
    second = start(bot_config(home, "second", leg, key="K1", feed="synthetic"))
    assert second.ended().status == CONFIG
    assert second.refused is not None and "ONE" in str(second.refused)
    assert record_of(home, "second") is None


def test_bots_that_both_say_so_share_a_symbol_with_one_key(
    home: Home, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_live_venue(monkeypatch)
    start(bot_config(home, "first", key="K1", allow_shared_symbol=True)).trading()
    start(bot_config(home, "second", key="K1", allow_shared_symbol=True)).trading()
    assert start(bot_config(home, "third", key="K1")).ended().status == CONFIG


def test_no_file_of_claims_shows_a_key(
    home: Home, start: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use_live_venue(monkeypatch)
    start(bot_config(home, "first", key="SECRETKEY")).trading()
    files = list((tmp_path / "claims").iterdir())
    assert len(files) >= 3
    assert not any("SECRETKEY" in path.name + path.read_text() for path in files)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (VenueUnreachable("connection refused"), VENUE_UNREACHABLE),
        (VenueAuthError("INVALID_KEY: no such key; make a new one"), AUTH),
        (VenueRefused("symbol 'X' is not listed"), CONFIG),
    ],
)
def test_a_venue_that_cannot_be_opened_leaves_nothing_to_sweep(
    home: Home, start: Start, monkeypatch: pytest.MonkeyPatch, error: MakerdError, status: int
) -> None:
    def fail(_client: LiveVenue) -> None:
        raise error

    use_live_venue(monkeypatch, on_open=fail)
    end = start(bot_config(home, "bot", key="K1")).ended()
    assert (end.status, end.clean, end.reason) == (status, True, str(error))
    assert record_of(home, "bot") is None


def test_the_record_of_what_runs_is_written_after_the_venue_is_open_and_before_the_first_order(
    home: Home, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, dict[str, Any] | None] = {}
    use_live_venue(
        monkeypatch,
        on_open=lambda _client: seen.update(open=record_of(home, "bot")),
        on_submit=lambda _client: seen.setdefault("submit", record_of(home, "bot")),
    )
    worker = start(bot_config(home, "bot", key="K1")).trading()
    worker.until(lambda: "submit" in seen)
    assert seen["open"] is None
    assert seen["submit"] is not None and seen["submit"]["clean"] is False
    worker.stop()
    assert (record_of(home, "bot") or {})["clean"] is True


def test_a_worker_says_that_opening_may_take_long_before_it_opens(
    home: Home, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_live_venue(monkeypatch)
    worker = start(bot_config(home, "bot", key="K1")).trading()
    assert worker.said[0]["t"] == "needs"
    assert worker.said[0]["seconds"] >= 30


REFUSED = KeyReport("the key may withdraw; make one that may not")


def test_a_key_that_may_withdraw_ends_the_worker_before_its_first_order(
    home: Home, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_live_venue(monkeypatch, report=REFUSED)
    end = start(bot_config(home, "bot", key="K1")).ended()
    assert (end.status, end.clean, end.reason) == (AUTH, True, REFUSED.refused)
    assert record_of(home, "bot") is None


def test_a_key_that_may_withdraw_is_used_with_a_warning_when_the_config_allows_it(
    home: Home, start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    use_live_venue(monkeypatch, report=KeyReport(REFUSED.refused, ("it expires in 3 days",)))
    with caplog.at_level(logging.WARNING):
        start(bot_config(home, "bot", key="K1", allow_withdrawal_key=True)).trading()
    told = [record.__dict__["fields"]["reason"] for record in caplog.records if record.message == "key_warning"]
    assert len(told) == 2 and "expires" in told[0] and "withdraw" in told[1]


def test_another_reason_against_a_key_is_not_allowed_away(
    home: Home, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_live_venue(monkeypatch, report=KeyReport("the key may not trade"))
    assert start(bot_config(home, "bot", key="K1", allow_withdrawal_key=True)).ended().status == AUTH


def test_what_the_supervisor_lends_reaches_the_client(
    home: Home, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = use_live_venue(monkeypatch, scopes=(RateScope("venue:ip:1", 10.0, 20.0),))
    worker = start(bot_config(home, "bot", key="K1")).trading()
    asked = worker.until(lambda: next((m for m in worker.said if m["t"] == "lease"), None))
    channel.send(worker.ours, RateLeases().answer("bot", asked, 5))
    worker.until(lambda: kind.leased)
    assert kind.leased[0][:3] == ("venue:ip:1", 8.0, 16.0)


@pytest.mark.usefixtures("logging_restored")
def test_the_reason_of_an_end_is_told_without_the_key(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    use_live_venue(monkeypatch)
    ours, theirs = channel.pair()
    worker = Worker(theirs, SignalFlags(), home, bot_config(home, "one", api_key="${ENDED_KEY}"), Task())
    worker.logs = ProcessLogs(home.log, "one")
    end = LoopExit(DONE, "key hunter2hunter2 was named", True, ())
    monkeypatch.setattr(worker, "_own_and_trade", lambda _resolved: end)
    assert worker.run({"ENDED_KEY": "hunter2hunter2"}) == DONE
    said = channel.receive(ours)
    assert said is not None and said["reason"] == "key *** was named"
    ours.close()
    theirs.close()


def test_what_a_confirmed_sweep_has_waited_for_is_not_waited_for_again(
    home: Home, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(client: LiveVenue) -> None:
        client.capabilities = dataclasses.replace(client.capabilities, late_arrival_s=300.0)

    config = bot_config(home, "bot", key="K1")
    use_live_venue(monkeypatch)
    start(config).trading().stop()
    never_answered = Order("mk" + "0" * 20, "main", Side.BUY, 100, 1, sent_ns=time.time_ns())
    ledger = Ledger.open(home.bot_state("bot") / "ledger.db")
    ledger.use_instrument("main", MARKETS["SOL-USDC"].instrument(Decimal(0), Decimal(0)))
    ledger.record_order(never_answered)
    ledger.close()
    use_live_venue(monkeypatch, on_open=slow)
    start(config).trading()
