"""Ask an HTTP transport as a trading loop would."""

from __future__ import annotations

import time

from api.http_transport import BuiltRequest, HttpAnswer, HttpCall, HttpTransport, Lane
from tests.transport.raw_server import until


def call(lane: Lane = Lane.CREATE, tag: object = None, timeout_s: float | None = 2.0) -> HttpCall:
    method, body = ("GET", None) if lane is Lane.READ else ("POST", b'{"price":"1.5"}')
    return HttpCall(tag, lane, lambda: BuiltRequest(method, f"/{lane.name}", {"X-Key": "k"}, body), timeout_s=timeout_s)


def answers_of(transport: HttpTransport, *asked: HttpCall) -> list[HttpAnswer]:
    """Start calls and return their answers, in the order they came."""
    for each in asked:
        transport.start(each)
    answers: list[HttpAnswer] = []

    def have_all() -> bool:
        transport.pump(time.monotonic_ns())
        answers.extend(transport.take_answers())
        return len(answers) >= len(asked)

    until(have_all, f"{len(asked)} answers")
    return answers


def answer_of(transport: HttpTransport, asked: HttpCall) -> HttpAnswer:
    (answer,) = answers_of(transport, asked)
    assert answer.call is asked
    return answer
