"""The one gate in front of every request: host, login, origin, CSRF, role. What comes behind it need not ask again."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from flask import Flask, Response, current_app, g, request

from web.answers import refuse
from web.parts import parts
from web.security.headers import headers_for
from web.security.origin import host_is_ours, is_foreign
from web.security.passwords import is_token
from web.security.roles import NOT_OURS, OPEN_TO_ALL, OPERATOR, WRONG_HOST, Caller, decide
from web.security.sessions import LIFETIME_S, new_id

if TYPE_CHECKING:
    from web.settings import WebSettings

LONGEST_ID = 128


def install(app: Flask) -> None:
    """Put the gate in front of an app."""
    app.before_request(_check)
    app.after_request(_finish)


def _check() -> Response | None:
    own = parts(current_app)
    g.caller = Caller("", None, None)
    if not host_is_ours(request.host, own.hosts):
        return refuse(WRONG_HOST)
    g.caller = _caller(own.settings)
    given = request.headers.get("X-CSRF-Token") or ""
    if not given and request.mimetype in ("application/x-www-form-urlencoded", "multipart/form-data"):
        given = request.form.get("csrf_token", "")
    holds = own.sessions.csrf_holds(g.caller.sid, given)
    foreign = is_foreign(request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site"), request.host)
    if g.caller.role is None and not own.settings.needs_login and request.path not in OPEN_TO_ALL:
        return refuse(NOT_OURS)
    verdict = decide(request.method, request.path, g.caller, holds, foreign)
    if verdict is None:
        return None
    if request.method not in ("GET", "HEAD", "OPTIONS"):
        note(f"{request.method} {request.path}", {}, f"refused: {verdict.error}")
    return refuse(verdict)


def _caller(settings: WebSettings) -> Caller:
    sid = request.cookies.get(parts(current_app).cookie, "")[:LONGEST_ID]
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        good = is_token(settings.token, given.strip())
        return Caller("", OPERATOR if good else None, "token" if good else None, by_token=good)
    if not settings.needs_login:
        role = OPERATOR if _is_our_user() else None
        return Caller(sid or _fresh(), role, "local" if role else None)
    found = parts(current_app).sessions.find(sid, time.time())
    if found is not None:
        return Caller(sid, found.role, found.user)
    return Caller(sid or _fresh(), None, None)


def _is_our_user() -> bool:
    environ = request.environ
    address, port = str(environ.get("REMOTE_ADDR", "")), str(environ.get("REMOTE_PORT", ""))
    here = str(environ.get("SERVER_PORT", ""))
    return port.isdigit() and here.isdigit() and parts(current_app).peers.is_ours(address, int(port), int(here))


def _fresh() -> str:
    g.fresh_sid = new_id()
    return str(g.fresh_sid)


def _finish(response: Response) -> Response:
    for name, value in headers_for(request.path, request.is_secure).items():
        response.headers[name] = value
    if "fresh_sid" in g and not request.path.startswith("/static/"):
        set_cookie(response, g.fresh_sid)
    return response


def set_cookie(response: Response, sid: str) -> None:
    """Hand a session id to the browser; no script sees it and no other site's request carries it."""
    name, path = parts(current_app).cookie, (request.script_root or "") + "/"
    response.set_cookie(
        name, sid, max_age=int(LIFETIME_S), path=path, secure=request.is_secure, httponly=True, samesite="Strict"
    )


def csrf_token() -> str:
    """Return the token of the session that asks."""
    return parts(current_app).sessions.csrf_token(g.caller.sid)


def note(what: str, args: dict[str, object], outcome: str) -> None:
    """Write a line of the audit trail about the request that is being answered."""
    parts(current_app).audit.note(g.caller, request.remote_addr or "", what, args, outcome)
