"""The API: logs and events."""

from __future__ import annotations

from flask import Blueprint, Response, abort, current_app, request

from web.answers import answer
from web.api.requests import known_row, number, whole_number
from web.log_lines import EVENTS, LEVELS, event_filter, line_of, log_file, log_filter, newest
from web.parts import parts

blueprint = Blueprint("api_logs", __name__)
OTHERS = {"daemon": "daemon", "monitor": "daemon.web"}  # logs that are no bot's -> how their files are called
LARGEST = 2**53
LONGEST = 200  # characters of a filter


def _text(key: str) -> str:
    text = request.args.get(key, "")
    if len(text) > LONGEST:
        abort(400, f"{key} is too long")
    return text


@blueprint.get("/bots/<name>/logs")
def logs(name: str) -> Response:
    """Tell the last lines of a bot's log; `daemon` and `monitor` have one, too."""
    own, level = parts(current_app), _text("level").upper()
    is_other = name in OTHERS and name not in own.feed.picture.rows  # a bot may be called monitor
    file = OTHERS[name] if is_other else str(known_row(name)["name"])
    if level and level not in LEVELS:
        abort(400, f"level is one of {', '.join(LEVELS)}")
    wanted = log_filter(level, _text("component"), _text("q"))
    found = newest(own.services, log_file(own.settings.home, file), whole_number("n", 200, 2000), wanted)
    return answer({"lines": [line_of(entry, file) for entry in found]})


@blueprint.get("/events")
def events() -> Response:
    """Tell what happened, newest first; `level=alert`: only what a person should know."""
    own, limit, level = parts(current_app), whole_number("limit", 100, 500), _text("level")
    if level not in ("", "alert"):
        abort(400, "level is alert, or left out")
    wanted = event_filter(number("before", None, LARGEST), bool(level), _text("name"))
    found = newest(own.services, own.settings.home.log / EVENTS, limit, wanted)[::-1]
    last = found[-1].get("seq") if len(found) == limit else None
    return answer({"events": found, "next": last})
