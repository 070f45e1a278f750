"""Who may do what, over real sockets: passwords, roles, sessions, tokens, and requests that another site caused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.web.web_parts import Daemon, Reader, Site, bot_row, monitor
from utils.home import Home
from web.openapi import OPERATIONS
from web.security.passwords import password_hash

OPERATOR, VIEWER, TOKEN = "correct horse battery", "only for looking", "t" * 40
Both = tuple[Site, Daemon]


@pytest.fixture(scope="module")
def hashes() -> dict[str, str]:
    return {"password_hash": password_hash(OPERATOR), "viewer_hash": password_hash(VIEWER), "token": TOKEN}


@pytest.fixture
def both(tmp_path: Path, hashes: dict[str, str]) -> Iterator[Both]:
    with monitor(tmp_path, bot_row(), **hashes) as found:
        yield found


def test_a_stranger_sees_nothing_but_that_the_monitor_lives(both: Both) -> None:
    site, _ = both
    for path in ("/api/v1/fleet", "/api/v1/bots/sol-mm", "/api/v1/stream", "/metrics", "/nothing", "/api/v1/session"):
        assert site.get(path).status == 401, path
    assert site.get("/healthz").status == 200


def test_an_operator_logs_in_and_commands(both: Both) -> None:
    site, daemon = both
    assert site.log_in(OPERATOR).status == 303
    assert site.post("/api/v1/bots/sol-mm/command", {"action": "pause"}).status == 200
    assert daemon.commands()
    assert site.rooms.audited[-1]["who"] == "operator"
    assert b"Log out" in site.get("/").body


def test_a_viewer_looks_and_changes_nothing(both: Both) -> None:
    site, daemon = both
    site.log_in(VIEWER)
    assert site.get("/api/v1/fleet").status == 200
    for path, body in (
        ("/api/v1/bots/sol-mm/command", {"action": "stop"}),
        ("/api/v1/flatten", {"names": None, "confirm": "FLATTEN"}),
        ("/api/v1/reload", {}),
    ):
        assert site.post(path, body).status == 403
    assert daemon.commands() == []


def test_a_wrong_password_is_refused_and_written_down(both: Both) -> None:
    site, _ = both
    assert site.log_in("correct horse").status == 401
    assert site.rooms.audited[-1]["outcome"] == "refused: wrong password"
    assert "correct horse" not in json.dumps(site.rooms.audited)


def test_after_five_wrong_passwords_even_the_right_one_has_to_wait(both: Both) -> None:
    site, _ = both
    for _ in range(5):
        assert site.log_in("guess").status == 401
    answer = site.log_in(OPERATOR)
    assert answer.status == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 61


def test_a_planted_session_is_not_the_one_after_the_login(both: Both) -> None:
    site, _ = both
    planted = f"{site.parts.cookie}=planted-by-somebody"
    site.cookie = planted
    site.csrf = site.parts.sessions.csrf_token("planted-by-somebody")
    answer = site.post("/login", {"password": OPERATOR})
    assert answer.status == 303
    assert "planted-by-somebody" not in answer.headers["Set-Cookie"]
    assert site.get("/api/v1/fleet").status == 401


def test_a_cookie_is_out_of_reach_of_scripts_and_other_sites(both: Both) -> None:
    site, _ = both
    cookie = site.log_in(OPERATOR).headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie


def test_after_logging_out_the_session_and_its_streams_end(both: Both) -> None:
    site, _ = both
    site.log_in(OPERATOR)
    reader = Reader(site)
    reader.next("fleet")
    assert site.post("/logout").status == 303
    assert site.get("/api/v1/fleet").status == 401
    list(reader.events())  # comes to an end
    reader.close()


def test_a_session_outlives_the_monitor_but_not_its_password(tmp_path: Path, hashes: dict[str, str]) -> None:
    with monitor(tmp_path, **hashes) as (site, _):
        site.log_in(OPERATOR)
        cookie = site.cookie
    with monitor(tmp_path, **hashes) as (site, _):
        assert site.get("/api/v1/fleet", Cookie=cookie).status == 200
    with monitor(tmp_path, **{**hashes, "password_hash": password_hash("another long one")}) as (site, _):
        assert site.get("/api/v1/fleet", Cookie=cookie).status == 401
    kept = (Home(tmp_path).state / "web_sessions.json").read_text()
    assert cookie.partition("=")[2] not in kept


def test_a_change_without_the_token_of_the_session_is_refused(both: Both) -> None:
    site, daemon = both
    site.log_in(OPERATOR)
    for token in ("", "0" * 64, site.parts.sessions.csrf_token("another session")):
        answer = site.post("/api/v1/reload", {}, **{"X-CSRF-Token": token})
        assert answer.status == 403
    assert daemon.commands() == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_change_that_another_site_caused_is_refused(both: Both, headers: dict[str, str]) -> None:
    site, daemon = both
    site.log_in(OPERATOR)
    assert site.post("/api/v1/reload", {}, **headers).status == 403
    assert site.post("/login", {"password": OPERATOR}, **headers).status == 403
    assert site.get("/api/v1/stream", **headers).status == 403
    assert daemon.commands() == []


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8420", "127.0.0.1.evil.example", "[::2]", ""])
def test_a_name_that_merely_leads_here_is_not_served(both: Both, host: str) -> None:
    site, _ = both
    site.log_in(OPERATOR)
    assert site.get("/api/v1/fleet", Host=host).status in (400, 421)


def test_a_script_uses_the_token(both: Both) -> None:
    site, daemon = both
    assert site.post("/api/v1/reload", {}, Authorization=f"Bearer {TOKEN}").status == 200
    assert site.post("/api/v1/reload", {}, Authorization="Bearer " + "x" * 40).status == 401
    assert [verb for verb, _ in daemon.commands()] == ["reload"]
    assert site.rooms.audited[-2]["who"] == "token"


def test_every_answer_carries_the_headers_that_protect_it(both: Both) -> None:
    site, _ = both
    for path in ("/healthz", "/api/v1/fleet", "/nothing"):
        headers = site.get(path).headers
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"
        assert headers["Server"] is None


def test_no_answer_holds_a_password_its_hash_or_the_token(both: Both, hashes: dict[str, str]) -> None:
    site, _ = both
    site.log_in(OPERATOR)
    planted = [OPERATOR, VIEWER, *hashes.values(), site.cookie.partition("=")[2]]
    for method, path, *_ in OPERATIONS:
        if method == "get":
            body = site.get("/api/v1" + path.replace("{name}", "sol-mm")).body.decode()
            assert not [secret for secret in planted if secret in body], path
    for path in ("/api/v1/openapi.json", "/healthz", "/readyz", "/metrics", "/nothing"):
        body = site.get(path).body.decode()
        assert not [secret for secret in planted if secret in body], path
    kept = (site.settings.home.state / "web_sessions.json").read_text() + json.dumps(site.rooms.audited)
    assert not [secret for secret in planted if secret in kept]
