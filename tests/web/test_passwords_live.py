"""Passwords that change while the monitor runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.web.web_parts import bot_row, monitor
from web.security.passwords import password_hash


def test_a_new_password_puts_everybody_out_who_came_in_by_the_old_one(tmp_path: Path) -> None:
    with monitor(tmp_path, bot_row(), password_hash=password_hash("the first one")) as (site, _):
        site.log_in("the first one")
        assert site.get("/api/v1/fleet").status == 200
        site.parts.take(replace(site.settings, password_hash=password_hash("the second one")))
        assert site.get("/api/v1/fleet").status == 401
        assert site.log_in("the first one").status == 401
        assert site.log_in("the second one").status == 303


def test_another_token_alone_puts_nobody_out(tmp_path: Path) -> None:
    kept = password_hash("the first one")
    with monitor(tmp_path, bot_row(), password_hash=kept) as (site, _):
        site.log_in("the first one")
        site.parts.take(replace(site.settings, token="t" * 30))
        assert site.get("/api/v1/fleet").status == 200
