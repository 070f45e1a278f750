"""The API: configs as they are, judged and compared; nothing here writes."""

from __future__ import annotations

import os
from typing import Any

from flask import Blueprint, Response, abort, current_app, request

from core.registry.complaints import InvalidConfig
from core.registry.config_manager import explain
from core.registry.history import file_digest
from core.registry.one_file import config_of
from core.registry.proposal import judge
from core.registry.schema import schema_for
from core.registry.store import ConfigStore
from utils.errors import ConfigError
from utils.input_validation import bot_name_problem, printable
from utils.moments import moment_text
from web.answers import answer
from web.api.requests import MAX_ERROR, body, home_of, refuse_complaints, version_in
from web.parts import parts
from web.registry.drafts import (
    Draft,
    complaint_plain,
    complaints_alone,
    complaints_among,
    meaning_of,
    proposals,
    text_of,
)
from web.registry.fields import about, fields_of
from web.registry.files import BotFile, find, known_file

blueprint = Blueprint("api_registry", __name__)
UNNAMED = "a-new-bot"


@blueprint.get("/registry")
def registry() -> Response:
    """Tell templates, active and archived configs."""
    own = parts(current_app)
    picture = own.feed.picture
    return answer(own.registry.told(picture.bots, not picture.trouble))


@blueprint.get("/schema")
def schema() -> Response:
    """Tell the keys that a config of an exchange and a strategy may have, or one of a job."""
    job = request.args.get("job")
    kind, strategy = ("bot", request.args.get("strategy")) if job is None else ("job", job)
    return answer({"fields": fields_of(schema_for(kind, request.args.get("exchange"), strategy))})


@blueprint.get("/bots/<name>/config")
def config(name: str) -> Response:
    """Tell every key with its origin, and the text; of a file that is not valid only what is wrong with it."""
    found, home = known_file(home_of(), name), home_of()
    loaded = config_of(home, os.environ, found.path, found.content)
    told: dict[str, Any] = {"digest": file_digest(found.content), "rows": [], "text": None, "complaints": []}
    try:
        rows = explain(found.path, home, os.environ) if loaded else []
    except InvalidConfig as exc:  # changed this very moment
        loaded, rows = None, []
        told["complaints"] = [complaint_plain(one) for one in exc.complaints]
    if loaded is None:
        told["complaints"] = told["complaints"] or complaints_alone(home, None, found.path, found.content)
        return answer(told)
    schema = schema_for(loaded.kind, loaded.exchange, loaded.strategy)
    told["rows"] = [
        {"key": one.path, "value": one.value_text, "origin": one.origin, "layer": one.layer, **about(schema, one.path)}
        for one in rows
    ]
    return answer({**told, "text": found.content.decode("utf-8-sig", "replace")})


@blueprint.get("/bots/<name>/history")
def history(name: str) -> Response:
    """Tell the versions of a bot's config, newest first."""
    if bot_name_problem(name):
        abort(404, "there is no such bot")
    with ConfigStore(home_of()).reading() as record:
        found = record.versions(name)
    told = [
        {
            "version": one.number,
            "at": moment_text(one.at_ns),
            "who": one.who,
            "action": one.action,
            "digest": one.digest,
            "note": one.note or one.action,
        }
        for one in reversed(found)
    ]
    return answer({"versions": told})


def proposed(name: str | None, given: dict[str, Any]) -> tuple[BotFile | None, bytes]:
    """Return the file that a name means, and what it is to say; 400 when that cannot be told."""
    home = home_of()
    found = None if name is None else find(home, name, (home.active, home.archived))
    if given.get("text") is not None:
        return found, str(given["text"]).encode("utf-8", "replace")
    if given.get("values") is None:
        abort(400, "either text or values is needed")
    try:
        return found, text_of(given["values"], found.content if found else None)
    except (ValueError, RecursionError):
        abort(400, "values hold what JSON cannot say")


@blueprint.post("/registry/validate")
def validate() -> Response:
    """Judge a text, or values, by itself."""
    given = body(name=str, text=str, values=dict)
    name = given["name"]
    if name is not None and (problem := bot_name_problem(name)):
        complaint = {"path": "metadata.name", "line": None, "column": None, "message": problem}
        return answer({"complaints": [complaint], "text": None})
    found, content = proposed(name, given)
    path = found.path if found else home_of().active / f"{name or UNNAMED}.json"
    complaints = complaints_alone(home_of(), name, path, content)
    return answer({"complaints": complaints, "text": content.decode("utf-8", "replace")})


@blueprint.post("/registry/diff")
def diff() -> Response:
    """Tell what a text, or an earlier version, would change, and what that means for the bot."""
    given = body(name=str, text=str, version=int)
    name, version = given["name"] or "", version_in(given)
    if (given["text"] is None) == (version is None) or bot_name_problem(name):
        abort(400, "name, and either text or version, are needed")
    found, content = proposed(name, given) if version is None else _version(name, version)
    path = found.path if found else home_of().active / f"{name}.json"
    draft = Draft(name, path, found.content if found else None, content)
    complaints = complaints_among(judge(home_of(), os.environ, proposals([draft])), [draft])
    if complaints:
        return refuse_complaints(complaints)
    meaning = meaning_of(home_of(), draft)
    told = {"live": meaning.live, "restarts": meaning.restarts, "wider_risk": meaning.wider_risk}
    return answer({"diff": meaning.diff, **told})


def _version(name: str, number: int) -> tuple[BotFile, bytes]:
    """Return the file of a bot and what an earlier version of it said. Raises ConfigError."""
    found = known_file(home_of(), name)
    with ConfigStore(home_of()).reading() as history:
        return found, history.version(name, number).text


@blueprint.errorhandler(ConfigError)
def refused(exc: ConfigError) -> Response:
    """Tell why the registry refused."""
    return answer({"error": printable(str(exc), MAX_ERROR), "next": "look at the file, then try again"}, 409)
