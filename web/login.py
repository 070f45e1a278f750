"""Logging in and out: POST /login, POST /logout. The form is a page (`web/pages.py`)."""

from __future__ import annotations

import time

from flask import Blueprint, Response, current_app, g, request

from web.answers import error, lead_to, refuse, wants_page
from web.parts import parts
from web.security.guard import note, set_cookie
from web.security.passwords import is_password
from web.security.roles import OPERATOR, TOO_MANY_LOGINS, VIEWER
from web.settings import WebSettings

blueprint = Blueprint("login", __name__)


@blueprint.post("/login")
def login() -> Response:
    """Check a password; the session gets a new id, so that one planted beforehand is worth nothing."""
    own, address = parts(current_app), request.remote_addr or ""
    wait_s = own.logins.begin(address, time.monotonic())
    if wait_s > 0:
        note("login", {}, "refused: too many wrong passwords")
        response = refuse(TOO_MANY_LOGINS)
        response.headers["Retry-After"] = str(int(wait_s) + 1)
        return response
    role = role_of(own.settings, _given())
    if role is None:
        note("login", {}, "refused: wrong password")
        return _wrong()
    own.logins.succeeded(address)
    own.sessions.end(g.caller.sid)
    sid = own.sessions.open(role, role, time.time())
    g.pop("fresh_sid", None)
    note("login", {"as": role}, "done")
    response = lead_to("/", 303)
    set_cookie(response, sid)
    return response


def _given() -> str:
    if request.is_json:
        body = request.get_json(silent=True)
        return str(body.get("password", "")) if isinstance(body, dict) else ""
    return request.form.get("password", "")


def role_of(settings: WebSettings, password: str) -> str | None:
    """Return the role that a password gives, None when it is nobody's."""
    if not password:
        return None
    operator = is_password(settings.password_hash, password)
    viewer = is_password(settings.viewer_hash, password)
    return OPERATOR if operator else VIEWER if viewer else None


def _wrong() -> Response:
    if wants_page():
        return lead_to("/login?wrong=1", 303)
    return error(401, "the password is wrong", "try again, or make a new one with `run.py web-password`")


@blueprint.post("/logout")
def logout() -> Response:
    """End the session."""
    own = parts(current_app)
    own.sessions.end(g.caller.sid)
    note("logout", {}, "done")
    response = lead_to("/login", 303)
    set_cookie(response, "")
    return response
