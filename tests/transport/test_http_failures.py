"""What each failure of a request means: certainly not sent, or perhaps."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from api.http_connection import HttpConnection
from api.http_transport import BuiltRequest, HttpAnswer, HttpCall, HttpTransport, Lane
from tests.transport.asking import answer_of, answers_of, call
from tests.transport.raw_server import OK, Peer, RawServer, until
from utils.errors import OutcomeUnknown, VenueUnreachable

MakeServer = Callable[..., RawServer]
MakeHttp = Callable[..., HttpTransport]


def test_a_refused_connection_was_certainly_not_sent(http: MakeHttp) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    answer = answer_of(http(f"http://127.0.0.1:{port}"), call())
    assert type(answer.error) is VenueUnreachable
    assert f"127.0.0.1:{port}" in str(answer.error)


def test_an_unknown_host_was_certainly_not_sent(http: MakeHttp) -> None:
    assert type(answer_of(http("http://no-such-host.invalid"), call()).error) is VenueUnreachable


def test_a_connect_timeout_was_certainly_not_sent(http: MakeHttp) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = []
        for _ in range(3):  # fills the queue of a listener that never accepts
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
            fillers.append(filler)
        transport = http(f"http://127.0.0.1:{listener.getsockname()[1]}", connect_timeout_s=0.2)
        answer = answer_of(transport, call())
        for filler in fillers:
            filler.close()
    assert type(answer.error) is VenueUnreachable


def test_a_failed_tls_handshake_was_certainly_not_sent(server: MakeServer, http: MakeHttp) -> None:
    plain = server(lambda peer: peer.send(b"this is not TLS"))
    answer = answer_of(http(f"https://127.0.0.1:{plain.port}"), call())
    assert type(answer.error) is VenueUnreachable
    assert "TLS" in str(answer.error)


def read_then_close(peer: Peer) -> None:
    peer.request()


def read_then_reset(peer: Peer) -> None:
    peer.request()
    peer.reset()


def half_an_answer(peer: Peer) -> None:
    peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")


def garbage_status(peer: Peer) -> None:
    peer.request()
    peer.send(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")


def too_many_bytes(peer: Peer) -> None:
    peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000)


def too_many_chunks(peer: Peer) -> None:
    peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"800\r\n" + b"x" * 2048 + b"\r\n0\r\n\r\n")


def never_answers(peer: Peer) -> None:
    peer.request()
    peer.request()


def drips(peer: Peer) -> None:
    peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(1000):
        peer.send(b"x")
        time.sleep(0.02)


@pytest.mark.parametrize(
    "serve",
    [
        read_then_close,
        read_then_reset,
        half_an_answer,
        garbage_status,
        too_many_bytes,
        too_many_chunks,
        never_answers,
        drips,
    ],
)
@pytest.mark.parametrize("lane", [Lane.CREATE, Lane.CANCEL])
def test_a_write_without_a_whole_answer_may_have_arrived(
    serve: Callable[[Peer], None], lane: Lane, server: MakeServer, http: MakeHttp
) -> None:
    made = server(serve)
    answer = answer_of(http(made.url, max_body_bytes=1000), call(lane, timeout_s=1))
    assert type(answer.error) is OutcomeUnknown
    assert answer.status is None
    assert made.connections == 1 or lane is Lane.CREATE  # not repeated; a create opens a way for cancels


def test_a_venue_that_closes_every_connection_at_once_is_not_stormed(server: MakeServer, http: MakeHttp) -> None:
    made = server(lambda peer: None)
    answer = answer_of(http(made.url), call(timeout_s=5))
    # The close may come just before or just after our bytes: then they may have arrived.
    assert type(answer.error) in (OutcomeUnknown, VenueUnreachable)
    assert made.connections <= 5


def test_a_read_that_always_fails_is_unreachable_after_three_tries(server: MakeServer, http: MakeHttp) -> None:
    made = server(read_then_close)
    answer = answer_of(http(made.url), call(Lane.READ))
    assert type(answer.error) is VenueUnreachable
    assert made.connections == 3


def test_a_read_is_repeated_until_it_succeeds(server: MakeServer, http: MakeHttp) -> None:
    def serve(peer: Peer) -> None:
        peer.request()
        peer.send(OK if peer.number > 2 else b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")

    made = server(serve)
    assert answer_of(http(made.url), call(Lane.READ)).status == 200
    assert made.connections == 3


def test_a_create_answered_by_503_is_not_repeated(server: MakeServer, http: MakeHttp) -> None:
    requests: list[bytes] = []

    def serve(peer: Peer) -> None:
        while request := peer.request():
            requests.append(request)
            peer.send(b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy")

    answer = answer_of(http(server(serve).url), call(Lane.CREATE))
    assert (answer.status, answer.body, answer.error, len(requests)) == (503, b"busy", None, 1)


def test_a_request_that_cannot_be_sent_in_time_is_given_up(http: MakeHttp, server: MakeServer) -> None:
    def serve(peer: Peer) -> None:
        while peer.request():
            time.sleep(0.5)
            peer.send(OK)

    transport = http(server(serve).url)
    answers = answers_of(transport, *(call(Lane.CREATE, number, 2 if number < 2 else 0.2) for number in range(3)))
    late = next(answer for answer in answers if answer.call.tag == 2)
    assert type(late.error) is VenueUnreachable


def test_after_close_nothing_is_sent(http: MakeHttp, server: MakeServer) -> None:
    made = server(read_then_close)
    transport = http(made.url)
    transport.close()
    transport.start(call())
    (answer,) = transport.take_answers()
    assert type(answer.error) is VenueUnreachable
    assert made.connections == 0


def test_close_does_not_wait_for_a_slow_answer(http: MakeHttp, server: MakeServer) -> None:
    made = server(never_answers)
    transport = http(made.url)
    transport.start(call(timeout_s=30))

    def is_sent() -> bool:
        transport.pump(time.monotonic_ns())
        return bool(made.peers) and made.peers[0].number > 0 and not transport.take_answers()

    until(is_sent)
    began = time.monotonic()
    transport.close()
    assert time.monotonic() - began < 3


def test_a_header_that_would_be_two_is_refused(http: MakeHttp, server: MakeServer) -> None:
    transport = http(server(read_then_close).url)
    transport.start(HttpCall(None, Lane.READ, lambda: BuiltRequest("GET", "/", {"A": "b\r\nC: d"})))
    with pytest.raises(ValueError, match="not allowed"):
        until(lambda: transport.pump(time.monotonic_ns()) is None)


def test_a_write_that_fails_goes_out_on_another_connection_without_being_asked(
    server: MakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def serve(peer: Peer) -> None:
        while peer.request():
            peer.send(OK)

    woken, failed, send = threading.Event(), list[bool](), HttpConnection.send

    def fail_once(connection: HttpConnection, *rest: Any) -> bool:
        if failed:
            return send(connection, *rest)
        failed.append(True)
        connection._drop()
        return False

    transport = HttpTransport(server(serve).url, woken.set)
    try:
        answer_of(transport, call(Lane.READ))
        monkeypatch.setattr(HttpConnection, "send", fail_once)
        woken.clear()
        transport.start(call(Lane.READ, timeout_s=30))
        answers: list[HttpAnswer] = []
        while not answers:  # looked at only when it says that there is something, as a loop does
            assert woken.wait(10)
            woken.clear()
            answers = transport.take_answers()
    finally:
        transport.close()
    assert failed and answers[0].status == 200
