"""`config migrate`: the file of several bots becomes files of one, with nothing lost and nothing written twice."""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path
from typing import Any

import pytest

import api.paper_client  # noqa: F401  # the child that asks the venue is forked, and has it then
from cli.config import migrate as command
from core.registry.config_manager import load_folder
from core.registry.history import History
from core.registry.store import ConfigStore
from tests.cli.config_parts import ok, refused, versions
from tests.cli.conftest import Run
from tests.console_parts import config, write_config
from utils.home import Home

LEGACY: dict[str, Any] = {
    "daemon": {"max_restarts": 3, "parallel_starts": 4},
    "exchange": "paper",
    "bots": [
        {"name": "sol", "strategy": "market_maker", "symbol": "SOL-USDC", "order_size": 1, "spread": 0.5},
        {"name": "eth", "strategy": "market_maker", "symbol": "ETH-USDC", "order_size": 1, "spread": 0.5},
    ],
}
SECRET = "dEmOsEcReT0123456789abcdefghijklmnopqrstuvwx"


def put_legacy(home: Home, **changes: Any) -> bytes:
    home.legacy_file.write_text(json.dumps({**copy.deepcopy(LEGACY), **changes}, indent=1))
    return home.legacy_file.read_bytes()


def names(home: Home) -> list[str]:
    found = load_folder(home.active, home, {})
    assert found.invalid == ()
    return [one.name for one in found.configs]


def everything(home: Home) -> dict[str, bytes]:
    files = [path for path in home.root.rglob("*") if path.is_file() and home.history not in path.parents]
    return {str(path): path.read_bytes() for path in files}


def test_each_bot_gets_a_file_and_the_old_one_goes_to_the_archive(run: Run, home: Home) -> None:
    before = put_legacy(home)
    digests = {one.name: one.restart_digest for one in load_folder(home.active, home, {}).configs}
    shown = ok(run("config", "migrate", "--yes"))
    assert "bots[0].spread -> config/active/sol.json: strategy_config.spread_pct" in shown
    assert "daemon.parallel_starts -> config/daemon.json: supervision.parallel_starts" in shown
    assert sorted(path.name for path in home.active.iterdir()) == ["eth.json", "sol.json"]
    assert json.loads(home.daemon_file.read_bytes()) == {"supervision": {"parallel_starts": 4}}
    assert not home.legacy_file.exists()
    copy_of_it = home.archived / "daemon_config.json.migrated"
    assert (copy_of_it.read_bytes(), copy_of_it.stat().st_mode & 0o777) == (before, 0o600)
    assert names(home) == ["eth", "sol"]
    assert {one.name: one.restart_digest for one in load_folder(home.active, home, {}).configs} == digests
    assert [one.action for one in versions(home, "sol")] == ["migrate"]
    assert "nothing is left to migrate" in refused(run("config", "migrate", "--yes"))


def test_the_report_comes_first_and_nothing_is_written_without_a_yes(run: Run, home: Home) -> None:
    put_legacy(home)
    before = everything(home)
    done = run("config", "migrate")
    assert "bots[0].name -> config/active/sol.json: metadata.name" in done.stdout
    assert "--yes agrees beforehand" in refused(done)
    assert everything(home) == before


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"bots": [*LEGACY["bots"], {"name": "bad", "strategy": "market_maker"}]}, "bad.json"),
        ({"bots": [*LEGACY["bots"], LEGACY["bots"][0]]}, "sol"),
        ({"nonsense": 1}, "nonsense would be lost"),
        ({"bots": 5}, "a list of bots"),
        ({"bots": [], "daemon": {}, "exchange": None}, ""),
    ],
)
def test_what_cannot_be_kept_whole_is_refused_and_nothing_written(
    run: Run, home: Home, changes: dict[str, Any], word: str
) -> None:
    put_legacy(home, **changes)
    before = everything(home)
    assert word in refused(run("config", "migrate", "--yes"))
    assert everything(home) == before


def test_keys_that_mean_nothing_are_dropped_when_a_person_says_so(run: Run, home: Home) -> None:
    put_legacy(home, nonsense=1)
    assert "nonsense: dropped" in ok(run("config", "migrate", "--yes", "--drop"))
    assert names(home) == ["eth", "sol"]


def test_a_bot_that_is_there_already_is_refused(run: Run, home: Home) -> None:
    write_config(home, config("sol", strategy_config={"symbol": "BTC-USDC", "order_size": 1, "spread_pct": 1}))
    put_legacy(home)
    assert "sol is there already: config/active/a.json" in refused(run("config", "migrate", "--yes"))
    assert home.legacy_file.exists()


def test_daemon_keys_join_those_that_are_there_and_never_replace_one(run: Run, home: Home) -> None:
    put_legacy(home)
    home.daemon_file.write_text('{"supervision": {"parallel_starts": 9}}')
    assert "supervision.parallel_starts is another one" in refused(run("config", "migrate", "--yes"))
    home.daemon_file.write_text('{"logs": {"keep_files": 3}}')
    ok(run("config", "migrate", "--yes"))
    assert json.loads(home.daemon_file.read_bytes()) == {
        "logs": {"keep_files": 3},
        "supervision": {"parallel_starts": 4},
    }


# ---------------------------------------------------------------- secrets


def put_secret(home: Home) -> None:
    put_legacy(home, exchange="backpack", api_key="kEy0", api_secret=SECRET)


def test_secrets_go_to_the_env_file_and_nowhere_else(run: Run, home: Home) -> None:
    put_secret(home)
    shown = ok(run("config", "migrate", "--yes"))
    assert f"BACKPACK_API_SECRET={SECRET}" in home.env_file.read_text()
    assert home.env_file.stat().st_mode & 0o777 == 0o600
    assert SECRET not in shown
    kept = {path.name for path in home.root.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()}
    assert kept == {".env", "daemon_config.json.migrated"}


def test_a_name_with_another_value_is_never_written_over(run: Run, home: Home) -> None:
    put_secret(home)
    home.env_file.write_text("BACKPACK_API_SECRET=other\n")
    os.chmod(home.env_file, 0o600)
    said = refused(run("config", "migrate", "--yes"))
    assert "BACKPACK_API_SECRET has another value in .env" in said
    assert (home.env_file.read_text(), SECRET in said) == ("BACKPACK_API_SECRET=other\n", False)
    assert list(home.active.iterdir()) == []


# ---------------------------------------------------------------- crashes


class Killed(BaseException):
    """What a kill is to the code that it hits."""


@pytest.mark.parametrize("steps", range(7))
def test_a_crash_at_any_step_leaves_what_can_be_migrated_or_is(
    run: Run, home: Home, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    put_secret(home)
    left = [steps]

    def counted(real: Any) -> Any:
        def step(*given: Any, **named: Any) -> Any:
            if left[0] == 0:
                raise Killed
            left[0] -= 1
            return real(*given, **named)

        return step

    with monkeypatch.context() as patch:
        patch.setattr(command, "write_env", counted(command.write_env))
        patch.setattr(command, "_put_away", counted(command._put_away))
        patch.setattr(History, "begin", counted(History.begin))
        patch.setattr(ConfigStore, "_do", counted(ConfigStore._do))
        with pytest.raises(Killed):
            run("config", "migrate", "--yes")
    run("config", "migrate", "--yes")
    assert sorted(path.name for path in home.active.iterdir()) == ["eth.json", "sol.json"]
    assert home.daemon_file.exists()
    assert not home.legacy_file.exists()
    assert [path.name for path in home.archived.iterdir()] == ["daemon_config.json.migrated"]
    assert home.env_file.read_text().count("BACKPACK_API_SECRET") == 1


# ---------------------------------------------------------------- beside the other commands


@pytest.mark.parametrize(
    "arguments",
    [("set", "sol", "layers=3", "--yes"), ("archive", "sol"), ("edit", "sol"), ("show", "sol"), ("export", "sol")],
)
def test_other_commands_say_how_a_bot_of_the_old_file_gets_one_of_its_own(
    run: Run, home: Home, arguments: tuple[str, ...]
) -> None:
    put_legacy(home)
    assert "run `config migrate`" in refused(run("config", *arguments))


def test_a_tag_that_means_a_bot_of_the_old_file_is_not_half_obeyed(run: Run, home: Home) -> None:
    tagged = config("own", metadata={"name": "own", "exchange": "paper", "strategy": "market_maker", "tags": ["x"]})
    write_config(home, tagged)
    put_legacy(home, bots=[{**LEGACY["bots"][0], "metadata": {"tags": ["x"]}}])
    assert "sol: in config/daemon_config.json" in refused(run("config", "set", "--tag", "x", "layers=3", "--yes"))


def test_a_new_bot_cannot_take_the_name_of_one_in_the_old_file(run: Run, home: Home, tmp_path: Path) -> None:
    put_legacy(home)
    other = tmp_path / "other.json"
    other.write_text(json.dumps(config("sol")))
    assert "sol" in refused(run("config", "activate", str(other)))
    assert list(home.active.iterdir()) == []
