"""Which connection a request may take: reads can never hold up a write, nor anything a cancel."""

from __future__ import annotations

from collections.abc import Callable

from api.http_connection import ConnectionState, Done, HttpConnection, Route
from api.rate_budget import Lane

LEAST = 3
END_WAIT_S = 1.0


class ConnectionPool:
    """Some connections take cancels only, some any write, the last ones anything."""

    def __init__(self, route: Route, report: Callable[[Done], None], count: int) -> None:
        count = max(LEAST, count)
        made = [HttpConnection(route, report, f"http-{number}") for number in range(count)]
        self._all = made
        self._for_cancels_only = made[: max(1, count // 4)]
        self._usable = {
            Lane.CANCEL: made,
            Lane.CREATE: made[len(self._for_cancels_only) :],
            Lane.READ: made[-max(1, count // 3) :],
        }

    def ready_for(self, lane: Lane) -> HttpConnection | None:
        """Return an idle connection that the venue has not closed."""
        for connection in self._usable[lane]:
            if connection.state is ConnectionState.IDLE and connection.is_fresh():
                return connection
        return None

    def begin_for(self, lane: Lane) -> HttpConnection | None:
        """Begin to make a connection, and return it; None when none is to be made: all are in use."""
        for connection in self._usable[lane]:
            if connection.state is ConnectionState.CLOSED:
                connection.connect()
                return connection
        return None

    def keep_a_way_for_cancels(self) -> None:
        """Have a connection for cancels before there is something to cancel."""
        for connection in self._for_cancels_only:
            if connection.state is ConnectionState.CLOSED or (
                connection.state is ConnectionState.IDLE and not connection.is_fresh()
            ):
                connection.connect()

    def close(self) -> None:
        """End all threads; bounded in time."""
        for connection in self._all:
            connection.end()
        for connection in self._all:
            connection.join(END_WAIT_S)
