"""Every key of the schemas is a flag of a direct run, of its type and with its help."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli import direct as door
from cli.direct import direct
from cli.direct_flags import KeyOption, key_options
from cli.shared import App
from core.registry.schema import known_exchanges, known_strategies, schema_for
from tests.console_parts import Services
from utils.home import Home


@pytest.fixture
def ran(home: Home, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Return the configs that would be run, in place of running them."""
    plain: list[dict[str, Any]] = []

    def run_plain(_app: App, made: dict[str, Any], _live: bool) -> int:
        plain.append(made)
        return 0

    monkeypatch.setattr(door, "run_plain", run_plain)
    return plain


def run(*arguments: str) -> Result:
    return CliRunner().invoke(direct, ["--symbol", "BTC-USDT", *arguments], obj=App(Services()))


def test_flags_reach_their_sections_with_the_type_of_their_key(ran: list[dict[str, Any]]) -> None:
    done = run(
        "--layers", "3", "--max-loss=50", "--max-restarts", "2", "--seed", "7", "--tags", '["x"]',
        "--inventory-skew-enabled", "false", "--risk.max-open-orders", "9", "--price-source", "micro",
    )  # fmt: skip
    assert (done.exit_code, done.stderr) == (0, "")
    plain = ran[0]
    assert {key: plain["strategy_config"][key] for key in ("layers", "inventory_skew_enabled", "price_source")} == {
        "layers": 3,
        "inventory_skew_enabled": False,
        "price_source": "micro",
    }
    assert plain["risk_config"] == {"max_loss": 50, "max_open_orders": 9}
    assert plain["daemon_config"]["max_restarts"] == 2
    assert plain["exchange_config"]["seed"] == 7
    assert plain["metadata"]["tags"] == ["x"]


def test_null_and_a_reference_are_what_they_are_in_a_file(ran: list[dict[str, Any]]) -> None:
    assert run("--max-loss", "null", "--layers", "${LAYERS}").exit_code == 0
    assert ran[0]["risk_config"]["max_loss"] is None
    assert ran[0]["strategy_config"]["layers"] == "${LAYERS}"


def test_the_flags_are_those_of_the_chosen_strategy_wherever_it_is_named(ran: list[dict[str, Any]]) -> None:
    assert run("--grid-num", "9", "--strategy", "grid_strategy").exit_code == 0
    assert ran[0]["strategy_config"]["grid_num"] == 9
    done = run("--grid-num", "9")
    assert (done.exit_code, len(ran)) == (64, 1)
    assert "there is no flag --grid-num" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--spred-pct", "1"), "the nearest is --spread-pct"),
        (("--max_los", "1"), "the nearest is --max-loss"),
        (("--zzzzz", "1"), "--help tells them all"),
        (("--strategy", "market_makr", "--layers", "1"), "did you mean market_maker?"),
        (("--exchange", "backpak", "--ws-url", "x"), "did you mean backpack?"),
        (("--spread", "1", "--spread-pct", "2"), "spread_pct is given twice"),
        (("--set", "layers=1", "--layers", "2"), "layers is given twice"),
    ],
)
def test_a_flag_that_is_none_or_contradicts_another_is_a_usage_error(
    ran: list[dict[str, Any]], arguments: tuple[str, ...], word: str
) -> None:
    done = run(*arguments)
    assert (done.exit_code, ran) == (64, [])
    assert word in done.stderr


def test_what_the_schema_refuses_is_told_by_its_path(home: Home) -> None:
    done = run("--layers", "0", "--max-loss", "much")
    assert done.exit_code == 78
    assert "strategy_config.layers: found 0" in done.stderr
    assert 'risk_config.max_loss: found "much"' in done.stderr


def test_a_literal_secret_is_refused_and_not_repeated(home: Home) -> None:
    done = run("--exchange", "backpack", "--api-secret", "dEmOsEcReT")
    assert done.exit_code == 78
    assert "exchange_config.api_secret" in done.stderr
    assert "dEmOsEcReT" not in done.output


@pytest.mark.parametrize("exchange", known_exchanges())
@pytest.mark.parametrize("strategy", known_strategies())
def test_no_key_is_without_a_flag_and_no_flag_has_two_meanings(exchange: str, strategy: str) -> None:
    made = list(key_options(exchange, strategy, set()))
    schema = schema_for("bot", exchange, strategy)
    keys = {(section, key) for section in schema.sections if section != "kind" for key in schema.keys(section)}
    assert {one.path for one in made} == keys - {("metadata", "schema_version")}
    flags = [name for one in made for name in one.opts]
    assert len(set(flags)) == len(flags)


def test_the_help_is_the_schemas(home: Home) -> None:
    made = {one.path: one for one in key_options("paper", "market_maker", set())}
    node = schema_for("bot", "paper", "market_maker").node(("strategy_config", "layers")) or {}
    layers: KeyOption = made["strategy_config", "layers"]
    assert layers.help is not None
    assert layers.help.startswith(node["description"])
    assert json.dumps(node["default"]) in layers.help
    shown = run("--strategy", "grid_strategy", "--help").stdout
    assert "Keys of risk_config:" in shown
    assert "--grid-num VALUE" in shown
