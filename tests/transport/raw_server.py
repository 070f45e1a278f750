"""A server on loopback that does to a client exactly what a test says, byte by byte."""

from __future__ import annotations

import base64
import datetime
import hashlib
import ipaddress
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
PATIENCE_S = 8.0


def until(condition: Callable[[], Any], what: str = "the condition") -> Any:
    """Return what `condition` says as soon as it is true."""
    deadline = time.monotonic() + PATIENCE_S
    while not (said := condition()):
        assert time.monotonic() < deadline, f"{what} did not come true"
        time.sleep(0.002)
    return said


class Peer:
    """One connection of a client."""

    def __init__(self, opened: socket.socket, number: int) -> None:
        self.socket = opened
        self.number = number
        self._rest = b""

    def request(self) -> bytes:
        """Return the next whole request, b"" when the client has gone."""
        while b"\r\n\r\n" not in self._rest:
            if not self._more():
                return b""
        head, _, _ = self._rest.partition(b"\r\n\r\n")
        length = next(
            (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
        )
        whole = len(head) + 4 + length
        while len(self._rest) < whole:
            if not self._more():
                return b""
        request, self._rest = self._rest[:whole], self._rest[whole:]
        return request

    def _more(self) -> bool:
        data = self.socket.recv(65536)
        self._rest += data
        return bool(data)

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def reset(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    # -- websocket ---------------------------------------------------------------------------------------------------

    def shake_hands(self, extra: str = "Date: Sat, 21 Nov 2026 04:00:00 GMT\r\n") -> bytes:
        """Answer a websocket handshake; return the request."""
        request = self.request()
        if not request:
            raise ConnectionError
        key = next(
            line[19:].strip() for line in request.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key:")
        )
        accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()).decode()
        self.send(
            f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"{extra}Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
        )
        return request

    def frame(self, opcode: int, payload: bytes, fin: bool = True) -> None:
        self.send(frame(opcode, payload, fin))

    def text(self, text: str) -> None:
        self.frame(1, text.encode())

    def read_frame(self) -> tuple[int, bytes]:
        """Return opcode and payload of the client's next frame; raises ConnectionError at the end."""
        first, second = self._exactly(2)
        length = second & 127
        if length == 126:
            length = int.from_bytes(self._exactly(2))
        elif length == 127:
            length = int.from_bytes(self._exactly(8))
        assert second & 128, "a client's frame must be masked"
        mask = self._exactly(4)
        payload = self._exactly(length)
        return first & 15, bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))

    def _exactly(self, count: int) -> bytes:
        while len(self._rest) < count:
            if not self._more():
                raise ConnectionError
        taken, self._rest = self._rest[:count], self._rest[count:]
        return taken


def frame(opcode: int, payload: bytes, fin: bool = True) -> bytes:
    """Return a server's frame."""
    length = len(payload)
    if length < 126:
        size = bytes([length])
    else:
        size = b"\x7e" + length.to_bytes(2) if length < 65536 else b"\x7f" + length.to_bytes(8)
    return bytes([fin << 7 | opcode]) + size + payload


class RawServer:
    """Calls `serve(peer)` in a thread for each connection; the connection is closed when it returns."""

    def __init__(self, serve: Callable[[Peer], None], tls: ssl.SSLContext | None = None) -> None:
        self._serve = serve
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self.requests: list[bytes] = []
        self.peers: list[Peer] = []
        self._threads: list[threading.Thread] = []
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        return f"{'wss' if self._tls else 'ws'}://127.0.0.1:{self.port}/ws"

    def _accept(self) -> None:
        while True:
            try:
                opened, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._run, args=(opened, self.connections), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _run(self, opened: socket.socket, number: int) -> None:
        peer = None
        try:
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls:
                opened = self._tls.wrap_socket(opened, server_side=True)
            peer = Peer(opened, number)
            self.peers.append(peer)
            self._serve(peer)
        except (OSError, ValueError):
            pass
        finally:
            opened.close()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for peer in list(self.peers):
            try:
                socket.socket.shutdown(peer.socket, socket.SHUT_RDWR)
            except OSError:
                pass
        self._acceptor.join(5)
        for thread in self._threads:
            thread.join(5)


def make_certificate(folder: Path, *names: str) -> tuple[Path, ssl.SSLContext]:
    """Return the file of a certificate for 127.0.0.1 and names, signed by nobody, and a server's context with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "loopback")])
    now = datetime.datetime.now(datetime.UTC)
    loopback = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    address = x509.SubjectAlternativeName([loopback, *map(x509.DNSName, names)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    ca_file = folder / "ca.pem"
    ca_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    both = folder / "both.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    both.write_bytes(private + ca_file.read_bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    return ca_file, context
