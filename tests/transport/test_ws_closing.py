"""A websocket that is closed: by us, within a time, whoever is at the other end."""

from __future__ import annotations

import threading
import time

import pytest

from api.ws_transport import WsClosed, WsOpened
from tests.transport.raw_server import Peer
from tests.transport.ws_parts import Listener, MakeServer, MakeWs, stay
from utils.errors import VenueUnreachable


def test_reconnect_makes_a_new_connection_and_closes_the_old_one_cleanly(server: MakeServer, ws: MakeWs) -> None:
    codes: list[bytes] = []

    def serve(peer: Peer) -> None:
        peer.shake_hands()
        opcode, payload = peer.read_frame()
        while opcode != 8:
            opcode, payload = peer.read_frame()
        codes.append(payload)
        peer.frame(8, payload)

    transport = ws(server(serve).ws_url)
    listener = Listener(transport)
    listener.wait_for(WsOpened)
    transport.reconnect("a gap in the book")
    listener.wait_for(WsOpened, 2)
    assert listener.wait_for(WsClosed) == [WsClosed("a gap in the book", None)]
    assert codes[0][:2] == (1000).to_bytes(2)


@pytest.mark.parametrize("is_polite", [True, False])
def test_close_is_bounded_and_ends_the_thread(is_polite: bool, server: MakeServer, ws: MakeWs) -> None:
    over = threading.Event()

    def serve(peer: Peer) -> None:
        peer.shake_hands()
        if is_polite:
            stay(peer)
        else:
            over.wait(5)

    transport = ws(server(serve).ws_url)
    Listener(transport).wait_for(WsOpened)
    began = time.monotonic()
    transport.close()
    took = time.monotonic() - began
    over.set()
    assert took < (1.5 if is_polite else 3)
    assert transport._thread is not None
    assert not transport._thread.is_alive()
    with pytest.raises(VenueUnreachable):
        transport.send("too late")


def test_close_is_bounded_while_nobody_answers(ws: MakeWs) -> None:
    transport = ws("ws://127.0.0.1:1/", first_backoff_s=30, draw=lambda: 1.0)
    Listener(transport).wait_for(WsClosed)
    began = time.monotonic()
    transport.close()
    assert time.monotonic() - began < 1


def test_a_venue_that_takes_nothing_does_not_fill_our_memory(server: MakeServer, ws: MakeWs) -> None:
    over = threading.Event()

    def serve(peer: Peer) -> None:
        peer.shake_hands()
        over.wait(5)

    transport = ws(server(serve).ws_url)
    Listener(transport).wait_for(WsOpened)
    with pytest.raises(VenueUnreachable, match="stopped"):
        for _ in range(100):
            transport.send("x" * 500_000)
            time.sleep(0.005)
    over.set()
