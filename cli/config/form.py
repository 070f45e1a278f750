"""The questions of `config create`: only what has no default, each with unit, range and help of the schema.

First the required keys; then, as long as it is not valid, the keys that are complained of.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from cli.config.values import parse_settings, schema_of_text
from cli.prompts import Problem, choose, type_in
from cli.shared import MAX_LINE
from core.registry.complaints import Complaint
from core.registry.proposal import judge
from core.registry.references import value_of
from core.registry.schema import DocumentSchema, expectation, known_exchanges, known_strategies, load_schema, types_of
from core.registry.schema_page import meaning
from core.registry.text_edit import with_value, with_values
from core.registry.wording import path_text
from utils.errors import ConfigError
from utils.home import Home
from utils.input_validation import printable

NOTHING = "none: answer everything"
MAX_ROUNDS = 50


class Form:
    """Asks a person on a terminal. Raises KeyboardInterrupt on Ctrl-C, ConfigError when it gets no further."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def template(self, known: Sequence[str]) -> str | None:
        """Return the template to begin with, None for none."""
        picked = _pick("From which template?", [*known, NOTHING])
        return None if picked == NOTHING else picked

    def name(self, problem: Problem) -> str:
        """Return the name of the new bot."""
        node = load_schema("bot")["properties"]["metadata"]["properties"]["name"]
        _say(meaning(node), expectation(node))
        return type_in("metadata.name:", problem)

    def from_nothing(self, name: str, settings: Sequence[str]) -> bytes:
        """Return a config with the required keys alone."""
        exchange = _pick("On which exchange?", known_exchanges())
        strategy = _pick("Which strategy?", [one for one in known_strategies() if one != "smoke"])
        metadata = {"name": name, "exchange": exchange, "strategy": strategy, "schema_version": 1}
        sections: dict[str, Any] = {
            "daemon_config": {},
            "exchange_config": {},
            "strategy_config": {},
            "risk_config": {},
        }
        content = json.dumps({"metadata": metadata, **sections}, indent=2).encode() + b"\n"
        schema = schema_of_text(self._home, self._home.active / f"{name}.json", content)
        given = parse_settings(settings, schema)
        content = with_values(content, given)
        for section in sections:
            for key in (schema.section(section) or {}).get("required", ()):
                if (section, key) not in given:
                    content = self._ask(content, (section, key), schema, "")
        return content

    def completed(self, content: bytes, file: Path, complaints: Callable[[bytes], list[str]]) -> bytes:
        """Ask for every key that is complained of, until there is nothing to complain of."""
        for _ in range(MAX_ROUNDS):
            asked = self._first_complaint(content, file)
            if asked is None:
                lines = complaints(content)
                if lines:
                    raise ConfigError("nothing was written\n" + "\n".join(lines))
                return content
            path, complaint = asked
            wrong = f"found {complaint.value}, expected {complaint.expected}"
            content = self._ask(content, path, schema_of_text(self._home, file, content), wrong)
        raise ConfigError("nothing was written: there is still something wrong after many answers")

    def _first_complaint(self, content: bytes, file: Path) -> tuple[tuple[str, ...], Complaint] | None:
        """Return the key of the first complaint. Raises ConfigError when no key can be asked for."""
        complaints = judge(self._home, os.environ, {file: content})[file].complaints
        if not complaints:
            return None
        keys = {path_text(path): path for path in _keys(schema_of_text(self._home, file, content))}
        for one in complaints:
            if one.path in keys:
                return keys[one.path], one
        raise ConfigError("nothing was written\n" + "\n".join(printable(str(one), MAX_LINE) for one in complaints))

    def _ask(self, content: bytes, path: tuple[str, ...], schema: DocumentSchema, complaint: str) -> bytes:
        node = schema.node(path) or {}
        types = types_of(node)
        _say(meaning(node), printable(complaint, MAX_LINE) or expectation(node))
        if "enum" in node and not complaint:
            return with_value(content, path, _pick(path_text(path), [str(one) for one in node["enum"]]))
        given = type_in(f"{path_text(path)}:", lambda given: None if given else "an answer, please")
        return with_value(content, path, value_of(given, types))


def _say(help_text: str, expected: str) -> None:
    """Show what a key is and what it takes, broken between words."""
    width = shutil.get_terminal_size().columns - 1
    click.echo(click.wrap_text(help_text, width))
    click.echo(click.wrap_text(expected, width, "  ", "  "))


def _pick(title: str, choices: Sequence[str]) -> str:
    return choose(title, [(one, one) for one in choices])


def _keys(schema: DocumentSchema) -> list[tuple[str, str]]:
    sections = [name for name in schema.sections if schema.section(name)]
    return [(name, key) for name in sections for key in (schema.section(name) or {}).get("properties", ())]
