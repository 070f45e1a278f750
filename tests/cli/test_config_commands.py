"""`config set`: what it shows, what it asks, what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import api.paper_client  # noqa: F401  # the child that asks the venue is forked, and has it then
from tests.cli.config_parts import ok, refused, strategy, versions
from tests.cli.conftest import Run
from tests.console_parts import config, write_config
from utils.home import Home


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
