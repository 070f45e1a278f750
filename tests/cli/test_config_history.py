"""`config history`, `diff`, `rollback`, `show` and `edit`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

import api.paper_client  # noqa: F401  # the child that asks the venue is forked, and has it then
from tests.cli.config_parts import ok, refused, strategy, versions
from tests.cli.conftest import Run
from tests.console_parts import config, write_config
from utils.home import Home


@pytest.fixture
def bot(home: Home) -> Path:
    return write_config(home, config(risk_config={"max_loss": 100}))


# ---------------------------------------------------------------- history, diff, rollback, show


def test_history_diff_and_rollback(run: Run, home: Home, bot: Path) -> None:
    first = bot.read_bytes()
    ok(run("config", "set", "sol-mm", "layers=5", "--yes"))
    found = json.loads(ok(run("config", "history", "sol-mm", "--json")))
    assert [(one["number"], one["action"]) for one in found] == [(1, "by hand"), (2, "set")]
    assert found[0]["text"] == first.decode()
    assert "set" in ok(run("config", "history", "sol-mm"))
    assert '+    "layers": 5' in ok(run("config", "diff", "sol-mm"))
    assert ok(run("config", "diff", "sol-mm", "2")) == "sol-mm is as in version 2\n"
    assert json.loads(ok(run("config", "diff", "sol-mm", "1", "--json")))["from"] == 1
    ok(run("config", "rollback", "sol-mm", "1", "--yes"))
    assert bot.read_bytes() == first
    assert versions(home)[-1].action == "rollback to 1"
    assert ok(run("config", "rollback", "sol-mm", "1", "--yes")) == "sol-mm is as in version 1\n"


def test_an_edit_by_hand_is_not_lost_to_a_rollback(run: Run, home: Home, bot: Path) -> None:
    ok(run("config", "set", "sol-mm", "layers=5", "--yes"))
    bot.write_text(bot.read_text().replace("5", "6"))
    ok(run("config", "rollback", "sol-mm", "1", "--yes"))
    assert [one.action for one in versions(home)] == ["by hand", "set", "by hand", "rollback to 1"]
    assert b'"layers": 6' in versions(home)[2].text


def test_versions_and_bots_that_are_not_there(run: Run, bot: Path) -> None:
    assert "there is no version 9 of sol-mm; it has 1 to 1" in refused(run("config", "rollback", "sol-mm", "9"))
    assert "there is no version 9" in refused(run("config", "diff", "sol-mm", "9"))
    assert "no bot" in refused(run("config", "history", "nobody"))
    assert run("config", "rollback", "sol-mm", "0").exit_code == 2


def test_a_version_that_is_not_valid_any_more_is_not_brought_back(
    run: Run, home: Home, bot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAYERS", "3")
    ok(run("config", "set", "sol-mm", "layers=${LAYERS}", "--yes"))
    ok(run("config", "set", "sol-mm", "layers=4", "--yes"))
    monkeypatch.delenv("LAYERS")
    assert "LAYERS to be set" in refused(run("config", "rollback", "sol-mm", "2", "--yes"))
    assert strategy(home)["layers"] == 4


def test_show_prints_the_file_as_it_is_and_never_one_that_may_hold_a_secret(run: Run, home: Home, bot: Path) -> None:
    assert ok(run("config", "show", "sol-mm")) == bot.read_text() + "\n"
    plain = json.loads(ok(run("config", "show", "sol-mm", "--json")))
    assert (plain["file"], plain["where"]) == ("config/active/a.json", "active")
    assert plain["config"] == json.loads(bot.read_bytes())
    write_config(home, config(exchange_config={"api_key": "hunter2"}))
    for command in ("show", "diff"):
        done = run("config", command, "sol-mm")
        assert done.exit_code == 1
        assert "hunter2" not in done.output


# ---------------------------------------------------------------- edit


@pytest.fixture
def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a maker of editors: Python that turns `text` into what is saved; `n` counts from 1."""

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))  # what is kept stays in here

    def make(change: str) -> None:
        script = tmp_path / "editor.py"
        script.write_text(
            "import pathlib, sys\n"
            "path, count = pathlib.Path(sys.argv[1]), pathlib.Path(__file__).with_suffix('.n')\n"
            "n = int(count.read_text()) + 1 if count.exists() else 1\n"
            "count.write_text(str(n))\n"
            "text = path.read_text()\n"
            f"path.write_text({change})\n"
        )
        monkeypatch.setenv("VISUAL", f"{sys.executable} {script}")

    return make


def test_edit_replaces_the_file_by_what_was_saved(run: Run, home: Home, bot: Path, editor: Any) -> None:
    editor("text.replace('75', '80')")
    shown = ok(run("config", "edit", "sol-mm", "--yes"))
    assert "strategy_config.order_size_quote: live" in shown
    assert strategy(home)["order_size_quote"] == 80
    assert [one.action for one in versions(home)] == ["by hand", "edit"]


def test_edit_that_changes_nothing_writes_nothing(run: Run, home: Home, bot: Path, editor: Any) -> None:
    editor("text")
    assert ok(run("config", "edit", "sol-mm", "--yes")) == "nothing was changed\n"
    assert len(versions(home)) == 1


def test_an_invalid_edit_shows_its_complaints_and_changes_nothing(run: Run, bot: Path, editor: Any) -> None:
    before = bot.read_bytes()
    editor("text.replace('75', '\"many\"')")
    done = run("config", "edit", "sol-mm", "--yes")
    assert done.exit_code == 1
    assert 'a.json:12:25: strategy_config.order_size_quote: found "many"' in done.stderr
    assert bot.read_bytes() == before


def test_a_secret_that_is_taken_out_of_a_file_is_not_shown_on_its_way(
    run: Run, home: Home, bot: Path, editor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY", "x")
    ok(run("config", "history", "sol-mm"))
    write_config(home, config(exchange_config={"api_key": "hunter2"}, risk_config={"max_loss": 100}))
    editor("text.replace('hunter2', '${KEY}')")
    done = run("config", "edit", "sol-mm", "--yes")
    assert "config/active/a.json (version 1)" in ok(done)
    assert '+    "api_key": "${KEY}"' in done.stdout
    assert "hunter2" not in done.output


@pytest.mark.parametrize("name", ["sol-mm", "a", "config/active/a.json"])
def test_a_broken_file_is_found_by_the_bot_that_it_was_by_its_own_name_and_by_its_path(
    run: Run, home: Home, bot: Path, editor: Any, name: str
) -> None:
    ok(run("config", "history", "sol-mm"))
    broken = bot.read_text() + "}"
    bot.write_text(broken)
    editor("text[:-1].replace('75', '80')")
    given = str(home.root / name) if "/" in name else name
    ok(run("config", "edit", given, "--yes"))
    assert strategy(home)["order_size_quote"] == 80
    assert [(one.bot, one.action) for one in versions(home)] == [("sol-mm", "by hand"), ("sol-mm", "edit")]
    assert broken.encode() not in [one.text for one in versions(home)]


def test_an_edit_of_what_was_changed_meanwhile_is_refused_and_the_text_kept(run: Run, bot: Path, editor: Any) -> None:
    editor(f"(pathlib.Path({str(bot)!r}).write_text(text.replace('75', '76')), text.replace('75', '80'))[1]")
    said = refused(run("config", "edit", "sol-mm", "--yes"))
    assert "was changed meanwhile" in said
    assert '"order_size_quote": 76' in bot.read_text()
    kept = Path(said.rpartition("your text is kept in ")[2].strip())
    assert '"order_size_quote": 80' in kept.read_text()
    kept.unlink()


def test_an_editor_that_fails_or_is_not_there_changes_nothing(
    run: Run, bot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for command in ("false", "/no/such/editor"):
        monkeypatch.setenv("VISUAL", command)
        assert "editor" in refused(run("config", "edit", "sol-mm", "--yes"))


def test_of_a_broken_file_the_limits_are_compared_with_what_was_accepted_last(
    run: Run, home: Home, bot: Path, editor: Any
) -> None:
    ok(run("config", "history", "sol-mm"))
    broken = config(risk_config={"max_loss": 100, "max_los": 3})
    write_config(home, broken)
    editor("text.replace(', \"max_los\": 3', '').replace(',\\n    \"max_los\": 3', '').replace('100', '900')")
    assert "widens a risk limit" in run("config", "edit", "sol-mm", "--yes").stdout
