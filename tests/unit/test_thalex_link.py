"""The line to Thalex: connect, sign in, subscribe, and again after each loss."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from api import thalex_client
from api.base_client import DeadManScope
from core.market.client_ids import ClientOrderIds
from core.market.events import LinkDown
from core.market.order import OrderEvent
from tests.thalex_parts import (
    BOOK,
    NAME,
    SILENCE,
    TAPE,
    TICKER,
    Bench,
    FakeThalex,
    Refused,
    bid,
    listed,
    quoting_bench,
    trade,
)
from utils.env import Secret
from utils.errors import VenueAuthError, VenueError, VenueRefused, VenueUnreachable

GREETING = ["public/instruments", "public/login", "private/set_cancel_on_disconnect", "private/subscribe"]
MARKET = "public/subscribe"


@pytest.fixture
def bench() -> Iterator[Bench]:
    with quoting_bench() as opened:
        yield opened


def claims(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


def test_open_signs_in_arms_cancel_on_disconnect_and_subscribes_in_that_order() -> None:
    bench = Bench().open()
    assert bench.venue.asked() == GREETING
    assert bench.venue.params("private/set_cancel_on_disconnect") == [{"timeout_secs": 6}]
    assert bench.venue.params("private/subscribe") == [
        {"channels": ["account.orders", "account.trade_history", "account.portfolio"]}
    ]


@pytest.mark.parametrize("symbol", ["BTC-PERP", NAME])
def test_open_finds_the_perpetual_by_either_name(symbol: str) -> None:
    instrument = Bench(symbol=symbol).open().client.instrument
    assert (instrument.symbol, instrument.venue_symbol, instrument.kind) == ("BTC-PERP", NAME, "perp")
    assert (instrument.base, instrument.quote, instrument.tick_size) == ("BTC", "USD", 1)
    assert (instrument.lot_size, instrument.min_lots) == (Decimal("0.001"), 10)
    assert (instrument.maker_fee_bps, instrument.taker_fee_bps) == (2, 5)


def test_dated_future_keeps_its_name_and_tells_its_expiry() -> None:
    client = Bench(symbol="BTC-25DEC26", config={"maker_fee_bps": -1}).open().client
    assert (client.instrument.symbol, client.instrument.kind) == ("BTC-25DEC26", "future")
    assert client.expiry_ms == 1798185600000 and client.instrument.maker_fee_bps == -1
    assert client.instrument.expiry_utc_ns == 1798185600 * 10**9


@pytest.mark.parametrize("symbol", ["BTC-PREP", "BTC-25DEC26-70000-C"])
def test_unknown_symbol_is_refused_and_near_ones_are_named(symbol: str) -> None:
    bench = Bench(symbol=symbol)
    with pytest.raises(VenueRefused, match=f"{symbol}.*near: BTC"):
        bench.open()
    assert bench.venue.closed and "public/login" not in bench.venue.asked()


@pytest.mark.parametrize("code", [19, 28, 26, 7])
def test_refused_login_is_an_auth_error_and_is_not_repeated(code: int) -> None:
    bench = Bench(venue=FakeThalex(answers={"public/login": Refused(code)}))
    with pytest.raises(VenueAuthError, match=f"{code}: no.*K1"):
        bench.open()
    assert bench.venue.asked().count("public/login") == 1 and not bench.venue.reconnects


@pytest.mark.parametrize("missing", ["key_id", "private_key"])
def test_missing_key_is_an_auth_error_before_anything_is_sent(missing: str) -> None:
    bench = Bench(config={missing: None})
    with pytest.raises(VenueAuthError, match="not set"):
        bench.open()
    assert bench.venue.frames == []


def test_unusable_key_is_an_auth_error_that_names_it() -> None:
    with pytest.raises(VenueAuthError, match="K1"):
        Bench(config={"private_key": Secret("nonsense")}).open()


def test_venue_that_cannot_be_reached_is_told_in_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thalex_client, "OPEN_S", 0.05)
    bench = Bench(venue=FakeThalex(reachable=False))
    with pytest.raises(VenueUnreachable):
        bench.open()
    assert bench.venue.closed


@pytest.mark.parametrize("listed", [[], [{"instrument_name": "BTC-OPTION", "type": "option"}]])
def test_venue_that_lists_nothing_to_trade_is_waited_for(listed: list[dict[str, str]]) -> None:
    with pytest.raises(VenueUnreachable, match="at all"):
        Bench(venue=FakeThalex(answers={"public/instruments": listed})).open()


def test_channel_that_the_venue_leaves_out_at_open_is_waited_for() -> None:
    bench = Bench(venue=FakeThalex(answers={"private/subscribe": ["account.orders"]}))
    with pytest.raises(VenueUnreachable, match=r"account\.trade_history, account\.portfolio"):
        bench.open()


def test_market_channel_that_is_left_out_never_brings_the_link_up() -> None:
    bench = Bench(venue=FakeThalex(answers={MARKET: [BOOK]})).open(market_data=True)
    assert bench.links == [] and TAPE in bench.venue.reconnects[0]


def test_public_only_client_signs_in_nowhere() -> None:
    bench = Bench(public_only=True, config={"key_id": None, "private_key": None}).open(market_data=True)
    assert bench.venue.asked() == ["public/instruments", MARKET] and bench.links == ["up"]


def test_account_of_the_config_is_chosen_at_login() -> None:
    bench = Bench(config={"venue_account": "A7"}).open()
    assert bench.venue.params("public/login")[0]["account"] == "A7"


@pytest.mark.parametrize(("date", "skew_s"), [(None, 0), ("Fri, 20 Nov 2026 15:30:00 GMT", -58677)])
def test_token_is_dated_by_the_venues_clock_and_never_ahead_of_it(date: str | None, skew_s: int) -> None:
    bench = Bench(venue=FakeThalex(http_date=date)).open()
    issued = claims(bench.venue.params("public/login")[0]["token"])["iat"]
    venue_s = bench.utc // 10**9 + skew_s if date is None else 1795188600
    assert venue_s - 2 <= issued <= venue_s


def test_nothing_of_the_market_is_subscribed_before_it_is_wanted() -> None:
    bench = Bench().open()
    bench.poll()
    assert MARKET not in bench.venue.asked() and bench.said == []


def test_link_is_up_once_channels_are_confirmed_and_the_whole_book_is_here() -> None:
    bench = Bench().open()
    bench.client.start_market_data()
    bench.poll()
    assert bench.venue.params(MARKET) == [{"channels": [BOOK, TAPE, TICKER, "system"]}]
    assert bench.links == []
    bench.venue.say_book()
    bench.poll()
    assert bench.links == ["up"]


def test_capabilities_tell_of_the_dead_man_switch_and_of_late_arrivals() -> None:
    told = Bench(config={"cancel_on_disconnect_s": 10}).client.capabilities
    assert told.dead_man_scope is DeadManScope.CONNECTION and told.dead_man_min_s == 6
    assert told.late_arrival_s >= 12 and told.post_only and told.reduce_only
    assert told.amend and not told.amend_keeps_post_only


# Losses


def test_lost_connection_is_told_and_everything_is_done_again(bench: Bench) -> None:
    bench.venue.down("nothing was heard for 6 s")
    bench.poll()
    assert [item.reason for item in bench.all_of(LinkDown)] == ["nothing was heard for 6 s"]
    bench.venue.frames.clear()
    bench.venue.up()
    bench.poll()
    assert bench.venue.asked() == [*GREETING[1:], MARKET] and bench.links == ["down"]
    bench.venue.say_book(bids=((50, 1),))
    bench.poll()
    assert bench.links == ["down", "up"]
    assert [level.price_ticks for level in bench.books[-1].book.bids] == [50]


def test_token_of_a_new_connection_is_fresh(bench: Bench) -> None:
    bench.venue.down()
    bench.poll(30)
    bench.venue.up()
    bench.poll()
    first, second = (claims(params["token"])["iat"] for params in bench.venue.params("public/login"))
    assert second - first == 30


def test_venue_that_asks_for_a_new_connection_gets_one(bench: Bench) -> None:
    bench.venue.say("system", {"event": "reconnect"})
    bench.poll()
    assert len(bench.venue.reconnects) == 1 and bench.links == ["down"]


@pytest.mark.parametrize(
    "text", ["}garbage{", "[1,2", '{"channel_name":"account.orders","notification":7}', '{"id":5}', ""]
)
def test_garbage_ends_the_connection(bench: Bench, text: str) -> None:
    bench.venue.text(text)
    bench.poll()
    assert len(bench.venue.reconnects) == 1 and bench.links == ["down"]


def test_what_is_new_in_the_protocol_is_left_alone(bench: Bench) -> None:
    bench.venue.say("account.novelties", {"what": 1})
    bench.venue.say("system", {"event": "party"})
    bench.venue.raw({"id": 999_999, "result": "nobody asked"})
    bench.venue.say_book(bids=((100, 2),), asks=(), novelty={"deep": [1]})
    bench.venue.say("account.orders", [{"legs": [], "status": "open", "order_id": "combination"}])
    bench.poll()
    assert not bench.venue.reconnects and bench.links == [] and bench.books[-1].book.bids[0].size_lots == 2000


def test_greeting_that_is_not_answered_begins_anew(bench: Bench) -> None:
    bench.venue.answers["public/login"] = SILENCE
    bench.venue.down()
    bench.venue.up()
    bench.poll()
    bench.poll(11)
    assert "public/login" in bench.venue.reconnects[0]


def test_calls_that_are_overdue_together_are_each_lost_once() -> None:
    bench = Bench(venue=FakeThalex(answers={MARKET: SILENCE, "private/insert": SILENCE})).open()
    bench.client.start_market_data()
    bench.submit(bid("mk-a-1"))
    bench.poll(11)
    assert len(bench.venue.reconnects) == 1 and bench.events("mk-a-1") == [OrderEvent.OUTCOME_UNKNOWN]


def test_connection_lost_while_greeting_is_left_to_the_transport(bench: Bench) -> None:
    bench.venue.answers["public/login"] = SILENCE
    bench.venue.down()
    bench.venue.up()
    bench.poll()
    bench.venue.down()
    bench.poll(20)
    assert bench.venue.reconnects == [] and bench.links == ["down"]


def test_login_refused_after_a_reconnect_ends_the_worker_without_a_loop(bench: Bench) -> None:
    bench.venue.answers["public/login"] = Refused(19)
    bench.venue.down()
    bench.venue.up()
    for _ in range(3):
        with pytest.raises(VenueAuthError, match="19"):
            bench.poll(60)
    assert bench.venue.asked().count("public/login") == 2


def test_venue_that_is_busy_at_login_is_tried_again(bench: Bench) -> None:
    bench.venue.answers["public/login"] = Refused(20)
    bench.venue.down()
    bench.venue.up()
    bench.poll()
    assert "public/login" in bench.venue.reconnects[0]


# A session that is signed out


def sign_out(bench: Bench) -> None:
    bench.venue.answers["private/insert"] = Refused(7)
    bench.submit(bid("mk-a-1"))
    del bench.venue.answers["private/insert"]


def test_session_that_is_signed_out_is_signed_in_again_on_the_same_socket(bench: Bench) -> None:
    bench.venue.frames.clear()
    sign_out(bench)
    assert bench.venue.asked() == ["private/insert", *GREETING[1:]] and not bench.venue.reconnects
    assert bench.links == ["down", "up"] and bench.events("mk-a-1") == [OrderEvent.REJECTED]
    bench.submit(bid("mk-a-2"))
    assert bench.events("mk-a-2") == [OrderEvent.ACCEPTED]


def test_session_that_is_signed_out_again_at_once_is_an_auth_error(bench: Bench) -> None:
    sign_out(bench)
    bench.poll(4)
    with pytest.raises(VenueAuthError, match="7"):
        sign_out(bench)
    assert bench.venue.asked().count("public/login") == 2


def test_login_refused_on_an_old_connection_is_tried_on_a_new_one_that_knows_the_time(bench: Bench) -> None:
    bench.venue.answers["public/login"] = Refused(19)
    sign_out(bench)
    assert "public/login" in bench.venue.reconnects[0]
    bench.venue.down()
    bench.venue.up()
    with pytest.raises(VenueAuthError, match="19"):
        bench.poll()
    assert bench.venue.asked().count("public/login") == 3


@pytest.mark.parametrize("code", [19, 26, 28])
def test_key_without_a_right_is_an_auth_error_that_stays(bench: Bench, code: int) -> None:
    bench.venue.answers["private/insert"] = Refused(code)
    bench.client.submit([bid("mk-a-1")])
    for _ in range(2):
        with pytest.raises(VenueAuthError, match=str(code)):
            bench.poll()
    assert bench.venue.asked().count("private/insert") == 1
    bench.said += bench.inbox.drain()
    assert bench.events("mk-a-1") == [OrderEvent.REJECTED]


# The rest of the interface


def test_candles_are_of_the_mark_price_and_have_no_volume(bench: Bench) -> None:
    rows = [[1736363520, 94409, 94600, 94408, 94500, -0.1], [1736363460, 94700.5, 94701, 94445, 94409, 0.2]]
    bench.venue.answers["public/mark_price_historical_data"] = {"mark": rows}
    first, second = bench.client.candles(60, 5)
    assert (first.open, first.volume) == (Decimal("94700.5"), None) and second.start_ns > first.start_ns
    (asked,) = bench.venue.params("public/mark_price_historical_data")
    assert asked["resolution"] == "1m" and asked["to"] - asked["from"] >= 4 * 60


def test_candles_that_the_venue_has_not_are_refused(bench: Bench) -> None:
    with pytest.raises(VenueRefused, match="300"):
        bench.client.candles(7, 5)


def test_leverage_is_not_to_be_set(bench: Bench) -> None:
    with pytest.raises(VenueRefused, match="portfolio"):
        bench.client.set_leverage(Decimal(3))


def test_venue_tells_nothing_of_a_key_and_that_is_said(bench: Bench) -> None:
    told = bench.client.check_key()
    assert not told.refused and "withdraw" in told.warnings[0]


def test_key_id_tells_keys_apart_and_not_the_secret() -> None:
    config = {"key_id": Secret("K9"), "private_key": Secret("x")}
    assert thalex_client.ThalexClient.key_id(config) == "K9" and thalex_client.ThalexClient.key_id({}) is None


def test_closed_client_takes_nothing_and_closes_twice(bench: Bench) -> None:
    bench.client.close()
    bench.client.close()
    for request in (
        lambda: bench.client.submit([bid("mk-a-1")]),
        lambda: bench.client.cancel(["mk-a-1"]),
        lambda: bench.client.request_report(1, None),
        lambda: bench.client.poll(0),
    ):
        with pytest.raises(VenueUnreachable, match="not open"):
            request()


def test_trades_of_the_account_do_not_disturb_a_client_that_is_opening() -> None:
    bench = Bench()
    bench.venue.say("account.trade_history", [trade("t1", "mk-a-1")])
    bench.open()
    bench.poll()
    assert bench.fills == []


# A market that is not listed any more


def test_our_orders_on_all_instruments_are_told_without_opening_one() -> None:
    bench = Bench(symbol="BTC-GONE", ids=ClientOrderIds("home", "one", 1))
    ours = bench.ids.next()
    rows = [listed(ours, "00F1", instrument_name="BTC-GONE"), listed("foreign", "00F2"), {"order_id": "00F3"}]
    bench.venue.answers["private/open_orders"] = rows
    assert bench.client.orders_anywhere(bench.ids.owns) == (ours,)
    assert bench.venue.params("private/open_orders") == [{}] and bench.venue.closed


@pytest.mark.parametrize("answer", [Refused(20), {"nonsense": 1}])
def test_orders_on_all_instruments_that_cannot_be_read_are_not_none(answer: Any) -> None:
    bench = Bench(symbol="BTC-GONE", ids=ClientOrderIds("home", "one", 1))
    bench.venue.answers["private/open_orders"] = answer
    with pytest.raises(VenueError):
        bench.client.orders_anywhere(bench.ids.owns)
