"""The API: the whole fleet, and what is asked of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, Response, abort, current_app, g

from utils.errors import MakerdError
from web.answers import answer
from web.api.requests import ask_daemon, body, known_row
from web.openapi import ACTIONS, document
from web.parts import parts
from web.security.guard import csrf_token

blueprint = Blueprint("api_fleet", __name__)
CONFIRM = "FLATTEN"
ALONE_S = 30.0


@blueprint.get("/session")
def session() -> Response:
    """Tell who asks, and the token that a change has to carry."""
    return answer({"role": g.caller.role, "user": g.caller.user, "csrf_token": csrf_token()})


@blueprint.get("/openapi.json")
def openapi() -> Response:
    """Tell what the API can do."""
    return answer(document())


@blueprint.get("/fleet")
def fleet() -> Response:
    """Tell all bots, from the last answer of the daemon."""
    return Response(parts(current_app).feed.fleet_json(), content_type="application/json")


@blueprint.post("/bots/<name>/command")
def command(name: str) -> Response:
    """Do something with one bot."""
    known_row(name)
    action = body(action=str)["action"]
    if action not in ACTIONS:
        abort(400, f"action is one of {', '.join(ACTIONS)}")
    what = f"{action} {name}"
    if action == "restart":
        return answer(ask_daemon("restart", {"names": [name]}, what))
    return answer(ask_daemon("bot", {"action": action, "names": [name]}, what))


@blueprint.post("/reload")
def reload() -> Response:
    """Have the daemon read its configs again."""
    body()
    return answer(ask_daemon("reload", {}, "reload"))


@blueprint.post("/flatten")
def flatten() -> Response:
    """Cancel and close: the named bots, or all when `names` is null."""
    given = body(names=list, sell_base=bool, confirm=str)
    if given["confirm"] != CONFIRM:
        abort(400, f"type {CONFIRM} to confirm")
    if given["names"] == []:
        abort(400, "names is empty; null means all bots")
    for name in given["names"] or ():
        known_row(name if isinstance(name, str) else "")
    args = {"names": given["names"], "sell_base": bool(given["sell_base"])}
    return answer(ask_daemon("flatten", args, "flatten", lambda: _close_alone(args["names"] or (), args["sell_base"])))


def _close_alone(names: Sequence[str], sell_base: bool) -> dict[str, Any]:
    """Close without a daemon, by a supervisor for that alone; what takes longer goes on after the answer."""
    own = parts(current_app)
    try:
        handle = own.services.start_flatten(own.settings.home, names, sell_base)
    except MakerdError as exc:
        abort(503, str(exc))
    ended = handle.wait(ALONE_S) is not None
    bots = (handle.final() or {"bots": []})["bots"] if ended else []
    keys = ("name", "state", "reason", "closed")
    said = "" if ended else "; it goes on: see var/log/daemon.log"
    return {"bots": [{key: row[key] for key in keys} for row in bots], "next": f"closed without the daemon{said}"}
