"""Configs made from the schemas: valid ones, and single mistakes in them."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from core.registry.schema import BotSchema, types_of

Tree = dict[str, Any]
SECTIONS = ("daemon_config", "exchange_config", "strategy_config", "risk_config")
NAMES = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,20}", fullmatch=True).filter(
    lambda name: name.lower() not in ("daemon", "home_id")
)
# Keys that go together with others: the checks across keys have tests of their own.
_LEFT_OUT = {
    *(
        "order_size_quote",
        "order_size_pct",
        "layer_sizes",
        "layer_spreads_pct",
        "layer_mode",
        "ping_pong",
        "min_cycle_s",
        "backoff_initial_s",
        "backoff_max_s",
    ),
    *(
        "schedule_s",
        "startup_position",
        "price_source",
        "price_floor",
        "max_position",
        "max_position_usd",
        "initial_balances",
        "mode",
        "maker_fee_bps",
    ),
    *("backoff_initial_s", "backoff_max_s", "schema_version"),
}


@st.composite
def valid_configs(draw: st.DrawFn) -> Tree:
    """Return a config that is valid, with any of its keys given."""
    exchange, strategy = draw(st.sampled_from(["paper", "backpack", "thalex"])), "market_maker"
    schema = BotSchema(exchange, strategy)
    tree: Tree = {"metadata": {"name": draw(NAMES), "exchange": exchange, "strategy": strategy}}
    tree["metadata"]["tags"] = draw(st.lists(st.sampled_from(["btc", "sol", "calm"]), unique=True))
    for section in SECTIONS:
        keys = [key for key in schema.keys(section) if key not in _LEFT_OUT]
        given = draw(st.lists(st.sampled_from(keys), unique=True, max_size=8))
        tree[section] = {key: draw(values(schema.node((section, key)) or {})) for key in given}
    tree["exchange_config"]["maker_fee_bps"] = draw(st.integers(-5, 0))  # any spread is above the fees
    tree["strategy_config"].update(symbol="SOL-USDC", order_size=draw(st.integers(1, 1000)))
    return tree


def values(node: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """Return values that a schema allows."""
    if node.get("writeOnly"):
        return st.sampled_from(["${NOT_SET:-}", None, ""])
    if "enum" in node:
        return st.sampled_from(node["enum"])
    return st.one_of(*(_of_type(kind, node) for kind in types_of(node)))


def _of_type(kind: str, node: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    low, high = node.get("minimum", node.get("exclusiveMinimum", 0)), node.get("maximum", 0)
    if kind == "integer":
        return st.integers(int(low), int(high))
    if kind == "number":
        inside = st.floats(low, high, exclude_min="exclusiveMinimum" in node)
        whole = st.integers(int(low) + 1, int(high)) if high >= low + 1 else inside
        return inside | whole
    if kind == "string":
        return st.from_regex(node["pattern"], fullmatch=True) if "pattern" in node else st.text("abc é\n", max_size=20)
    return {"boolean": st.booleans(), "null": st.none()}[kind]


# ---------------------------------------------------------------- mistakes


@dataclass(frozen=True)
class Mistake:
    """A config with one thing wrong in it, as text, and where: path as complaints call it, and line."""

    text: str
    path: str
    line: int


@st.composite
def mistakes(draw: st.DrawFn) -> Mistake:
    """Return a valid config with exactly one mistake."""
    tree = copy.deepcopy(draw(valid_configs()))
    section = draw(st.sampled_from([name for name in SECTIONS if tree[name]]))
    key = draw(st.sampled_from(sorted(tree[section])))
    node = BotSchema(tree["metadata"]["exchange"], "market_maker").node((section, key)) or {}
    what = draw(st.sampled_from(["type", "range", "unknown", "twice", "missing"]))
    if what == "missing":
        return _missing(tree, draw(st.sampled_from([("metadata", "name"), ("strategy_config", "symbol")])))
    if what == "unknown":
        tree[section][f"{key}_{draw(st.integers(0, 9))}"] = 1
        key = list(tree[section])[-1]
    elif what == "twice":
        return _twice(tree, section, key)
    else:
        beyond = _beyond(node) if what == "range" else None
        tree[section][key] = draw(st.sampled_from([{"a": 1}, {}, [[]]])) if beyond is None else beyond
    text = json.dumps(tree, indent=1)
    return Mistake(text, f"{section}.{key}", line_of(text, section, key))


def _beyond(node: Mapping[str, Any]) -> Any:
    if "enum" in node:
        return "none of these"
    if "number" in types_of(node) or "integer" in types_of(node):
        return node["maximum"] * 2 + 1
    return None


def _missing(tree: Tree, path: tuple[str, str]) -> Mistake:
    del tree[path[0]][path[1]]
    text = json.dumps(tree, indent=1)
    return Mistake(text, ".".join(path), line_of(text, path[0]))


def _twice(tree: Tree, section: str, key: str) -> Mistake:
    rows = json.dumps(tree, indent=1).splitlines()
    at = line_of("\n".join(rows), section, key)
    again = f"  {json.dumps(key)}: {json.dumps(tree[section][key])},"
    rows.insert(at - 1, again)
    return Mistake("\n".join(rows), f"{section}.{key}", at + 1)


def line_of(text: str, section: str, key: str | None = None) -> int:
    """Return the line of a key in a text that is indented by one: sections by one blank, their keys by two."""
    rows = text.splitlines()
    start = next(number for number, row in enumerate(rows) if row.startswith(f" {json.dumps(section)}:"))
    if key is None:
        return start + 1
    return next(n for n in range(start, len(rows)) if rows[n].startswith(f"  {json.dumps(key)}:")) + 1
