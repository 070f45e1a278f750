"""A real daemon that watches its configs: a change applies by itself, an invalid one disturbs nobody."""

from __future__ import annotations

import json
from typing import Any

from core.registry.store import ConfigStore
from tests.process.fleet_parts import Fleet


def listed(fleet: Fleet, name: str) -> dict[str, Any]:
    found = json.loads(fleet.run("config", "list", "--json").stdout)
    return next(one for one in found if one["name"] == name)


def test_changed_files_apply_by_themselves_and_an_invalid_one_leaves_the_running_bot_alone(fleet: Fleet) -> None:
    path = fleet.add("a", risk_config={"max_loss": 100})
    fleet.home.daemon_file.write_text('{"supervision": {"watch": true}}')
    fleet.start().quoting("a")
    pid, digest = fleet.bot("a")["pid"], fleet.bot("a")["config_digest"]

    path.write_text(path.read_text().replace('"max_loss": 100', '"max_loss": 900'))
    fleet.until(lambda: fleet.bot("a")["config_digest"] not in (None, digest))
    assert fleet.bot("a")["pid"] == pid  # a live key
    log = (fleet.home.log / "daemon.log").read_text()
    assert '"risk_widened"' in log
    assert "risk_config.max_loss" in log

    digest = fleet.bot("a")["config_digest"]
    path.write_text(path.read_text().replace('"layers": 3', '"layers": 0'))
    fleet.until(lambda: fleet.status()["invalid"])
    assert "strategy_config.layers" in fleet.status()["invalid"][0]["complaints"][0]
    found = listed(fleet, "a")
    assert (found["state"], found["valid"], found["drift"]) == ("RUNNING", False, "invalid")
    assert "expected a whole number from 1 to 50" in found["complaints"][0]
    row = fleet.bot("a")
    assert (row["pid"], row["config_digest"], row["state"]) == (pid, digest, "RUNNING")

    with ConfigStore(fleet.home).reading() as history:
        kept = history.versions("a")
    assert [one.action for one in kept] == ["by hand", "by hand"]
    assert [json.loads(one.text)["risk_config"]["max_loss"] for one in kept] == [100, 900]


def test_a_command_writes_and_a_reload_applies_it_without_a_version_of_its_own(fleet: Fleet) -> None:
    fleet.add("a")
    fleet.start().quoting("a")
    pid, digest = fleet.bot("a")["pid"], fleet.bot("a")["config_digest"]
    done = fleet.run("config", "set", "a", "layers=2", "--yes")
    assert done.returncode == 0, done.stderr
    assert "`reload` applies it" in done.stdout
    assert listed(fleet, "a")["drift"] == "changed"
    assert fleet.run("reload").returncode == 0
    fleet.until(lambda: fleet.bot("a")["config_digest"] not in (None, digest))
    assert fleet.bot("a")["pid"] == pid
    with ConfigStore(fleet.home).reading() as history:
        assert [one.action for one in history.versions("a")] == ["by hand", "set"]
