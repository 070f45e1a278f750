"""The form of a config that processes hand to each other: code of before and of later can read it.

After a roll-back the old code finds what the new one wrote: run records, carried state, orders to a zygote.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.bot_config import BotConfig, DaemonConfig, Leg
from core.process.run_record import RunRecord, has_left_overs

OF_BOT = {  # what the code before `reference_config` accepts; it refuses any other key
    *("name", "exchange", "strategy", "legs", "daemon", "metadata", "exchange_config", "strategy_config"),
    *("risk_config", "source_path", "digest", "secret_names", "restart_digest", "identity_digest", "kind"),
    *("job_config", "risk_widths", "hedge_exchange_config"),
}
OF_LEG = {"leg", "exchange", "account", "symbol"}
OF_DAEMON = {
    *("autostart", "restart", "max_restarts", "restart_window_s", "backoff_initial_s", "backoff_max_s"),
    *("min_uptime_s", "heartbeat_timeout_s", "stop_timeout_s", "restart_interval_min", "memory_limit_mb"),
    *("cpu_limit_pct", "nice", "open_files_limit", "schedule_s"),
}
LEG = Leg("main", "paper", "one", "SOL-USDC")


def bot(**more: Any) -> BotConfig:
    return BotConfig("one", "paper", "market_maker", (LEG,), DaemonConfig(), {}, {}, {}, {}, "one.json", "d", **more)


def as_json(config: BotConfig) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(config.to_plain()))
    return plain


def test_a_bot_without_a_reference_has_the_form_that_older_code_accepts() -> None:
    plain = as_json(bot())
    assert plain.keys() <= OF_BOT
    assert [leg.keys() <= OF_LEG for leg in plain["legs"]] == [True]
    assert plain["daemon"].keys() <= OF_DAEMON


@pytest.mark.parametrize("reference", [{}, {"exchange": "backpack", "symbol": None, "max_age_s": 5.0}])
def test_a_form_is_the_config_again_with_and_without_a_reference(reference: dict[str, Any]) -> None:
    config = bot(reference_config=reference)
    assert BotConfig.from_plain(as_json(config)) == config


def newer(plain: dict[str, Any]) -> dict[str, Any]:
    """Return the form that a later version may give the same config."""
    legs = [leg | {"colour": "red"} for leg in plain["legs"]]
    return plain | {"legs": legs, "daemon": plain["daemon"] | {"colour_s": 3.0}, "colour_config": {"hue": 7}}


def test_keys_of_newer_code_are_passed_over() -> None:
    assert BotConfig.from_plain(newer(as_json(bot()))) == bot()


def test_a_run_record_of_newer_code_is_not_damaged(tmp_path: Path) -> None:
    plain = RunRecord(bot(), 3, clean=True).to_plain()
    (tmp_path / "run.json").write_text(json.dumps(plain | {"config": newer(plain["config"])}))
    assert (RunRecord.read(tmp_path), has_left_overs(tmp_path)) == (RunRecord(bot(), 3, clean=True), False)
