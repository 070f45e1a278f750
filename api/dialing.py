"""Open a socket to a venue: by a proxy if there is one, with TLS, within a time. Nothing of a request is sent here."""

from __future__ import annotations

import os
import socket
import ssl
import time
from functools import lru_cache

import certifi

from api.proxies import Endpoint, Proxy
from utils.errors import VenueUnreachable

MAX_PROXY_ANSWER_BYTES = 16 * 1024
# An idle connection whose other end has vanished is found out within 35 s, unacknowledged data within 20 s.
KEEP_ALIVE = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 20),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 20_000),
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
)


def tls_context(ca_file: str | None) -> ssl.SSLContext:
    """Return a context that verifies the venue: by `ca_file`, else the environment's bundle, else certifi's.

    One that was made before a fork serves every child: it is only certificates, and has seen no connection.
    """
    bundle = ca_file or os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("SSL_CERT_FILE") or certifi.where()
    return _context_of(bundle)


@lru_cache(maxsize=8)
def _context_of(bundle: str) -> ssl.SSLContext:
    if os.path.isdir(bundle):
        return ssl.create_default_context(capath=bundle)
    return ssl.create_default_context(cafile=bundle)


def dial(endpoint: Endpoint, proxy: Proxy | None, ca_file: str | None, timeout_s: float, tunnel: bool) -> socket.socket:
    """Return a connected socket with a time-out set. Raises VenueUnreachable, saying which step failed.

    `tunnel`: ask the proxy for a tunnel also where TLS would not need it.
    """
    deadline_s = time.monotonic() + timeout_s
    opened = _connect(endpoint, proxy, timeout_s)
    try:
        if proxy and (tunnel or endpoint.tls):
            opened.settimeout(_left(deadline_s))
            _ask_for_tunnel(opened, endpoint, proxy)
        opened.settimeout(_left(deadline_s))
        return _secured(opened, endpoint, ca_file) if endpoint.tls else opened
    except BaseException:
        opened.close()
        raise


def _left(deadline_s: float) -> float:
    return max(0.001, deadline_s - time.monotonic())


def _connect(endpoint: Endpoint, proxy: Proxy | None, timeout_s: float) -> socket.socket:
    host, port = (proxy.host, proxy.port) if proxy else (endpoint.host, endpoint.port)
    name = f"the proxy {proxy.name}" if proxy else endpoint.name
    try:
        opened = socket.create_connection((host, port), timeout_s)
    except TimeoutError as error:
        raise VenueUnreachable(f"{name} did not answer within {timeout_s:g} s") from error
    except (OSError, UnicodeError) as error:
        words = getattr(error, "strerror", None) or type(error).__name__
        raise VenueUnreachable(f"no connection to {name}: {words}") from error
    for level, option, value in KEEP_ALIVE:
        opened.setsockopt(level, option, value)
    return opened


def _ask_for_tunnel(opened: socket.socket, endpoint: Endpoint, proxy: Proxy) -> None:
    lines = [f"CONNECT {endpoint.name} HTTP/1.1", f"Host: {endpoint.name}"]
    if proxy.authorization:
        lines.append(f"Proxy-Authorization: {proxy.authorization.reveal()}")
    failure = ""
    try:
        opened.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
        status = _status_of(_head(opened))
    except OSError as error:
        failure = "did not answer" if isinstance(error, TimeoutError) else "closed the connection"
    # Raised outside of the handler: a traceback would hold the frame's header lines.
    if failure or status != 200:
        failure = failure or f"answered {status} instead of opening a tunnel"
        hint = "; correct its user and password" if failure.startswith("answered 407") else ""
        raise VenueUnreachable(f"the proxy {proxy.name} {failure}{hint}")


def _head(opened: socket.socket) -> bytes:
    """Read byte by byte: what follows belongs to TLS."""
    head = bytearray()
    while not head.endswith(b"\r\n\r\n"):
        byte = opened.recv(1)
        if not byte or len(head) > MAX_PROXY_ANSWER_BYTES:
            raise ConnectionError
        head += byte
    return bytes(head)


def _status_of(head: bytes) -> int:
    words = head.split(b"\r\n", 1)[0].split(b" ")
    return int(words[1]) if len(words) > 1 and words[0].startswith(b"HTTP/1.") and words[1].isdigit() else 0


def _secured(opened: socket.socket, endpoint: Endpoint, ca_file: str | None) -> socket.socket:
    try:
        return tls_context(ca_file).wrap_socket(opened, server_hostname=endpoint.host)
    except ssl.SSLCertVerificationError as error:
        raise VenueUnreachable(f"the certificate of {endpoint.name} is not valid: {error.verify_message}") from error
    except TimeoutError as error:
        raise VenueUnreachable(f"TLS with {endpoint.name} took too long") from error
    except (OSError, ValueError) as error:
        words = getattr(error, "reason", None) or type(error).__name__
        raise VenueUnreachable(f"TLS with {endpoint.name} failed: {words}") from error
