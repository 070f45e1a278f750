"""Requests over real sockets: lanes, keep-alive, limits, TLS."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from api import http_connection
from api.base_client import RateScope
from api.http_retry import limit_s
from api.http_transport import BuiltRequest, HttpCall, HttpTransport, Lane
from api.rate_budget import RateBudget
from tests.transport.asking import answer_of, answers_of, call
from tests.transport.raw_server import OK, Peer, RawServer, until
from utils.errors import OutcomeUnknown, VenueUnreachable

MakeServer = Callable[..., RawServer]
MakeHttp = Callable[..., HttpTransport]


class Recorder:
    """Answers everything at once, and remembers what it was asked."""

    def __init__(self, answers: list[bytes] | None = None) -> None:
        self.answers = answers or []
        self.requests: list[bytes] = []

    def __call__(self, peer: Peer) -> None:
        while request := peer.request():
            self.requests.append(request)
            peer.send(self.answers.pop(0) if self.answers else OK)

    def paths(self) -> list[str]:
        return [request.split(b" ")[1].decode() for request in self.requests]


def limited(extra: str = "") -> bytes:
    return f"HTTP/1.1 429 Too Many\r\n{extra}Content-Length: 0\r\n\r\n".encode()


def test_a_request_goes_out_as_it_was_built(server: MakeServer, http: MakeHttp) -> None:
    recorder = Recorder()
    made = server(recorder)
    transport = http(made.url + "/base/")
    answer = transport.call(
        HttpCall("tag", Lane.CREATE, lambda: BuiltRequest("POST", "/order?a=1", {"X-Key": "k"}, b"body"))
    )
    assert (answer.status, answer.body, answer.call.tag) == (200, b"{}", "tag")
    head, _, body = recorder.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /base/order?a=1 HTTP/1.1\r\n")
    assert {f"Host: 127.0.0.1:{made.port}".encode(), b"X-Key: k", b"Content-Length: 4"} <= set(head.split(b"\r\n"))
    assert body == b"body"


def test_header_names_of_an_answer_are_found_in_any_case(server: MakeServer, http: MakeHttp) -> None:
    made = server(Recorder([b"HTTP/1.1 200 OK\r\nX-Left: 7\r\nContent-Length: 0\r\n\r\n"]))
    headers = http(made.url).call(call()).headers
    assert headers["x-left"] == headers["X-LEFT"] == headers.get("X-Left") == "7"
    assert headers.get("other") is None


def test_many_requests_use_one_connection(server: MakeServer, http: MakeHttp) -> None:
    made = server(Recorder())
    transport = http(made.url)
    for _ in range(20):
        assert answer_of(transport, call(Lane.READ)).status == 200
    assert made.connections == 1


def test_redirects_are_not_followed(server: MakeServer, http: MakeHttp) -> None:
    recorder = Recorder([b"HTTP/1.1 302 Found\r\nLocation: /else\r\nContent-Length: 0\r\n\r\n"])
    assert answer_of(http(server(recorder).url), call(Lane.READ)).status == 302
    assert len(recorder.requests) == 1


def test_a_chunked_answer_is_put_together(server: MakeServer, http: MakeHttp) -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    transport = http(server(Recorder([chunked])).url)
    assert answer_of(transport, call()).body == b"abcde"
    assert answer_of(transport, call()).body == b"{}"


def test_a_connection_with_bytes_that_nobody_asked_for_is_not_used_again(server: MakeServer, http: MakeHttp) -> None:
    made = server(Recorder([OK + OK]))
    transport = http(made.url)
    answer_of(transport, call(Lane.READ))
    assert answer_of(transport, call(Lane.READ)).status == 200
    assert made.connections == 2


@pytest.mark.parametrize("lane", list(Lane))
def test_a_keep_alive_that_the_venue_closed_is_replaced(lane: Lane, server: MakeServer, http: MakeHttp) -> None:
    gone = threading.Event()

    def serve(peer: Peer) -> None:
        peer.request()
        peer.send(OK)
        if peer.number == 1:
            peer.socket.close()
            gone.set()
        else:
            peer.request()

    transport = http(server(serve).url)
    assert answer_of(transport, call(lane)).status == 200
    assert gone.wait(5)
    assert answer_of(transport, call(lane)).error is None


def test_a_create_that_meets_a_closing_venue_is_never_sent_twice(server: MakeServer, http: MakeHttp) -> None:
    creates: list[int] = []

    def serve(peer: Peer) -> None:
        while request := peer.request():
            if b"CREATE" in request:
                creates.append(peer.number)
                if len(creates) == 2:
                    peer.reset()
                    return
            peer.send(OK)

    transport = http(server(serve).url)
    assert answer_of(transport, call()).status == 200
    assert type(answer_of(transport, call()).error) is OutcomeUnknown
    assert len(creates) == 2


def test_a_cancel_goes_at_once_while_every_read_is_slow(server: MakeServer, http: MakeHttp) -> None:
    release, is_warm = threading.Event(), list[bool]()

    def serve(peer: Peer) -> None:
        while request := peer.request():
            if b"READ" in request and is_warm:
                release.wait(20)
            peer.send(OK)

    transport = http(server(serve).url)
    answers_of(transport, call(Lane.READ), call(Lane.CREATE), call(Lane.CANCEL))  # every connection stands
    is_warm.append(True)
    reads = [call(Lane.READ, number, 30) for number in range(8)]
    for read in reads:
        transport.start(read)
    first, second = answers_of(transport, call(Lane.CREATE), call(Lane.CANCEL))
    assert {first.call.lane, second.call.lane} == {Lane.CREATE, Lane.CANCEL}
    release.set()
    until(lambda: _count(transport, reads) == 0)


def _count(transport: HttpTransport, left: list[HttpCall]) -> int:
    transport.pump(time.monotonic_ns())
    for answer in transport.take_answers():
        left.remove(answer.call)
    return len(left)


def test_a_cancel_goes_at_once_while_every_create_is_slow(server: MakeServer, http: MakeHttp) -> None:
    release, is_warm = threading.Event(), list[bool]()

    def serve(peer: Peer) -> None:
        while request := peer.request():
            if b"CREATE" in request and is_warm:
                release.wait(20)
            peer.send(OK)

    transport = http(server(serve).url)
    answers_of(transport, call(Lane.READ), call(Lane.CREATE), call(Lane.CANCEL))  # every connection stands
    is_warm.append(True)
    creates = [call(Lane.CREATE, number, 30) for number in range(5)]
    for create in creates:
        transport.start(create)
    assert answer_of(transport, call(Lane.CANCEL)).status == 200
    release.set()
    until(lambda: _count(transport, creates) == 0)


def test_a_create_opens_a_way_for_cancels(server: MakeServer, http: MakeHttp) -> None:
    made = server(Recorder())
    answer_of(http(made.url), call(Lane.CREATE))
    until(lambda: made.connections == 2)


def test_what_waits_for_the_budget_goes_cancels_first_then_creates(server: MakeServer, http: MakeHttp) -> None:
    budget = RateBudget(RateScope("test", 1e6, 1e6), time.monotonic_ns())
    transport = http(server(Recorder()).url, [budget])
    answers_of(transport, call(Lane.READ), call(Lane.CREATE), call(Lane.CANCEL))  # every connection stands
    budget.block(time.monotonic_ns() + 200_000_000)
    built: list[Lane] = []

    def noting(lane: Lane) -> HttpCall:
        return HttpCall(None, lane, lambda: built.append(lane) or BuiltRequest("GET", "/"))

    answers_of(transport, noting(Lane.READ), noting(Lane.CREATE), noting(Lane.CANCEL))
    assert built == [Lane.CANCEL, Lane.CREATE, Lane.READ]


def test_pump_says_when_the_budget_allows_the_next(server: MakeServer, http: MakeHttp) -> None:
    now_ns = time.monotonic_ns()
    budget = RateBudget(RateScope("test", 100, 100), now_ns)
    budget.block(now_ns + 3_000_000_000)
    transport = http(server(Recorder()).url, [budget])
    transport.start(call(timeout_s=60))
    told = transport.pump(now_ns)
    assert told is not None
    assert told >= now_ns + 3_000_000_000


def test_a_limited_create_comes_back_and_a_limited_cancel_goes_again(server: MakeServer, http: MakeHttp) -> None:
    recorder = Recorder([limited("Retry-After: 0\r\n")])
    transport = http(server(recorder).url)
    assert answer_of(transport, call(Lane.CREATE)).status == 429
    recorder.answers.append(limited("Retry-After: 0.1\r\n"))
    assert answer_of(transport, call(Lane.CANCEL)).status == 200
    assert recorder.paths() == ["/CREATE", "/CANCEL", "/CANCEL"]


def test_after_a_limit_nothing_goes_until_the_venue_allows_it(server: MakeServer, http: MakeHttp) -> None:
    recorder = Recorder([limited("Retry-After: 0.3\r\n")])
    transport = http(server(recorder).url)
    answer_of(transport, call(Lane.CREATE))
    began = time.monotonic()
    assert answer_of(transport, call(Lane.CREATE, "next")).status == 200
    assert time.monotonic() - began > 0.25


@pytest.mark.parametrize(
    ("told", "in_a_row", "silent_s"),
    [("0", 0, 0.1), ("0", 2, 0.4), ("0", 50, 1.0), ("0.3", 0, 0.3), ("7", 3, 7), ("99999", 0, 600), ("-1", 1, 2)],
)
def test_a_limit_is_followed_neither_by_a_storm_nor_by_silence_for_good(
    told: str, in_a_row: int, silent_s: float
) -> None:
    assert limit_s({"retry-after": told}, in_a_row) == silent_s


def test_a_retry_after_date_counts_from_the_answers_own_date(server: MakeServer, http: MakeHttp) -> None:
    told = "Date: Sat, 21 Nov 2026 04:00:00 GMT\r\nRetry-After: Sat, 21 Nov 2026 04:00:40 GMT\r\n"
    transport = http(server(Recorder([limited(told)])).url)
    now_ns = answer_of(transport, call(Lane.CREATE)).received_ns
    transport.start(call(Lane.CREATE, timeout_s=100))
    next_ns = transport.pump(now_ns)
    assert next_ns is not None
    assert next_ns - now_ns == pytest.approx(40e9, rel=0.01)


def test_a_limited_read_is_repeated_within_its_time(server: MakeServer, http: MakeHttp) -> None:
    recorder = Recorder([limited("Retry-After: 0.05\r\n"), limited("Retry-After: 9\r\n")])
    transport = http(server(recorder).url)
    assert answer_of(transport, call(Lane.READ)).status == 429
    assert len(recorder.requests) == 2


def test_call_raises_what_the_transport_could_not_do(server: MakeServer, http: MakeHttp) -> None:
    transport = http(server(lambda peer: peer.request() and None).url)
    with pytest.raises(OutcomeUnknown):
        transport.call(call(Lane.CREATE))
    with pytest.raises(VenueUnreachable):
        transport.call(call(Lane.READ))


def test_each_repetition_is_built_anew(server: MakeServer, http: MakeHttp) -> None:
    recorder = Recorder([b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"])
    built: list[int] = []

    def build() -> BuiltRequest:
        built.append(len(built))
        return BuiltRequest("GET", f"/{len(built)}")

    http(server(recorder).url).call(HttpCall(None, Lane.READ, build))
    assert recorder.paths() == ["/1", "/2"]


def test_a_request_is_built_after_the_connection_stands(
    server: MakeServer, http: MakeHttp, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened: list[str] = []
    true_dial = http_connection.dial

    def dial(*arguments: Any, **options: Any) -> socket.socket:
        opened = true_dial(*arguments, **options)
        happened.append("dialled")
        return opened

    def build() -> BuiltRequest:
        happened.append("built")
        return BuiltRequest("GET", "/")

    monkeypatch.setattr(http_connection, "dial", dial)
    http(server(Recorder()).url).call(HttpCall(None, Lane.READ, build))
    assert happened == ["dialled", "built"]


def test_nothing_is_started_before_the_first_call() -> None:
    before = threading.active_count()
    transport = HttpTransport("http://127.0.0.1:9", lambda: None)
    assert threading.active_count() == before
    transport.close()


def test_tls_with_our_own_certificate_authority(
    server: MakeServer, http: MakeHttp, certificate: tuple[Path, ssl.SSLContext]
) -> None:
    ca_file, context = certificate
    made = server(Recorder(), context)
    transport = http(made.url, ca_file=str(ca_file))
    for _ in range(3):
        assert answer_of(transport, call(Lane.READ)).status == 200
    assert made.connections == 1


def test_a_certificate_that_nobody_vouches_for_is_not_trusted(
    server: MakeServer, http: MakeHttp, certificate: tuple[Path, ssl.SSLContext]
) -> None:
    recorder = Recorder()
    answer = answer_of(http(server(recorder, certificate[1]).url), call())
    assert type(answer.error) is VenueUnreachable
    assert "certificate" in str(answer.error)
    assert recorder.requests == []
