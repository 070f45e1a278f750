"""How the monitor answers: JSON to the API, JSON or a way to the login to everybody else."""

from __future__ import annotations

import json
from typing import Any

from flask import Response, request
from werkzeug.exceptions import HTTPException

from web.security.roles import Verdict

_NEXT = {
    400: "correct the request; /api/v1/openapi.json describes it",
    404: "look at /api/v1/fleet for what there is",
    405: "use another method; /api/v1/openapi.json describes them",
    413: "send at most 256 KiB",
    415: "send JSON with `Content-Type: application/json`",
    503: "try again in a few seconds",
}


def answer(data: Any, status: int = 200) -> Response:
    """Return data as JSON."""
    return Response(json.dumps(data, separators=(",", ":")), status, content_type="application/json")


def error(status: int, text: str, todo: str = "") -> Response:
    """Return an error: one line, and what to do next."""
    return answer({"error": text, "next": todo or _NEXT.get(status, "look into the monitor's log")}, status)


def wants_page() -> bool:
    """Tell whether a person's browser asks, and not a script."""
    names_html = "text/html" in list(request.accept_mimetypes.values())  # `best` is Chromium's signed-exchange
    return not request.path.startswith("/api/") and not request.is_json and names_html


def lead_to(path: str, status: int = 302) -> Response:
    """Return a redirect to one of our own paths, below the application's root."""
    response = Response(status=status)
    response.headers["Location"] = (request.script_root or "") + path
    return response


def refuse(verdict: Verdict) -> Response:
    """Return a refusal; a person who is not logged in is led to the login."""
    if verdict.status == 401 and request.method == "GET" and wants_page():
        return lead_to("/login")
    return error(verdict.status, verdict.error, verdict.todo)


def http_error(exc: HTTPException) -> Response:
    """Return the answer to what Flask refuses by itself; never a page with what the request said."""
    status = exc.code or 500
    response = error(status, (exc.description or exc.name).splitlines()[0])
    if status == 405 and (methods := exc.get_response().headers.get("Allow")):
        response.headers["Allow"] = methods
    return response
