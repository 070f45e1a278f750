"""The control socket: one JSON line asks, one JSON line answers.

    -> {"verb": "status", "args": {}}
    <- {"ok": true, "data": {...}}          or {"ok": false, "error": "one line"}

The server lives in the supervisor's own loop: nothing here blocks, every buffer has a bound, a slow or hostile
client is dropped. Only the owner of the home (or root) is served. The path is bound and reached through a
descriptor of its folder, so that a long home fits the 108 bytes of a socket address.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import selectors
import socket
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from utils.errors import MakerdError
from utils.home import Home

NAME = "control.sock"
MAX_REQUEST = 64 * 1024
MAX_ANSWER = 16 * 1024 * 1024
MAX_CLIENTS = 64
IDLE_S = 30.0
DEAF_S = 1.0  # how long nobody is let in when there is no descriptor to be had
log = logging.getLogger("makerd.process")


class DaemonDown(MakerdError):
    """The daemon is not running; start it with `start --daemon`."""


class ControlRefused(MakerdError):
    """The daemon refused the request."""


@contextlib.contextmanager
def _socket_address(run_dir: Path) -> Iterator[str]:
    fd = os.open(run_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{fd}/{NAME}"
    finally:
        os.close(fd)


def call(
    home: Home, verb: str, args: dict[str, Any] | None = None, timeout_s: float = 10.0, run_dir: Path | None = None
) -> Any:
    """Ask the daemon of a home and return its answer. Raises DaemonDown, ControlRefused."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout_s)
        try:
            with _socket_address(run_dir or home.run) as address:
                connection.connect(address)
            connection.sendall(json.dumps({"verb": verb, "args": args or {}}).encode() + b"\n")
            answer = connection.makefile("rb").readline(MAX_ANSWER)
        except TimeoutError as exc:
            raise ControlRefused(f"the daemon did not answer {verb!r} within {timeout_s:.0f} s") from exc
        except BlockingIOError as exc:
            raise ControlRefused("the daemon is busy with other clients; try again") from exc
        except (FileNotFoundError, NotADirectoryError, ConnectionError) as exc:
            raise DaemonDown() from exc
    if not answer.endswith(b"\n"):
        raise DaemonDown("the daemon ended while it was answering")
    reply = json.loads(answer)
    if not reply.get("ok"):
        raise ControlRefused(str(reply.get("error", "")))
    return reply.get("data")


class Request:
    """One question of one client; answer it once, now or later."""

    def __init__(self, client: _Client, verb: str, args: dict[str, Any]) -> None:
        self._client = client
        self.verb = verb
        self.args = args
        self.peer = client.peer

    def answer(self, data: Any) -> None:
        """Send the answer."""
        self._client.send({"ok": True, "data": data})

    def refuse(self, error: str) -> None:
        """Send a refusal."""
        self._client.send({"ok": False, "error": error})


class ControlServer:
    """Listens in the supervisor's selector."""

    def __init__(
        self,
        run_dir: Path,
        selector: selectors.BaseSelector,
        handle: Callable[[Request], None],
        listener_fd: int | None = None,
    ) -> None:
        self._selector = selector
        self._handle = handle
        self._clients: set[_Client] = set()
        self._run_dir = run_dir
        self._listener = _listen(run_dir) if listener_fd is None else socket.socket(fileno=listener_fd)
        self._listener.setblocking(False)
        self._ours = _file_id(run_dir)
        self._deaf_until_s: float | None = None
        selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def fileno(self) -> int:
        """Return the descriptor that listens."""
        return self._listener.fileno()

    def _accept(self, _mask: int) -> None:
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, ConnectionError):
            return
        except OSError as exc:  # whoever waits would wake us again at once, for as long as nobody is let in
            log.warning("nobody_let_in", extra={"fields": {"reason": exc.strerror}})
            self._deaf_until_s = time.monotonic() + DEAF_S
            self._selector.unregister(self._listener)
            return
        peer = _peer_of(connection)
        if len(self._clients) >= MAX_CLIENTS or peer["uid"] not in (0, os.getuid()):
            connection.close()
            return
        connection.setblocking(False)
        self._clients.add(_Client(self, connection, peer))

    def drop_idle(self, now_s: float) -> None:
        """Close clients that neither ask nor read, and listen again after a while without descriptors."""
        if self._deaf_until_s is not None and now_s >= self._deaf_until_s:
            self._deaf_until_s = None
            self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        for client in [client for client in self._clients if client.is_idle(now_s)]:
            client.close()

    def flush(self, seconds: float) -> None:
        """Send what is left to send before the daemon ends, for at most `seconds`."""
        deadline = time.monotonic() + seconds
        while any(client.pending for client in self._clients) and time.monotonic() < deadline:
            for client in list(self._clients):
                client.on_ready(selectors.EVENT_WRITE)
            time.sleep(0.005)

    def close(self) -> None:
        """Stop listening and forget every client."""
        for client in list(self._clients):
            client.close()
        if self._deaf_until_s is None:
            self._selector.unregister(self._listener)
        self._listener.close()
        if self._ours == _file_id(self._run_dir):  # not one that somebody else has put there since
            (self._run_dir / NAME).unlink(missing_ok=True)


def _file_id(run_dir: Path) -> tuple[int, int] | None:
    """Return device and inode of the socket's file, None when there is none."""
    try:
        found = os.stat(run_dir / NAME)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _listen(run_dir: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    (run_dir / NAME).unlink(missing_ok=True)  # the pid-file lock is ours, so nobody else listens there
    old_mask = os.umask(0o177)
    try:
        with _socket_address(run_dir) as address:
            listener.bind(address)
    finally:
        os.umask(old_mask)
    listener.listen(128)
    return listener


class _Client:
    def __init__(self, server: ControlServer, connection: socket.socket, peer: dict[str, int]) -> None:
        self._server = server
        self.peer = peer
        self._connection = connection
        self._input = b""
        self.pending = b""
        self._asked = False
        self._touched_s = time.monotonic()
        server._selector.register(connection, selectors.EVENT_READ, self.on_ready)

    def is_idle(self, now_s: float) -> bool:
        """Tell whether it has been silent too long; one that waits for an answer may wait."""
        return now_s - self._touched_s > IDLE_S and (not self._asked or bool(self.pending))

    def on_ready(self, mask: int) -> None:
        """Read a request or write what is left of an answer."""
        self._touched_s = time.monotonic()
        try:
            if mask & selectors.EVENT_READ:
                self._read()
            if mask & selectors.EVENT_WRITE and self.pending:
                self._write()
        except BlockingIOError:
            pass
        except OSError:
            self.close()

    def _read(self) -> None:
        chunk = self._connection.recv(16 * 1024)
        if not chunk or len(self._input) + len(chunk) > MAX_REQUEST:
            self.close()
            return
        self._input += chunk
        if b"\n" in self._input and not self._asked:
            self._asked = True
            self._dispatch(self._input.partition(b"\n")[0])

    def _dispatch(self, line: bytes) -> None:
        try:
            asked = json.loads(line)
            verb, args = str(asked["verb"]), asked.get("args") or {}
            if not isinstance(args, dict):
                raise TypeError("args is not an object")
        except (ValueError, KeyError, TypeError, RecursionError):
            self.send({"ok": False, "error": "a request is one JSON line with verb and args"})
            return
        self._server._handle(Request(self, verb, args))

    def send(self, reply: dict[str, Any]) -> None:
        """Queue the reply; the connection closes once it is out."""
        self.pending = json.dumps(reply, default=str).encode() + b"\n"
        try:
            self._write()
        except BlockingIOError:
            pass
        except OSError:
            self.close()

    def _write(self) -> None:
        sent = self._connection.send(self.pending)
        self.pending = self.pending[sent:]
        if not self.pending:
            self.close()
        else:
            self._server._selector.modify(self._connection, selectors.EVENT_WRITE, self.on_ready)

    def close(self) -> None:
        if self in self._server._clients:
            self._server._clients.discard(self)
            self._server._selector.unregister(self._connection)
            self._connection.close()
        self.pending = b""


def _peer_of(connection: socket.socket) -> dict[str, int]:
    """Return who is at the other end, as the kernel noted it when the connection was made."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    pid, uid, _gid = struct.unpack("3i", credentials)
    return {"uid": uid, "pid": pid}
