"""The API: what changes configs. Everything is judged first, recorded in the history, and applied by `reload`."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any

from flask import Blueprint, Response, abort, current_app

from core.registry.history import Version, file_digest
from core.registry.proposal import judge
from core.registry.seen import take_in_edits
from core.registry.store import Change, ConfigStore, StaleChange
from core.registry.text_edit import with_values
from utils.errors import ConfigError
from utils.input_validation import bot_name_problem, printable
from web.answers import answer, error
from web.api.requests import MAX_ERROR, body, home_of, refuse_complaints, version_in, who
from web.parts import parts
from web.registry.drafts import Draft, complaints_among, meaning_of, proposals, text_of
from web.registry.files import BotFile, bot_files, find, free_path, known_file
from web.security.guard import note

blueprint = Blueprint("api_registry_writes", __name__)
RELOAD = "`reload` applies it"


def _write(drafts: Sequence[Draft], action: str, allow_wider: bool = True) -> Response:
    """Judge drafts and write them, all or none; what came of it goes into the audit trail."""
    home, what = home_of(), f"config {action} {drafts[0].bot}"
    take_in_edits(home, os.environ)
    complaints = _complaints(drafts, asks_venues=True)
    if complaints:
        note(what, {}, f"refused: {len(complaints)} complaints")
        return refuse_complaints(complaints)
    compared = [one for one in drafts if one.old is not None and one.new is not None]
    wider = [line for one in compared for line in meaning_of(home, one).wider_risk]
    if wider and not allow_wider:
        note(what, {"wider_risk": wider}, "refused: a risk limit becomes wider")
        told = {"error": "a risk limit becomes wider; nothing was written", "next": "agree with allow_wider_risk"}
        return answer({**told, "wider_risk": wider}, 409)
    changes = [Change(one.bot, one.path, one.new, file_digest(one.old), "; ".join(wider)[:500]) for one in drafts]
    try:
        versions = ConfigStore(home, who()).apply(changes, action, lambda: _hold_to_judged(drafts))
    except (ConfigError, OSError) as exc:
        note(what, {"wider_risk": wider}, f"refused: {exc}")
        raise
    note(what, {"wider_risk": wider, "digests": [str(one.digest) for one in versions]}, "done")
    return answer(_told(versions))


def _complaints(drafts: Sequence[Draft], asks_venues: bool = False) -> list[dict[str, Any]]:
    verdicts = judge(home_of(), os.environ, proposals(drafts))
    found = complaints_among(verdicts, drafts)
    if found or not asks_venues:
        return found
    own, bots = parts(current_app), [one.config for one in verdicts.values() if one.config and not one.config.is_job]
    refused = own.services.venue_complaints(home_of(), bots) if bots else {}
    return [
        {"path": "exchange_config", "line": None, "column": None, "message": printable(line, MAX_ERROR)}
        for lines in refused.values()
        for line in lines
    ]


def _hold_to_judged(drafts: Sequence[Draft]) -> None:
    """Raise ConfigError when a neighbour that came meanwhile is in the way."""
    complaints = _complaints(drafts)
    if complaints:
        raise ConfigError(f"not valid any more: {complaints[0]['path']}: {complaints[0]['message']}")


def _told(versions: Sequence[Version]) -> dict[str, Any]:
    made = [{"name": one.bot, "version": one.number, "file": one.file, "digest": one.digest} for one in versions]
    return {"versions": made, "next": RELOAD}


@blueprint.put("/registry/<name>")
def save(name: str) -> Response:
    """Write the text of a bot's file, which must still be the one that `base_digest` is of."""
    given = body(text=str, base_digest=str, allow_wider_risk=bool)
    found = known_file(home_of(), name)
    if given["text"] is None or given["base_digest"] is None:
        abort(400, "text and base_digest are needed")
    if given["base_digest"] != file_digest(found.content):
        note(f"config edit {name}", {}, "refused: the file was changed meanwhile")
        return error(409, "the file was changed meanwhile; nothing was written", "load it again")
    draft = Draft(name, found.path, found.content, given["text"].encode())
    return _write([draft], "edit", bool(given["allow_wider_risk"]))


@blueprint.post("/registry/create")
def create() -> Response:
    """Make a bot from a template; `values` that name the bot are the whole config, others are laid over it."""
    given = body(name=str, template=str, values=dict)
    home, name = home_of(), given["name"] or ""
    if problem := bot_name_problem(name):
        abort(400, problem)
    if find(home, name, (home.active, home.archived)) is not None:
        return error(409, f"{name} is there already", "choose another name")
    template = next((one for one in bot_files(home, home.templates) if one.path.stem == given["template"]), None)
    if template is None:
        abort(404, f"there is no template {printable(str(given['template']), 64)}")
    content = _from_template(name, template, given["values"] or {})
    return _write([Draft(name, free_path(home.active, name), None, content)], "create")


def _from_template(name: str, template: BotFile, values: dict[str, Any]) -> bytes:
    metadata = values.get("metadata")
    own: dict[tuple[str, ...], Any] = {("metadata", "name"): name}
    try:
        if isinstance(metadata, dict) and "name" in metadata:
            return text_of({**values, "metadata": {**metadata, "name": name}}, template.content)
        if not all(isinstance(section, dict) for section in values.values()):
            abort(400, "values are sections with keys")
        flat: dict[tuple[str, ...], Any] = {
            (section, str(key)): value for section, keys in values.items() for key, value in keys.items()
        }
        described: dict[tuple[str, ...], Any] = {
            ("metadata", "description"): f"Made from the template {template.path.stem}."
        }
        return with_values(template.content, {**described, **flat, **own})
    except (ValueError, RecursionError, json.JSONDecodeError) as exc:
        raise ConfigError(f"the template {template.path.stem} cannot take these values: {exc}") from exc


@blueprint.post("/registry/<name>/archive")
def archive(name: str) -> Response:
    """Put an active bot away; the daemon stops it at the next reload."""
    body()
    home = home_of()
    found = find(home, name, (home.active,))
    if found is None:
        abort(404, f"there is no active config of a bot named {printable(name, 64)}")
    return _move(found, "archive")


@blueprint.post("/registry/<name>/restore")
def restore(name: str) -> Response:
    """Bring a bot back from the archive."""
    body()
    home = home_of()
    found = find(home, name, (home.archived,))
    if found is None:
        abort(404, f"there is no archived config of a bot named {printable(name, 64)}")
    return _move(found, "restore")


def _move(found: BotFile, action: str) -> Response:
    home = home_of()
    folder = home.archived if action == "archive" else home.active
    target = folder / found.path.name
    if target.exists() or target.is_symlink():
        target = free_path(folder, found.name)
    there, here = Draft(found.name, target, None, found.content), Draft(found.name, found.path, found.content, None)
    if action == "restore":
        return _write([there, here], action)
    return _put_away([there, here], action)


def _put_away(drafts: Sequence[Draft], action: str) -> Response:
    """Write without judging: what is not valid may be put away, too."""
    home, what = home_of(), f"config {action} {drafts[0].bot}"
    take_in_edits(home, os.environ)
    changes = [Change(one.bot, one.path, one.new, file_digest(one.old)) for one in drafts]
    try:
        versions = ConfigStore(home, who()).apply(changes, action)
    except (ConfigError, OSError) as exc:
        note(what, {}, f"refused: {exc}")
        raise
    note(what, {}, "done")
    return answer(_told(versions))


@blueprint.post("/bots/<name>/rollback")
def rollback(name: str) -> Response:
    """Write an earlier version of a bot's config anew."""
    given = body(version=int, allow_wider_risk=bool)
    number = version_in(given)
    if number is None:
        abort(400, "version is needed")
    found = known_file(home_of(), name)
    with ConfigStore(home_of()).reading() as history:
        version = history.version(name, number)
    draft = Draft(name, found.path, found.content, version.text)
    if draft.old == draft.new:
        return error(409, f"version {version.number} is what the file says now", "choose another version")
    return _write([draft], "rollback", bool(given["allow_wider_risk"]))


@blueprint.errorhandler(StaleChange)
def stale(exc: StaleChange) -> Response:
    """Tell that somebody else was faster."""
    return error(409, printable(str(exc), MAX_ERROR), "load it again")


@blueprint.errorhandler(ConfigError)
def refused(exc: ConfigError) -> Response:
    """Tell why the registry refused."""
    return error(409, printable(str(exc), MAX_ERROR), "look at the file, then try again")
