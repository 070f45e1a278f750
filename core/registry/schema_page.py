"""The schemas for people: every section with its keys, as Markdown. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

from core.registry.schema import expectation, known_exchanges, known_jobs, known_strategies, load_schema
from core.registry.schema_files import Node


def all_sections() -> Iterator[tuple[str, str, Node]]:
    """Yield every section that a file can have: its title, the schema that it is in, what that says."""
    yield "metadata", "bot", load_schema("bot")["properties"]["metadata"]
    named = [("daemon_config", "daemon")]
    named += [(f"exchange_config: {name}", f"exchanges/{name}") for name in known_exchanges()]
    named += [(f"strategy_config: {name}", f"strategies/{name}") for name in known_strategies()]
    named += [("risk_config", "risk"), ("reference_config", "reference")]
    yield from ((title, name, load_schema(name)) for title, name in named)
    for name, section in load_schema("daemon_file")["properties"].items():
        yield f"daemon file: {name}", "daemon_file", section
    yield from ((f"job_config: {name}", f"jobs/{name}", load_schema(f"jobs/{name}")) for name in known_jobs())


def section_page(title: str, schema: Node) -> str:
    """Return one section with a table of its keys."""
    required = schema.get("required", ())
    owned = any("x-owner" in node for node in schema["properties"].values())
    titles = ("key", "allowed", "default", "reload", *(["read by"] if owned else []), "meaning")
    rows = (_key_row(key, node, key in required, owned) for key, node in schema["properties"].items())
    return "\n".join((f"## {title}\n", schema["description"] + "\n", table(titles, rows)))


def _key_row(key: str, node: Node, required: bool, owned: bool) -> tuple[str, ...]:
    default = "required" if required else f"`{json.dumps(node.get('default'))}`"
    owner = [node.get("x-owner", "strategy")] if owned else []
    return (f"`{key}`", expectation(node), default, node.get("x-reload", ""), *owner, meaning(node))


def meaning(node: Node) -> str:
    """Return a key's help, with what its marks say."""
    secret = " Secret: only as `${NAME}`." if node.get("writeOnly") else ""
    words = ("true", "false") if node.get("type") == "boolean" else ("a larger value", "a smaller value")
    larger, smaller = ("a later word", "an earlier word") if "enum" in node else words
    risk = {"up": f" Riskier: {larger}.", "down": f" Riskier: {smaller}."}.get(str(node.get("x-risk")), "")
    return str(node["description"]) + secret + risk


def table(titles: Sequence[str], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a Markdown table."""
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"
