"""Behind a reverse proxy with TLS and a path of its own; and when somebody only claims to be one."""

from __future__ import annotations

from pathlib import Path

from tests.web.web_parts import bot_row, monitor
from web.security.passwords import password_hash

WORD = "behind the proxy"
FORWARDED = {
    "X-Forwarded-For": "203.0.113.9",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "trade.example",
    "X-Forwarded-Prefix": "/bots",
}


def test_a_trusted_proxy_says_who_asks_by_which_name_and_path(tmp_path: Path) -> None:
    settings = {"password_hash": password_hash(WORD), "proxies": 1, "hosts": ("trade.example",)}
    with monitor(tmp_path, bot_row(), **settings) as (site, _):
        page = site.get("/nothing", Accept="text/html", **FORWARDED)
        assert (page.status, page.headers["Location"]) == (302, "/bots/login")
        assert page.headers["Strict-Transport-Security"]
        site.take_cookie(page)
        site.csrf = site.parts.sessions.csrf_token(site.cookie.partition("=")[2])
        origin = {"Origin": "https://trade.example", "Sec-Fetch-Site": "same-origin"}
        done = site.post("/login", {"password": WORD}, **FORWARDED, **origin)
        assert (done.status, done.headers["Location"]) == (303, "/bots/")
        assert "Secure" in done.headers["Set-Cookie"] and "Path=/bots/" in done.headers["Set-Cookie"]
        assert site.rooms.audited[-1]["address"] == "203.0.113.9"
        assert site.get("/healthz", **{**FORWARDED, "X-Forwarded-Host": "evil.example"}).status == 421


def test_who_is_no_proxy_of_ours_is_not_believed(tmp_path: Path) -> None:
    with monitor(tmp_path, bot_row(), password_hash=password_hash(WORD), hosts=("trade.example",)) as (site, _):
        page = site.get("/nothing", Accept="text/html", **FORWARDED)
        assert page.headers["Location"] == "/login"
        assert page.headers["Strict-Transport-Security"] is None
        site.log_in("wrong word")
        assert site.rooms.audited[-1]["address"] == "127.0.0.1"
