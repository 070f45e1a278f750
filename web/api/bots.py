"""The API: what one bot does."""

from __future__ import annotations

import logging
from typing import Any

from flask import Blueprint, Response, current_app

from utils.errors import LedgerError
from web.answers import answer
from web.api.requests import known_row
from web.ledgers import LEDGER, latches_in
from web.parts import parts

log = logging.getLogger("makerd.web")
blueprint = Blueprint("api_bots", __name__)


@blueprint.get("/bots/<name>")
def bot(name: str) -> Response:
    """Tell one bot: its row, its newest mids, what keeps it from quoting, its last exit, how well it quotes."""
    row, feed = known_row(name), parts(current_app).feed
    said = feed.picture.bots.get(name, {})
    last_exit = said.get("last_exit")
    gates = list(said.get("gates") or [])
    return answer(
        {
            "bot": row,
            "mids": feed.rings.mids(name),
            "gates": gates,
            "latches": _latches(name),
            "exits": [] if last_exit is None else [last_exit],
            "stats": said.get("stats") or {},
        }
    )


def _latches(name: str) -> list[dict[str, Any]]:
    """Return the tripped limits, none when they cannot be read: the rest of the page matters, too."""
    try:
        return latches_in(parts(current_app).settings.home.bot_state(name) / LEDGER)
    except LedgerError as exc:
        log.warning("latches_not_read", extra={"fields": {"bot": name, "reason": str(exc)[:300]}})
        return []
