"""The keys of a config as a form needs them, from the schemas. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from core.registry.schema import DocumentSchema, expectation, types_of
from core.registry.schema_files import Node
from core.registry.schema_page import meaning


def fields_of(schema: DocumentSchema) -> list[dict[str, Any]]:
    """Return every key of every section, in the order of the schemas."""
    return [field for name in schema.sections for field in _section(name, schema)]


def _section(name: str, schema: DocumentSchema) -> Iterator[dict[str, Any]]:
    section = schema.section(name) or {}
    required = section.get("required", ())
    for key, node in section.get("properties", {}).items():
        yield _field(name, key, node, key in required)


def _field(section: str, key: str, node: Node, required: bool) -> dict[str, Any]:
    types = list(types_of(node))
    return {
        "section": section,
        "key": key,
        "type": types[0] if len(types) == 1 else types,
        "enum": node.get("enum"),
        "unit": None if node.get("x-unit", "-") == "-" else node["x-unit"],
        "default": node.get("default"),
        "help": meaning(node),
        "expected": expectation(node),
        "apply": node.get("x-reload", "restart"),
        "secret": bool(node.get("writeOnly")),
        "required": required,
    }


def about(schema: DocumentSchema, path: str) -> dict[str, Any]:
    """Return what a form says of a key by its path in words: how it is taken over, its unit and help."""
    section, _, rest = path.partition(".")
    key = rest.partition(".")[0].partition("[")[0]
    node = schema.node((section, key)) or {}
    unit = node.get("x-unit", "-")
    return {
        "apply": node.get("x-reload", "restart"),
        "unit": None if unit == "-" else unit,
        "help": meaning(node) if "description" in node else "",
    }
