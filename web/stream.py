"""Server-sent events: GET /api/v1/stream. One generator a stream, each in a thread of its own, their number bounded."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from flask import Blueprint, Response, abort, current_app, g, request

from utils.input_validation import bot_name_problem, printable
from web.answers import error
from web.feed import Feed
from web.hub import Full, Subscriber, message
from web.parts import parts

blueprint = Blueprint("stream", __name__)
PING_S = 5.0
LOOK_S = 1.0  # how often a stream looks whether the feed itself still lives
LONGEST_S = 3600.0  # then the browser connects anew
PING = b": ping\n\n"
Holds = Callable[[], bool]


@blueprint.get("/stream")
def stream() -> Response:
    """Open a stream: the fleet at once, then whatever changes; a bot need not be known yet."""
    own, bot = parts(current_app), request.args.get("bot")
    if bot is not None and bot_name_problem(bot):
        abort(404, f"there is no bot named {printable(bot, 64)}")
    try:
        subscriber = own.feed.hub.subscribe(bot)
    except Full:
        response = error(503, "too many streams are open", "close other pages of the monitor, or try again later")
        response.headers["Retry-After"] = "10"
        return response
    events = Events(own.feed, subscriber, _still_wanted(g.caller.sid))
    response = Response(events, content_type="text/event-stream", direct_passthrough=True)
    response.headers["X-Accel-Buffering"] = "no"
    return response


def _still_wanted(sid: str) -> Holds:
    """Return what tells whether the reader is still there and still logged in."""
    own, by_token = parts(current_app), g.caller.by_token
    gone: Callable[[], bool] = request.environ.get("waitress.client_disconnected", lambda: False)
    if by_token or not own.settings.needs_login:
        return lambda: not gone()
    return lambda: not gone() and own.sessions.find(sid, time.time()) is not None


class Events:
    """The body of a stream; closed by the server when the reader goes, whether or not it was begun."""

    def __init__(self, feed: Feed, subscriber: Subscriber, holds: Holds) -> None:
        self._feed = feed
        self._subscriber = subscriber
        self._events = _events(feed, subscriber, holds)

    def __iter__(self) -> Iterator[bytes]:
        """Yield what is to be sent."""
        return self._events

    def close(self) -> None:
        """Give the place to somebody else."""
        self._feed.hub.leave(self._subscriber)


def _events(feed: Feed, subscriber: Subscriber, holds: Holds) -> Iterator[bytes]:
    began_s = pinged_s = time.monotonic()
    yield b"retry: 2000\n\n" + message("fleet", feed.as_told())
    while not (subscriber.dropped or feed.hub.closed) and time.monotonic() - began_s < LONGEST_S:
        text = subscriber.take(LOOK_S)
        if not holds():
            return
        if text is None and (stale := feed.stale()):
            text = message("stale", stale)
        if text is None and time.monotonic() - pinged_s >= PING_S:
            text = PING
        if text is not None:
            pinged_s = time.monotonic()
            yield text
