"""A proxy is used where it should be, and its password is seen nowhere."""

from __future__ import annotations

import base64
import logging
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from api.http_transport import HttpTransport, Lane
from api.proxies import endpoint_of, proxy_for
from api.ws_transport import WsClosed, WsMessage, WsOpened, WsTransport
from tests.transport.asking import answer_of, call
from tests.transport.raw_server import OK, Peer, RawServer, until
from utils.env import Secret
from utils.errors import ConfigError, VenueUnreachable

MakeServer = Callable[..., RawServer]
PASSWORD = "s3cret pass"
WANTED = base64.b64encode(f"bob:{PASSWORD}".encode())
VENUE = endpoint_of("https://venue.example")


class LittleProxy:
    """Forwards requests and opens tunnels for those who know the password."""

    def __init__(self, needs_password: bool = True) -> None:
        self.needs_password = needs_password
        self.targets: list[bytes] = []

    def __call__(self, peer: Peer) -> None:
        while request := peer.request():
            method, target, _ = request.split(b"\r\n")[0].split(b" ")
            self.targets.append(method + b" " + target)
            if self.needs_password and b"Proxy-Authorization: Basic " + WANTED not in request.split(b"\r\n"):
                peer.send(b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n")
            elif method == b"CONNECT":
                peer.send(b"HTTP/1.1 200 Go\r\n\r\n")
                _join(peer.socket, target.decode())
                return
            else:
                peer.send(OK)


def _join(near: socket.socket, target: str) -> None:
    host, port = target.split(":")
    with socket.create_connection((host, int(port))) as far:
        back = threading.Thread(target=_pump, args=(far, near))
        back.start()
        _pump(near, far)
        back.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


def address(port: int, password: str = PASSWORD) -> Secret:
    return Secret(f"http://bob:{password.replace(' ', '%20')}@127.0.0.1:{port}")


def serve_ok(peer: Peer) -> None:
    while peer.request():
        peer.send(OK)


def echo(peer: Peer) -> None:
    peer.shake_hands()
    while True:
        opcode, payload = peer.read_frame()
        peer.frame(opcode, payload)
        if opcode == 8:
            return


def test_a_plain_request_is_forwarded_with_the_password(server: MakeServer, http: Callable[..., HttpTransport]) -> None:
    proxy = LittleProxy()
    transport = http("http://127.0.0.1:1/v1", proxy=address(server(proxy).port))
    assert answer_of(transport, call(Lane.READ)).status == 200
    assert proxy.targets == [b"GET http://127.0.0.1:1/v1/READ"]


def test_tls_goes_through_a_tunnel(
    server: MakeServer, http: Callable[..., HttpTransport], certificate: tuple[Path, ssl.SSLContext]
) -> None:
    proxy, venue = LittleProxy(), server(serve_ok, certificate[1])
    transport = http(venue.url, proxy=address(server(proxy).port), ca_file=str(certificate[0]))
    assert answer_of(transport, call(Lane.READ)).status == 200
    assert proxy.targets == [f"CONNECT 127.0.0.1:{venue.port}".encode()]


def test_a_websocket_goes_through_a_tunnel(server: MakeServer, ws: Callable[..., WsTransport]) -> None:
    proxy, venue = LittleProxy(), server(echo)
    transport = ws(venue.ws_url, proxy=address(server(proxy).port))
    got: list[object] = []
    until(lambda: got.extend(transport.drain()) or transport.connected)
    transport.send("hello")
    until(lambda: got.extend(transport.drain()) or len(got) == 2)
    assert isinstance(got[0], WsOpened)
    assert isinstance(got[1], WsMessage)
    assert proxy.targets == [f"CONNECT 127.0.0.1:{venue.port}".encode()]


def test_a_wrong_password_is_told_without_it(
    server: MakeServer,
    http: Callable[..., HttpTransport],
    ws: Callable[..., WsTransport],
    certificate: tuple[Path, ssl.SSLContext],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    wrong = address(server(LittleProxy()).port, "wr0ng")
    transport = http("https://127.0.0.1:1", proxy=wrong)
    error = answer_of(transport, call()).error
    stream = ws("wss://127.0.0.1:1", proxy=wrong)
    closed = until(stream.drain)[0]
    assert isinstance(closed, WsClosed)
    assert type(error) is VenueUnreachable
    told = f"{error!r} {closed!r} {transport!r} {stream!r} {stream._route!r} {caplog.text} {caplog.records!r}"
    assert "407" in told
    encoded = base64.b64encode(b"bob:wr0ng").decode()
    assert "wr0ng" not in told
    assert encoded not in told


def test_the_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://user:pw@proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "")
    found = proxy_for(VENUE)
    assert found is not None
    assert (found.name, str(found.authorization)) == ("proxy.example:3128", "***")
    assert "pw" not in repr(found)
    assert proxy_for(endpoint_of("wss://venue.example/ws")) == found
    assert proxy_for(endpoint_of("http://venue.example")) is None


@pytest.mark.parametrize("no_proxy", ["*", "venue.example", "example", ".example", "a.b, venue.example:443"])
def test_no_proxy_is_honoured(no_proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    assert proxy_for(VENUE) is None
    assert proxy_for(VENUE, "http://other:1") is not None


def test_no_proxy_takes_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "10.0.0.0/8")
    assert proxy_for(endpoint_of("http://10.1.2.3")) is None
    assert proxy_for(endpoint_of("http://11.1.2.3")) is not None


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_this_machine_is_never_reached_by_the_environments_proxy(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "")
    assert proxy_for(endpoint_of(f"http://{host}:8000")) is None


@pytest.mark.parametrize("text", ["socks5://bob:pw123@host:1", "http://bob:pw123@:1", "http://bob:pw123@host:port"])
def test_a_proxy_that_cannot_be_used_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        proxy_for(VENUE, Secret(text))
    assert "pw123" not in str(caught.value)


@pytest.mark.parametrize("url", ["ftp://host", "host", "https://", "https://user:pw@host", "http://host:port"])
def test_an_address_that_leads_nowhere_is_refused(url: str) -> None:
    with pytest.raises(ConfigError):
        endpoint_of(url)
