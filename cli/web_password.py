"""`run.py web-password`: who may use the monitor."""

from __future__ import annotations

import os
import secrets
import sys

import click

from cli.env_setup import env_text, write_env
from cli.shared import App, DoorCommand, everywhere, pass_app
from core.registry.env_file import names_in
from utils import web_names
from utils.exit_statuses import DONE
from utils.terminal import is_terminal

KINDS = {"password": web_names.PASSWORD, "viewer": web_names.VIEWER, "token": web_names.TOKEN}


@click.command(cls=DoorCommand, name="web-password")
@click.option("--viewer", "kind", flag_value="viewer", help="The password of those who may only look.")
@click.option("--token", "kind", flag_value="token", help="A random token for scripts, instead of a password.")
@click.option("--stdin", "piped", is_flag=True, help="Read the password from the standard input.")
@click.option("--remove", is_flag=True, help="Take it away.")
@everywhere
@pass_app
def web_password(app: App, kind: str | None, piped: bool, remove: bool) -> int:
    """Set the operator's password of the monitor, or another one, in .env; only its hash is kept."""
    name = KINDS[kind or "password"]
    text = env_text(app.home)
    if remove:
        write_env(app.home, text, {name: ""})
        click.echo(f"{name} in {app.home.env_file} is empty now")
        return DONE
    if kind == "token":
        token = secrets.token_urlsafe(32)
        write_env(app.home, text, {name: token})
        click.echo(f"{token}\nis written into {app.home.env_file}; send it as `Authorization: Bearer TOKEN`", err=False)
        return DONE
    word = "replaces the old one" if names_in(text).get(name) else "is new"
    write_env(app.home, text, {name: app.services.password_hash(_asked(piped))})
    click.echo(f"{name} {word} in {app.home.env_file}; a running monitor takes it up within seconds")
    if os.environ.get(name):
        click.echo(f"but {name} is also set in the environment, which goes first", err=True)
    return DONE


def _asked(piped: bool) -> str:
    if piped:
        return sys.stdin.readline().rstrip("\n")
    if not is_terminal(sys.stdin):
        raise click.UsageError("a password is typed on a terminal; elsewhere use --stdin")
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
