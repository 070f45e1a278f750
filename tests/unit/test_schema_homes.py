"""Every parameter has one home: its schema. What repeats it must agree."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.paper_settings import PaperSettings
from api.thalex_settings import ThalexSettings
from cli.direct_config import _FLAGS, _SIZES
from cli.direct_config import SECTIONS as DIRECT_SECTIONS
from core.bot_config import DaemonConfig
from core.fleet_config import FleetConfig
from core.jobs.base import job_function
from core.market.instrument import Instrument
from core.market.layers import LayerParams
from core.market.risk_limits import RiskLimits
from core.registry.config_manager import load_file
from core.registry.old_names import RENAMED_IN_1
from core.registry.schema import (
    SCHEMAS,
    BotSchema,
    bundled_schema,
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
FILES = sorted(str(path.relative_to(SCHEMAS))[:-5] for path in SCHEMAS.rglob("*.json"))
NAMES = [name for name in FILES if not name.startswith("shared/")]  # what those hold is referred to by the others
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


def default_of(field: dataclasses.Field[Any]) -> Any:
    """Return what a field of a parameter class is when it is left out."""
    made = field.default_factory
    return field.default if made is dataclasses.MISSING else made()


def needed_by(own: dict[str, Any]) -> dict[str, Any]:
    """Return values without which a strategy's parameters are refused."""
    return {key: value for key, value in NEEDED.items() if key in own}


SECRET_WORDS = ("api_key", "api_secret", "key_id", "private_key", "password", "proxy", "webhook_url")


@pytest.mark.parametrize("name", FILES)
def test_a_schema_is_a_schema(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads((SCHEMAS / f"{name}.json").read_text()))
    jsonschema.Draft202012Validator.check_schema(load_schema(name))


def test_every_shared_key_is_referred_to() -> None:
    texts = {name: (SCHEMAS / f"{name}.json").read_text() for name in FILES}
    shared = [(name, key) for name in FILES for key in json.loads(texts[name]).get("$defs", ())]
    assert shared
    assert [one for one in shared if not any(f"{one[0]}.json#/$defs/{one[1]}" in text for text in texts.values())] == []


@pytest.mark.parametrize("exchange", known_exchanges())
@pytest.mark.parametrize("strategy", known_strategies())
def test_a_bundled_schema_says_what_its_parts_say(exchange: str, strategy: str) -> None:
    bundled, parts = bundled_schema(exchange, strategy), BotSchema(exchange, strategy)
    jsonschema.Draft202012Validator.check_schema(bundled)
    assert "$ref" not in json.dumps(bundled)
    assert {name: bundled["properties"][name] for name in parts.sections} == {
        name: parts.section(name) or load_schema("bot")["properties"][name] for name in parts.sections
    }


@pytest.mark.parametrize("name", NAMES)
def test_no_object_takes_unknown_keys(name: str) -> None:
    schema = load_schema(name)
    unclosed = [node for node in objects(dict(schema)) if node.get("additionalProperties") is not False]
    assert unclosed == ([schema["properties"]["job_config"]] if name == "job" else [])  # closed by jobs/<job>.json


ODD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 10**9)
    | st.floats(allow_nan=False)
    | st.sampled_from(["paper", "x", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["USDC", "a b"]), inner, max_size=2),
    max_leaves=4,
)


@settings(max_examples=200)
@given(st.data())
def test_our_way_through_the_properties_finds_what_the_librarys_own_does(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from([name for name in NAMES if name not in ("bot", "job", "daemon_file")]))
    schema = load_schema(name)
    keys = st.sampled_from([*schema["properties"], "unknown"])
    instance = data.draw(st.dictionaries(keys, ODD, max_size=6))
    assert _found(validator_of(name), instance) == _found(jsonschema.Draft202012Validator(schema), instance)


def _found(validator: Any, instance: Any) -> list[tuple[str, str, str]]:
    errors = [one for one in validator.iter_errors(instance) if one.validator not in ("pattern", "uniqueItems")]
    return sorted((str(list(one.absolute_path)), str(list(one.absolute_schema_path)), one.message) for one in errors)


@pytest.mark.parametrize("name", NAMES)
def test_every_property_says_type_meaning_unit_and_reload(name: str) -> None:
    for path, node in properties(dict(load_schema(name))):
        assert types(node) <= {"string", "number", "integer", "boolean", "array", "object", "null"}, path
        assert node["description"].endswith("."), path
        assert node["x-reload"] in ("live", "restart"), path
        if types(node) & {"number", "integer", "array"}:
            assert node["x-unit"], path


@pytest.mark.parametrize("name", NAMES)
def test_every_number_has_a_lowest_and_a_highest_value(name: str) -> None:
    for path, node in properties(dict(load_schema(name))):
        for one in (node, node.get("items", {})):
            if {"number", "integer"} & (types(one) if one else set()) and "enum" not in one:
                assert "minimum" in one or "exclusiveMinimum" in one, path
                assert "maximum" in one, path


@pytest.mark.parametrize("name", NAMES)
def test_every_default_is_valid_itself(name: str) -> None:
    with_default = [(path, node) for path, node in properties(dict(load_schema(name))) if "default" in node]
    wrong = {path: str(error) for path, node in with_default if (error := _error(node, node["default"]))}
    assert wrong == {}


def _error(schema: dict[str, Any], instance: Any) -> jsonschema.ValidationError | None:
    return next(jsonschema.Draft202012Validator(schema).iter_errors(instance), None)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "bot"])
def test_every_property_is_required_or_has_a_default(name: str) -> None:
    schema = load_schema(name)
    assert all("default" in node or key in schema["required"] for key, node in schema["properties"].items())


@pytest.mark.parametrize("name", NAMES)
def test_a_secret_is_text_or_null_and_has_no_default(name: str) -> None:
    for path, node in properties(dict(load_schema(name))):
        if node.get("writeOnly"):
            assert types(node) <= {"string", "null"}, path
            assert node.get("default") is None, path
        assert bool(node.get("writeOnly")) == any(word in path for word in SECRET_WORDS), path


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
    defaults = {field.name: default_of(field) for field in dataclasses.fields(params)}
    assert defaults == {key: node.get("default") for key, node in own.items()}


@pytest.mark.parametrize("name", known_strategies())
def test_the_loops_defaults_are_those_of_the_schema(name: str) -> None:
    config = with_defaults(load_schema(f"strategies/{name}"), {})
    read = LoopSettings.from_config(config, with_defaults(load_schema("risk"), {}))
    assert dataclasses.replace(read, risk_config={}) == LoopSettings()


def test_the_paper_exchanges_defaults_are_those_of_the_schema() -> None:
    assert PaperSettings.from_config(with_defaults(load_schema("exchanges/paper"), {})) == PaperSettings()


def test_the_thalex_clients_defaults_are_those_of_the_schema() -> None:
    assert ThalexSettings.from_config(with_defaults(load_schema("exchanges/thalex"), {})) == ThalexSettings()


def test_the_flags_of_a_direct_run_are_keys_of_the_schemas() -> None:
    strategy = load_schema("strategies/market_maker")["properties"]
    assert set(_FLAGS.values()) <= set(strategy)
    assert set(_SIZES) <= set(strategy)
    assert ["kind", *DIRECT_SECTIONS] == list(load_schema("bot")["properties"])
    assert "feed" in load_schema("exchanges/paper")["properties"]


def test_the_names_of_older_versions_are_keys_no_more() -> None:
    for section, names in RENAMED_IN_1.items():
        schemas = [load_schema("daemon")] if section == "daemon_config" else _strategies()
        assert not any(set(names) & set(schema["properties"]) for schema in schemas)
        assert all(any(new in schema["properties"] for schema in schemas) for new in names.values())


def _strategies() -> list[Mapping[str, Any]]:
    return [load_schema(f"strategies/{name}") for name in known_strategies()]


def test_the_limits_defaults_are_those_of_the_schema() -> None:
    assert RiskLimits.from_config(with_defaults(load_schema("risk"), {}), INSTRUMENT) == RiskLimits()


def test_the_keys_of_the_loop_are_the_same_in_every_strategy() -> None:
    shared = [
        {key: node for key, node in load_schema(f"strategies/{name}")["properties"].items() if "x-owner" in node}
        for name in known_strategies()
    ]
    assert {node["x-owner"] for keys in shared for node in keys.values()} == {"loop"}
    assert all(keys == shared[0] for keys in shared)


def test_the_keys_of_the_layers_are_the_same_in_every_strategy_that_has_them() -> None:
    layers = {field.name for field in dataclasses.fields(LayerParams)} - {"price_source"}  # perpetuals have a mark, too
    first, second = (load_schema(f"strategies/{name}")["properties"] for name in ("market_maker", "perp_market_maker"))
    assert layers <= first.keys()
    assert {key: first[key] for key in layers} == {key: second[key] for key in layers}


_OTHER_VALUES = {
    "max_loss_action": "close",
    "max_drawdown_action": "cancel",
    "max_profit_action": "cancel",
    "max_unrealised_loss_action": "cancel",
    "trailing_profit_lock_action": "cancel",
}


@pytest.mark.parametrize("key", load_schema("risk")["properties"])
def test_every_risk_key_changes_a_limit_or_the_loop(key: str) -> None:
    defaults = with_defaults(load_schema("risk"), {})
    changed = {**defaults, key: _OTHER_VALUES.get(key, 7)}
    assert not list(validator_of("risk").iter_errors(changed))
    assert _effect(changed) != _effect(defaults)


def _effect(risk_config: dict[str, Any]) -> tuple[Any, ...]:
    loop = LoopSettings.from_config({}, risk_config)
    breaker = (loop.max_consecutive_rejects, loop.reject_window_ns, loop.breaker_cooldown_ns, loop.churn)
    return RiskLimits.from_config(risk_config, dataclasses.replace(INSTRUMENT, kind="perp")), *breaker


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
    venue = (bot.exchange or "job").partition(":")[0]
    assert template.stem.startswith(f"{venue}_{bot.strategy}")


def test_every_template_is_on_the_page_of_templates() -> None:
    page = (CHECKOUT / "docs" / "templates.md").read_text()
    assert [path.stem for path in TEMPLATES if f"| `{path.stem}` |" not in page] == []


def test_every_strategy_that_trades_has_a_template_on_paper() -> None:
    names = {path.stem for path in TEMPLATES}
    assert [one for one in known_strategies() if one != "smoke" and f"paper_{one}" not in names] == []


def test_the_templates_of_the_paper_exchange_are_there() -> None:
    assert {"paper_market_maker.json", "paper_market_maker_synthetic.json"} <= {path.name for path in TEMPLATES}
