"""The daemon file: one document -> the fleet's config or all that is wrong with it; defaults where it is missing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from core.fleet_config import FleetConfig
from core.registry.complaints import Complaint, JsonPath, Problem, covered
from core.registry.document import Document, digest_of, document_of, limited, read_document
from core.registry.environment import Environment
from core.registry.environment_keys import PLACE, supplied
from core.registry.references import resolve, secret_names_of
from core.registry.schema import DocumentSchema, load_schema, with_defaults
from core.registry.validation import schema_problems
from core.registry.wording import shown
from utils.home import Home

NAME = "daemon_file"
ENABLE_DATABASE = "ENABLE_DATABASE"


@dataclass(frozen=True, slots=True)
class LoadedFleet:
    """The fleet's config (None when it is not valid) and what is wrong with its file."""

    config: FleetConfig | None
    file: str
    complaints: tuple[Complaint, ...] = ()


def read_daemon_file(home: Home) -> Document | None:
    """Read the daemon file; None where there is none."""
    return read_document(home.daemon_file, home, home.root) if os.path.lexists(home.daemon_file) else None


def layered_daemon_file(document: Document | None, environment: Environment) -> Document | None:
    """Return the file with what only the environment says; None where nobody says anything."""
    written = document_of({}, PLACE) if document is None else document
    tree = _with_database(supplied(written.tree, DocumentSchema(NAME), environment), environment)
    return document if tree is written.tree else replace(written, merged=tree)


def _with_database(tree: Any, environment: Environment) -> Any:
    """Return the tree with the variable that is known under a short name; itself where it is not set."""
    if not isinstance(tree, dict) or not environment.get(ENABLE_DATABASE):
        return tree
    there = tree.get("database", {})
    if not isinstance(there, dict) or "enabled" in there:
        return tree
    return {**tree, "database": {**there, "enabled": f"${{{ENABLE_DATABASE}}}"}}


def daemon_file_secrets(document: Document | None) -> tuple[str, ...]:
    """Return the names that the file reads as secrets, valid or not."""
    return () if document is None else secret_names_of(document.tree, DocumentSchema(NAME))


def load_daemon_document(
    document: Document | None, environment: Environment, other_secrets: frozenset[str] = frozenset()
) -> LoadedFleet:
    """Resolve and validate the daemon file; every problem is found in one go."""
    if document is None:
        return LoadedFleet(FleetConfig(), "")
    problems = list(document.text.problems)
    if problems and document.tree is None:
        return LoadedFleet(None, document.file, document.complain_all(problems))
    schema = DocumentSchema(NAME)
    resolved = resolve(document.tree, schema, environment, other_secrets)
    problems += resolved.problems
    bad = {problem.path for problem in problems}
    problems += [one for one in schema_problems(resolved.tree, schema, document.value_at) if not covered(one.path, bad)]
    filled = with_defaults(load_schema(NAME), resolved.tree if isinstance(resolved.tree, dict) else {})
    bad = {problem.path for problem in problems}
    problems += [one for one in _checks(filled, environment) if not covered(one.path, bad)]
    if problems:
        return LoadedFleet(None, document.file, limited(document, problems))
    return LoadedFleet(FleetConfig.from_plain({**filled, "digest": digest_of(document.tree, filled)}), document.file)


def _checks(filled: Mapping[str, Any], environment: Mapping[str, str]) -> Iterator[Problem]:
    """Yield what no single key can say; a section of the wrong kind is complained of elsewhere."""
    supervision, alerts = filled["supervision"], filled["alerts"]
    if isinstance(supervision, dict):
        yield from _check_guard(supervision["venue_guard_s"], supervision["venue_guard_max_s"])
    if isinstance(alerts, dict):
        yield from _check_hook(alerts["hook"], environment)


def _check_guard(first_s: Any, longest_s: Any) -> Iterator[Problem]:
    """The first pause of a venue's bots cannot exceed the longest."""
    if isinstance(first_s, int | float) and isinstance(longest_s, int | float) and first_s > longest_s:
        path: JsonPath = ("supervision", "venue_guard_s")
        yield Problem(path, shown(first_s), f"at most venue_guard_max_s, which is {longest_s}")


def _check_hook(hook: Any, environment: Mapping[str, str]) -> Iterator[Problem]:
    """A hook that cannot be run would only be noticed when it is needed."""
    command = hook[0] if isinstance(hook, list) and hook else None
    if not isinstance(command, str):
        return
    named_alone = os.sep not in command
    if not (named_alone or os.path.isabs(command)) or not shutil.which(command, path=environment.get("PATH")):
        path: JsonPath = ("alerts", "hook", 0)
        yield Problem(path, shown(command), "an executable file by its absolute path, or a command on PATH")
