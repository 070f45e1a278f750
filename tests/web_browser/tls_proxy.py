"""A reverse proxy with TLS, below a path of its own, as a web server before the monitor would be."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.transport.raw_server import make_certificate

PREFIX = "/desk"
END_S = 5.0


class Proxy:
    """Hands on what comes to `PREFIX/...`, one request a connection, and says in headers how it came."""

    def __init__(self, port: int) -> None:
        self._upstream = port
        self.port = 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        ends = [writer]
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            method, path, _ = head.split(" ", 2)
            if path.startswith(PREFIX + "/"):
                back, forth = await asyncio.open_connection("127.0.0.1", self._upstream)
                ends.append(forth)
                forth.write(self._told(head, method, path))
                await asyncio.gather(_pump(reader, forth), _pump(back, writer))
            await asyncio.wait_for(writer.wait_closed(), END_S)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            pass  # a browser leaves when it likes
        finally:
            for end in ends:
                end.transport.abort()

    def _told(self, head: str, method: str, path: str) -> bytes:
        lines = [line for line in head.split("\r\n")[1:] if line and not line.lower().startswith("connection:")]
        own = {"For": "203.0.113.9", "Proto": "https", "Host": f"localhost:{self.port}", "Port": str(self.port)}
        lines += [f"X-Forwarded-{key}: {value}" for key, value in {**own, "Prefix": PREFIX}.items()]
        return "\r\n".join([f"{method} {path[len(PREFIX) :]} HTTP/1.1", *lines, "Connection: close", "", ""]).encode()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
    writer.close()


@contextmanager
def tls_proxy(upstream_port: int, folder: Path) -> Iterator[str]:
    """Run a proxy before a monitor; yield its address for a browser of this host."""
    proxy, ready, loop = Proxy(upstream_port), threading.Event(), asyncio.new_event_loop()
    ended = asyncio.Event()

    async def serve() -> None:
        _, context = make_certificate(folder, "localhost")
        server = await asyncio.start_server(proxy.handle, "127.0.0.1", 0, ssl=context)
        proxy.port = server.sockets[0].getsockname()[1]
        ready.set()
        await ended.wait()
        server.close()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await asyncio.sleep(0.1)  # for what was aborted to be gone

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(30)
        yield f"https://localhost:{proxy.port}{PREFIX}/"
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(30)
        loop.close()
