"""The API of the fleet over real sockets: what it tells, what it passes on, what it refuses."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.web.web_parts import DAEMON, Daemon, Reader, Site, bot_row, monitor
from utils.home import CHECKOUT, Home
from web.feed import Feed
from web.hub import Hub
from web.stream import _events

Both = tuple[Site, Daemon]


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Both]:
    with monitor(tmp_path, bot_row(), bot_row("grid", gates=["stale"], phase="PAUSED")) as found:
        found[0].join()
        yield found


def test_the_fleet_tells_each_bot_and_what_they_come_to(both: Both) -> None:
    site, _ = both
    told = site.get("/api/v1/fleet").json
    assert [row["name"] for row in told["bots"]] == ["sol-mm", "grid"]
    assert told["bots"][1]["why"] == "market data is stale"
    assert told["totals"]["realised_pnl"] == "2.4062"
    assert told["totals"]["quoting"] == 1


def test_a_bot_has_a_page_of_its_own(both: Both) -> None:
    site, _ = both
    told = site.get("/api/v1/bots/sol-mm").json
    assert told["bot"]["name"] == "sol-mm"
    assert (told["stats"]["spread_captured_bps"], "stats" in told["bot"]) == (1.2, False)
    assert told["mids"][0][1] == 150.255


def test_a_shut_gate_is_told_in_words(both: Both) -> None:
    site, _ = both
    told = site.get("/api/v1/bots/grid").json["gates"]
    assert told == [{"name": "stale", "reason": "market data is stale", "attention": "warn"}]


def test_a_stream_of_a_bot_that_is_still_to_come_is_the_fleet_s(both: Both) -> None:
    site, daemon = both
    reader = Reader(site, "?bot=new")
    assert "new" not in [row["name"] for row in reader.next("fleet")["bots"]]
    daemon.bots.append(bot_row("new", mid="7"))
    assert reader.next("mid")["mid"] == 7
    reader.close()


def test_the_way_out_is_shown_only_to_who_came_in_by_a_password(both: Both) -> None:
    site, _ = both
    page = site.get("/", Accept="text/html")
    assert page.status == 200 and b"Kill switch" in page.body
    assert b"Log out" not in page.body


@pytest.mark.parametrize("name", ["nobody", "..%2f..%2fetc%2fpasswd", "%2e%2e", "sol-mm%00", "a" * 500])
def test_a_name_that_the_daemon_does_not_know_is_not_found(both: Both, name: str) -> None:
    site, _ = both
    assert site.get(f"/api/v1/bots/{name}").status == 404


def test_a_command_reaches_the_daemon_and_the_audit_trail(both: Both) -> None:
    site, daemon = both
    answer = site.post("/api/v1/bots/sol-mm/command", {"action": "pause"})
    assert (answer.status, answer.json) == (200, {"bots": [{"name": "sol-mm"}]})
    assert daemon.commands() == [("bot", {"action": "pause", "names": ["sol-mm"]})]
    row = site.rooms.audited[-1]
    assert (row["who"], row["what"], row["outcome"]) == ("local", "pause sol-mm", "done")


def test_a_refusal_of_the_daemon_is_told_and_written_down(both: Both) -> None:
    site, daemon = both
    daemon.refusal = "the daemon is stopping"
    answer = site.post("/api/v1/bots/sol-mm/command", {"action": "start"})
    assert (answer.status, answer.json["error"]) == (409, "the daemon is stopping")
    assert site.rooms.audited[-1]["outcome"] == "refused: the daemon is stopping"


@pytest.mark.parametrize("body", [{}, {"action": "kill"}, {"action": 7}, {"action": "stop", "more": 1}, [1], "text"])
def test_a_command_that_is_none_is_refused(both: Both, body: object) -> None:
    site, daemon = both
    answer = site.ask("POST", "/api/v1/bots/sol-mm/command", body)
    assert 400 <= answer.status < 500
    assert daemon.commands() == []


def test_flatten_wants_the_word_typed(both: Both) -> None:
    site, daemon = both
    assert site.post("/api/v1/flatten", {"names": None, "confirm": "flatten"}).status == 400
    assert daemon.commands() == []
    assert site.post("/api/v1/flatten", {"names": None, "confirm": "FLATTEN"}).status == 200
    assert daemon.commands() == [("flatten", {"names": None, "sell_base": False})]


def test_flatten_works_without_a_daemon(both: Both) -> None:
    site, daemon = both
    daemon.end()
    answer = site.post("/api/v1/flatten", {"names": ["grid"], "sell_base": True, "confirm": "FLATTEN"})
    assert answer.status == 200 and answer.json["bots"][0]["closed"]
    assert site.rooms.closed == [(["grid"], True)]
    assert site.post("/api/v1/reload", {}).status == 503


def test_flatten_of_no_bot_is_not_flatten_of_all(both: Both) -> None:
    site, daemon = both
    assert site.post("/api/v1/flatten", {"names": [], "confirm": "FLATTEN"}).status == 400
    assert daemon.commands() == []


def test_a_stream_begins_with_the_fleet_and_goes_on_with_changed_rows_only(both: Both) -> None:
    site, daemon = both
    reader = Reader(site)
    assert len(reader.next("fleet")["bots"]) == 2
    daemon.bots = [bot_row(state="BACKOFF", pid=None), daemon.bots[1]]
    rows = reader.next("bots")["rows"]
    reader.close()
    assert [(row["name"], row["state"]) for row in rows] == [("sol-mm", "BACKOFF")]


def test_who_joins_between_two_quiet_turns_is_not_left_with_a_value_that_was_never_told() -> None:
    said = {"daemon": DAEMON, "invalid": [], "bots": [bot_row(mid="150")]}
    feed = Feed(Home(CHECKOUT / "no-such-home"), Hub(4), lambda: dict(said))
    feed.turn(1.0, 1.0)
    feed.turn(3.0, 3.0)
    said["bots"] = [bot_row(mid="151")]
    feed.turn(3.5, 3.5)  # too soon to tell so quiet a change
    subscriber = feed.hub.subscribe()
    events = _events(feed, subscriber, lambda: True)
    (row,) = _told(next(events))["bots"]
    said["bots"] = [bot_row(mid="150", cpu_pct=99.0)]
    feed.turn(6.0, 6.0)
    (change,) = _told(next(events))["rows"]
    assert {**row, **change}["mid"] == "150"


def _told(text: bytes) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(text.rpartition(b"data: ")[2])
    return told


def test_a_dead_daemon_is_told_as_stale(both: Both) -> None:
    site, daemon = both
    reader = Reader(site)
    reader.next("fleet")
    daemon.end()
    stale = reader.next("stale")
    reader.close()
    assert stale["daemon"] == "stopped"
    assert site.get("/readyz").status == 503
    assert site.get("/healthz").status == 200
    told = site.get("/api/v1/fleet").json
    assert told["stale"]["reason"] and told["daemon"]["state"] == "stopped"


def test_figures_are_asked_for_once_a_second_however_many_want_them(both: Both) -> None:
    site, daemon = both
    began_s = time.monotonic()
    for _ in range(10):
        assert site.get("/api/v1/venues").json == {"venues": []}
    asked = [verb for verb, _ in daemon.commands()]
    assert 1 <= asked.count("metrics") <= 1 + time.monotonic() - began_s


def test_figures_of_a_daemon_that_is_gone_are_refused(both: Both) -> None:
    site, daemon = both
    daemon.end()
    for path in ("/api/v1/venues", "/metrics"):
        told = site.get(path)
        assert told.status == 503 and told.json["next"]


def test_many_viewers_are_one_asker(both: Both) -> None:
    site, daemon = both
    readers = [Reader(site) for _ in range(5)]
    for reader in readers:
        reader.next("fleet")
    daemon.asked.clear()
    for _ in range(40):
        site.get("/api/v1/fleet")
    began = site.parts.feed.picture.asked_s
    site.until(lambda: site.parts.feed.picture.asked_s > began)
    for reader in readers:
        reader.close()
    assert len(daemon.asked) < 20
