"""One layered document -> a validated bot or all that is wrong with it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from core.bot_config import REFERENCE_SECTION, BotConfig, DaemonConfig
from core.registry.bases import base_problems
from core.registry.change_classes import with_digests
from core.registry.checks import VENUE_SECTIONS, Draft, KindOf, kind_by_symbol, run_checks
from core.registry.complaints import NOTHING, Complaint, Problem, covered
from core.registry.document import Document, Loaded, digest_of, limited
from core.registry.environment import Environment
from core.registry.legs import hedge_section, hedge_venue, legs_of
from core.registry.naming import schema_of, schema_of_base, section_of
from core.registry.references import Resolved, resolve, secret_names_of
from core.registry.risk_width import risk_widths
from core.registry.schema import BotSchema, DocumentSchema, with_defaults
from core.registry.validation import schema_problems
from core.registry.versions import is_known

HEDGE_SECTION = "hedge_exchange_config"


def secret_names(document: Document, environment: Environment) -> tuple[str, ...]:
    """Return the names that a document reads as secrets, valid or not."""
    return secret_names_of(document.tree, schema_of(document.tree, environment))


def load_document(
    document: Document,
    environment: Environment,
    other_secrets: frozenset[str] = frozenset(),
    kind_of: KindOf = kind_by_symbol,
) -> Loaded:
    """Resolve and validate one layered document; every problem is found in one go."""
    if document.text.problems and document.tree is None:
        return Loaded(document, None, document.complain_all(document.text.problems))
    if not is_known(document.tree):  # what its keys mean only another makerd knows
        return Loaded(document, None, document.complaints)
    schema = schema_of(document.tree, environment)
    resolved = resolve(document.tree, schema, environment, other_secrets)
    sections = _filled(resolved.tree, schema)
    problems = _problems(document, resolved, sections, schema, kind_of)
    config = None if problems or document.complaints else _config(document, resolved, sections, schema)
    name = sections["metadata"].get("name")
    complaints = limited(document, problems)
    return Loaded(document, config, complaints, name if isinstance(name, str) else None, resolved.names)


def base_complaints(document: Document, environment: Environment) -> tuple[Complaint, ...]:
    """Return what is wrong with a base by itself; what it leaves out its configs say, and what they make of it."""
    problems = document.text.problems or list(base_problems(document.tree))
    if isinstance(document.tree, dict) and is_known(document.tree):
        schema = schema_of_base(document.tree, environment)
        resolved = resolve(document.tree, schema, environment)
        problems = [*problems, *resolved.problems]
        bad = {problem.path for problem in problems}
        found = schema_problems(resolved.tree, schema, document.value_at)
        problems += [one for one in found if one.found != NOTHING and not covered(one.path, bad)]
    return limited(document, problems)


def _problems(
    document: Document,
    resolved: Resolved,
    sections: dict[str, dict[str, Any]],
    schema: DocumentSchema,
    kind_of: KindOf,
) -> list[Problem]:
    problems = [*document.text.problems, *resolved.problems]
    bad = {problem.path for problem in problems}
    problems += [one for one in schema_problems(resolved.tree, schema, document.value_at) if not covered(one.path, bad)]
    if document.complaints:  # a layer is broken: what is missing may be in there
        return [problem for problem in problems if problem.found != NOTHING]
    required = {name: tuple((schema.section(name) or {}).get("x-live-required", ())) for name in VENUE_SECTIONS}
    bad = {problem.path for problem in problems}
    draft = Draft(sections, frozenset(bad), kind_of, required, frozenset(resolved.empty))
    return [*problems, *run_checks(draft, schema.root)]


def _filled(tree: Any, schema: DocumentSchema) -> dict[str, dict[str, Any]]:
    names = [name for name in schema.sections if name != "kind"]
    given = {name: section_of(tree, name) for name in names}
    if isinstance(schema, BotSchema):
        is_written = isinstance(tree, dict) and HEDGE_SECTION in tree
        metadata, exchange, strategy = (given[name] for name in ("metadata", "exchange_config", "strategy_config"))
        hedge = given[HEDGE_SECTION] if is_written else None
        given[HEDGE_SECTION] = hedge_section(hedge, metadata, exchange, strategy)
    return {name: with_defaults(schema.section(name) or {}, section) for name, section in given.items()}


def _config(
    document: Document, resolved: Resolved, sections: dict[str, dict[str, Any]], schema: DocumentSchema
) -> BotConfig:
    if not isinstance(schema, BotSchema):
        return _job(document, resolved, sections)
    bot = with_digests(_bot(document, resolved, sections), schema)
    return replace(bot, risk_widths=risk_widths(bot, schema))


def _bot(document: Document, resolved: Resolved, sections: dict[str, dict[str, Any]]) -> BotConfig:
    metadata, exchange, strategy = (sections[name] for name in ("metadata", "exchange_config", "strategy_config"))
    hedge = sections[HEDGE_SECTION] if hedge_venue(metadata, strategy) is not None else {}
    reference = sections[REFERENCE_SECTION]
    return BotConfig(
        name=metadata["name"],
        exchange=metadata["exchange"],
        strategy=metadata["strategy"],
        legs=legs_of(metadata, exchange, strategy, hedge),
        daemon=DaemonConfig(**sections["daemon_config"]),
        metadata=metadata,
        exchange_config=exchange,
        strategy_config=strategy,
        risk_config=sections["risk_config"],
        source_path=document.source_path,
        digest=digest_of(document.tree, sections),
        secret_names=resolved.secret_names,
        hedge_exchange_config=hedge,
        reference_config=reference if reference["exchange"] is not None else {},
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
