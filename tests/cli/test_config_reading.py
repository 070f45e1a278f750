"""`config validate`, `config explain` and `config list` with the real validator child."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.door_parts import Run
from tests.console_parts import config, write_config
from utils.home import Home


def test_validate_says_which_configs_are_valid(run: Run, home: Home) -> None:
    write_config(home, config())
    done = run("config", "validate")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "sol-mm: valid (config/active/a.json)\n", "")


def test_validate_by_name_by_file_and_in_json_tells_every_complaint(run: Run, home: Home, tmp_path: Path) -> None:
    wrong = config(strategy_config={"symbol": "SOL-USDC", "order_size_quote": "many", "spred_pct": 1})
    path = write_config(home, wrong)
    by_name = run("config", "validate", "sol-mm")
    assert by_name.exit_code == 1
    assert "config/active/a.json:" in by_name.stderr
    assert "spread_pct" in by_name.stderr
    elsewhere = tmp_path / "b.json"
    elsewhere.write_text(path.read_text())
    by_file = run("config", "validate", str(elsewhere), "--json")
    assert len(json.loads(by_file.stdout)["invalid"][0]["complaints"]) == len(by_name.stderr.splitlines()) == 2


def test_validate_of_one_file_sees_its_neighbours_but_not_their_faults(run: Run, home: Home) -> None:
    write_config(home, config(), "a.json")
    write_config(home, config(), "b.json")
    write_config(home, "{", "c.json")
    done = run("config", "validate", str(home.active / "a.json"))
    assert done.exit_code == 1
    assert "c.json" not in done.stderr


def test_what_an_earlier_run_left_damaged_is_not_the_fault_of_one_config(run: Run, home: Home) -> None:
    write_config(home, config())
    home.bot_state("old").mkdir(parents=True)
    (home.bot_state("old") / "run.json").write_text("{")
    assert run("config", "validate", "sol-mm").exit_code == 0
    assert run("config", "validate").exit_code == 1


def test_validate_of_nothing_says_so(run: Run, home: Home) -> None:
    assert "no config in" in run("config", "validate").stdout
    assert run("config", "validate", "nobody").exit_code == 1
    assert run("config", "validate", str(home.root / "none.json")).exit_code == 1


def test_a_base_is_validated_by_itself(run: Run, home: Home) -> None:
    base = home.root / "config" / "bases" / "b.json"
    base.parent.mkdir(parents=True)
    base.write_text('{"risk_config": {"max_loss": 5}}')
    assert "config/bases/b.json: a sound base" in run("config", "validate", str(base)).stdout
    base.write_text('{"risk_config": {"max_loss": 0}}')
    refused = run("config", "validate", str(base))
    assert refused.exit_code == 1
    assert "config/bases/b.json:1:30: risk_config.max_loss" in refused.stderr


def test_list_shows_what_a_base_the_environment_and_the_legacy_file_say(
    run: Run, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = {"metadata": {"exchange": "backpack", "strategy": "market_maker"}, "strategy_config": {"symbol": "SOL-USDC"}}
    (home.root / "config" / "bases").mkdir(parents=True)
    (home.root / "config" / "bases" / "b.json").write_text(json.dumps(base))
    child = {"metadata": {"name": "child", "extends": "b"}, "exchange_config": {}, "strategy_config": {}}
    (home.active / "child.json").write_text(json.dumps(child))
    entry = {"name": "old", "exchange": "paper", "strategy": "market_maker", "symbol": "ETH-USDC"}
    home.legacy_file.write_text(json.dumps({"bots": [entry]}))
    monkeypatch.setenv("MAKERD__EXCHANGE_CONFIG__MODE", "live")
    rows = {one["name"]: one for one in json.loads(run("config", "list", "--json").stdout) if one["where"] == "active"}
    found = [rows["child"][key] for key in ("exchange", "symbol", "mode")]
    assert found == ["backpack", "SOL-USDC", "live"]  # so that a person is asked before it trades real money
    assert (rows["old"]["symbol"], rows["old"]["file"]) == ("ETH-USDC", "config/daemon_config.json")


def test_explain_shows_values_with_their_origin_and_no_secret(
    run: Run, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THE_KEY", "s3cr3t-value")
    write_config(home, config(exchange_config={"api_key": "${THE_KEY}"}))
    shown = run("config", "explain", "sol-mm").stdout
    values = {one["path"]: one for one in json.loads(run("config", "explain", "sol-mm", "--json").stdout)}
    assert values["strategy_config.layers"] == {
        "path": "strategy_config.layers",
        "value": "3",
        "origin": "default",
        "layer": "default",
    }
    assert values["exchange_config.api_key"]["value"] == "***"
    assert "line 4" in shown
    assert "s3cr3t" not in shown


def test_explain_of_an_invalid_config_tells_its_complaints(run: Run, home: Home) -> None:
    write_config(home, config(risk_config={"max_los": 1}))
    done = run("config", "explain", "sol-mm")
    assert (done.exit_code, "max_loss" in done.stderr) == (1, True)


def test_list_shows_active_configs_and_templates(run: Run, home: Home) -> None:
    write_config(home, config())
    write_config(home, "{", "broken.json")
    found = json.loads(run("config", "list", "--json").stdout)
    assert {one["where"] for one in found} == {"active", "template"}
    assert [(one["name"], bool(one["problem"])) for one in found[:2]] == [("sol-mm", False), (None, True)]
    assert "sol-mm" in run("config", "list").stdout
