"""Workers and sweepers as processes of their own, killed at any moment of a handover: a sweep leaves nothing."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from core.bot_config import BotConfig
from core.process import channel
from tests.process.command_parts import QUIET, ledger_orders, paper_bot, record, venue_orders
from utils.home import CHECKOUT, Home

SECONDS = 60.0


class Child:
    """A worker or sweeper started without a zygote; this process is its supervisor."""

    def __init__(self, home: Home, config: BotConfig, module: str, **task: bool) -> None:
        self._ours, theirs = channel.pair()
        spec = {"home": str(home.root), "config": config.to_plain(), **task}
        assert channel.send(self._ours, spec)
        environ = {**os.environ, "MAKERD_CLAIMS_DIR": str(home.root / "claims")}
        arguments = [sys.executable, "-m", f"core.process.{module}", str(theirs.fileno()), str(os.getpid())]
        self.process = subprocess.Popen(arguments, cwd=CHECKOUT, env=environ, pass_fds=[theirs.fileno()])
        theirs.close()
        self.said: list[dict[str, Any]] = []

    def tell(self, verb: str, **more: Any) -> None:
        channel.send(self._ours, {"t": verb, **more})

    def until(self, what: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            if found := what():
                return found
            self._hear()
        raise AssertionError(f"not within {SECONDS} s; it said {self.said[-3:]}")

    def _hear(self) -> None:
        if not select.select([self._ours], [], [], 0.05)[0]:
            return
        message = channel.receive(self._ours)
        if message is None:
            time.sleep(0.01)  # it has ended: whoever waits for words waits in vain
        else:
            self.said.append(message)

    def resting(self) -> Child:
        """Wait until its six orders rest."""
        self.until(lambda: any(one["phase"] == "QUOTING" and one["open_orders"] == 6 for one in self._beats()))
        return self

    def _beats(self) -> list[dict[str, Any]]:
        return [message["snapshot"] for message in self.said if message["t"] == "beat"]

    def last_words(self) -> dict[str, Any]:
        """Wait for its end by itself; return its last packet."""
        said: dict[str, Any] = self.until(lambda: next((m for m in self.said if m["t"] in ("exit", "sweep")), None))
        assert self.process.wait(SECONDS) == said.get("status", 0 if said.get("confirmed") else 75)
        return said

    def end(self) -> None:
        """Kill it if it still lives."""
        self._ours.close()
        self.process.kill()
        self.process.wait()


Begin = Callable[..., Child]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.make_folders()
    return home


@pytest.fixture
def begin(home: Home) -> Iterator[Begin]:
    children: list[Child] = []

    def started(config: BotConfig, module: str = "worker", **task: bool) -> Child:
        children.append(Child(home, config, module, **task))
        return children[-1]

    yield started
    for child in children:
        child.end()


def sweep_leaves_nothing(home: Home, begin: Begin, config: BotConfig) -> None:
    said = begin(config, "sweep").last_words()
    assert (said["confirmed"], said["left"]) == (True, []), said
    assert venue_orders(home) == {}
    assert (record(home).clean, record(home).handover) == (True, None)


def test_orders_pass_from_one_process_to_the_next(home: Home, begin: Begin) -> None:
    config = paper_bot(home, QUIET)
    worker = begin(config).resting()
    worker.tell("handover", reason="upgrade", deadline_s=60.0)
    said = worker.last_words()
    assert (said["status"], said["clean"], said["handover"]) == (0, False, True)
    before = venue_orders(home)
    assert before.keys() == set(said["left"])
    successor = begin(config, handover=True).resting()
    assert ledger_orders(home) == before
    assert record(home).handover is None
    successor.tell("stop", reason="asked")
    assert successor.last_words()["clean"] is True
    assert venue_orders(home) == {}


def test_a_kill_at_any_moment_of_a_handover_ends_in_a_sweep_that_leaves_nothing(home: Home, begin: Begin) -> None:
    moving = paper_bot(home, QUIET, strategy_config={"price_tolerance_pct": -1, "interval_s": 0.1, "min_cycle_s": 0.1})
    random = Random(7)
    for delay_s in (0.0, 0.002, random.uniform(0.003, 0.02), random.uniform(0.02, 0.06), None):
        worker = begin(moving)
        worker.until(lambda worker=worker: [m for m in worker.said if m["t"] == "beat" and m["ready"]])
        time.sleep(random.uniform(0.1, 0.3))  # orders come and go all the time
        worker.tell("handover", reason="upgrade", deadline_s=60.0)
        if delay_s is None:  # its record is behind it
            said = worker.last_words()
            assert said["handover"] is True, said
        else:
            time.sleep(delay_s)  # the moment of the kill is the point of the test
            worker.process.kill()
            worker.process.wait()
        assert record(home).clean is False
        sweep_leaves_nothing(home, begin, moving)


def test_a_kill_of_the_successor_at_any_moment_ends_in_a_sweep_that_leaves_nothing(home: Home, begin: Begin) -> None:
    config = paper_bot(home, QUIET)
    for delay_s in (0.0, 0.2, 0.4, 0.7, None):
        worker = begin(config).resting()
        worker.tell("handover", reason="upgrade", deadline_s=60.0)
        said = worker.last_words()
        assert said["handover"] is True, said
        assert len(venue_orders(home)) == 6
        successor = begin(config, handover=True)
        if delay_s is None:
            successor.until(lambda child=successor: [m for m in child.said if m["t"] == "beat"])
        else:
            time.sleep(delay_s)
        successor.process.kill()
        assert successor.process.wait() == -signal.SIGKILL
        assert record(home).clean is False
        sweep_leaves_nothing(home, begin, config)


def test_a_term_while_it_settles_is_a_stop(home: Home, begin: Begin) -> None:
    config = paper_bot(home, QUIET, exchange_config={"latency_ms": 1500})
    worker = begin(config)
    worker.until(lambda: [m for m in worker.said if m["t"] == "beat" and m["snapshot"]["live_orders"] == 6])
    worker.tell("handover", reason="upgrade", deadline_s=60.0)
    worker.process.send_signal(signal.SIGTERM)
    said = worker.last_words()
    assert (said["status"], said["clean"], said["handover"]) == (0, True, False)
    assert venue_orders(home) == {}


def test_a_worker_without_a_zygote_closes_for_a_bot_whose_strategy_cannot_be_loaded(home: Home, begin: Begin) -> None:
    config = paper_bot(home, QUIET)
    worker = begin(config).resting()
    worker.process.kill()
    worker.process.wait()
    sweep_leaves_nothing(home, begin, config)
    plain = {**config.to_plain(), "strategy": "no_such_strategy"}
    said = begin(BotConfig.from_plain(plain), close_only=True).last_words()
    assert (said["status"], said["clean"], said["closed"]) == (0, True, True)
