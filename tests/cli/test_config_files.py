"""Bots as files: made from templates, put away, brought back, taken from one home to another."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import api.paper_client  # noqa: F401  # the child that asks the venue is forked, and has it then
from tests.cli.config_parts import ok, refused, strategy, versions
from tests.cli.conftest import Run
from tests.console_parts import Daemon, config, row, write_config
from utils.home import CHECKOUT, Home


@pytest.fixture
def bot(home: Home) -> Path:
    return write_config(home, config(risk_config={"max_loss": 100}))


# ---------------------------------------------------------------- create, archive, restore, activate


def test_create_from_a_template(run: Run, home: Home) -> None:
    ok(run("config", "create", "one", "--template", "paper_market_maker", "--set", "layers=4", "--set", "max_loss=9"))
    made = json.loads((home.active / "one.json").read_bytes())
    assert (made["metadata"]["name"], made["strategy_config"]["layers"], made["risk_config"]["max_loss"]) == (
        "one",
        4,
        9,
    )
    assert [one.action for one in versions(home, "one")] == ["create"]
    assert "one is there already" in refused(run("config", "create", "one", "--template", "paper_market_maker"))


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("one", "--template", "paper_market_makr"), "did you mean 'paper_market_maker'"),
        (("../one", "--template", "paper_market_maker"), "a bot's name has"),
        (("daemon", "--template", "paper_market_maker"), "makerd uses itself"),
        (("one", "--template", "paper_market_maker", "--set", "layers=0"), "expected a whole number from 1 to 50"),
        (("one", "--template", "paper_market_maker", "--set", "feed=replay:none.csv"), "one: exchange_config: "),
    ],
)
def test_create_refuses_what_would_not_start(run: Run, home: Home, arguments: tuple[str, ...], word: str) -> None:
    assert word in refused(run("config", "create", *arguments))
    assert list(home.active.iterdir()) == []


def test_create_without_a_template_needs_a_terminal(run: Run) -> None:
    assert run("config", "create", "one").exit_code == 2


@pytest.mark.usefixtures("recordings")
@pytest.mark.parametrize("template", sorted(path.stem for path in (CHECKOUT / "config" / "templates").glob("*.json")))
def test_every_shipped_template_makes_a_bot(run: Run, home: Home, template: str) -> None:
    ok(run("config", "create", "one", "--template", template))
    assert (home.active / "one.json").is_file()


def test_a_bot_goes_to_the_archive_and_comes_back(run: Run, home: Home, bot: Path) -> None:
    content = bot.read_bytes()
    ok(run("config", "archive", "sol-mm"))
    assert not bot.exists()
    assert (home.archived / "a.json").read_bytes() == content
    assert "no bot is named 'sol-mm'" in refused(run("config", "archive", "sol-mm"))
    ok(run("config", "restore", "sol-mm"))
    assert bot.read_bytes() == content
    assert "is active already" in refused(run("config", "restore", "sol-mm"))
    assert [one.action for one in versions(home)] == ["by hand", "archive", "restore"]


def test_several_bots_go_to_the_archive_and_come_back_together(run: Run, home: Home) -> None:
    for name in "abc":
        write_config(home, config(name), f"{name}.json")
    ok(run("config", "archive", "a", "b", "a"))
    assert sorted(path.name for path in home.archived.iterdir()) == ["a.json", "b.json"]
    assert [path.name for path in home.active.iterdir()] == ["c.json"]
    assert "c is active already" in refused(run("config", "restore", "a", "c"))
    ok(run("config", "restore", "a", "b"))
    assert len(list(home.active.iterdir())) == 3
    assert run("config", "archive").exit_code == 2
    assert "no archived bot carries all of these tags: x" in refused(run("config", "restore", "--tag", "x"))


def test_what_was_deleted_comes_back_from_the_history(run: Run, home: Home, bot: Path) -> None:
    ok(run("config", "set", "sol-mm", "layers=5", "--yes"))
    content = bot.read_bytes()
    bot.unlink()
    ok(run("config", "restore", "sol-mm"))
    assert (home.active / "sol-mm.json").read_bytes() == content
    assert "no bot of the archive or the history is named 'gone'" in refused(run("config", "restore", "gone"))


def test_a_bot_that_would_be_in_anothers_way_stays_in_the_archive(run: Run, home: Home, bot: Path) -> None:
    ok(run("config", "archive", "sol-mm"))
    write_config(home, config("other", exchange_config={"account": "sol-mm"}), "b.json")
    assert "trades it too" in refused(run("config", "activate", "sol-mm"))
    assert not bot.exists()
    assert (home.archived / "a.json").exists()


def test_a_neighbour_that_comes_while_a_person_looks_at_the_difference_is_noticed(
    run: Run, home: Home, bot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow_yes(_question: str, _yes: bool) -> bool:
        write_config(home, config("other", exchange_config={"account": "sol-mm"}), "b.json")
        return True

    monkeypatch.setattr("cli.config.writing.agreed", slow_yes)
    assert "trades it too" in refused(run("config", "set", "sol-mm", "layers=5"))
    assert "layers" not in strategy(home)


def test_a_file_from_elsewhere_is_activated_as_a_copy(run: Run, home: Home, tmp_path: Path) -> None:
    file = tmp_path / "elsewhere.json"
    file.write_text(json.dumps(config("new-bot")))
    ok(run("config", "activate", str(file)))
    assert (home.active / "new-bot.json").read_bytes() == file.read_bytes()
    file.write_text(json.dumps(config("new-bot", risk_config={"max_loss": 1})))
    assert "new-bot is there already" in refused(run("config", "activate", str(file)))


def test_a_command_says_how_a_running_daemon_comes_to_know(run: Run, daemon: Daemon, home: Home, bot: Path) -> None:
    daemon.bots = [row(name="sol-mm")]
    assert "`reload` applies it" in ok(run("config", "set", "sol-mm", "layers=5", "--yes"))
    assert "sol-mm runs: a `reload` stops it" in ok(run("config", "archive", "sol-mm"))


# ---------------------------------------------------------------- export, import


def test_bots_go_from_one_home_to_another(run: Run, home: Home, bot: Path, tmp_path: Path) -> None:
    write_config(home, config("other", strategy_config={"symbol": "BTC-USDC", "order_size": 1}), "b.json")
    ok(run("config", "archive", "other"))
    bundle = tmp_path / "bundle.json"
    ok(run("config", "export", "-o", str(bundle)))
    assert run("config", "export").stdout.count('"name"') == 2
    there = tmp_path / "there"
    ok(run("config", "--home", str(there), "import", str(bundle), "--yes"))
    assert (there / "config/active/sol-mm.json").read_bytes() == bot.read_bytes()
    assert (there / "config/archived/other.json").read_bytes() == (home.archived / "b.json").read_bytes()
    assert "there already" in ok(run("config", "--home", str(there), "import", str(bundle), "--yes"))


def test_an_import_replaces_only_when_it_is_told_to_and_minds_the_limits(
    run: Run, home: Home, bot: Path, tmp_path: Path
) -> None:
    bundle = str(tmp_path / "bundle.json")
    ok(run("config", "export", "sol-mm", "-o", bundle))
    ok(run("config", "set", "sol-mm", "max_loss=50", "--yes"))
    assert "--replace replaces it" in refused(run("config", "import", bundle, "--yes"))
    assert "--allow-wider-risk" in refused(run("config", "import", bundle, "--yes", "--replace"))
    ok(run("config", "import", bundle, "--yes", "--replace", "--allow-wider-risk"))
    assert versions(home)[-1].action == "import"


def test_of_a_bundle_with_one_bad_bot_nothing_is_written(run: Run, home: Home, bot: Path, tmp_path: Path) -> None:
    write_config(home, config("other", exchange_config={"account": "x", "seed": "${SEED:-5}"}), "b.json")
    bundle = tmp_path / "bundle.json"
    ok(run("config", "export", "-o", str(bundle)))
    packed = json.loads(bundle.read_text())
    there = str(tmp_path / "there")
    for damage in ('"name": "other"', '"name": "../x"'), ("SEED", "SED"), ("makerd_bundle", "bundle"):
        bundle.write_text(json.dumps(packed).replace(*damage))
        refused(run("config", "--home", there, "import", str(bundle), "--yes"))
    assert list((tmp_path / "there").rglob("*.json")) == []


def test_what_is_not_valid_is_not_exported(run: Run, home: Home) -> None:
    write_config(home, config(exchange_config={"api_key": "hunter2"}))
    done = run("config", "export")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "hunter2" not in done.stderr
