"""The WSGI server: waitress, whose one loop reads and writes, so that a slow client costs a buffer and no thread.

A stream holds a thread for as long as it is open; there are threads for all of them and some more for everything else.
"""

from __future__ import annotations

import contextlib
import logging
import resource
import socket
import threading
import time
from typing import Any

from flask import Flask
from waitress.adjustments import Adjustments
from waitress.server import TcpWSGIServer
from waitress.task import ThreadedTaskDispatcher

from web.parts import Parts, parts
from web.settings import MAX_BODY, WebSettings

WORKERS = 8
CONNECTIONS = 2000
OTHER_FILES = 100
MAX_HEADER = 32 * 1024
BUFFER = 256 * 1024  # what may wait for a slow reader before its thread waits, too
IDLE_S = 30.0  # a connection on which nothing is asked
SLOW_S = 20.0  # a reader that has taken nothing for so long is dropped
LEAVE_S = 3.0  # for what was begun when the monitor is to end
LOOP_S = 1.0
log = logging.getLogger("makerd.web")


class Threads(ThreadedTaskDispatcher):  # type: ignore[misc]
    """Threads that are started when there is work for them."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most
        self._started = WORKERS
        self._growing = threading.Lock()
        self.set_thread_count(WORKERS)

    def add_task(self, task: Any) -> None:
        """Queue a task, and start a thread when all are busy."""
        with self._growing:
            busy = self.active_count + len(self.queue)
            if busy >= self._started - 1 and self._started < self._most:
                self._started += 1
                self.set_thread_count(self._started)
        super().add_task(task)


class Server(TcpWSGIServer):  # type: ignore[misc]
    """Waitress, which also drops clients that ask or read too slowly, and leaves in good order."""

    application_parts: Parts
    slow_s = SLOW_S
    _leaving = False

    def maintenance(self, now: float) -> None:
        """End connections that make no progress; called by the loop every few seconds."""
        super().maintenance(now)
        for channel in list(self.active_channels.values()):
            reads_slowly = channel.total_outbufs_len and channel.last_activity < now - self.slow_s
            if reads_slowly or _request_age_s(channel, now) > self.slow_s:
                log.info("slow_client_dropped", extra={"fields": {"open_s": round(now - channel.creation_time)}})
                _hang_up(channel)

    def serve(self) -> None:
        """Serve until `leave` is called, then finish what was begun, for some seconds at most."""
        while not self._leaving:
            self._turn(LOOP_S)
        self.accepting = False
        self.socket.close()
        deadline_s = time.monotonic() + LEAVE_S
        while time.monotonic() < deadline_s and any(_is_busy(channel) for channel in self.active_channels.values()):
            self._turn(0.05)
        self.task_dispatcher.shutdown(timeout=LEAVE_S)
        self.asyncore.close_all(self._map)

    def _turn(self, seconds: float) -> None:
        self.asyncore.loop(timeout=seconds, use_poll=True, map=self._map, count=1)

    def leave(self) -> None:
        """Have `serve` come to an end; from any thread or signal handler."""
        self._leaving = True
        with contextlib.suppress(OSError):  # it has ended
            self.pull_trigger()


def _request_age_s(channel: Any, now: float) -> float:
    """Return for how long a request has been coming in, 0 when none is."""
    if channel.request is None:
        return 0.0
    return float(now - channel.request.__dict__.setdefault("makerd_began", now))


def _hang_up(channel: Any) -> None:
    """Let the loop find the connection closed; closing it here would be under its feet."""
    with contextlib.suppress(OSError):
        channel.socket.shutdown(socket.SHUT_RDWR)


def _is_busy(channel: Any) -> bool:
    return bool(channel.requests or channel.total_outbufs_len)


def _connections() -> int:
    """Return how many connections there may be: a file each, and some files for everything else."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS + OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return CONNECTIONS if soft == resource.RLIM_INFINITY else max(16, min(CONNECTIONS, soft - OTHER_FILES))


def make_server(app: Flask, settings: WebSettings) -> Server:
    """Return a server that listens; `serve` serves. Raises OSError when the address is taken."""
    host = settings.host.strip("[]")
    listen = f"[{host}]:{settings.port}" if ":" in host else f"{host}:{settings.port}"
    connections = _connections()
    adjustments = Adjustments(
        listen=listen,
        connection_limit=connections,
        max_request_header_size=MAX_HEADER,
        max_request_body_size=MAX_BODY,
        inbuf_overflow=2 * MAX_BODY,
        outbuf_overflow=64 * BUFFER,
        outbuf_high_watermark=BUFFER,
        channel_timeout=IDLE_S,
        channel_request_lookahead=1,  # so that a reader who leaves is noticed at once
        cleanup_interval=2,
        asyncore_use_poll=True,
        clear_untrusted_proxy_headers=not settings.proxies,
        ident=None,
        backlog=1024,
    )
    dispatcher = Threads(settings.max_streams + WORKERS)
    server = Server(app, dispatcher=dispatcher, adj=adjustments, sockinfo=adjustments.listen[0], map={})
    server.application_parts = parts(app)
    return server
