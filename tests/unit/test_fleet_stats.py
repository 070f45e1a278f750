"""How well a bot quotes, on its way from a heartbeat to the status and the metrics."""

from __future__ import annotations

import json
from typing import Any

from core.bot_config import BotConfig, DaemonConfig, Leg
from core.process.fleet import STATS, BotEntry
from core.process.metrics import _quality
from core.process.worker_record import State, WorkerRecord
from tests.console_parts import ROW

TOLD = {**ROW["stats"], "run_s": 12, "strategy": {"gamma": 1}}


def entry(state: State = State.RUNNING, pid: int | None = 7) -> BotEntry:
    leg = Leg("main", "paper", "a", "SOL-USDC")
    config = BotConfig("a", "paper", "market_maker", (leg,), DaemonConfig(), {}, {"mode": "paper"}, {}, {}, "", "a")
    return BotEntry(config, WorkerRecord("a", state=state, pid=pid))


def heard(bot: BotEntry, **snapshot: Any) -> dict[str, Any]:
    bot.hear(json.dumps({"t": "beat", "snapshot": snapshot}).encode())
    return bot.row(1)


def test_the_row_has_the_figures_that_are_named_and_no_others() -> None:
    assert heard(entry(), stats=TOLD)["stats"] == ROW["stats"]
    assert set(ROW["stats"]) <= set(STATS)


def test_the_row_of_a_bot_that_has_not_spoken_or_is_down_has_none() -> None:
    assert entry().row(1)["stats"] == {}
    assert heard(entry(State.STOPPED, None), stats=TOLD)["stats"] == {}
    assert heard(entry(), stats=["no", "stats"])["stats"] == {}


def test_metrics_are_plain_numbers_and_none_where_nothing_is_known() -> None:
    found = _quality(ROW["stats"])
    assert (found["adverse_markout_5s_bps"], found["adverse_markout_30s_bps"]) == (0.4, None)
    assert (found["cycle_p99_ms"], found["peak_equity"], found["wear_rate"]) == (1.9, 1001.2, -0.00004)
    assert set(_quality({}).values()) == {None}
