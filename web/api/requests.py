"""What comes in with a request, checked: names, bodies, numbers. And the one way to ask the daemon for something."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from flask import Response, abort, current_app, g, request

from core.process.control import ControlRefused, DaemonDown, call
from utils.home import Home
from utils.input_validation import bot_name_problem, printable
from web.answers import answer
from web.parts import parts
from web.rows import Row
from web.security.guard import note

MAX_ERROR = 1000  # characters
LARGEST = 2**53
ANSWER_S = 12.0  # the daemon answers a command within 8 s


def known_row(name: str) -> Row:
    """Return the row of a bot that the daemon knows; everything else is not found."""
    row = parts(current_app).feed.picture.rows.get(name)
    if row is None or bot_name_problem(name):
        abort(404, f"there is no bot named {printable(name, 64)}")
    return row


def body(**types: type | tuple[type, ...]) -> dict[str, Any]:
    """Return the JSON object of a request, its keys of these types; a missing key is None."""
    given = request.get_json()
    if not isinstance(given, dict):
        abort(400, "the body is a JSON object")
    if not _is_text(given):
        abort(400, "the body holds what is no text")
    if unknown := sorted(given.keys() - types.keys()):
        abort(400, f"unknown key {printable(str(unknown[0]), 40)}; known: {', '.join(sorted(types))}")
    for key, value in given.items():
        if value is not None and not isinstance(value, types[key]):
            abort(400, f"{key} has the wrong type")
    return {key: given.get(key) for key in types}


def _is_text(given: dict[str, Any]) -> bool:
    """Tell whether all texts of a body can be written: JSON may escape halves of characters."""
    try:
        json.dumps(given, ensure_ascii=False).encode()
    except (UnicodeEncodeError, RecursionError):
        return False
    return True


def whole_number(key: str, default: int, most: int) -> int:
    """Return a number of the query, 1 to `most`."""
    text = request.args.get(key, str(default))
    if not (text.isascii() and text.isdigit() and 1 <= len(text) <= 9 and 1 <= int(text) <= most):
        abort(400, f"{key} is a whole number from 1 to {most}")
    return int(text)


def number(key: str, default: int | None, most: int) -> int | None:
    """Return a number of the query, 0 to `most`; `default` where there is none."""
    text = request.args.get(key)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 20 and int(text) <= most):
        abort(400, f"{key} is a whole number from 0 to {most}")
    return int(text)


def version_in(given: dict[str, Any]) -> int | None:
    """Return the version of a config that a body names, None when it names none."""
    number: int | None = given["version"]
    if number is not None and (isinstance(number, bool) or not 1 <= number <= LARGEST):
        abort(400, f"version is a whole number from 1 to {LARGEST}")
    return number


def ask_daemon(verb: str, args: dict[str, Any], what: str, when_down: Callable[[], Any] | None = None) -> Any:
    """Ask the daemon for a change and write who did into the audit trail; a refusal ends the request.

    `when_down` is done instead when there is no daemon. Raises MakerdError as that does.
    """
    own = parts(current_app)
    if not own.commands.acquire(blocking=False):
        note(what, args, "refused: too many commands at once")
        abort(503, "too many commands wait for the daemon")
    try:
        data = call(own.settings.home, verb, args, ANSWER_S)
    except DaemonDown as exc:
        if when_down is None:
            note(what, args, f"failed: {exc}")
            abort(503, str(exc))
        note(what, args, "begun without the daemon")
        data = when_down()
    except ControlRefused as exc:
        note(what, args, f"refused: {exc}")
        abort(409, str(exc))
    finally:
        own.commands.release()
    note(what, args, "done")
    return data


def who() -> str:
    """Return who asks, for the records of the registry."""
    return f"{g.caller.user or 'nobody'} (web, {request.remote_addr})"


def home_of() -> Home:
    """Return the home of the app."""
    return parts(current_app).settings.home


def refuse_complaints(complaints: list[dict[str, Any]]) -> Response:
    """Return the refusal of a config that is not valid."""
    first = complaints[0]
    text = f"{first['path']}: {first['message']}" if first["path"] else first["message"]
    more = f" (and {len(complaints) - 1} more)" if len(complaints) > 1 else ""
    told = {"error": f"not valid: {text}{more}"[:MAX_ERROR], "next": "correct it; nothing was written"}
    return answer({**told, "complaints": complaints}, 422)
