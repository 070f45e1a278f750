"""The API: what one bot does."""

from __future__ import annotations

from flask import Blueprint, Response, current_app

from web.answers import answer
from web.api.requests import known_row
from web.parts import parts

blueprint = Blueprint("api_bots", __name__)


@blueprint.get("/bots/<name>")
def bot(name: str) -> Response:
    """Tell one bot: its row, its mids of the last minutes, what keeps it from quoting, its last exit."""
    row, feed = known_row(name), parts(current_app).feed
    said = feed.picture.bots.get(name, {})
    last_exit = said.get("last_exit")
    gates = list(said.get("gates") or [])
    return answer(
        {
            "bot": row,
            "mids": feed.rings.mids(name),
            "gates": gates,
            "latches": [],
            "exits": [] if last_exit is None else [last_exit],
        }
    )
