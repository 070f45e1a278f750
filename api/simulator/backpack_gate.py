"""The door of Backpack's REST half: counts, checks who asks, runs a handler, and writes the answer or the refusal."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from aiohttp import web

from api.simulator import backpack_frames as frames
from api.simulator.backpack_auth import DEFAULT_WINDOW_MS, INSTRUCTIONS, Refusal
from api.simulator.backpack_orders import unparsed
from api.wire_json import dumps, loads_exact

if TYPE_CHECKING:
    from api.simulator.backpack_state import Desk

Params = Mapping[str, Any]
Route = Callable[[web.Request], Awaitable[web.StreamResponse]]
PublicHandler = Callable[[Params], Any]
SignedHandler = Callable[[str, Any], Any]

MAX_BODY_BYTES = 1024 * 1024
_MAX_DIGITS = 20


class Gate:
    """Makes aiohttp handlers of plain functions; what those return is written as JSON, None as an empty answer."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def public(self, handler: PublicHandler) -> Route:
        """Return a route that anybody may call."""

        async def route(request: web.Request) -> web.StreamResponse:
            return await self._answer(request, lambda: handler(_query(request)))

        return route

    def signed(self, handler: SignedHandler, batch: bool = False) -> Route:
        """Return a route that needs a signature; the handler gets the account and the parameters (`batch`: a list)."""

        async def route(request: web.Request) -> web.StreamResponse:
            body = await request.read()
            return await self._answer(request, lambda: self._run_signed(request, body, handler, batch))

        return route

    def _run_signed(self, request: web.Request, body: bytes, handler: SignedHandler, batch: bool) -> Any:
        headers = request.headers
        params = _query(request) if request.method == "GET" else _read_body(body, batch)
        pairs = list(request.query.items()) if request.method == "GET" else None
        account = self._desk.keys.authenticate(
            headers.get("X-API-Key", ""),
            headers.get("X-Signature", ""),
            INSTRUCTIONS[request.method, request.path],
            [pairs] if pairs is not None else [found.items() for found in _each(params)],
            headers.get("X-Timestamp", ""),
            headers.get("X-Window", str(DEFAULT_WINDOW_MS)),
            self._desk.now_ms(),
        )
        return handler(account, params)

    async def _answer(self, request: web.Request, run: Callable[[], Any]) -> web.StreamResponse:
        key = request.headers.get("X-API-Key")
        try:
            self._desk.log.check(key or request.remote or "", self._desk.played_ns)
            found = run()
        except Refusal as refused:
            self._desk.violation(refused.violation)
            return refuse(refused)
        if isinstance(found, web.StreamResponse):
            return found
        if found is None:
            return web.Response(status=200)
        return _json(self._spoilt(request, self._desk.keys.account_of(key), found))

    def _spoilt(self, request: web.Request, account: str | None, found: Any) -> Any:
        """Return an answer, changed by the faults that are meant for it."""
        what, faults = f"{request.method} {request.path}", self._desk.faults
        if faults.take("unknown_field", account, what) is not None:
            found = frames.with_unknown_field(found)
        if faults.take("unknown_enum", account, what) is not None:
            found = frames.with_unknown_word(found)
        return found


def refuse(refused: Refusal) -> web.Response:
    """Return the answer of a refusal."""
    return _json(refused.body(), refused.status, refused.headers)


def _json(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(text=dumps(value), status=status, headers=headers, content_type="application/json")


def _query(request: web.Request) -> dict[str, str]:
    """Return the parameters of the address; the values of a repeated one are joined by commas."""
    return {name: ",".join(request.query.getall(name)) for name in request.query}


def _read_body(body: bytes, batch: bool) -> Any:
    if not body:
        return {}
    try:
        found = loads_exact(body)
    except ValueError as exc:
        raise unparsed(f"the body is not JSON ({exc})") from None
    if not isinstance(found, list if batch else dict):
        raise unparsed(f"the body is not {'a list' if batch else 'an object'}")
    return found


def _each(params: Any) -> list[Params]:
    rows = params if isinstance(params, list) else [params]
    if not all(isinstance(row, dict) for row in rows):
        raise unparsed("expected a list of objects")
    return rows


def whole(params: Params, name: str, default: int, lowest: int, highest: int) -> int:
    """Return a whole number of a query. Raises Refusal."""
    text = params.get(name)
    if text is None:
        return default
    if not str(text).isdecimal() or len(str(text)) > _MAX_DIGITS or not lowest <= int(text) <= highest:
        raise unparsed(f"failed to parse parameter `{name}`")
    return int(text)
