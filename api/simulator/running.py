"""A venue's server and its control at work: two loopback ports, and the market that goes on by itself."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    from api.simulator.server import Handler, VenueServer

LOOPBACK = "127.0.0.1"


class Running:
    """A venue's server and its control, listening on loopback."""

    def __init__(self, server: VenueServer, control: web.Application) -> None:
        self.server = server
        app = server.app()

        @web.middleware
        async def around(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await server.around(request, handler)

        app.middlewares.insert(0, around)
        self._runners = [web.AppRunner(each, access_log=None, shutdown_timeout=0.5) for each in (app, control)]
        self._ticks: asyncio.Task[None] | None = None

    async def start(self, port: int = 0, control_port: int = 0) -> dict[str, Any]:
        """Listen; return what the hello line says. Raises OSError when a port is taken."""
        ports = []
        for runner, wanted in zip(self._runners, (port, control_port), strict=True):
            await runner.setup()
            await web.TCPSite(runner, LOOPBACK, wanted).start()
            ports.append(runner.addresses[0][1])
        self._ticks = asyncio.create_task(self.server.tick_for_ever())
        where = f"{LOOPBACK}:{ports[0]}"
        return {
            "venue": self.server.venue,
            "base_url": f"http://{where}{self.server.base_path}",
            "ws_url": f"ws://{where}{self.server.ws_path}",
            "control_url": f"http://{LOOPBACK}:{ports[1]}",
            "pid": os.getpid(),
            "symbols": list(self.server.exchange.markets),
            "accounts": self.server.credentials(),
        }

    async def wait(self, stop: asyncio.Event) -> None:
        """Wait for `stop`; raises what broke the market meanwhile."""
        assert self._ticks is not None
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait((stopping, self._ticks), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if self._ticks.done():
            self._ticks.result()

    async def close(self) -> None:
        """Cut the sockets and stop listening."""
        if self._ticks is not None:
            self._ticks.cancel()
        for socket in list(self.server.sockets):
            await socket.close()
        for runner in self._runners:
            await runner.cleanup()
