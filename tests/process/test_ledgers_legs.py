"""A ledger is of one venue, account, symbol, mode and network; a rehearsal on a simulator is another one."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from core.bot_config import BotConfig
from core.process.ledger_legs import LEGS_NAME, hold_to_legs, why_not_its_ledger
from core.registry.config_manager import load_file
from utils.errors import ConfigError
from utils.home import CHECKOUT, Home

HERE = {"base_url": "http://127.0.0.1:8000", "ws_url": "ws://127.0.0.1:8000/"}


def bot(folder: Path, **exchange: object) -> BotConfig:
    config = load_file(CHECKOUT / "config" / "templates" / "backpack_market_maker.json", Home(folder), {})
    return dataclasses.replace(config, exchange_config={**config.exchange_config, **exchange})


def test_a_bot_that_stays_what_it_was_keeps_its_ledger(tmp_path: Path) -> None:
    hold_to_legs(bot(tmp_path, mode="live"), tmp_path)
    hold_to_legs(bot(tmp_path, mode="live", leverage=2), tmp_path)
    assert json.loads((tmp_path / LEGS_NAME).read_text())["main"] == ["backpack", "main", "SOL-USDC", "live", "live"]


def test_a_bot_that_was_rehearsed_on_a_simulator_does_not_go_on_with_that_ledger(tmp_path: Path) -> None:
    hold_to_legs(bot(tmp_path, mode="live", **HERE), tmp_path)
    with pytest.raises(ConfigError, match=r"is of backpack main SOL-USDC live simulator; give the changed bot another"):
        hold_to_legs(bot(tmp_path, mode="live"), tmp_path)


def test_another_port_is_the_same_rehearsal(tmp_path: Path) -> None:
    hold_to_legs(bot(tmp_path, mode="live", **HERE), tmp_path)
    hold_to_legs(bot(tmp_path, mode="live", base_url="http://127.0.0.1:9", ws_url="ws://localhost:9/"), tmp_path)


def test_paper_does_not_become_live_under_one_name(tmp_path: Path) -> None:
    hold_to_legs(bot(tmp_path), tmp_path)
    with pytest.raises(ConfigError, match="another name"):
        hold_to_legs(bot(tmp_path, mode="live"), tmp_path)


def test_what_a_worker_would_refuse_can_be_told_before_and_writes_nothing(tmp_path: Path) -> None:
    assert why_not_its_ledger(bot(tmp_path), tmp_path) == ""
    assert not (tmp_path / LEGS_NAME).exists()
    hold_to_legs(bot(tmp_path), tmp_path)
    assert why_not_its_ledger(bot(tmp_path), tmp_path) == ""
    assert "another name" in why_not_its_ledger(bot(tmp_path, mode="live"), tmp_path)


@pytest.mark.parametrize("damaged", ["{", "[]", '{"main": 5}', "7"])
def test_a_damaged_record_of_the_legs_is_the_workers_to_tell(tmp_path: Path, damaged: str) -> None:
    (tmp_path / LEGS_NAME).write_text(damaged)
    assert why_not_its_ledger(bot(tmp_path), tmp_path) == ""
