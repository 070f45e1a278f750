"""A proxy with a password, behind which a made-up host with TLS leads to a server on loopback."""

from __future__ import annotations

import base64
import select
import socket
import ssl
from pathlib import Path

from tests.transport.raw_server import Peer, RawServer, make_certificate

USER, PASSWORD = "bob", "tr0ub4dor&3"
_QUOTED = "tr0ub4dor%263"
_IDLE_S = 60.0


class TlsProxy:
    """Opens tunnels for those who know the password; `refused` and `tunnels` say how often."""

    def __init__(self, folder: Path, host: str, port: int) -> None:
        """`host` is what the tunnels are for, `port` where they lead: 127.0.0.1, without TLS."""
        ca_file, self._context = make_certificate(folder, host)
        self._host, self._port = host, port
        self._wanted = b"Proxy-Authorization: Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode())
        self.tunnels = self.refused = 0
        self._server = RawServer(self._serve)
        self.environ = {
            "HTTPS_PROXY": f"http://{USER}:{_QUOTED}@127.0.0.1:{self._server.port}",
            "NO_PROXY": "",
            "SSL_CERT_FILE": str(ca_file),
        }

    @property
    def forbidden(self) -> list[bytes]:
        """Return what nobody may see."""
        return [PASSWORD.encode(), _QUOTED.encode(), self._wanted.rpartition(b" ")[2]]

    def close(self) -> None:
        """End everything."""
        self._server.close()

    def _serve(self, peer: Peer) -> None:
        request = peer.request()
        if self._wanted not in request.split(b"\r\n"):
            self.refused += 1
            peer.send(b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n")
        elif not request.startswith(f"CONNECT {self._host}:443 ".encode()):
            self.refused += 1
            peer.send(b"HTTP/1.1 403 Not there\r\nContent-Length: 0\r\n\r\n")
        else:
            self.tunnels += 1
            peer.send(b"HTTP/1.1 200 Go\r\n\r\n")
            with (
                self._context.wrap_socket(peer.socket, server_side=True) as near,
                socket.create_connection(("127.0.0.1", self._port)) as far,
            ):
                _relay(near, far)


def _relay(near: ssl.SSLSocket, far: socket.socket) -> None:
    while True:
        ready = [near] if near.pending() else select.select([near, far], [], [], _IDLE_S)[0]
        for one in ready:
            data = one.recv(65536)
            if not data:
                return
            (far if one is near else near).sendall(data)
        if not ready:
            return
