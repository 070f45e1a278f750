"""A bot that somebody drives in a process of his own: `run`, `stop` and `get_stats`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from core.market.client_ids import ClientOrderIds
from core.process.build import Bot, build_bot
from core.registry.config_manager import load_plain
from core.trading.clock import SimulatedClock, seconds
from utils import exit_statuses
from utils.home import Home

ROOT = Path(__file__).resolve().parent.parent.parent


class WatchedClock(SimulatedClock):
    """A simulated clock that calls back at its waits."""

    on_wait: Callable[[], None] = staticmethod(lambda: None)  # type: ignore[assignment]

    def wait(self, until_ns: int, fds: Sequence[int]) -> list[int]:
        """Let time pass."""
        self.on_wait()
        return super().wait(until_ns, fds)


@pytest.fixture
def clock() -> WatchedClock:
    return WatchedClock()


@pytest.fixture
def bot(tmp_path: Path, clock: WatchedClock) -> Iterator[Bot]:
    home = Home(tmp_path)
    home.make_folders()
    plain = json.loads((ROOT / "config" / "templates" / "paper_market_maker_synthetic.json").read_text())
    plain["strategy_config"] |= {"requote_bps": 1000, "interval_s": 1}  # moved by the clock alone
    config = load_plain(plain, "given", home, {})
    made = build_bot(config, home.state, home.data_dirs, {"main": ClientOrderIds("test", config.name, 1)}, clock)
    yield made
    made.close()


def test_a_run_ends_after_its_duration_and_leaves_no_order(bot: Bot, clock: WatchedClock) -> None:
    began_ns = clock.now_ns()
    ended = bot.run(duration_seconds=20)
    assert (ended.status, ended.clean, ended.left_orders) == (exit_statuses.DONE, True, ())
    assert seconds(20) <= clock.now_ns() - began_ns < seconds(25)
    assert bot.loop.snapshot()["open_orders"] == 0
    assert bot.get_stats()["orders_created"] > 0


def test_a_run_decides_as_often_as_its_interval_says(bot: Bot) -> None:
    bot.run(duration_seconds=30, interval_seconds=0.2)
    assert bot.get_stats()["cycles"] >= 140  # the config's second makes it some 80, with those after own fills


def test_a_run_ends_when_it_is_stopped(bot: Bot, clock: WatchedClock) -> None:
    def stop_in_time() -> None:
        if clock.now_ns() > began_ns + seconds(5):
            bot.stop()

    began_ns = clock.now_ns()
    clock.on_wait = stop_in_time  # type: ignore[method-assign]
    ended = bot.run()
    assert (ended.reason, ended.clean, ended.left_orders) == ("asked to stop", True, ())
    assert clock.now_ns() - began_ns < seconds(10)
