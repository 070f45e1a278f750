"""What the API tells of ledgers, logs and events that are really there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.history.ledger_reader import daily
from tests.history.ledger_parts import BEGIN_NS, Past
from tests.trading.scripted_venue import SPOT
from tests.web.web_parts import Daemon, Reader, Site, bot_row, monitor
from utils.home import Home
from web.ledgers import quote_of
from web.today import TodayPnl

Both = tuple[Site, Daemon]
MS = 10**6


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Both]:
    home = Home(tmp_path)
    home.make_folders()
    folder = home.bot_state("sol-mm")
    folder.mkdir()
    past = Past(folder)
    for at_s in range(5):
        past.fill(at_s * 10)
        past.sample(at_s * 10 + 1, str(100 + at_s))
    past.order(60)
    past.order(61, closed=True)
    past.ledger.close()
    lines = [
        {"ts": "2026-01-01T00:00:00.000001Z", "level": "INFO", "component": "orders", "event": "placed", "price": "1"},
        {
            "ts": "2026-01-01T00:00:01.000001Z",
            "level": "ERROR",
            "component": "link",
            "event": "<script>alert(1)</script>",
        },
    ]
    (home.log / "sol-mm.log").write_text("".join(json.dumps(line) + "\n" for line in lines) + "torn {")
    rows = [
        {"ts": "t", "seq": n, "kind": "state", "bot": "sol-mm", "alert": "halt" if n == 3 else None} for n in range(9)
    ]
    (home.log / "events.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with monitor(tmp_path, bot_row(), bot_row("none")) as found:
        found[0].join()
        yield found


def test_orders_fills_and_series_come_from_the_ledger(both: Both) -> None:
    site, _ = both
    orders = site.get("/api/v1/bots/sol-mm/orders").json["orders"]
    assert [(one["side"], one["leg"]) for one in orders] == [("buy", "main")]
    first = site.get("/api/v1/bots/sol-mm/fills?limit=2").json
    second = site.get(f"/api/v1/bots/sol-mm/fills?limit=5&before={first['next']}").json
    assert [len(first["fills"]), len(second["fills"]), second["next"]] == [2, 3, None]
    assert first["fills"][0]["at"] > second["fills"][0]["at"]
    assert {one["pnl"] for one in first["fills"]} == {None}  # all of them bought
    begin = BEGIN_NS // MS
    series = site.get(f"/api/v1/bots/sol-mm/series?from={begin}&to={begin + 60_000}").json
    assert series["mid"] == [100, 101, 102, 103, 104]
    assert len(series["equity"]) == len(series["at"]) == 5


def test_a_bot_that_never_ran_has_an_empty_past(both: Both) -> None:
    site, _ = both
    assert site.get("/api/v1/bots/none/orders").json == {"orders": []}
    assert site.get("/api/v1/bots/none/fills").json == {"fills": [], "next": None}
    assert site.get("/api/v1/bots/none/series").json["at"] == []
    assert site.get("/api/v1/bots/none/markouts").json["spread_captured_bps"] is None


def test_a_ledger_that_cannot_be_read_is_said_so(both: Both) -> None:
    site, _ = both
    folder = site.settings.home.bot_state("none")
    folder.mkdir()
    (folder / "ledger.db").write_bytes(b"no database" * 1000)
    assert site.get("/api/v1/bots/none/orders").status == 503
    assert site.get("/api/v1/bots/none").status == 200


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "limit=-1", "limit=1e3", "before=x", "before=" + "9" * 30])
def test_a_page_that_makes_no_sense_is_refused(both: Both, query: str) -> None:
    site, _ = both
    assert site.get(f"/api/v1/bots/sol-mm/fills?{query}").status == 400


def test_logs_are_filtered_and_what_they_say_stays_text(both: Both) -> None:
    site, _ = both
    lines = site.get("/api/v1/bots/sol-mm/logs").json["lines"]
    assert [line["level"] for line in lines] == ["INFO", "ERROR"]
    assert lines[0]["text"] == "placed price=1"
    answer = site.get("/api/v1/bots/sol-mm/logs?level=warning&q=ALERT")
    assert [line["text"] for line in answer.json["lines"]] == ["<script>alert(1)</script>"]
    assert answer.headers["Content-Type"] == "application/json"
    assert site.get("/api/v1/bots/sol-mm/logs?level=loud").status == 400
    assert site.get("/api/v1/bots/daemon/logs").json == {"lines": []}


def test_events_come_newest_first_by_pages(both: Both) -> None:
    site, _ = both
    first = site.get("/api/v1/events?limit=4").json
    assert ([event["seq"] for event in first["events"]], first["next"]) == ([8, 7, 6, 5], 5)
    alerts = site.get("/api/v1/events?level=alert").json
    assert [event["seq"] for event in alerts["events"]] == [3]
    assert site.get("/api/v1/events?name=other").json["events"] == []


def test_each_of_the_last_ends_is_told_with_the_end_of_its_log(both: Both) -> None:
    site, _ = both
    log, events = site.settings.home.log / "sol-mm.log", site.settings.home.log / "events.jsonl"
    lines = [{"ts": f"2026-01-01T00:00:{at:02}.5Z", "level": "INFO", "event": f"at {at}"} for at in range(40)]
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    ends = [
        {"ts": f"2026-01-01T00:00:{at:02}.9Z", "kind": "exit", "bot": bot, "signal": signal, "reason": f"end {at}"}
        for at, bot, signal in ((5, "sol-mm", 9), (20, "sol-mm", 999), (25, "none", 9), (30, "sol-mm", None))
    ]
    with events.open("a") as file:
        file.writelines(json.dumps(end) + "\n" for end in ends)
    told = site.get("/api/v1/bots/sol-mm/exits").json["exits"]
    assert [one["reason"] for one in told] == ["end 30", "end 20", "end 5"]
    assert [one["log_tail"][-1]["text"] for one in told] == ["at 30", "at 20", "at 5"]
    assert [len(one["log_tail"]) for one in told] == [12, 12, 6]
    assert [(one["signal"], one["status"]) for one in told] == [(None, None), ("signal 999", None), ("SIGKILL", None)]


def test_a_bot_without_ends_and_a_log_that_is_gone_tell_nothing(both: Both) -> None:
    site, _ = both
    assert site.get("/api/v1/bots/none/exits").json == {"exits": []}
    with (site.settings.home.log / "events.jsonl").open("a") as file:
        file.write(json.dumps({"ts": "t", "kind": "exit", "bot": "none", "status": 70}) + "\n")
    [told] = site.get("/api/v1/bots/none/exits").json["exits"]
    assert (told["status"], told["log_tail"]) == (70, [])
    assert site.get("/api/v1/bots/nobody/exits").status == 404


def test_a_stream_of_one_bot_tells_its_log_its_mids_and_its_quotes(both: Both) -> None:
    site, daemon = both
    reader = Reader(site, "?bot=sol-mm")
    assert reader.next("quotes")["orders"]
    daemon.bots = [bot_row(mid="151"), *daemon.bots[1:]]
    assert reader.next("mid")["mid"] in (150.255, 151)
    with open(site.settings.home.log / "sol-mm.log", "a") as log:
        log.write('\n{"ts": "t", "level": "INFO", "component": "x", "event": "fresh"}\n')
    assert reader.next("log")["text"] == "fresh"
    with open(site.settings.home.log / "events.jsonl", "a") as events:
        events.write('{"ts": "t", "seq": 10, "kind": "state", "bot": "other"}\n')
    assert reader.next("event")["seq"] == 10
    reader.close()


def test_what_was_earned_today_is_the_change_since_midnight(tmp_path: Path) -> None:
    past = Past(tmp_path)
    past.fill(0)
    past.sample(1, "100")
    past.sample(86_400 + 5, "101")
    past.sample(86_400 + 15, "103")
    past.ledger.close()
    midnight, pnl = BEGIN_NS + 86_400 * 10**9, TodayPnl()
    for at_s in (10, 20, 20):
        now_ns = midnight + at_s * 10**9
        [day] = daily(past.path, midnight, now_ns)
        if at_s > 10:  # the report takes the whole day
            assert float(str(pnl.of(past.path, now_ns))) == float(str(day.pnl))
    assert float(str(pnl.of(past.path, midnight + 10 * 10**9))) > 0
    assert pnl.of(past.path, midnight + 3600 * 10**9) == pnl.of(past.path, midnight + 20 * 10**9)
    assert pnl.of(past.path, midnight + 86_400 * 10**9) is None
    assert pnl.of(tmp_path / "nothing.db", midnight) is None


def test_in_which_asset_a_bot_earns_its_ledger_says(tmp_path: Path) -> None:
    past = Past(tmp_path)
    past.fill(0)
    past.sample(1, "100")
    past.ledger.close()
    assert quote_of(past.path) == SPOT.quote
    assert quote_of(tmp_path / "nothing.db") == ""


def test_what_was_earned_on_the_first_day_is_counted_from_its_first_row(tmp_path: Path) -> None:
    past = Past(tmp_path)
    past.fill(0)
    for at_s, mid in ((1, "100"), (11, "102")):
        past.sample(at_s, mid)
    past.ledger.close()
    [day] = daily(past.path)
    assert float(str(TodayPnl().of(past.path, BEGIN_NS + 20 * 10**9))) == float(str(day.pnl))
