"""A listener on a websocket, and what its peer does."""

from __future__ import annotations

from collections.abc import Callable

from api.ws_transport import WsClosed, WsItem, WsMessage, WsTransport
from tests.transport.raw_server import Peer, RawServer, until

MakeServer = Callable[..., RawServer]
MakeWs = Callable[..., WsTransport]


class Listener:
    """What a transport has said so far."""

    def __init__(self, transport: WsTransport) -> None:
        self.transport = transport
        self.items: list[WsItem] = []

    def wait_for(self, kind: type, count: int = 1) -> list[WsItem]:
        def look() -> list[WsItem]:
            self.items += self.transport.drain()
            found = [item for item in self.items if isinstance(item, kind)]
            return found if len(found) >= count else []

        return list(until(look, f"{count} {kind.__name__}"))

    def texts(self, count: int) -> list[str | bytes]:
        return [item.text for item in self.wait_for(WsMessage, count) if isinstance(item, WsMessage)]

    def reason(self) -> str:
        (closed, *_) = self.wait_for(WsClosed)
        assert isinstance(closed, WsClosed)
        return closed.reason


def stay(peer: Peer) -> None:
    """Answer what a client may expect until it goes."""
    while True:
        opcode, payload = peer.read_frame()
        if opcode == 9:
            peer.frame(10, payload)
        if opcode == 8:
            peer.frame(8, payload)
            return
