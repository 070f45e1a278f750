"""When the monitor may start, and which names it is served under."""

from __future__ import annotations

from pathlib import Path

import pytest

from utils.home import Home
from web.security.origin import host_is_ours, is_foreign
from web.security.passwords import hash_problem, password_hash
from web.settings import WebSettings, allowed_hosts, unsafe

HOME = Home(Path("x"))
HASH = "scrypt:32768:8:1$salt$00"


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({}, ""),
        ({"host": "::1"}, ""),
        ({"host": "0.0.0.0"}, "no password"),
        ({"host": "192.0.2.7"}, "no password"),
        ({"host": "monitor.example"}, "no password"),
        ({"host": "0.0.0.0", "password_hash": HASH}, ""),
        ({"host": "0.0.0.0", "token": "t" * 24}, ""),
        ({"host": "0.0.0.0", "viewer_hash": HASH}, "none for operators"),
        ({"token": "short"}, "at least 24"),
        ({"proxies": 1}, "behind a proxy"),
    ],
)
def test_it_starts_only_where_nobody_gets_in_unasked(settings: dict[str, object], word: str) -> None:
    problem = unsafe(WebSettings(home=HOME, **settings))  # type: ignore[arg-type]
    assert (word in problem) if word else problem == ""


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("localhost:8420", True),
        ("LOCALHOST", True),
        ("127.0.0.1:1", True),
        ("[::1]:8420", True),
        ("monitor.example", True),
        ("monitor.example.", True),
        ("evil.example", False),
        ("localhost.evil.example", False),
        ("", False),
    ],
)
def test_only_our_names_are_ours(host: str, ours: bool) -> None:
    assert host_is_ours(host, allowed_hosts(WebSettings(home=HOME, hosts=("Monitor.example",)))) is ours


@pytest.mark.parametrize(
    ("origin", "site", "foreign"),
    [
        (None, None, False),
        ("http://a:1", None, False),
        ("https://A:1", "same-origin", False),
        (None, "none", False),
        ("http://b:1", None, True),
        ("http://a:2", None, True),
        ("null", None, True),
        (None, "cross-site", True),
        (None, "same-site", True),
    ],
)
def test_a_request_of_another_site_is_known_by_what_the_browser_says(
    origin: str | None, site: str | None, foreign: bool
) -> None:
    assert is_foreign(origin, site, "a:1") is foreign


def test_a_hash_is_told_from_a_password() -> None:
    assert hash_problem(password_hash("long enough")) == ""
    assert hash_problem("my password")
