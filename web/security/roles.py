"""Who may do what: a table, and who somebody is."""

from __future__ import annotations

from dataclasses import dataclass

OPERATOR, VIEWER = "operator", "viewer"
READS = frozenset({"GET", "HEAD", "OPTIONS"})
OPEN_TO_ALL = frozenset({"/login", "/healthz", "/readyz"})  # and what lies in /static/
STATIC = "/static/"
API = "/api/"  # not even to be asked by another site: a stream holds a place


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. `sid`: the session, "" for a bearer of the token; `role` is None for a stranger."""

    sid: str
    role: str | None
    user: str | None
    by_token: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """A refusal: its HTTP status, what is wrong, and what to do."""

    status: int
    error: str
    todo: str


LOG_IN = Verdict(401, "nobody is logged in", "log in at /login, or send the token as `Authorization: Bearer ...`")
NOT_OURS = Verdict(
    403, "the monitor has no password and serves only its own user", "set one with `run.py web-password`"
)
READ_ONLY = Verdict(403, "this login may only look", "log in with the operator's password")
NO_CSRF = Verdict(
    403, "the request has no valid CSRF token", "load the page again; scripts: GET /api/v1/session tells it"
)
FOREIGN = Verdict(403, "the request comes from another site", "use the monitor's own pages")
WRONG_HOST = Verdict(421, "this name is not served here", "add it to web.hosts in config/daemon.json")
TOO_LARGE = Verdict(413, "the request is too large", "send at most 256 KiB")
TOO_MANY_LOGINS = Verdict(429, "too many wrong passwords", "wait a minute")


def decide(method: str, path: str, caller: Caller, csrf_holds: bool, foreign: bool) -> Verdict | None:
    """Return why a request is refused, None when it may go on."""
    reads = method in READS
    if foreign and (not reads or path.startswith(API)):
        return FOREIGN
    is_open = path in OPEN_TO_ALL or path.startswith(STATIC)
    if caller.role is None and not is_open:
        return LOG_IN
    if reads:
        return None
    if not csrf_holds and not caller.by_token:
        return NO_CSRF
    if caller.role == VIEWER and path != "/logout":
        return READ_ONLY
    return None
