"""The API: what the ledger of a bot says of orders, fills and the past."""

from __future__ import annotations

import time
from pathlib import Path

from flask import Blueprint, Response, abort, current_app

from core.history.days import DAY_NS
from utils.errors import LedgerError
from web.answers import answer, error
from web.api.requests import known_row, number, whole_number
from web.ledgers import LEDGER, fills_in, markouts_in, orders_in, series_in
from web.parts import parts

blueprint = Blueprint("api_history", __name__)
LARGEST = 2**53
DAY_MS = 86_400_000


def _ledger(name: str) -> Path:
    known_row(name)
    return parts(current_app).settings.home.bot_state(name) / LEDGER


@blueprint.errorhandler(LedgerError)
def unreadable(exc: LedgerError) -> Response:
    """Tell that a ledger cannot be read now."""
    return error(503, "the ledger cannot be read now", "look into the bot's log; `run.py report` reads it, too")


@blueprint.get("/bots/<name>/orders")
def orders(name: str) -> Response:
    """Tell the open orders."""
    return answer({"orders": orders_in(_ledger(name))})


@blueprint.get("/bots/<name>/fills")
def fills(name: str) -> Response:
    """Tell a page of fills, newest first."""
    path = _ledger(name)
    return answer(fills_in(path, number("before", None, LARGEST), whole_number("limit", 50, 500)))


@blueprint.get("/bots/<name>/series")
def series(name: str) -> Response:
    """Tell equity, position and mid over a span of UTC milliseconds; the last day, when none is given."""
    path, now_ms = _ledger(name), time.time_ns() // 10**6
    to_ms = number("to", now_ms, LARGEST) or now_ms
    from_ms = number("from", to_ms - DAY_MS, LARGEST)
    if from_ms is None or from_ms >= to_ms:
        abort(400, "from is before to")
    return answer(series_in(path, from_ms, min(to_ms, now_ms + DAY_MS), whole_number("points", 500, 2000)))


@blueprint.get("/bots/<name>/markouts")
def markouts(name: str) -> Response:
    """Tell what the mid said of the fills of the last day."""
    return answer(markouts_in(_ledger(name), time.time_ns() - DAY_NS))
