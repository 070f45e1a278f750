"""The command `config create`: a new bot from a template, or by answering questions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from cli.completion import templates
from cli.config.bots import bot_files, new_file
from cli.config.form import Form
from cli.config.values import parse_settings, schema_of_text
from cli.config.writing import Consent, Draft, agreed, complaints_about, hold_to_valid, prepare, write
from cli.prompts import can_ask
from cli.shared import App, everywhere, pass_app, unknown_name
from core.registry.history import BASES
from core.registry.reading import config_files
from core.registry.store import content_of
from core.registry.text_edit import with_values
from utils.errors import ConfigError
from utils.exit_statuses import DONE, REFUSED
from utils.home import Home
from utils.input_validation import bot_name_problem

DESCRIPTION = ("metadata", "description")


@click.command()
@click.argument("name", required=False)
@click.option("--template", metavar="T", shell_complete=templates, help="A template's name, or a file.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A key of the new bot.")
@click.option("--archived", is_flag=True, help="Put it into the archive; `activate` takes it from there.")
@everywhere
@pass_app
def create(app: App, name: str | None, template: str | None, settings: tuple[str, ...], archived: bool) -> int:
    """Make a bot from a template, with --set for what is to be different; on a terminal it can be asked for.

    A NAME like config/bases/calm.json makes a base, of nothing but --set.
    """
    prepare(app.home)
    if name is not None and name.startswith(BASES):
        return _make_base(app, name, settings, template is not None or archived)
    if name is None or template is None:
        if not can_ask():
            raise click.UsageError(
                "name the bot and a --template (`config list` shows them); questions are asked on a terminal only"
            )
        return _by_form(app, name, template, settings, archived)
    content = from_template(app.home, name, template, settings)
    drafts = [Draft(name, target(app.home, name, archived), None, content)]
    hold_to_valid(app, drafts)
    write(app, drafts, "create", Consent(yes=True))
    return DONE


def _make_base(app: App, name: str, settings: tuple[str, ...], has_other: bool) -> int:
    if has_other:
        raise click.UsageError("a base is made without --template and --archived")
    stem, file = name.removeprefix(BASES).removesuffix(".json"), app.home.root / name
    if not name.endswith(".json") or bot_name_problem(stem):
        raise ConfigError(f"{name} cannot be a base: it is called {BASES}NAME.json")
    new_file(app.home.bases, stem)
    content = b"{}\n"
    for one in settings:  # one after the other: of what venue it is says which keys it has
        content = with_values(content, parse_settings([one], schema_of_text(app.home, file, content)))
    drafts = [Draft(name, file, None, content)]
    hold_to_valid(app, drafts)
    write(app, drafts, "create", Consent(yes=True))
    return DONE


def _by_form(app: App, name: str | None, template: str | None, settings: tuple[str, ...], archived: bool) -> int:
    form = Form(app.home)
    template = template or form.template([path.stem for path in config_files(app.home.templates)])
    name = name or form.name(lambda given: _name_problem(app.home, given))
    base = from_template(app.home, name, template, settings) if template else form.from_nothing(name, settings)
    file = target(app.home, name, archived)
    content = form.completed(base, file, lambda text: complaints_about(app, [Draft(name, file, None, text)]))
    if not agreed(f"Write {file}?", yes=False):
        click.echo("nothing was written")
        return REFUSED
    write(app, [Draft(name, file, None, content)], "create", Consent(yes=True))
    return DONE


def target(home: Home, name: str, archived: bool) -> Path:
    """Return the file of a new bot. Raises ConfigError when there is one, or its name cannot be a bot's."""
    if problem := _name_problem(home, name):
        raise ConfigError(problem)
    return new_file(home.archived if archived else home.active, name)


def _name_problem(home: Home, name: str) -> str | None:
    there = next((one.shown(home) for one in bot_files(home) if one.bot == name), None)
    return bot_name_problem(name) or (f"{name} is there already: {there}" if there else None)


def from_template(home: Home, name: str, template: str, settings: tuple[str, ...]) -> bytes:
    """Return the text of a new bot. Raises ConfigError."""
    content = _template(home, template)
    values: dict[tuple[str, ...], Any] = {("metadata", "name"): name}
    values[DESCRIPTION] = f"Made from the template {Path(template).stem}."
    try:
        schema = schema_of_text(home, home.templates / f"{Path(template).stem}.json", content)
        return with_values(content, values | parse_settings(settings, schema))
    except ValueError as exc:
        raise ConfigError(f"the template {template} is broken: {exc}") from exc


def _template(home: Home, template: str) -> bytes:
    given = Path(template)
    path = given if given.suffix == ".json" else home.templates / f"{given.name}.json"
    content = content_of(path) if path.stem == given.stem else None
    if content is None:
        raise unknown_name(template, [one.stem for one in config_files(home.templates)], "template")
    try:
        json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as exc:
        raise ConfigError(f"the template {path} is not JSON: {exc}") from exc
    return content
