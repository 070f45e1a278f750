"""One document -> a validated bot or all that is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from core.bot_config import BotConfig, DaemonConfig, Leg
from core.registry.change_classes import with_digests
from core.registry.checks import Draft, KindOf, kind_by_symbol, run_checks
from core.registry.complaints import covered
from core.registry.document import Document, Loaded, digest_of, limited
from core.registry.environment import Environment
from core.registry.references import Resolved, resolve, secret_names_of
from core.registry.risk_width import risk_widths
from core.registry.schema import BotSchema, DocumentSchema, schema_for, with_defaults
from core.registry.validation import schema_problems
from utils.env import BrokenReference, MissingVariables, interpolate


def schema_of(document: Document, environment: Environment) -> DocumentSchema:
    """Return the schema for the exchange and strategy, or the job, that a document names."""
    kind = document.tree.get("kind") if isinstance(document.tree, dict) else None
    metadata, job = _section(document.tree, "metadata"), _section(document.tree, "job_config").get("job")
    named = (metadata.get("exchange"), job if kind == "job" else metadata.get("strategy"))
    return schema_for(str(kind), *(_text(name, environment) for name in named))


def _text(value: Any, environment: Environment) -> str | None:
    try:
        return str(interpolate(value, environment)) if isinstance(value, str) else None
    except (MissingVariables, BrokenReference):
        return None


def secret_names(document: Document, environment: Environment) -> tuple[str, ...]:
    """Return the names that a document reads as secrets, valid or not."""
    return secret_names_of(document.tree, schema_of(document, environment))


def load_document(
    document: Document,
    environment: Environment,
    other_secrets: frozenset[str] = frozenset(),
    kind_of: KindOf = kind_by_symbol,
) -> Loaded:
    """Resolve and validate one document; every problem is found in one go."""
    problems = list(document.text.problems)
    if problems and document.tree is None:
        return Loaded(document, None, document.complain_all(problems))
    schema = schema_of(document, environment)
    resolved = resolve(document.tree, schema, environment, other_secrets)
    problems += resolved.problems
    bad = {problem.path for problem in problems}
    problems += [one for one in schema_problems(resolved.tree, schema, document.value_at) if not covered(one.path, bad)]
    sections = _filled(resolved.tree, schema)
    live_required = tuple((schema.section("exchange_config") or {}).get("x-live-required", ()))
    draft = Draft(sections, frozenset(problem.path for problem in problems), kind_of, live_required)
    problems += run_checks(draft, schema.root)
    config = None if problems else _config(document, resolved, sections, schema)
    name = sections["metadata"].get("name")
    complaints = limited(document, problems)
    return Loaded(document, config, complaints, name if isinstance(name, str) else None, resolved.names)


def _section(tree: Any, name: str) -> Mapping[str, Any]:
    found = tree.get(name) if isinstance(tree, dict) else None
    return found if isinstance(found, dict) else {}


def _filled(tree: Any, schema: DocumentSchema) -> dict[str, dict[str, Any]]:
    names = [name for name in schema.sections if name != "kind"]
    return {name: with_defaults(schema.section(name) or {}, _section(tree, name)) for name in names}


def _config(
    document: Document, resolved: Resolved, sections: dict[str, dict[str, Any]], schema: DocumentSchema
) -> BotConfig:
    if not isinstance(schema, BotSchema):
        return _job(document, resolved, sections)
    bot = with_digests(_bot(document, resolved, sections), schema)
    return replace(bot, risk_widths=risk_widths(bot, schema))


def _bot(document: Document, resolved: Resolved, sections: dict[str, dict[str, Any]]) -> BotConfig:
    metadata, exchange, strategy = (sections[name] for name in ("metadata", "exchange_config", "strategy_config"))
    account = exchange.get("account") or metadata["name"]
    return BotConfig(
        name=metadata["name"],
        exchange=metadata["exchange"],
        strategy=metadata["strategy"],
        legs=(Leg("main", metadata["exchange"], account, strategy["symbol"]),),
        daemon=DaemonConfig(**sections["daemon_config"]),
        metadata=metadata,
        exchange_config=exchange,
        strategy_config=strategy,
        risk_config=sections["risk_config"],
        source_path=document.source_path,
        digest=digest_of(document.tree, sections),
        secret_names=resolved.secret_names,
    )


def _job(document: Document, resolved: Resolved, sections: dict[str, dict[str, Any]]) -> BotConfig:
    metadata, params = sections["metadata"], sections["job_config"]
    return BotConfig(
        name=metadata["name"],
        exchange="",
        strategy=params["job"],
        legs=(),
        daemon=DaemonConfig(**sections["daemon_config"]),
        metadata=metadata,
        exchange_config={},
        strategy_config={},
        risk_config={},
        source_path=document.source_path,
        digest=digest_of(document.tree, sections),
        secret_names=resolved.secret_names,
        kind="job",
        job_config=params,
    )
