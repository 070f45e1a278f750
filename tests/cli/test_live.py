"""Going live: `--live`, a typed name, or a refusal."""

from __future__ import annotations

import json

import pytest

import cli.live
from cli.shared import command_arguments
from cli.smoke import smoke_config
from core.registry.live_consent import Subject, has_consent
from tests.cli.conftest import Run
from tests.console_parts import Daemon, Services
from utils.errors import ConfigError
from utils.home import Home

WHAT = Subject("backpack", "main", "SOL-USDC")
HERE = {"base_url": "http://127.0.0.1:1", "ws_url": "ws://127.0.0.1:1/"}


def write(home: Home, name: str = "sol", exchange: str = "backpack", symbol: str = "SOL-USDC", **keys: object) -> None:
    plain = {
        "metadata": {"name": name, "exchange": exchange, "strategy": "market_maker"},
        "daemon_config": {},
        "exchange_config": {"account": "main", **keys},
        "strategy_config": {"symbol": symbol, "order_size": 1},
    }
    (home.active / f"{name}.json").write_text(json.dumps(plain))


def test_start_is_refused_until_somebody_agrees(run: Run, home: Home, services: Services) -> None:
    write(home, mode="live")
    done = run("start", "--daemon")
    assert done.exit_code == 1
    assert done.stderr == (
        "makerd: sol would trade real money: SOL-USDC on backpack, account main; "
        "agree with --live, or set exchange_config.mode to paper\n"
    )
    assert services.started == []


def test_agreeing_once_is_enough(run: Run, home: Home, services: Services) -> None:
    write(home, mode="live")
    assert run("start", "--daemon", "--live").exit_code == 0
    assert has_consent(home.bot_state("sol"), WHAT)
    assert run("start", "--daemon").exit_code == 0
    assert len(services.started) == 2


def test_another_address_is_asked_about_again_and_named(run: Run, home: Home) -> None:
    write(home, mode="live")
    assert run("start", "--daemon", "--live").exit_code == 0
    write(home, mode="live", base_url="https://example.org")
    done = run("start", "--daemon")
    assert done.exit_code == 1
    assert "account main, at https://example.org; agree with --live" in done.stderr


def test_a_test_net_at_an_address_that_somebody_gave_is_asked_about(run: Run, home: Home) -> None:
    write(home, exchange="thalex", symbol="BTC-PERP", mode="live", network="test", ws_url="wss://example.org/")
    done = run("start", "--daemon")
    assert done.exit_code == 1
    assert "at wss://example.org/; agree with --live" in done.stderr


def test_paper_test_net_and_simulator_ask_nothing(run: Run, home: Home) -> None:
    write(home, "a", mode="paper")
    write(home, "b", "thalex", "BTC-PERP", mode="live", network="test")
    write(home, "c", symbol="BTC-USDC", mode="live", **HERE)
    assert run("start", "--daemon").exit_code == 0
    assert not any((home.bot_state(name) / "live.json").exists() for name in "abc")


def test_only_the_bots_that_are_started_are_asked_about(run: Run, home: Home) -> None:
    write(home, mode="live")
    write(home, "other", symbol="BTC-USDC")
    assert run("start", "--daemon", "other").exit_code == 0


@pytest.mark.parametrize("command", [("reload",), ("restart", "sol"), ("bot", "start", "sol"), ("bot", "reset", "sol")])
def test_every_way_to_start_a_bot_asks(run: Run, home: Home, daemon: Daemon, command: tuple[str, ...]) -> None:
    write(home, mode="live")
    done = run(*command)
    assert (done.exit_code, daemon.asked) == (1, [])
    assert "real money" in done.stderr


def test_stopping_asks_nothing(run: Run, home: Home, daemon: Daemon) -> None:
    write(home, mode="live")
    daemon.answers["bot"] = {"bots": []}
    assert run("bot", "stop", "sol").exit_code == 0


@pytest.mark.parametrize(("typed", "agreed"), [("sol", True), ("", False), ("yes", False)])
def test_on_a_terminal_the_bots_name_is_typed(
    run: Run, home: Home, monkeypatch: pytest.MonkeyPatch, typed: str, agreed: bool
) -> None:
    monkeypatch.setattr(cli.live, "can_ask", lambda: True)
    write(home, mode="live")
    assert run("start", "--daemon", input=f"{typed}\n").exit_code == (0 if agreed else 1)
    assert has_consent(home.bot_state("sol"), WHAT) is agreed


def test_the_network_of_a_bot_is_told_while_no_daemon_lives(run: Run, home: Home) -> None:
    write(home, "a")
    write(home, "b", "thalex", "BTC-PERP", network="test")
    rows = json.loads(run("status", "--json").stdout)["bots"]
    assert [row["network"] for row in rows] == ["live", "test"]


def test_a_symbol_is_shown_by_our_name_however_the_config_writes_it(run: Run, home: Home) -> None:
    write(home, symbol="SOL_USDC_PERP")
    (row,) = json.loads(run("status", "--json").stdout)["bots"]
    assert (row["symbol"], row["legs"][0]["symbol"]) == ("SOL-PERP", "SOL-PERP")


def test_so_is_every_instrument_of_a_group(run: Run, home: Home) -> None:
    strategy = {"symbol": "SOL-PERP", "instruments": [{"symbol": "SOL-PERP"}, {"symbol": "BTC_USDC_PERP"}]}
    metadata = {"name": "group", "exchange": "backpack", "strategy": "avellaneda_stoikov_group"}
    plain = {"metadata": metadata, "exchange_config": {}, "strategy_config": strategy}
    (home.active / "group.json").write_text(json.dumps(plain))
    (row,) = json.loads(run("status", "--json").stdout)["bots"]
    assert [leg["symbol"] for leg in row["legs"]] == ["SOL-PERP", "BTC-PERP"]


def test_a_word_for_a_group_is_for_all_its_instruments_also_where_a_variable_lists_them(
    run: Run, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GROUP", json.dumps([{"symbol": "SOL-PERP", "max_position": 1}, {"symbol": "BTC-PERP"}]))
    metadata = {"name": "group", "exchange": "backpack", "strategy": "avellaneda_stoikov_group"}
    strategy = {"symbol": "SOL-PERP", "instruments": "${GROUP}"}
    plain = {"metadata": metadata, "exchange_config": {"mode": "live"}, "strategy_config": strategy}
    (home.active / "group.json").write_text(json.dumps(plain))
    assert run("start", "--daemon", "--live").exit_code == 0
    assert has_consent(home.bot_state("group"), Subject("backpack", "group", "SOL-PERP + BTC-PERP"))


@pytest.mark.parametrize("text", ["", "[", "5", "[5]", '[{"symbol": 5}]'])
def test_instruments_that_cannot_be_read_are_none(run: Run, home: Home, text: str) -> None:
    write(home)
    tree = json.loads((home.active / "sol.json").read_text())
    tree["strategy_config"]["instruments"] = text
    (home.active / "sol.json").write_text(json.dumps(tree))
    (row,) = json.loads(run("status", "--json").stdout)["bots"]
    assert [leg["symbol"] for leg in row["legs"]] == ["SOL-USDC"]


# The trial


def test_a_trial_keeps_venue_account_and_key_and_takes_the_smallest_orders(home: Home) -> None:
    write(home, mode="paper", api_key="${K}", **HERE)
    plain = smoke_config(home, "sol", 60, live=False)
    assert plain["metadata"] == {"name": "smoke-sim-sol", "exchange": "backpack", "strategy": "smoke"}
    assert plain["exchange_config"] == {"account": "main", "mode": "live", "api_key": "${K}", **HERE}
    assert plain["strategy_config"]["duration_s"] == 60


def test_a_trial_runs_on_the_test_net_unless_live_is_said(home: Home) -> None:
    write(home, exchange="thalex", symbol="BTC-PERP", network="live")
    assert smoke_config(home, "sol", 60, live=False)["exchange_config"]["network"] == "test"
    assert smoke_config(home, "sol", 60, live=True)["exchange_config"]["network"] == "live"


def test_a_trial_without_a_test_net_needs_live(home: Home) -> None:
    write(home)
    with pytest.raises(ConfigError, match="no test net: --live"):
        smoke_config(home, "sol", 60, live=False)


def test_a_trial_at_an_address_that_somebody_gave_is_no_test_net(home: Home) -> None:
    write(home, exchange="thalex", symbol="BTC-PERP", ws_url="wss://example.org/")
    with pytest.raises(ConfigError, match="an address of another host may be the real venue: --live"):
        smoke_config(home, "sol", 60, live=False)


def test_a_trial_of_a_bot_that_is_not_there_is_refused(home: Home) -> None:
    write(home)
    with pytest.raises(ConfigError, match="'sol'"):
        smoke_config(home, "sole", 60, live=True)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("smoke sol", "sol"),
        ("--home H smoke sol", "--home H sol"),
        ("--home=H --debug smoke sol --live", "--home=H --debug sol --live"),
        ("--symbol smoke", None),
        ("--home smoke", None),
        ("--cli", None),
        ("", None),
    ],
)
def test_general_options_may_stand_before_smoke(given: str, found: str | None) -> None:
    assert command_arguments(given.split(), "smoke") == (None if found is None else found.split())
