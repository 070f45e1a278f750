"""The commands below `config`: what the files say, and whether that is valid."""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.completion import bots_or_files
from cli.offline import configs_in
from cli.shared import App, as_json, complaints_of, everywhere, pass_app
from cli.tags import meant, shown_each, tag_option
from cli.working import working
from utils.exit_statuses import DONE, REFUSED
from utils.home import Home

if TYPE_CHECKING:
    from core.registry.config_manager import Explained

_ELSEWHERE = {  # command -> where it is; imported when it is asked for, for `status` is asked often
    "activate": "moves.activate",
    "archive": "moves.archive",
    "create": "create.create",
    "diff": "show.diff",
    "edit": "change.edit",
    "export": "bundles.export",
    "history": "show.history",
    "import": "bundles.import_bundle",
    "list": "listing.list_configs",
    "migrate": "migrate.migrate_legacy",
    "preview": "preview.preview",
    "restore": "moves.restore",
    "rollback": "change.rollback",
    "schema": "show.schema",
    "set": "change.set_values",
    "show": "show.show",
}


class ConfigGroup(click.Group):
    """The commands below `config`, those in `cli/config` among them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted({*super().list_commands(ctx), *_ELSEWHERE})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, None when there is no such one."""
        if cmd_name not in _ELSEWHERE:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = _ELSEWHERE[cmd_name].partition(".")
        found: click.Command = getattr(importlib.import_module(f"cli.config.{module}"), attribute)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command of an argument. Raises click.NoSuchCommand with the nearest of all commands."""
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchCommand as exc:
            raise click.NoSuchCommand(exc.command_name, possibilities=self.list_commands(ctx), ctx=ctx) from exc


@click.group(cls=ConfigGroup, no_args_is_help=True)
@everywhere
def config() -> None:
    """Look at configs, validate and change them."""


@config.command()
@click.argument("which", required=False, metavar="[FILE|NAME]", shell_complete=bots_or_files)
@tag_option
@click.option("--all", "everything", is_flag=True, help="Archived configs and bases as well.")
@as_json
@everywhere
@pass_app
def validate(app: App, which: str | None, tags: tuple[str, ...], everything: bool, json_wanted: bool) -> int:
    """Validate one config, those with a tag, or all that are active, exactly as the daemon does."""
    if sum(map(bool, (which, tags, everything))) > 1:
        raise click.UsageError("a bot, --tag or --all, not several of them")
    with working("validating"):
        verdict = _of_all(app) if everything else _of_tagged(app, _verdict(app, which), tags)
    if json_wanted:
        bots = [{"name": bot["name"], "file": bot["source_path"]} for bot in verdict["bots"]]
        bots += [{"name": None, "file": str(app.home.root / file)} for file in verdict.get("sound", ())]
        click.echo(json.dumps({"valid": bots, "invalid": verdict["invalid"]}))
    else:
        path = _find(app, which).absolute() if which else app.home.active
        _say_verdict(verdict, app.home, _said_name(path, app.home) if path.parent == app.home.bases else "")
    return REFUSED if verdict["invalid"] else DONE


def _of_all(app: App) -> dict[str, Any]:
    """Return the verdict on the active configs, with those on archived ones and bases, each for itself."""
    home = app.home
    verdict = app.services.validate(home, folder=home.active, beside=(home.archived, home.bases))
    beside = [{"file": file, "name": None, "complaints": lines} for file, lines in verdict["beside"].items()]
    return {
        **verdict,
        "sound": [one["file"] for one in beside if not one["complaints"]],
        "invalid": [*verdict["invalid"], *(one for one in beside if one["complaints"])],
    }


def _verdict(app: App, which: str | None) -> dict[str, Any]:
    if which is None:
        return app.services.validate(app.home, folder=app.home.active)
    path = _find(app, which).absolute()
    verdict = app.services.validate(app.home, file=path)
    about = [entry for entry in verdict["invalid"] if entry["file"] == _said_name(path, app.home)]
    return {**verdict, "invalid": about}  # not what an earlier run left damaged


def _of_tagged(app: App, verdict: dict[str, Any], tags: tuple[str, ...]) -> dict[str, Any]:
    """Return what a verdict says of the bots with these tags, and of what is no bot's alone, such as `.env`."""
    if not tags:
        return verdict
    names, every = meant(app.home, (), tags), configs_in(app.home.active, app.home)
    others = {one.file for one in every} - {one.file for one in every if one.name in names}
    return {
        **verdict,
        "bots": [bot for bot in verdict["bots"] if bot["name"] in names],
        "invalid": [entry for entry in verdict["invalid"] if entry["file"] not in others],
    }


def _find(app: App, which: str) -> Path:
    from core.registry.config_manager import find_config

    return find_config(which, app.home, os.environ)


def _said_name(path: Path, home: Home) -> str:
    from core.registry.document import shown_path

    return shown_path(path, home)


def _say_verdict(verdict: Mapping[str, Any], home: Home, base: str) -> None:
    if verdict["daemon"] and home.daemon_file.exists():
        click.echo(f"daemon: valid ({_shown(str(home.daemon_file), home)})")
    for bot in verdict["bots"]:
        click.echo(f"{bot['name']}: valid ({_shown(bot['source_path'], home)})")
    for file in verdict.get("sound", ()):
        click.echo(f"{file}: valid by itself")
    lines = complaints_of(verdict["invalid"])
    if lines:
        click.echo("\n".join(lines), err=True)
    if base and not lines:
        click.echo(f"{base}: a sound base; what it leaves out its configs say")
    elif not verdict["bots"] and not lines and not (verdict["daemon"] and home.daemon_file.exists()):
        click.echo(f"no config in {home.active}; `config create` makes one from a template")


def _shown(file: str, home: Home) -> str:
    path = home.root / file
    return str(path.relative_to(home.root)) if path.is_relative_to(home.root) else file


@config.command()
@click.argument("which", required=False, metavar="[NAME|FILE]", shell_complete=bots_or_files)
@tag_option
@as_json
@everywhere
@pass_app
def explain(app: App, which: str | None, tags: tuple[str, ...], json_wanted: bool) -> int:
    """Show every value of a config and where it comes from; secrets as ***."""

    def plain(name: str) -> list[dict[str, Any]]:
        values = _explained(app, name)
        return [{"path": v.path, "value": v.value_text, "origin": v.origin, "layer": v.layer} for v in values]

    shown_each(app.home, which, tags, json_wanted, plain, lambda name: _show_explained(app, name))
    return DONE


def _explained(app: App, which: str) -> Sequence[Explained]:
    from core.registry.config_manager import explain as explained

    return explained(_find(app, which), app.home, os.environ, which)


def _show_explained(app: App, which: str) -> None:
    from cli.render import console, rows_view

    values = _explained(app, which)
    click.echo(_shown(str(_find(app, which).absolute()), app.home))
    rows = ((v.path, v.value_text, _short(v.origin) if v.layer == "file" else v.origin) for v in values)
    console().print(rows_view(("key", "value", "from"), rows, whole=("key", "from")))


def _short(origin: str) -> str:
    """Return an origin without the file that stands above the table."""
    file, colon, line = origin.rpartition(":")
    return f"line {line}" if colon and file.endswith(".json") and line.isdecimal() else origin
