"""Bases are written, recorded and judged like the files of bots, and with the bots that extend them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.config_parts import ok, refused, versions
from tests.cli.conftest import Run
from tests.registry_parts import put_base
from utils.home import Home

NAME = "config/bases/calm.json"
SECRET = "dEmOsEcReT"
BASE: dict[str, Any] = {"strategy_config": {"layers": 2, "spread_pct": 0.5}, "risk_config": {"max_loss": 50}}
BOT: dict[str, Any] = {
    "metadata": {"name": "sol-mm", "exchange": "paper", "strategy": "market_maker", "extends": "calm"},
    "daemon_config": {},
    "exchange_config": {"feed": "synthetic"},
    "strategy_config": {"symbol": "SOL-USDC", "order_size": 1},
}


@pytest.fixture
def file(home: Home) -> Path:
    home.active.mkdir(parents=True, exist_ok=True)
    (home.active / "sol-mm.json").write_text(json.dumps(BOT))
    return put_base(home, "calm.json", BASE)


def said(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_bytes())
    return found


def test_it_is_set_diffed_and_rolled_back_with_what_its_bots_do_then(run: Run, home: Home, file: Path) -> None:
    shown = ok(run("config", "set", NAME, "layers=3", "--yes"))
    assert '+  "layers": 3' in shown or '"layers": 3' in shown
    assert "sol-mm would take it over while it runs" in shown
    assert f"{NAME}: version 2" in shown
    assert '"layers": 2' in ok(run("config", "diff", NAME))
    ok(run("config", "rollback", NAME, "1", "--yes"))
    assert said(file) == BASE
    assert [one.action for one in versions(home, NAME)] == ["by hand", "set", "rollback to 1"]


def test_it_is_edited_shown_and_brought_back(run: Run, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDITOR", "sed -i s/0.5/0.7/")
    monkeypatch.delenv("VISUAL", raising=False)
    ok(run("config", "edit", NAME, "--yes"))
    assert '"spread_pct": 0.7' in ok(run("config", "show", str(file)))
    assert "is there" in refused(run("config", "restore", NAME))
    file.unlink()
    ok(run("config", "restore", NAME))
    assert said(file)["strategy_config"]["spread_pct"] == 0.7


def test_a_limit_of_its_bots_becomes_wider_only_after_a_word(run: Run, home: Home, file: Path) -> None:
    before = file.read_bytes()
    done = run("config", "set", NAME, "max_loss=80", "--yes")
    assert "--allow-wider-risk" in refused(done)
    assert "sol-mm: risk_config.max_loss: 50.0 -> 80.0" in done.stdout
    assert file.read_bytes() == before
    ok(run("config", "set", NAME, "max_loss=80", "--yes", "--allow-wider-risk"))
    assert "sol-mm: risk_config.max_loss" in versions(home, NAME)[-1].note


def test_limits_that_cannot_be_compared_are_told(run: Run, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("{")
    monkeypatch.setenv("EDITOR", 'sh -c \'echo "{}" > "$0"\'')
    monkeypatch.delenv("VISUAL", raising=False)
    assert "sol-mm: what it was is not valid any more" in ok(run("config", "edit", NAME, "--yes"))


def test_what_its_bots_could_not_be_any_more_is_refused(run: Run, file: Path) -> None:
    before = file.read_bytes()
    assert "strategy_config.order_size_quote" in refused(run("config", "set", NAME, "order_size_quote=9", "--yes"))
    assert file.read_bytes() == before


def test_a_literal_secret_reaches_neither_history_nor_message(run: Run, home: Home, file: Path) -> None:
    done = run("config", "set", NAME, f"exchange_config.api_key={SECRET}", "--yes")
    assert SECRET not in refused(done) + done.stdout
    file.write_text(json.dumps({"exchange_config": {"private_key": SECRET}}))
    assert SECRET not in run("config", "history", NAME).output
    assert SECRET not in refused(run("config", "show", NAME))
    assert SECRET not in run("config", "validate", NAME).output
    kept = {path.name for path in home.root.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()}
    assert kept == {"calm.json"}


def test_validating_all_looks_at_archived_configs_and_bases_as_well(run: Run, home: Home, file: Path) -> None:
    ok(run("config", "archive", "sol-mm"))
    done = run("config", "validate", "--all")
    assert done.exit_code == 0, done.stderr
    assert "config/archived/sol-mm.json: valid by itself\nconfig/bases/calm.json: valid by itself\n" in done.stdout
    put_base(home, "torn.json", '{"risk_config": {"max_los": 1}}')
    (home.archived / "sol-mm.json").write_text("{")
    done = run("config", "validate", "--all")
    assert done.exit_code == 1
    assert [line.split(": ")[0] for line in done.stderr.splitlines()] == [
        "config/archived/sol-mm.json:1:2",
        "config/bases/torn.json:1:18",
    ]
    assert run("config", "validate", "--all", "sol-mm").exit_code != 0


def test_bases_are_listed_with_what_is_wrong_with_them(run: Run, home: Home, file: Path) -> None:
    put_base(home, "torn.json", '{"risk_config": {"max_los": 1}}')
    shown = ok(run("config", "list"))
    assert "config/bases/torn.json:1:18: risk_config.max_los" in shown
    listed = json.loads(ok(run("config", "list", "--json")))
    found = {one["name"]: one["valid"] for one in listed if one["where"] == "base"}
    assert found == {NAME: True, "config/bases/torn.json": False}


def test_one_is_made_of_settings(run: Run, home: Home) -> None:
    ok(run("config", "create", NAME, "--set", "metadata.strategy=market_maker", "--set", "layers=2", "--set", "nice=5"))
    made = said(home.root / NAME)
    assert made == {
        "metadata": {"strategy": "market_maker"},
        "strategy_config": {"layers": 2},
        "daemon_config": {"nice": 5},
    }
    assert [one.action for one in versions(home, NAME)] == ["create"]
    assert "is there already" in refused(run("config", "create", NAME))
    assert "cannot be a base" in refused(run("config", "create", "config/bases/../active/x.json"))


def test_one_that_is_none_is_told_with_the_nearest(run: Run, file: Path) -> None:
    assert "did you mean 'config/bases/calm.json'" in refused(run("config", "show", "config/bases/clam.json"))


def test_bases_go_with_their_bots_from_one_home_to_another(run: Run, home: Home, file: Path, tmp_path: Path) -> None:
    bundle, there = str(tmp_path / "bundle.json"), tmp_path / "there"
    assert "1 bot in" in ok(run("config", "export", "sol-mm", "-o", bundle))
    ok(run("config", "--home", str(there), "import", bundle, "--yes"))
    assert (there / NAME).read_bytes() == file.read_bytes()
    assert (there / "config/active/sol-mm.json").read_bytes() == (home.active / "sol-mm.json").read_bytes()
    assert "there already" in ok(run("config", "--home", str(there), "import", bundle, "--yes"))
    ok(run("config", "--home", str(there), "set", NAME, "layers=1", "--yes"))
    assert "--replace replaces it" in refused(run("config", "--home", str(there), "import", bundle, "--yes"))
    ok(run("config", "--home", str(there), "import", bundle, "--yes", "--replace"))
    assert (there / NAME).read_bytes() == file.read_bytes()


def test_a_bundle_of_a_bot_whose_base_is_gone_is_not_made(run: Run, file: Path) -> None:
    file.unlink()
    assert "calm" in refused(run("config", "export", "sol-mm"))
