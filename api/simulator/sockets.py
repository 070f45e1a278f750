"""One websocket of the simulator: sending from synchronous code, and the ways in which it can go wrong."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

MAX_QUEUE = 50_000  # messages that wait for a client that does not read; then it is cut off
_POLL_S = 0.05
_MAX_MESSAGE_BYTES = 4 * 1024 * 1024


class SimSocket:
    """A websocket with an outgoing queue. `note` is the venue's own: subscriptions, session, account."""

    def __init__(self, note: Any = None) -> None:
        self.note = note
        self.account: str | None = None  # set by the venue once it knows
        self.name = "WS"  # what a fault's `match` is held against: "WS /path"
        self.half_open = False  # neither reads, nor answers pings, nor writes
        self.heard_s = time.monotonic()  # when the last frame of any sort was received
        self.web = web.WebSocketResponse(
            autoping=False, heartbeat=None, compress=False, max_msg_size=_MAX_MESSAGE_BYTES
        )
        self._out: asyncio.Queue[str] = asyncio.Queue(MAX_QUEUE)
        self._request: web.Request | None = None
        self._writer: asyncio.Task[None] | None = None
        self._cut = False

    async def open(self, request: web.Request) -> None:
        """Answer the upgrade and begin to write."""
        self.name = f"WS {request.path}"
        await self.web.prepare(request)
        self._request, self.heard_s = request, time.monotonic()
        self._writer = asyncio.create_task(self._write())

    def send(self, text: str) -> None:
        """Queue a message; a socket that is gone or too far behind drops it (and is cut)."""
        if self._cut:
            return
        try:
            self._out.put_nowait(text)
        except asyncio.QueueFull:
            self.cut()

    async def messages(self) -> AsyncIterator[str]:
        """Yield the text messages until the socket closes; pings are answered here."""
        while not self.is_gone:
            await self._thawed()
            message = await self.web.receive()
            await self._thawed()
            if self.half_open:
                return
            self.heard_s = time.monotonic()
            if message.type is WSMsgType.TEXT:
                yield message.data
            elif message.type is WSMsgType.PING:
                with contextlib.suppress(ConnectionError):
                    await self.web.pong(message.data)
            elif message.type not in (WSMsgType.PONG, WSMsgType.BINARY):
                return

    @property
    def is_gone(self) -> bool:
        """Tell whether nobody is there any more."""
        return self._cut or (self._request is not None and self._request.transport is None)

    def freeze(self, seconds: float | None) -> None:
        """Go half open: the connection stays, but nothing is read, answered or written, for a time or for good."""
        self.half_open = True
        if seconds is not None:
            asyncio.get_running_loop().call_later(seconds, self._thaw)

    def _thaw(self) -> None:
        self.half_open = False

    async def _thawed(self) -> None:
        while self.half_open and not self.is_gone:
            await asyncio.sleep(_POLL_S)

    def cut(self) -> None:
        """Drop the connection without a close frame."""
        self._cut = True
        if self._request is not None and self._request.transport is not None:
            self._request.transport.abort()

    async def close(self, code: int = WSCloseCode.GOING_AWAY) -> None:
        """End the writer and close the socket; safe to call twice."""
        gone, self._cut = self.is_gone, True
        if self._writer is not None:
            self._writer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._writer
        if not gone and not self.half_open:
            with contextlib.suppress(ConnectionError):
                await self.web.close(code=code)

    async def _write(self) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                text = await self._out.get()
                await self._thawed()
                if self.is_gone:
                    break
                await self.web.send_str(text)
        self._cut = True
