"""Jobs as a person sees them: in the status, with and without a daemon, and in the list of configs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cli.health_check import bot_fault
from cli.offline import configs_in, status_while_down
from cli.render import status_view
from tests.cli.test_render import shown, status
from tests.console_parts import ROW, row, write_config
from utils.home import Home

JOB: dict[str, Any] = {
    "kind": "job",
    "metadata": {"name": "copies"},
    "daemon_config": {},
    "job_config": {"job": "backup_ledgers"},
}
SAID: dict[str, Any] = {
    "kind": "job", "exchange": "", "symbol": "", "strategy": "backup_ledgers", "mode": "", "legs": [],
    "open_orders": 0, "position": "0", "realised_pnl": "0", "unrealised_pnl": "0", "fees": "0", "funding": "0",
    "fills": 0,
}  # fmt: skip
ENDED_WELL = {"status": 0, "signal": None, "reason": "done", "at": "2026-01-01T00:00:00Z", "log_tail": []}


def job_row(**changes: Any) -> dict[str, Any]:
    return row(**{"name": "copies", **SAID, **changes})


def test_a_job_has_no_position_and_no_orders_in_the_table() -> None:
    lines = shown(status_view(status(row(), job_row(phase="COPYING one")), 100)).splitlines()
    assert lines[3].split() == ["copies", "RUNNING", "COPYING", "one", "-", "-", "-", "-", "-", "-", "11s"]


def test_a_job_that_waits_for_its_run_says_when_and_is_healthy() -> None:
    waits = job_row(state="BACKOFF", pid=None, phase=None, last_exit=ENDED_WELL, reason="next run in 59 s")
    assert "copies: next run in 59 s" in shown(status_view(status(waits), 80))
    assert bot_fault(waits) is None


@pytest.mark.parametrize("last", [None, {**ENDED_WELL, "status": 70}, {**ENDED_WELL, "status": None, "signal": 9}])
def test_a_job_that_waits_after_a_crash_is_not_healthy(last: dict[str, Any] | None) -> None:
    waits = job_row(state="BACKOFF", pid=None, last_exit=last, reason="killed by SIGKILL")
    assert bot_fault(waits) == "copies: BACKOFF (killed by SIGKILL)"


def test_a_bot_that_waits_is_not_healthy_whatever_its_last_exit() -> None:
    assert bot_fault(row(state="BACKOFF", last_exit=ENDED_WELL)) is not None


def test_without_a_daemon_a_job_has_the_same_keys_as_a_bot(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.active.mkdir(parents=True)
    write_config(home, JOB)
    (found,) = status_while_down(home, lambda _home, _name: None)["bots"]
    assert set(found) == set(ROW)
    assert {key: found[key] for key in SAID} == SAID
    assert json.loads(json.dumps(found))["state"] == "STOPPED"


def test_a_job_never_asks_for_consent_to_real_money(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.active.mkdir(parents=True)
    write_config(home, {**JOB, "exchange_config": {"mode": "live"}})  # refused later; nothing is asked before
    (one,) = configs_in(home.active, home)
    assert (one.kind, one.real_money, one.strategy, one.mode) == ("job", False, "backup_ledgers", "")
