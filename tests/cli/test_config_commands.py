"""Writing configs on the command line: judged, shown, agreed to, and on record."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

import api.paper_client  # noqa: F401  # the child that asks the venue is forked, and has it then
from core.registry.drift import drift_of
from core.registry.history import Version
from core.registry.store import ConfigStore
from tests.cli.conftest import Run
from tests.console_parts import Daemon, config, row, write_config
from utils.home import CHECKOUT, Home


def versions(home: Home, bot: str = "sol-mm") -> list[Version]:
    with ConfigStore(home).reading() as history:
        return history.versions(bot)


def strategy(home: Home, file: str = "a.json") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((home.active / file).read_bytes())["strategy_config"]
    return found


def ok(done: Result) -> str:
    assert (done.exit_code, done.stderr) == (0, ""), done.output
    return done.stdout


def refused(done: Result) -> str:
    assert done.exit_code == 1, done.output
    assert done.stderr.startswith("makerd: ")
    return done.stderr


@pytest.fixture
def bot(home: Home) -> Path:
    return write_config(home, config(risk_config={"max_loss": 100}))


# ---------------------------------------------------------------- set


def test_set_shows_the_difference_and_what_a_reload_would_do_and_writes(run: Run, home: Home, bot: Path) -> None:
    shown = ok(run("config", "set", "sol-mm", "layers=5", "strategy_config.price_source=micro", "--yes"))
    assert '+    "layers": 5,' in shown
    assert '+    "price_source": "micro"' in shown
    assert "strategy_config.layers: live" in shown
    assert "sol-mm would take it over while it runs" in shown
    assert "sol-mm: version 2 (config/active/a.json)" in shown
    assert (strategy(home)["layers"], strategy(home)["price_source"]) == (5, "micro")
    assert [(one.action, one.who == "unknown") for one in versions(home)] == [("by hand", True), ("set", False)]


def test_set_names_a_restart_and_a_change_of_what_is_traded(run: Run, bot: Path) -> None:
    assert "exchange_config.seed: restart" in (shown := ok(run("config", "set", "sol-mm", "seed=9", "--yes")))
    assert "would be restarted; orders that still fit stay" in shown
    assert "without its orders" in ok(run("config", "set", "sol-mm", "symbol=BTC-USDC", "--yes"))


def test_set_without_yes_and_without_a_terminal_writes_nothing(run: Run, home: Home, bot: Path) -> None:
    assert "--yes agrees beforehand" in refused(run("config", "set", "sol-mm", "layers=5"))
    assert "layers" not in strategy(home)


def test_set_of_what_is_there_already_is_no_version(run: Run, home: Home, bot: Path) -> None:
    ok(run("config", "set", "sol-mm", "layers=5", "--yes"))
    assert ok(run("config", "set", "sol-mm", "layers=5", "--yes")) == "nothing changes\n"
    assert len(versions(home)) == 2


@pytest.mark.parametrize(
    ("setting", "word"),
    [
        ("layers=0", "expected a whole number from 1 to 50"),
        ("layers=many", 'found "many"'),
        ("spred_pct=1", "nearest known key: strategy_config.spread_pct"),
        ("risk_config.max_los=1", "nearest known key: risk_config.max_loss"),
        ("max_open_orders=3", "a key of exchange_config and of risk_config; say which"),
        ("metadata.name=other", "a bot is its name"),
    ],
)
def test_set_refuses_what_would_not_be_valid_and_writes_nothing(run: Run, bot: Path, setting: str, word: str) -> None:
    before = bot.read_bytes()
    assert word in refused(run("config", "set", "sol-mm", setting, "--yes"))
    assert bot.read_bytes() == before


def test_set_takes_null_text_lists_and_references(
    run: Run, home: Home, bot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOW_MANY", "2")
    ok(run("config", "set", "sol-mm", "layers=${HOW_MANY}", "bid_spread_pct=null", "symbol=SOL-USDT", "--yes"))
    assert (strategy(home)["layers"], strategy(home)["bid_spread_pct"]) == ("${HOW_MANY}", None)
    ok(run("config", "set", "sol-mm", "layer_mode=list", "layer_spreads_pct=[0.1, 0.2]", "--yes"))
    assert strategy(home)["layer_spreads_pct"] == [0.1, 0.2]


def test_a_literal_secret_is_refused_and_reaches_neither_file_history_nor_message(
    run: Run, home: Home, bot: Path
) -> None:
    done = run("config", "set", "sol-mm", "api_key=hunter2", "--yes")
    assert "exchange_config.api_key: found ***" in refused(done)
    assert "hunter2" not in done.output
    everywhere = b"".join(path.read_bytes() for path in home.root.rglob("*") if path.is_file())
    assert b"hunter2" not in everywhere


def test_set_by_tag_is_all_or_nothing(run: Run, home: Home) -> None:
    for name, tags in (("a", ["btc"]), ("b", ["btc", "x"]), ("c", ["x"])):
        write_config(home, {**config(name), "metadata": {**config(name)["metadata"], "tags": tags}}, f"{name}.json")
    done = run("config", "set", "--tag", "btc", "layers=99", "--yes")
    assert [name for name in "abc" if f"{name}.json:" in refused(done)] == ["a", "b"]
    assert all("layers" not in strategy(home, f"{name}.json") for name in "abc")
    for tags, meant in ((("btc", "x"), 1), (("btc,x",), 3)):  # every one of them; any of those between commas
        done = run("config", "set", *(f"--tag={tag}" for tag in tags), "layers=99", "--yes")
        assert refused(done).count("layers: found 99") == meant
    done = run("config", "set", "--tag", "sol", "layers=3", "--yes")
    assert "no active bot carries all of these tags: sol" in refused(done)


def test_usage_of_set(run: Run, bot: Path) -> None:
    for given in ([], ["sol-mm"], ["layers=3"], ["sol-mm", "other", "layers=3"]):
        assert run("config", "set", *given, "--yes").exit_code == 2
    assert "did you mean 'sol-mm'" in refused(run("config", "set", "sol-m", "layers=3", "--yes"))


# ---------------------------------------------------------------- wider limits


def test_a_wider_limit_is_named_and_needs_a_word_of_its_own(run: Run, home: Home, bot: Path) -> None:
    done = run("config", "set", "sol-mm", "max_loss=200", "--yes")
    assert "sol-mm: risk_config.max_loss: 100.0 -> 200.0 widens a risk limit" in done.stdout
    assert "--allow-wider-risk agrees to it" in refused(done)
    assert json.loads(bot.read_bytes())["risk_config"] == {"max_loss": 100}
    ok(run("config", "set", "sol-mm", "max_loss=200", "--yes", "--allow-wider-risk"))
    assert versions(home)[-1].note == "risk_config.max_loss: 100.0 -> 200.0 widens a risk limit"


def test_a_tighter_limit_needs_none_and_going_back_to_the_wider_one_does(run: Run, bot: Path) -> None:
    ok(run("config", "set", "sol-mm", "max_loss=50", "--yes"))
    assert "widens a risk limit" in run("config", "rollback", "sol-mm", "1", "--yes").stdout
    assert json.loads(bot.read_bytes())["risk_config"] == {"max_loss": 50}


def test_of_a_broken_file_the_limits_are_compared_with_what_was_accepted_last(
    run: Run, home: Home, bot: Path, editor: Any
) -> None:
    ok(run("config", "history", "sol-mm"))
    broken = config(risk_config={"max_loss": 100, "max_los": 3})
    write_config(home, broken)
    editor("text.replace(', \"max_los\": 3', '').replace(',\\n    \"max_los\": 3', '').replace('100', '900')")
    assert "widens a risk limit" in run("config", "edit", "sol-mm", "--yes").stdout


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


# ---------------------------------------------------------------- list, schema


def entry(home: Home, run: Run, name: str) -> dict[str, Any]:
    return next(one for one in json.loads(ok(run("config", "list", "--json"))) if one["name"] == name)


def test_list_tells_what_is_valid_and_what_is_wrong(run: Run, home: Home, bot: Path) -> None:
    write_config(home, config("bad", risk_config={"max_los": 1}), "bad.json")
    assert (entry(home, run, "sol-mm")["valid"], entry(home, run, "sol-mm")["state"]) == (True, "STOPPED")
    bad = entry(home, run, "bad")
    assert bad["valid"] is False
    assert "nearest known key: max_loss" in bad["complaints"][0]
    shown = ok(run("config", "list"))
    assert "  sol-mm is in config/active/a.json" in shown
    assert "  config/active/bad.json:" in shown
    assert "paper_market_maker_synthetic" in shown


def test_list_compares_the_file_with_what_runs(run: Run, daemon: Daemon, home: Home, bot: Path) -> None:
    digest = next(one for one in _verdict(run)["bots"] if one["name"] == "sol-mm")["digest"]
    daemon.bots = [row(name="sol-mm", config_digest=digest), row(name="lost")]
    assert (entry(home, run, "sol-mm")["state"], entry(home, run, "sol-mm")["drift"]) == ("RUNNING", "none")
    assert (entry(home, run, "lost")["where"], entry(home, run, "lost")["drift"]) == ("daemon", "gone")
    ok(run("config", "set", "sol-mm", "layers=5", "--yes"))
    assert entry(home, run, "sol-mm")["drift"] == "changed"
    bot.write_text(bot.read_text().replace("5", "-5"))
    assert entry(home, run, "sol-mm")["drift"] == "invalid"


def _verdict(run: Run) -> dict[str, Any]:
    from core.door_services import DoorServices

    return DoorServices().validate(Home.find())


RUNS, RESTS = row(config_digest="d"), row(pid=None, config_digest=None)


@pytest.mark.parametrize(
    ("digest", "found", "daemon_runs", "drift"),
    [
        ("d", RUNS, True, "none"),
        ("e", RUNS, True, "changed"),
        (None, RUNS, True, "invalid"),
        ("d", row(config_digest=None), True, None),
        ("d", RESTS, True, None),
        (None, RESTS, True, None),
        ("d", None, True, "new"),
        (None, None, True, None),
        ("d", None, False, None),
    ],
)
def test_the_drift_of_a_file(digest: str | None, found: Any, daemon_runs: bool, drift: str | None) -> None:
    assert drift_of(digest, found, daemon_runs) == drift


def test_schema_prints_all_or_one_also_as_tables(run: Run) -> None:
    assert {"bot", "risk", "exchanges/paper", "daemon_file"} <= set(json.loads(ok(run("config", "schema"))))
    assert json.loads(ok(run("config", "schema", "paper")))["title"] == "paper"
    assert "## strategy_config: market_maker" in ok(run("config", "schema", "market_maker", "--markdown"))
    assert "did you mean 'risk'" in refused(run("config", "schema", "risks"))
