"""The API: what is known of each venue: request budgets, and how its bots hear it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask import Blueprint, Response, abort, current_app

from utils.errors import MakerdError
from web.answers import answer
from web.parts import parts
from web.rows import BAD_LINKS

blueprint = Blueprint("api_venues", __name__)
OLD_BOOK_S = 10.0
PRICES_ONLY = "prices only"  # in place of an account


@blueprint.get("/venues")
def venues() -> Response:
    """Tell the venues of the bots that the daemon has."""
    own = parts(current_app)
    try:
        figures = own.figures.now()
    except MakerdError as exc:
        abort(503, str(exc))
    return answer({"venues": venues_of(own.feed.picture.bots, figures["bots"], figures.get("budgets", ()))})


def venues_of(
    rows: Mapping[str, Mapping[str, Any]], figures: Sequence[Mapping[str, Any]], budgets: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return one entry for each venue and account; its clock is ahead of ours as a bot of it has measured.

    A venue that bots only read the price of a reference from has an entry of its own, without an account.
    """
    found: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    read: dict[str, list[Mapping[str, Any]]] = {}
    for one in figures:
        if one["exchange"]:
            found.setdefault((str(one["exchange"]), str(one["account"])), []).append(one)
        if beside := one.get("reference"):
            read.setdefault(str(beside["exchange"]), []).append(one)
    traded = [
        {
            "venue": venue,
            "account": account,
            "bots": len(bots),
            "clock_offset_ms": next((ms for bot in bots if (ms := bot.get("clock_offset_ms")) is not None), None),
            "budgets": [_budget(one) for one in budgets if {bot["name"] for bot in bots} & set(one["holders"])],
            "streams": [_stream(bot, rows.get(str(bot["name"]), {})) for bot in bots],
        }
        for (venue, account), bots in sorted(found.items())
    ]
    beside_them = [
        {
            "venue": venue,
            "account": PRICES_ONLY,
            "bots": len(bots),
            "clock_offset_ms": None,
            "budgets": [],
            "streams": [_reference_stream(bot) for bot in bots],
        }
        for venue, bots in sorted(read.items())
    ]
    return [*traded, *beside_them]


def _budget(one: Mapping[str, Any]) -> dict[str, Any]:
    return {"key": one["key"], "limit": one["per_s"], "used": one["lent_per_s"], "per_s": one["per_s"]}


def _stream(bot: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    age_s = bot.get("book_age_s")
    is_up = age_s is not None and age_s <= OLD_BOOK_S and BAD_LINKS.isdisjoint(map(str, row.get("gates") or ()))
    last = {"last_ack_age_s": bot.get("last_ack_age_s"), "loop_lag_ms": bot.get("loop_lag_ms")}
    return {"name": bot["name"], "state": "up" if is_up else "down", "age_s": age_s, **last}


def _reference_stream(bot: Mapping[str, Any]) -> dict[str, Any]:
    state = "up" if bot["reference"]["is_heard"] else "down"
    last = {"last_ack_age_s": None, "loop_lag_ms": bot.get("loop_lag_ms")}
    return {"name": bot["name"], "state": state, "age_s": bot.get("reference_age_s"), **last}
