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


PUBLISHED = (  # what every strategy publishes
    "cycles", "orders_created", "orders_cancelled", "orders_amended", "orders_rejected", "skipped", "fills_buy",
    "fills_sell", "volume_base", "volume_quote", "maker_volume", "taker_volume", "fees", "funding", "realized",
    "unrealized", "grid_profit", "equity", "peak_equity", "drawdown_pct", "position", "avg_entry", "inventory_ratio",
    "spread_quoted_bps", "spread_captured_bps", "quote_uptime_pct", "time_at_touch_pct", "adverse_markout_bps",
    "cancel_fill_ratio", "cycle_ms", "book_age_ms", "wear_rate", "last_action", "gate_state", "breaker_state",
    "uptime_s",
)  # fmt: skip


def test_every_published_figure_is_there_before_the_start_and_after_the_run(bot: Bot) -> None:
    assert [key for key in PUBLISHED if key not in bot.get_stats()] == []
    assert (bot.get_stats()["uptime_s"], bot.get_stats()["orders_amended"]) == (0.0, 0)
    bot.run(duration_seconds=20)
    told, status = bot.get_stats(), bot.loop.snapshot()
    assert [key for key in PUBLISHED if key not in told] == []
    assert 20 <= told["uptime_s"] < 25
    assert (told["realized"], told["position"]) == (status["realised_pnl"], status["position"])
    assert (told["gate_state"], told["fees"]) == (status["gates"], status["fees"])
    assert told["book_age_ms"] == pytest.approx(status["book_age_s"] * 1000)
    assert told["last_action"].endswith(" main")


def test_what_was_skipped_is_told_by_its_reason(bot: Bot) -> None:
    bot.loop._bot.counters["skipped.min_size"] = 3
    told = bot.get_stats()
    assert told["skipped"] == {"min_size": 3}
    assert not any(key.startswith("skipped.") for key in told)
