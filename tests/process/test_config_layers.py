"""What lies below a config, and a real daemon: a changed base and a supplied secret reach the bots."""

from __future__ import annotations

import json

from core.process.control import call
from tests.process.fleet_parts import Fleet


def test_a_changed_base_reaches_the_bots_that_extend_it_and_a_broken_one_leaves_them_alone(fleet: Fleet) -> None:
    base = fleet.home.root / "config" / "bases" / "calm.json"
    base.parent.mkdir(parents=True)
    base.write_text(json.dumps({"risk_config": {"max_profit": 1000}, "exchange_config": {"latency_ms": 20}}))
    for name, metadata in (("a", {"extends": "calm"}), ("b", {})):
        fleet.add(name, metadata=metadata)
    supplied = {"MAKERD__EXCHANGE_CONFIG__API_KEY": "hunter2-of-the-environment"}
    fleet.start(**supplied).quoting("a", "b")
    pids = {name: fleet.bot(name)["pid"] for name in ("a", "b")}
    base.write_text(json.dumps({"risk_config": {"max_profit": 0}}))
    told = call(fleet.home, "reload", timeout_s=60)["invalid"]
    assert [entry["file"] for entry in told] == ["config/active/a.json"]
    assert "config/bases/calm.json:1:" in told[0]["complaints"][0]
    assert {name: fleet.bot(name)["pid"] for name in ("a", "b")} == pids
    base.write_text(json.dumps({"exchange_config": {"latency_ms": 21}}))
    assert call(fleet.home, "reload", timeout_s=60)["invalid"] == []
    fleet.until(lambda: fleet.bot("a")["pid"] not in (None, pids["a"]))
    assert fleet.bot("b")["pid"] == pids["b"]
    shown = fleet.run("config", "explain", "a", "--json", **supplied).stdout
    origins = {one["path"]: one["layer"] for one in json.loads(shown)}
    assert origins["exchange_config.api_key"] == "environment"
    assert all("hunter2" not in path.read_text() for path in fleet.home.root.rglob("*.json"))
    assert "hunter2" not in shown
