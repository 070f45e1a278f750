"""Every parameter has one home: its schema. What repeats it must agree."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from api.paper_settings import PaperSettings
from core.bot_config import DaemonConfig
from core.fleet_config import FleetConfig
from core.jobs.base import job_function
from core.market.instrument import Instrument
from core.market.risk import RiskLimits
from core.registry.config_manager import load_file
from core.registry.schema import (
    SCHEMAS,
    known_exchanges,
    known_jobs,
    known_strategies,
    load_schema,
    validator_of,
    with_defaults,
)
from core.trading.loop_settings import LoopSettings
from strategies.base import strategy_class
from utils.home import CHECKOUT, Home
from utils.input_validation import BOT_NAME, SYMBOL

INSTRUMENT = Instrument("SOL-USDC", "SOLUSDC", "spot", "SOL", "USDC", Decimal("0.01"), Decimal("0.001"))
NAMES = sorted(str(path.relative_to(SCHEMAS))[:-5] for path in SCHEMAS.rglob("*.json"))
TEMPLATES = sorted((CHECKOUT / "config" / "templates").glob("*.json"))


def properties(node: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every property below a schema, nested ones too."""
    for key, child in node.get("properties", {}).items():
        yield f"{path}{key}", child
        yield from properties(child, f"{path}{key}.")


def objects(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a schema and every schema inside it that says which keys there are."""
    if "properties" in node:
        yield node
    for child in node.get("properties", {}).values():
        yield from objects(child)


def types(node: dict[str, Any]) -> set[str]:
    """Return the types that a property allows."""
    return {node["type"]} if isinstance(node["type"], str) else set(node["type"])


NEEDED = {"order_size": 1, "lower": 100, "upper": 200, "quantity": 1}  # where a strategy has such keys


def needed_by(own: dict[str, Any]) -> dict[str, Any]:
    """Return values without which a strategy's parameters are refused."""
    return {key: value for key, value in NEEDED.items() if key in own}


SECRET_WORDS = ("api_key", "api_secret", "key_id", "private_key", "password", "proxy", "webhook_url")
ALL = [(name, path, node) for name in NAMES for path, node in properties(dict(load_schema(name)))]
IDS = [f"{name}:{path}" for name, path, _ in ALL]


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_a_schema(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(load_schema(name))


@pytest.mark.parametrize("name", NAMES)
def test_no_object_takes_unknown_keys(name: str) -> None:
    assert all(node["additionalProperties"] is False for node in objects(dict(load_schema(name))))


@pytest.mark.parametrize(("name", "path", "node"), ALL, ids=IDS)
def test_every_property_says_type_meaning_unit_and_reload(name: str, path: str, node: dict[str, Any]) -> None:
    assert types(node) <= {"string", "number", "integer", "boolean", "array", "object", "null"}
    assert node["description"].endswith(".")
    assert node["x-reload"] in ("live", "restart")
    if types(node) & {"number", "integer", "array"}:
        assert node["x-unit"]


@pytest.mark.parametrize(("name", "path", "node"), ALL, ids=IDS)
def test_every_number_has_a_lowest_and_a_highest_value(name: str, path: str, node: dict[str, Any]) -> None:
    for one in (node, node.get("items", {})):
        if {"number", "integer"} & (types(one) if one else set()) and "enum" not in one:
            assert "minimum" in one or "exclusiveMinimum" in one
            assert "maximum" in one


@pytest.mark.parametrize(("name", "path", "node"), ALL, ids=IDS)
def test_every_default_is_valid_itself(name: str, path: str, node: dict[str, Any]) -> None:
    if "default" in node:
        jsonschema.Draft202012Validator(node).validate(node["default"])


@pytest.mark.parametrize("name", [name for name in NAMES if name != "bot"])
def test_every_property_is_required_or_has_a_default(name: str) -> None:
    schema = load_schema(name)
    assert all("default" in node or key in schema["required"] for key, node in schema["properties"].items())


@pytest.mark.parametrize(("name", "path", "node"), ALL, ids=IDS)
def test_a_secret_is_text_or_null_and_has_no_default(name: str, path: str, node: dict[str, Any]) -> None:
    if node.get("writeOnly"):
        assert types(node) <= {"string", "null"}
        assert node.get("default") is None
    assert bool(node.get("writeOnly")) == any(word in path for word in SECRET_WORDS)


def test_the_daemons_defaults_are_those_of_the_schema() -> None:
    schema = load_schema("daemon")
    assert with_defaults(schema, {}) == dataclasses.asdict(DaemonConfig())
    assert [field.name for field in dataclasses.fields(DaemonConfig)] == list(schema["properties"])


def test_the_fleets_defaults_are_those_of_the_schema() -> None:
    filled = with_defaults(load_schema("daemon_file"), {})
    assert FleetConfig.from_plain(filled) == FleetConfig()
    assert {name: list(section) for name, section in filled.items()} == {
        name: list(section) for name, section in FleetConfig().to_plain().items() if name != "digest"
    }


@pytest.mark.parametrize("name", known_strategies())
def test_a_strategys_parameters_are_those_of_its_schema(name: str) -> None:
    own = {key: node for key, node in load_schema(f"strategies/{name}")["properties"].items() if "x-owner" not in node}
    params = strategy_class(name).params_from(with_defaults({"properties": own}, needed_by(own)))
    assert {field.name for field in dataclasses.fields(params)} == set(own)


@pytest.mark.parametrize("name", known_strategies())
def test_a_strategys_defaults_are_those_of_its_schema(name: str) -> None:
    own = {key: node for key, node in load_schema(f"strategies/{name}")["properties"].items() if "x-owner" not in node}
    params = strategy_class(name).params_from(with_defaults({"properties": own}, needed_by(own)))
    defaults = {field.name: field.default for field in dataclasses.fields(params)}
    assert defaults == {key: node.get("default") for key, node in own.items()}


@pytest.mark.parametrize("name", known_strategies())
def test_the_loops_defaults_are_those_of_the_schema(name: str) -> None:
    config = with_defaults(load_schema(f"strategies/{name}"), {})
    read = LoopSettings.from_config(config, with_defaults(load_schema("risk"), {}))
    assert dataclasses.replace(read, risk_config={}) == LoopSettings()


def test_the_paper_exchanges_defaults_are_those_of_the_schema() -> None:
    assert PaperSettings.from_config(with_defaults(load_schema("exchanges/paper"), {})) == PaperSettings()


def test_the_limits_defaults_are_those_of_the_schema() -> None:
    assert RiskLimits.from_config(with_defaults(load_schema("risk"), {}), INSTRUMENT) == RiskLimits()


def test_the_keys_of_the_loop_are_the_same_in_every_strategy() -> None:
    shared = [
        {key: node for key, node in load_schema(f"strategies/{name}")["properties"].items() if "x-owner" in node}
        for name in known_strategies()
    ]
    assert {node["x-owner"] for keys in shared for node in keys.values()} == {"loop"}
    assert all(keys == shared[0] for keys in shared)


_OTHER_VALUES = {"max_loss_action": "close", "max_drawdown_action": "cancel", "max_profit_action": "cancel"}


@pytest.mark.parametrize("key", load_schema("risk")["properties"])
def test_every_risk_key_changes_a_limit_or_the_loop(key: str) -> None:
    defaults = with_defaults(load_schema("risk"), {})
    changed = {**defaults, key: _OTHER_VALUES.get(key, 7)}
    assert not list(validator_of("risk").iter_errors(changed))
    assert _effect(changed) != _effect(defaults)


def _effect(risk_config: dict[str, Any]) -> tuple[RiskLimits, int, int, int]:
    loop = LoopSettings.from_config({}, risk_config)
    breaker = (loop.max_consecutive_rejects, loop.reject_window_ns, loop.breaker_cooldown_ns)
    return RiskLimits.from_config(risk_config, INSTRUMENT), *breaker


def test_names_and_symbols_follow_one_pattern() -> None:
    for kind in ("bot", "job"):
        assert load_schema(kind)["properties"]["metadata"]["properties"]["name"]["pattern"] == BOT_NAME
    for name in known_strategies():
        assert load_schema(f"strategies/{name}")["properties"]["symbol"]["pattern"] == SYMBOL


def test_every_exchange_strategy_and_job_with_a_schema_has_its_code() -> None:
    assert [name for name in known_exchanges() if not (CHECKOUT / "api" / f"{name}_client.py").is_file()] == []
    assert [name for name in known_strategies() if not (CHECKOUT / "strategies" / f"{name}.py").is_file()] == []
    assert all(callable(job_function(name)) for name in known_jobs())


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_a_shipped_template_is_valid_without_any_variable(template: Path, tmp_path: Path) -> None:
    bot = load_file(template, Home(tmp_path), {})
    assert template.stem.startswith(f"{bot.exchange or 'job'}_{bot.strategy}")


def test_the_templates_of_the_paper_exchange_are_there() -> None:
    assert {"paper_market_maker.json", "paper_market_maker_synthetic.json"} <= {path.name for path in TEMPLATES}
