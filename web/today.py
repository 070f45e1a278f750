"""What each bot has earned since midnight UTC: a thread that reads one ledger after the other, and never in a hurry."""

from __future__ import annotations

import threading
import time

from utils.errors import LedgerError
from utils.home import Home
from web.feed import Feed
from web.ledgers import LEDGER, today_pnl

ROUND_S = 20.0
STEP_S = 0.02


class Today:
    """Keeps `feed.today` fresh."""

    def __init__(self, home: Home, feed: Feed) -> None:
        self._home = home
        self._feed = feed

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
            ended.wait(max(1.0, ROUND_S - (time.monotonic() - began_s)) if names else 1.0)

    def _read(self, name: str, now_ns: int) -> None:
        try:
            text = today_pnl(self._home.bot_state(name) / LEDGER, now_ns)
        except LedgerError:
            text = None
        self._feed.today[name] = text
