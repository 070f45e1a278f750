"""A venue with keys, budgets and moods for tests of the wiring: the paper client, told to behave like a live one."""

from __future__ import annotations

import copy
import dataclasses
import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import pytest

from api.base_client import Inbox, KeyReport, RateScope
from api.paper_client import PaperClient
from core.bot_config import BotConfig, Leg
from core.market.order import Order
from core.process import channel, legs, order_ids, venue_keys
from core.process.child_setup import SignalFlags
from core.process.claims import ClaimTaken
from core.process.worker import Task, Worker
from core.registry.config_manager import load_plain
from core.trading.trading_loop import LoopExit
from utils.home import CHECKOUT, Home

TEMPLATE = json.loads((CHECKOUT / "config" / "templates" / "paper_market_maker.json").read_text())
SECONDS = 60.0


class LiveVenue(PaperClient):
    """The paper client as a venue that exists once for everybody; moods are set on the class by a test."""

    per_home = False
    embedded = False
    venue_symbol: ClassVar[str | None] = None
    report: ClassVar[KeyReport] = KeyReport()
    scopes: ClassVar[tuple[RateScope, ...]] = ()
    on_open: ClassVar[Callable[[LiveVenue], None]] = lambda _client: None
    on_submit: ClassVar[Callable[[LiveVenue], None]] = lambda _client: None
    leased: ClassVar[list[tuple[str, float, float, int]]] = []

    @classmethod
    def key_id(cls, exchange_config: Mapping[str, Any]) -> str | None:
        return exchange_config.get("key")

    def open(self, inbox: Inbox, leg: str) -> None:
        type(self).on_open(self)
        super().open(inbox, leg)
        if self.venue_symbol is not None:
            self.instrument = dataclasses.replace(self.instrument, venue_symbol=self.venue_symbol)

    def check_key(self) -> KeyReport:
        return self.report

    def rate_scopes(self) -> tuple[RateScope, ...]:
        return self.scopes

    def lease(self, key: str, per_s: float, burst: float, until_ns: int) -> None:
        self.leased.append((key, per_s, burst, until_ns))

    def submit(self, orders: Sequence[Order]) -> None:
        type(self).on_submit(self)
        super().submit(orders)


def use_live_venue(patch: pytest.MonkeyPatch, **moods: Any) -> type[LiveVenue]:
    """Let every client be of a venue with these moods; return its class."""
    kind = type("Venue", (LiveVenue,), {"leased": [], **moods})
    for module in (legs, order_ids, venue_keys):
        patch.setattr(module, "client_class", lambda _exchange, _mode="live": kind)
    return kind


def bot_config(home: Home, name: str, *legs: Leg, **exchange_config: Any) -> BotConfig:
    """Return a config whose account is called like the bot, with further keys in its exchange_config."""
    plain = copy.deepcopy(TEMPLATE)
    plain["metadata"]["name"] = name
    config = load_plain(plain, name, home, {})
    merged = {**config.exchange_config, **exchange_config}
    return dataclasses.replace(config, exchange_config=merged, legs=legs or config.legs)


class LiveWorker:
    """A worker's life in a thread of this process, and the supervisor's end of its channel."""

    def __init__(self, home: Home, config: BotConfig, task: Task | None = None) -> None:
        self.ours, self._theirs = channel.pair()
        self._theirs.setblocking(False)  # as a worker that was told what it is has it
        self.worker = Worker(self._theirs, SignalFlags(), home, config, task or Task())
        self.said: list[dict[str, Any]] = []
        self.end: LoopExit | None = None
        self.refused: ClaimTaken | None = None
        self._thread = threading.Thread(target=self._live, args=(config,), daemon=True)
        self._thread.start()

    def _live(self, config: BotConfig) -> None:
        try:
            end = self.worker._own_and_trade(config)
        except ClaimTaken as exc:
            self.refused = exc
            end = self.worker._claim_refused(exc)
        except Exception as exc:
            end = self.worker._failed(exc)
        end = self.worker.conclude(end)
        self.worker.claims.release()
        self.end = end  # last: whoever waits for it looks at all of the above

    def hear(self) -> list[dict[str, Any]]:
        """Return everything that the worker has said so far."""
        try:
            while (message := channel.receive(self.ours)) is not None:
                self.said.append(message)
        except BlockingIOError:
            pass
        return self.said

    def tell(self, verb: str, **more: Any) -> LiveWorker:
        """Say something as the supervisor does."""
        assert channel.send(self.ours, {"t": verb, **more})
        return self

    def beat(self) -> dict[str, Any]:
        """Return its last snapshot."""
        self.hear()
        snapshot: dict[str, Any] = next((m["snapshot"] for m in reversed(self.said) if m["t"] == "beat"), {})
        return snapshot

    def last_words(self) -> dict[str, Any]:
        """Wait for its end and return the last packet."""
        self.ended()
        return self.hear()[-1]

    def until(self, what: Callable[[], Any]) -> Any:
        """Wait until something is so; fails the test when it never is."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            self.hear()
            if found := what():
                return found
            time.sleep(0.01)
        raise AssertionError(f"not within {SECONDS} s; it ended with {self.end}; it said {self.said}")

    def trading(self) -> LiveWorker:
        """Wait until it is reconciled."""
        self.until(lambda: any(message.get("ready") for message in self.said))
        return self

    def ended(self) -> LoopExit:
        """Wait for its end."""
        found: LoopExit = self.until(lambda: self.end)
        return found

    def stop(self) -> LoopExit:
        """Ask it to stop, and wait for its end."""
        channel.send(self.ours, {"t": "stop", "reason": "test"})
        return self.ended()

    def close(self) -> None:
        """End it if it still lives."""
        self.ours.close()
        self._thread.join(SECONDS)
        self._theirs.close()
