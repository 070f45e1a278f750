"""What the streams tell beside the status: events, and for a bot that somebody looks at its quotes and its log."""

from __future__ import annotations

from typing import Any

from utils.errors import LedgerError
from utils.home import Home
from web.hub import Hub
from web.ledgers import LEDGER, orders_in
from web.log_lines import EVENTS, Follower, line_of, log_file


class Watch:
    """Looks after each turn of the feed; at nothing that nobody looks at."""

    def __init__(self, home: Home, hub: Hub) -> None:
        self._home = home
        self._hub = hub
        self._events = Follower(home.log / EVENTS)
        self._logs: dict[str, Follower] = {}
        self._quotes: dict[str, list[dict[str, Any]]] = {}

    def turn(self) -> None:
        """Tell what is new."""
        self._hub.publish_all("event", self._events.news())
        watched = self._hub.bots()
        for gone in self._logs.keys() - watched:
            del self._logs[gone]
            self._quotes.pop(gone, None)
        for name in watched:
            self._tell_log(name)
            self._tell_quotes(name)

    def _tell_log(self, name: str) -> None:
        follower = self._logs.setdefault(name, Follower(log_file(self._home, name)))
        self._hub.publish_all("log", (line_of(entry, name) for entry in follower.news()), name)

    def _tell_quotes(self, name: str) -> None:
        try:
            orders = orders_in(self._home.bot_state(name) / LEDGER)
        except LedgerError:
            return
        if orders != self._quotes.get(name):
            self._quotes[name] = orders
            self._hub.publish("quotes", lambda: {"orders": orders}, name)
