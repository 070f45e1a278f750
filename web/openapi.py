"""The OpenAPI document of the API, put together from a table: one line an operation. Pure; tests hold the API to it."""

from __future__ import annotations

from typing import Any

from utils.version import __version__

Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number"}
WHOLE: Schema = {"type": "integer"}
FLAG: Schema = {"type": "boolean"}
ANY: Schema = {}
OBJECT: Schema = {"type": "object"}
ACTIONS = ("start", "stop", "pause", "resume", "close", "reset", "restart")
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
LARGEST = 2**53
COOKIE = "makerd_session"


def maybe(schema: Schema) -> Schema:
    """Return a schema that also allows null."""
    return {"anyOf": [schema, {"type": "null"}]}


def many(schema: Schema) -> Schema:
    """Return a list of things."""
    return {"type": "array", "items": schema}


def thing(optional: tuple[str, ...] = (), /, **keys: Schema) -> Schema:
    """Return an object that has these keys and may have more."""
    return {"type": "object", "properties": keys, "required": [key for key in keys if key not in optional]}


def asked(required: tuple[str, ...] = (), /, **keys: Schema) -> Schema:
    """Return the object of a request: these keys and no others."""
    return {"type": "object", "properties": keys, "required": list(required), "additionalProperties": False}


def ref(name: str) -> Schema:
    """Return a reference to a named schema."""
    return {"$ref": f"#/components/schemas/{name}"}


ROW = thing(
    name=TEXT,
    kind={"enum": ["bot", "job"]},
    state=TEXT,
    phase=maybe(TEXT),
    why=TEXT,
    attention={"enum": ["", "warn", "bad"]},
    today_pnl=maybe(TEXT),
    quote=maybe(TEXT),
    equity_spark=many(NUMBER),
    gates=many(ANY),
    legs=many(thing(leg=TEXT)),
)
GROUPS = {f"by_{word}": many(thing(**{word: TEXT})) for word in ("account", "venue", "quote")}
SUMS = {"bots": WHOLE, "quoting": WHOLE, "open_orders": WHOLE}
MONEY = dict.fromkeys(("realised_pnl", "unrealised_pnl", "today_pnl", "fees"), maybe(TEXT))
COMPLAINT = thing(path=TEXT, line=maybe(WHOLE), column=maybe(WHOLE), message=TEXT)
STALE = thing(age_s=maybe(NUMBER), reason=TEXT, daemon=TEXT)
ORDER = thing(
    client_id=TEXT, venue_id=maybe(TEXT), leg=TEXT, side=TEXT, price=TEXT, size=TEXT, filled=TEXT, status=TEXT
)
FILL = thing(
    at=TEXT,
    leg=TEXT,
    side=TEXT,
    price=TEXT,
    size=TEXT,
    fee=TEXT,
    fee_asset=TEXT,
    pnl=maybe(TEXT),
    maker=FLAG,
    order=TEXT,
)
GATE = thing(name=TEXT, reason=TEXT, attention=TEXT)
LINE = thing(at=TEXT, level=TEXT, component=TEXT, text=TEXT)
EXIT = thing(at=maybe(TEXT), status=maybe(WHOLE), signal=maybe(TEXT), reason=maybe(TEXT), log_tail=many(LINE))
FIELD = thing(section=TEXT, key=TEXT, help=TEXT, apply={"enum": ["live", "restart"]}, secret=FLAG, required=FLAG)
VERSION = thing(version=WHOLE, at=TEXT, who=TEXT, digest=TEXT, note=TEXT)
VENUE = thing(
    venue=TEXT,
    account=TEXT,
    bots=WHOLE,
    clock_offset_ms=maybe(NUMBER),
    budgets=many(ANY),
    streams=many(ANY),
)
WRITTEN = thing(versions=many(thing(name=TEXT, version=WHOLE, file=TEXT, digest=TEXT)), next=TEXT)
SCHEMAS: dict[str, Schema] = {
    "Error": thing(error=TEXT, next=TEXT),
    "Row": ROW,
    "Complaint": COMPLAINT,
    "Fleet": thing(
        asked_at=maybe(TEXT),
        age_s=maybe(NUMBER),
        stale=maybe(STALE),
        daemon=thing(state=TEXT),
        totals=thing(**SUMS, **MONEY, attention=WHOLE, **GROUPS),
        bots=many(ref("Row")),
        invalid=many(thing(file=TEXT)),
    ),
    "Bot": thing(bot=ref("Row"), mids=many(many(NUMBER)), gates=many(GATE), latches=many(ANY), stats=OBJECT),
    "Exits": thing(exits=many(EXIT)),
    "Commanded": thing(bots=many(thing(name=TEXT))),
    "Reloaded": thing(),
    "Orders": thing(orders=many(ORDER)),
    "Fills": thing(fills=many(FILL), next=maybe(WHOLE)),
    "Series": thing(at=many(WHOLE), **{key: many(maybe(NUMBER)) for key in ("equity", "position", "realised", "mid")}),
    "Markouts": thing(
        markouts=many(thing(horizon_s=NUMBER, mean_bps=maybe(NUMBER), n=WHOLE)), spread_captured_bps=maybe(NUMBER)
    ),
    "Log": thing(lines=many(LINE)),
    "Config": thing(
        rows=many(thing(key=TEXT, value=TEXT, origin=TEXT, apply=TEXT, unit=maybe(TEXT), help=TEXT)),
        text=maybe(TEXT),
        digest=TEXT,
        complaints=many(ref("Complaint")),
    ),
    "History": thing(versions=many(VERSION)),
    "Registry": thing(templates=many(thing(name=TEXT)), active=many(thing(name=TEXT)), archived=many(thing(name=TEXT))),
    "Schema": thing(fields=many(FIELD)),
    "Verdict": thing(complaints=many(ref("Complaint")), text=maybe(TEXT)),
    "Diff": thing(diff=TEXT, live=many(TEXT), restarts=many(TEXT), wider_risk=many(TEXT)),
    "Written": WRITTEN,
    "Events": thing(events=many(OBJECT), next=maybe(WHOLE)),
    "Venues": thing(venues=many(VENUE)),
    "Session": thing(role=TEXT, user=TEXT, csrf_token=TEXT),
}


def _whole(low: int, high: int) -> Schema:
    return {"type": "integer", "minimum": low, "maximum": high}


_PAST = _whole(0, LARGEST)
_WORD: Schema = {"type": "string", "maxLength": 200}
# method, path, answer, query, body, what it does
Operation = tuple[str, str, str, dict[str, Schema], Schema | None, str]
OPERATIONS: tuple[Operation, ...] = (
    ("get", "/session", "Session", {}, None, "Who asks, and the token that a change has to carry."),
    ("get", "/fleet", "Fleet", {}, None, "All bots, from the daemon's last answer."),
    ("get", "/bots/{name}", "Bot", {}, None, "One bot."),
    ("get", "/bots/{name}/exits", "Exits", {}, None, "How it ended the last times, with the ends of its log."),
    ("get", "/bots/{name}/orders", "Orders", {}, None, "Its open orders."),
    (
        "get", "/bots/{name}/fills", "Fills", {"before": _PAST, "limit": _whole(1, 500)}, None,
        "Its fills, newest first; `next` is the `before` of the next page.",
    ),
    (
        "get", "/bots/{name}/series", "Series", {"from": _PAST, "to": _PAST, "points": _whole(1, 2000)}, None,
        "Equity, position and mid over a span of UTC milliseconds.",
    ),
    ("get", "/bots/{name}/markouts", "Markouts", {}, None, "What the mid said of its fills of the last day."),
    (
        "get", "/bots/{name}/logs", "Log",
        {"level": {"enum": list(LEVELS)}, "component": _WORD, "q": _WORD, "n": _whole(1, 2000)}, None,
        "The end of its log; `daemon` and `monitor` have one, too.",
    ),
    ("get", "/bots/{name}/config", "Config", {}, None, "Its config: every key with its origin; secrets are ***."),
    ("get", "/bots/{name}/history", "History", {}, None, "The versions of its config."),
    (
        "post", "/bots/{name}/rollback", "Written", {},
        asked(("version",), version=_whole(1, LARGEST), allow_wider_risk=FLAG), "An earlier version becomes the config."
    ),
    (
        "post", "/bots/{name}/command", "Commanded", {}, asked(("action",), action={"enum": list(ACTIONS)}),
        "Start, stop, pause, resume, close, reset or restart it.",
    ),
    ("post", "/reload", "Reloaded", {}, asked(), "The daemon reads its configs again."),
    (
        "post", "/flatten", "Commanded", {},
        asked(("confirm",), names=maybe(many(TEXT)), sell_base=FLAG, confirm={"const": "FLATTEN"}),
        "Cancel every order and close every position of the named bots; null: of all.",
    ),
    ("get", "/registry", "Registry", {}, None, "Templates, active and archived configs."),
    (
        "get", "/schema", "Schema", {"strategy": TEXT, "exchange": TEXT, "job": TEXT}, None,
        "The keys that such a config may have.",
    ),
    ("post", "/registry/validate", "Verdict", {}, asked((), name=TEXT, text=TEXT, values=OBJECT), "Judge a config."),
    (
        "post", "/registry/diff", "Diff", {}, asked(("name",), name=TEXT, text=TEXT, version=_whole(1, LARGEST)),
        "What a text, or an earlier version, would change.",
    ),
    (
        "post", "/registry/create", "Written", {},
        asked(("name", "template"), name=TEXT, template=TEXT, values=OBJECT), "A new bot from a template.",
    ),
    (
        "put", "/registry/{name}", "Written", {},
        asked(("text", "base_digest"), text=TEXT, base_digest=TEXT, allow_wider_risk=FLAG), "Write a config.",
    ),
    ("post", "/registry/{name}/archive", "Written", {}, asked(), "Put an active bot away."),
    ("post", "/registry/{name}/restore", "Written", {}, asked(), "Bring an archived bot back."),
    (
        "get", "/events", "Events",
        {"before": _PAST, "level": {"enum": ["alert"]}, "name": _WORD, "limit": _whole(1, 500)}, None,
        "What happened, newest first.",
    ),
    ("get", "/venues", "Venues", {}, None, "Request budgets and the health of streams."),
)  # fmt: skip
_REFUSALS = {
    "400": "The request makes no sense.",
    "401": "Nobody is logged in.",
    "403": "Not allowed: a viewer, a missing CSRF token, another site.",
    "404": "There is no such thing.",
    "409": "It cannot be done now, or was changed meanwhile.",
    "413": "The request is too large.",
    "415": "The body is not JSON.",
    "422": "The config is not valid.",
    "503": "The daemon or a ledger does not answer.",
}


def document() -> dict[str, Any]:
    """Return the whole document."""
    paths: dict[str, Any] = {}
    for method, path, told, query, body, text in OPERATIONS:
        paths.setdefault(path, {})[method] = _operation(path, told, query, body, text)
    paths["/stream"] = {"get": _stream()}
    return {
        "openapi": "3.1.0",
        "info": {"title": "makerd monitor", "version": __version__},
        "servers": [{"url": "api/v1"}],
        "security": [{"token": []}, {"session": []}],
        "paths": paths,
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": COOKIE},
            },
        },
    }


def _operation(path: str, told: str, query: dict[str, Schema], body: Schema | None, text: str) -> dict[str, Any]:
    given = [{"name": name, "in": "query", "required": False, "schema": schema} for name, schema in query.items()]
    if "{name}" in path:
        given.append({"name": "name", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}})
    asked_for = {} if body is None else {"requestBody": {"required": True, "content": _json(body)}}
    return {"summary": text, "parameters": given, **asked_for, "responses": {"200": _answer(told, text), **_refused()}}


def _refused() -> dict[str, Any]:
    return {status: {"description": text, "content": _json(ref("Error"))} for status, text in _REFUSALS.items()}


def _answer(told: str, text: str) -> dict[str, Any]:
    return {"description": text, "content": _json(ref(told))}


def _json(schema: Schema) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _stream() -> dict[str, Any]:
    text = "Server-sent events: fleet, bots, daemon, event, stale; with `bot` also mid, quotes and log of that bot."
    events = {"description": text, "content": {"text/event-stream": {"schema": TEXT}}}
    bot = {"name": "bot", "in": "query", "required": False, "schema": TEXT}
    return {"summary": text, "parameters": [bot], "responses": {"200": events, **_refused()}}
