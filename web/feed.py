"""The one asker: a thread that asks the daemon for its status, remembers it, and tells the streams what changed.

However many people look, the supervisor is asked about twice a second.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

from core.process.control import DaemonDown, call
from utils.errors import MakerdError
from utils.home import Home
from web.hub import Hub
from web.rings import Rings
from web.rows import Row, changed, difference, fleet_row, totals

EVERY_S = 0.5
ASK_S = 3.0
FULL_EVERY_S = 30.0
QUIET_EVERY_S = 2.0
STALE_S = 3.0
log = logging.getLogger("makerd.web")
Ask = Callable[[], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Picture:
    """What is known of the fleet; `asked_s` is monotonic, 0 while nothing was ever heard."""

    asked_at: str | None = None
    asked_s: float = 0.0
    daemon: dict[str, Any] = field(default_factory=lambda: {"state": "unknown"})
    rows: dict[str, Row] = field(default_factory=dict)
    bots: dict[str, dict[str, Any]] = field(default_factory=dict)  # as the daemon said
    invalid: list[dict[str, Any]] = field(default_factory=list)
    trouble: str = "nothing was heard of the daemon yet"


def utc_text(at_s: float) -> str:
    """Return a time in UTC seconds as ISO text."""
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Feed:
    """Asks, remembers, tells. `ask` is the control socket; a test gives its own."""

    def __init__(self, home: Home, hub: Hub, ask: Ask | None = None) -> None:
        self.hub = hub
        self._ask = ask or (lambda: dict(call(home, "status", timeout_s=ASK_S)))
        self.today: dict[str, str | None] = {}  # what each bot has earned today, kept by `today.py`
        self.quotes: dict[str, str] = {}  # and in which asset
        self.after_turn: list[Callable[[], None]] = []
        self.rings = Rings()
        self.picture = Picture()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._full_due_s = self._quiet_due_s = 0.0
        self._sent: dict[str, Row] = {}
        self._answer: tuple[Picture, bytes] | None = None

    def start(self) -> None:
        """Begin to ask."""
        self._thread = threading.Thread(target=self._run, name="feed", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ask no more, and end the streams."""
        self._ended.set()
        self.hub.close()
        if self._thread is not None:
            self._thread.join(ASK_S + 1)

    def age_s(self, now_s: float | None = None) -> float | None:
        """Return how old the picture is, None when there never was one."""
        asked_s = self.picture.asked_s
        return (time.monotonic() if now_s is None else now_s) - asked_s if asked_s else None

    def stale(self) -> dict[str, Any] | None:
        """Return what makes the picture unfit to act on, None when it is fresh."""
        age_s, picture = self.age_s(), self.picture
        if not picture.trouble and age_s is not None and age_s <= STALE_S:
            return None
        reason = picture.trouble or "the monitor's own feed hangs"
        return {
            "age_s": None if age_s is None else round(age_s, 1),
            "reason": reason,
            "daemon": picture.daemon["state"],
        }

    def _run(self) -> None:
        while not self._ended.is_set():
            began_s = time.monotonic()
            try:
                self.turn(began_s, time.time())
                for step in self.after_turn:
                    step()
            except Exception:  # the feed must outlive whatever an answer holds
                log.exception("feed_failed")
            self._ended.wait(max(0.05, EVERY_S - (time.monotonic() - began_s)))

    def turn(self, now_s: float, at_s: float) -> None:
        """Ask once and tell; `now_s` monotonic, `at_s` UTC."""
        try:
            status = self._ask()
        except DaemonDown as exc:
            self._lost("stopped", str(exc))
        except (MakerdError, OSError, ValueError) as exc:
            self._lost("silent", str(exc))
        else:
            self._heard(status, now_s, at_s)

    def _lost(self, state: str, reason: str) -> None:
        before = self.picture
        daemon = {**before.daemon, "state": state}
        self.picture = Picture(
            before.asked_at, before.asked_s, daemon, before.rows, before.bots, before.invalid, reason
        )
        if daemon != before.daemon:
            self.hub.publish("daemon", lambda: daemon)
        self.hub.publish("stale", self.stale)

    def _heard(self, status: dict[str, Any], now_s: float, at_s: float) -> None:
        bots: list[dict[str, Any]] = status["bots"]
        mids, today, quotes = self.rings.add(bots, at_s), dict(self.today), dict(self.quotes)
        named = {bot["name"]: bot for bot in bots}
        rows = {
            name: fleet_row(bot, self.rings.spark(name), today.get(name), quotes.get(name))
            for name, bot in named.items()
        }
        before = self.picture
        self.picture = Picture(utc_text(at_s), now_s, status["daemon"], rows, named, status["invalid"], "")
        self._tell(before, now_s)
        for name in self.hub.bots():
            if name in mids:
                self.hub.publish("mid", partial(_point, mids[name]), name)

    def _tell(self, before: Picture, now_s: float) -> None:
        after = self.picture
        gone = before.rows.keys() - after.rows.keys()
        if before.daemon.get("state") != after.daemon.get("state") or before.daemon.get("pid") != after.daemon.get(
            "pid"
        ):
            self.hub.publish("daemon", lambda: after.daemon)
        if now_s >= self._full_due_s or gone or before.trouble or before.invalid != after.invalid:
            self._full_due_s, self._quiet_due_s = now_s + FULL_EVERY_S, now_s + QUIET_EVERY_S
            self._sent = after.rows
            self.hub.publish("fleet", self.fleet)
            return
        quiet_due = now_s >= self._quiet_due_s
        if quiet_due:
            self._quiet_due_s = now_s + QUIET_EVERY_S
        rows, sent = changed(self._sent, after.rows, quiet_due), self._sent
        self._sent = {**sent, **{row["name"]: row for row in rows}}
        if rows:
            told = [difference(sent.get(row["name"]), row) for row in rows]
            self.hub.publish("bots", lambda: {"asked_at": after.asked_at, "rows": told})

    def fleet(self) -> dict[str, Any]:
        """Return the answer of `/api/v1/fleet`."""
        return self._whole(self.picture.rows)

    def as_told(self) -> dict[str, Any]:
        """Return the same as the open streams know it: what they hear next is the difference to that."""
        return self._whole(self._sent)

    def _whole(self, named: Mapping[str, Row]) -> dict[str, Any]:
        picture, age_s, rows = self.picture, self.age_s(), list(named.values())
        return {
            "asked_at": picture.asked_at,
            "age_s": None if age_s is None else round(age_s, 2),
            "stale": self.stale(),
            "daemon": picture.daemon,
            "totals": totals(rows),
            "bots": rows,
            "invalid": picture.invalid,
        }

    def fleet_json(self) -> bytes:
        """Return the same as JSON text; made once for each picture, however many ask."""
        known, picture = self._answer, self.picture
        if known is not None and known[0] is picture and self.stale() is None:
            return known[1]
        text = json.dumps(self.fleet(), separators=(",", ":")).encode()
        self._answer = (picture, text)
        return text


def _point(mid: tuple[float, float]) -> dict[str, Any]:
    return {"at": int(mid[0] * 1000), "mid": mid[1]}
