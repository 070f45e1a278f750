"""The daemon file is written and recorded like the files of bots."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.config_parts import ok, refused, versions
from tests.cli.conftest import Run
from tests.console_parts import Daemon, config, write_config
from utils.home import Home

NAME = "config/daemon.json"
SECRET = "https://example.invalid/dEmOsEcReT"


@pytest.fixture
def file(home: Home) -> Path:
    home.daemon_file.write_text(json.dumps({"supervision": {"parallel_starts": 2}}, indent=2))
    return home.daemon_file


def said(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_bytes())
    return found


def test_it_is_set_diffed_and_rolled_back(run: Run, home: Home, file: Path) -> None:
    shown = ok(run("config", "set", NAME, "parallel_starts=5", "supervision.watch=true", "--yes"))
    assert '+    "parallel_starts": 5' in shown
    assert f"{NAME}: version 2" in shown
    assert said(file)["supervision"] == {"parallel_starts": 5, "watch": True}
    assert '-    "parallel_starts": 2' in ok(run("config", "diff", NAME))
    ok(run("config", "rollback", NAME, "1", "--yes"))
    assert said(file) == {"supervision": {"parallel_starts": 2}}
    assert [one.action for one in versions(home, NAME)] == ["by hand", "set", "rollback to 1"]
    assert "rollback to 1" in ok(run("config", "history", NAME))


def test_one_that_is_missing_is_begun(run: Run, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "there is no config/daemon.json" in refused(run("config", "show", NAME))
    ok(run("config", "set", NAME, "parallel_starts=5", "--yes"))
    assert said(home.daemon_file) == {"supervision": {"parallel_starts": 5}}
    assert [one.action for one in versions(home, NAME)] == ["set"]
    home.daemon_file.unlink()
    monkeypatch.setenv("EDITOR", "true")
    monkeypatch.delenv("VISUAL", raising=False)
    assert "nothing was changed" in ok(run("config", "edit", NAME, "--yes"))
    assert not home.daemon_file.exists()


def test_it_is_edited_and_shown(run: Run, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDITOR", "sed -i s/2/7/")
    monkeypatch.delenv("VISUAL", raising=False)
    ok(run("config", "edit", NAME, "--yes"))
    assert '"parallel_starts": 7' in ok(run("config", "show", str(file)))


@pytest.mark.parametrize(
    ("setting", "word"),
    [
        ("parallel_starts=0", "supervision.parallel_starts: found 0"),
        ("paralel_starts=3", "nearest known key: supervision.parallel_starts"),
        ("venue_guard_s=9999", "venue_guard"),
    ],
)
def test_what_would_not_be_valid_is_refused(run: Run, file: Path, setting: str, word: str) -> None:
    before = file.read_bytes()
    assert word in refused(run("config", "set", NAME, setting, "--yes"))
    assert file.read_bytes() == before


def test_a_literal_secret_reaches_neither_file_nor_history_nor_message(run: Run, home: Home, file: Path) -> None:
    done = run("config", "set", NAME, f"webhook_url={SECRET}", "--yes")
    assert SECRET not in refused(done) + done.stdout
    file.write_text(json.dumps({"alerts": {"webhook_url": SECRET}}))
    assert SECRET not in run("config", "history", NAME).output
    assert SECRET not in refused(run("config", "show", NAME))
    kept = {path.name for path in home.root.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()}
    assert kept == {"daemon.json"}


def test_a_daemon_that_runs_is_told_by_a_reload(run: Run, daemon: Daemon, file: Path) -> None:
    assert "`reload` applies it" in ok(run("config", "set", NAME, "parallel_starts=5", "--yes"))


def test_where_there_is_none_the_defaults_are_named(run: Run) -> None:
    assert "the daemon goes by the defaults" in refused(run("config", "show", NAME))


def test_commands_for_bots_alone_do_not_take_it(run: Run, home: Home, file: Path) -> None:
    write_config(home, config())
    for arguments in (("archive",), ("restore",), ("export",), ("activate",)):
        assert run("config", *arguments, NAME).exit_code == 1
    assert file.exists()
