"""The API: what one bot does."""

from __future__ import annotations

import logging
from typing import Any

from flask import Blueprint, Response, current_app

from utils.errors import LedgerError
from web.answers import answer
from web.api.requests import home_of, known_row
from web.exits import exits_of
from web.ledgers import LEDGER, latches_in
from web.parts import parts
from web.rows import gate_told

log = logging.getLogger("makerd.web")
blueprint = Blueprint("api_bots", __name__)


@blueprint.get("/bots/<name>")
def bot(name: str) -> Response:
    """Tell one bot: its row, its mids of the last minutes, what keeps it from quoting, how well it quotes."""
    row, feed = known_row(name), parts(current_app).feed
    gates = [gate_told(gate) for gate in row.get("gates") or ()]
    told = {"bot": row, "mids": feed.rings.mids(name), "gates": gates, "latches": _latches(name)}
    return answer({**told, "stats": feed.picture.bots.get(name, {}).get("stats") or {}})


@blueprint.get("/bots/<name>/exits")
def exits(name: str) -> Response:
    """Tell how it ended the last times, each with the end of its log."""
    known_row(name)
    return answer({"exits": exits_of(parts(current_app).services, home_of(), name)})


def _latches(name: str) -> list[dict[str, Any]]:
    """Return the tripped limits, none when they cannot be read: the rest of the page matters, too."""
    try:
        return latches_in(home_of().bot_state(name) / LEDGER)
    except LedgerError as exc:
        log.warning("latches_not_read", extra={"fields": {"bot": name, "reason": str(exc)[:300]}})
        return []
