"""What each bot has earned since midnight UTC, and in which asset: a thread that reads one ledger after the other, and
never in a hurry.
"""

from __future__ import annotations

import threading
import time
from decimal import Decimal
from pathlib import Path

from core.history.days import DAY_NS
from utils.errors import LedgerError
from utils.home import Home
from web.feed import Feed
from web.ledgers import LEDGER, net_before, net_in, quote_of

ROUND_S = 20.0
STEP_S = 0.02


class TodayPnl:
    """Today's profit of one bot after another; what each had at midnight is read once a day."""

    def __init__(self) -> None:
        self._at_midnight: dict[Path, tuple[int, Decimal]] = {}

    def of(self, path: Path, now_ns: int) -> str | None:
        """Return the profit as decimal text; None when the ledger says nothing of today. Raises LedgerError."""
        midnight_ns = now_ns // DAY_NS * DAY_NS
        now = net_in(path, midnight_ns, now_ns + 1)
        if now is None:
            return None
        known = self._at_midnight.get(path)
        if known is None or known[0] != midnight_ns:
            before = net_before(path, midnight_ns)
            if before is None:
                return None
            known = self._at_midnight[path] = (midnight_ns, before)
        return f"{now - known[1]:f}"


class Today:
    """Keeps `feed.today` fresh."""

    def __init__(self, home: Home, feed: Feed) -> None:
        self._home = home
        self._feed = feed
        self._pnl = TodayPnl()

    def run(self, ended: threading.Event) -> None:
        """Go round until the end."""
        while not ended.is_set():
            began_s = time.monotonic()
            names = [name for name, bot in self._feed.picture.bots.items() if bot.get("kind") != "job"]
            for name in names:
                self._read(name, time.time_ns())
                if ended.wait(STEP_S):
                    return
            self._feed.today = {name: text for name, text in self._feed.today.items() if name in names}
            self._feed.quotes = {name: quote for name, quote in self._feed.quotes.items() if name in names}
            ended.wait(max(1.0, ROUND_S - (time.monotonic() - began_s)) if names else 1.0)

    def _read(self, name: str, now_ns: int) -> None:
        path = self._home.bot_state(name) / LEDGER
        try:
            text = self._pnl.of(path, now_ns)
            if name not in self._feed.quotes and (quote := quote_of(path)):
                self._feed.quotes[name] = quote
        except LedgerError:
            text = None
        self._feed.today[name] = text
