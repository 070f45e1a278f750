"""A websocket over real sockets: it comes back, it does not storm, it finds out what is dead."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from api.ws_transport import WsClosed, WsMessage, WsOpened, WsOverflow, WsTransport
from tests.transport.raw_server import Peer, frame, until
from tests.transport.ws_parts import Listener, MakeServer, MakeWs, stay
from utils.errors import VenueAuthError, VenueRefused, VenueUnreachable


def says(*frames: bytes) -> Callable[[Peer], None]:
    def serve(peer: Peer) -> None:
        peer.shake_hands()
        for each in frames:
            peer.send(each)
        stay(peer)

    return serve


def test_it_opens_and_tells_number_and_date(server: MakeServer, ws: MakeWs) -> None:
    listener = Listener(ws(server(says()).ws_url))
    assert listener.wait_for(WsOpened) == [WsOpened(1, "Sat, 21 Nov 2026 04:00:00 GMT")]


def test_messages_come_in_order_and_wake_the_loop(server: MakeServer, ws: MakeWs) -> None:
    woken = threading.Event()
    listener = Listener(ws(server(says(*(frame(1, b"%d" % n) for n in range(500)))).ws_url, wake=woken.set))
    assert listener.texts(500) == [str(number) for number in range(500)]
    assert woken.is_set()


def test_a_message_in_many_pieces_is_put_together(server: MakeServer, ws: MakeWs) -> None:
    whole = frame(1, b'{"a":', fin=False) + frame(0, "é".encode()[:1], fin=False) + frame(0, "é".encode()[1:] + b"}")

    def serve(peer: Peer) -> None:
        peer.shake_hands()
        for byte in whole + frame(9, b"in between") + frame(2, b"\x00\xff"):
            peer.send(bytes([byte]))
        stay(peer)

    assert Listener(ws(server(serve).ws_url)).texts(2) == ['{"a":é}', b"\x00\xff"]


def test_a_ping_is_answered_with_its_payload(server: MakeServer, ws: MakeWs) -> None:
    answers: list[tuple[int, bytes]] = []

    def serve(peer: Peer) -> None:
        peer.shake_hands()
        peer.frame(9, b"are you there")
        answers.append(peer.read_frame())
        stay(peer)

    ws(server(serve).ws_url)
    assert until(lambda: answers) == [(10, b"are you there")]


def test_what_is_sent_arrives_in_order(server: MakeServer, ws: MakeWs) -> None:
    got: list[bytes] = []

    def serve(peer: Peer) -> None:
        peer.shake_hands()
        while len(got) < 300:
            got.append(peer.read_frame()[1])
        stay(peer)

    transport = ws(server(serve).ws_url, ping_interval_s=60)
    Listener(transport).wait_for(WsOpened)
    for number in range(300):
        transport.send("x" * 1000 + str(number))
    until(lambda: len(got) == 300)
    assert [int(each[1000:]) for each in got] == list(range(300))


def test_sending_while_not_connected_is_refused(server: MakeServer, ws: MakeWs) -> None:
    transport = ws("ws://127.0.0.1:1/")
    assert not transport.connected
    with pytest.raises(VenueUnreachable, match="not sent"):
        transport.send("order")


def test_sending_on_a_connection_that_was_replaced_meanwhile_is_refused(server: MakeServer, ws: MakeWs) -> None:
    cut = threading.Event()

    def serve(peer: Peer) -> None:
        peer.shake_hands()
        if peer.number == 1:
            cut.wait(5)
        else:
            stay(peer)

    made = server(serve)
    transport = ws(made.ws_url)
    listener = Listener(transport)
    listener.wait_for(WsOpened)
    cut.set()
    until(lambda: len(made.peers) == 2)
    time.sleep(0.02)
    with pytest.raises(VenueUnreachable):
        transport.send("an order for the session that is gone")
    listener.wait_for(WsOpened, 2)
    transport.send("fine now")


def test_it_comes_back_after_a_cut_and_says_so_in_order(server: MakeServer, ws: MakeWs) -> None:
    def serve(peer: Peer) -> None:
        peer.shake_hands()
        peer.text(f"hello {peer.number}")
        if peer.number == 2:
            stay(peer)

    listener = Listener(ws(server(serve).ws_url))
    listener.wait_for(WsMessage, 2)
    kinds = [type(item) for item in listener.items]
    assert kinds == [WsOpened, WsMessage, WsClosed, WsOpened, WsMessage]
    assert isinstance(listener.items[2].error, VenueUnreachable)  # type: ignore[union-attr]


def test_a_venue_that_hangs_up_at_once_is_not_stormed(server: MakeServer, ws: MakeWs) -> None:
    made = server(lambda peer: peer.shake_hands() and None)
    ws(made.ws_url, first_backoff_s=0.05, draw=lambda: 1.0)
    began = time.monotonic()
    until(lambda: made.connections >= 4)
    assert time.monotonic() - began >= 0.05 * (2 + 4 + 8) * 0.95


def test_the_backoff_is_drawn_and_capped(server: MakeServer, ws: MakeWs) -> None:
    made = server(lambda peer: peer.shake_hands() and None)
    ws(made.ws_url, first_backoff_s=0.01, max_backoff_s=0.02, draw=lambda: 0.5)
    began = time.monotonic()
    until(lambda: made.connections >= 20)
    assert 0.15 < time.monotonic() - began < 5


def test_a_connection_that_lived_long_resets_the_backoff(server: MakeServer, ws: MakeWs) -> None:
    ends: list[float] = []

    def serve(peer: Peer) -> None:
        peer.shake_hands()
        if peer.number == 6:
            time.sleep(2)  # long: 25 first backoffs are one second
            ends.append(time.monotonic())

    made = server(serve)
    ws(made.ws_url, first_backoff_s=0.04, draw=lambda: 1.0)
    until(lambda: ends)
    until(lambda: made.connections == 7)
    assert time.monotonic() - ends[0] < 1.5  # the sixth failure in a row would have meant 2.56 s


@pytest.mark.parametrize("answers_pings", [False, True])
def test_a_silent_venue_is_left_only_when_it_ignores_pings(answers_pings: bool, server: MakeServer, ws: MakeWs) -> None:
    over = threading.Event()

    def serve(peer: Peer) -> None:
        peer.shake_hands()
        if answers_pings:
            stay(peer)
        else:
            over.wait(10)

    made = server(serve)
    listener = Listener(ws(made.ws_url, ping_interval_s=0.2, silence_s=2))
    listener.wait_for(WsOpened)
    if answers_pings:
        time.sleep(2.5)
        assert made.connections == 1
    else:
        assert "nothing was heard" in listener.reason()
    over.set()


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (bytes([0x81, 0x7F]) + (2**40).to_bytes(8), "more than 1000 bytes"),
        (frame(1, b"x" * 900, fin=False) + frame(0, b"x" * 900), "more than 1000 bytes"),
        (frame(1, b"", fin=False) + frame(0, b"", fin=False) * 50, "more than 1000 bytes"),
        (bytes([0xF1, 0x01, 0x00]), "not valid"),
        (bytes([0x83, 0x00]), "not valid"),
        (frame(0, b"a continuation of nothing"), "out of order"),
        (frame(1, b"a", fin=False) + frame(1, b"b"), "out of order"),
        (frame(1, b"\xff\xfe"), "not UTF-8"),
        (frame(9, b"x" * 126), "control frame"),
        (frame(8, (4001).to_bytes(2) + b"token expired"), "4001 token expired"),
        (frame(8, b""), "without a code"),
        (frame(8, b"\x00"), "not valid"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n" * 5, "not valid"),
    ],
)
def test_what_is_not_a_proper_message_ends_the_connection_with_its_reason(
    sent: bytes, words: str, server: MakeServer, ws: MakeWs
) -> None:
    listener = Listener(ws(server(says(frame(1, b"good"), sent)).ws_url, max_message_bytes=1000))
    assert words in listener.reason()
    assert listener.texts(1)[0] == "good"
    listener.wait_for(WsOpened, 2)


@pytest.mark.parametrize(
    ("status", "kind"), [(401, VenueAuthError), (403, VenueRefused), (500, VenueUnreachable), (302, VenueUnreachable)]
)
def test_a_refused_handshake_is_told_without_the_venues_words(
    status: int, kind: type, server: MakeServer, ws: MakeWs
) -> None:
    def serve(peer: Peer) -> None:
        peer.request()
        peer.send(f"HTTP/1.1 {status} No\r\nSet-Cookie: secret\r\nContent-Length: 6\r\n\r\nsecret".encode())

    (closed, *_) = Listener(ws(server(serve).ws_url)).wait_for(WsClosed)
    assert isinstance(closed, WsClosed)
    assert type(closed.error) is kind
    assert "secret" not in repr(closed)


def test_a_handshake_that_says_retry_after_is_obeyed(server: MakeServer, ws: MakeWs) -> None:
    def serve(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 429 No\r\nRetry-After: 0.4\r\nContent-Length: 0\r\n\r\n")

    made = server(serve)
    listener = Listener(ws(made.ws_url, first_backoff_s=0.001))
    listener.wait_for(WsClosed)
    began = time.monotonic()
    until(lambda: made.connections == 2)
    assert time.monotonic() - began > 0.3


def test_a_handshake_that_drips_is_given_up(server: MakeServer, ws: MakeWs) -> None:
    def serve(peer: Peer) -> None:
        peer.request()
        for _ in range(200):
            peer.send(b"x")
            time.sleep(0.02)

    assert "in time" in Listener(ws(server(serve).ws_url, connect_timeout_s=0.2)).reason()


def test_too_much_waiting_drops_market_data_only(server: MakeServer, ws: MakeWs) -> None:
    frames = [frame(1, b"fill %d" % n if n % 10 == 0 else b"book %d" % n) for n in range(200)]
    done = threading.Event()

    def serve(peer: Peer) -> None:
        peer.shake_hands()
        peer.send(b"".join(frames))
        peer.frame(9, b"")
        while peer.read_frame()[0] != 10:
            pass
        done.set()
        stay(peer)

    listener = Listener(ws(server(serve).ws_url, max_queue=50))
    assert done.wait(5)
    listener.wait_for(WsOverflow)
    texts = [item.text for item in listener.items if isinstance(item, WsMessage)]
    assert [text for text in texts if str(text).startswith("fill")] == [f"fill {n}" for n in range(0, 200, 10)]
    dropped = sum(item.dropped for item in listener.items if isinstance(item, WsOverflow))
    assert dropped + len(texts) == 200
    assert len(texts) <= 70


def test_nothing_is_started_before_start() -> None:
    before = threading.active_count()
    transport = WsTransport("ws://127.0.0.1:9/", lambda: None, is_market_data=lambda text: False)
    assert threading.active_count() == before
    assert transport._bell == -1
    transport.close()


def test_big_messages_over_tls_both_ways(
    server: MakeServer, ws: MakeWs, certificate: tuple[Path, ssl.SSLContext]
) -> None:
    got: list[bytes] = []

    def serve(peer: Peer) -> None:
        peer.shake_hands()
        for number in range(20):
            peer.text(str(number) * 100_000)
        got.append(peer.read_frame()[1])
        stay(peer)

    transport = ws(server(serve, certificate[1]).ws_url, ca_file=str(certificate[0]), ping_interval_s=60)
    listener = Listener(transport)
    assert listener.texts(20) == [str(number) * 100_000 for number in range(20)]
    transport.send("y" * 300_000)
    assert until(lambda: got) == [b"y" * 300_000]


def test_a_certificate_that_nobody_vouches_for_is_not_trusted(
    server: MakeServer, ws: MakeWs, certificate: tuple[Path, ssl.SSLContext]
) -> None:
    assert "certificate" in Listener(ws(server(says(), certificate[1]).ws_url)).reason()


def test_a_connection_that_the_deciding_thread_has_forgotten_is_ended(server: MakeServer, ws: MakeWs) -> None:
    gone = threading.Event()

    def serve(peer: Peer) -> None:
        peer.shake_hands()
        stay(peer)
        gone.set()

    forgotten = ws(server(serve).ws_url, unseen_s=0.3, ping_interval_s=0.05)
    assert gone.wait(20)  # although it was pinged and answered all the time
    assert "nobody here looked" in Listener(forgotten).reason()


def test_a_connection_that_is_looked_at_lives_on(server: MakeServer, ws: MakeWs) -> None:
    listener = Listener(ws(server(says()).ws_url, unseen_s=5, ping_interval_s=0.05))
    deadline = time.monotonic() + 0.6
    while time.monotonic() < deadline:
        listener.items += listener.transport.drain()
        time.sleep(0.01)
    assert not [item for item in listener.items if isinstance(item, WsClosed)]
