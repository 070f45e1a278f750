"""The interactive menu: it chooses and asks, and runs what the commands are."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import click

from cli.menu.bot_pages import BotPages
from cli.menu.entries import Bot, fleet_entries, headline, runs
from cli.menu.shell import Ask, Person, Shell
from cli.prompts import menu_runs
from cli.shared import App, explain_error
from utils.errors import MakerdError
from utils.exit_statuses import DONE
from utils.home import CHECKOUT

QUIT = "quit"
NOBODY = Bot("daemon")


def run_menu(app: App) -> int:
    """Show the menu until Quit, the end of the input or a second Ctrl-C in a row; return 0."""
    with menu_runs():
        return Menu(app, Person()).run()


class Menu:
    """Asks, runs one command, asks again."""

    def __init__(self, app: App, ask: Ask) -> None:
        self._shell = Shell(app, ask)
        self._pages = BotPages(self._shell)
        self._own: dict[str, Callable[[], object]] = {
            "bots": self._pages.bots,
            "create": self._create,
            "logs": lambda: self._pages.logs("daemon"),
            "monitor": self._monitor,
            "keys": lambda: self._shell.run("setup_env"),
        }
        self._interrupted = False

    def run(self) -> int:
        """Return 0 once the user has left."""
        while True:
            try:
                if not self._once():
                    return DONE
            except KeyboardInterrupt:
                if self._interrupted:
                    return DONE
                self._interrupted = True
                click.echo("\nback at the beginning; Quit or another Ctrl-C leaves the menu")
            except EOFError:
                click.echo()
                return DONE
            except (MakerdError, OSError) as exc:
                click.echo(f"makerd: {explain_error(exc)}", err=True)

    def _once(self) -> bool:
        """Carry out one choice; False for Quit."""
        status = self._status()
        entry = self._shell.pick(headline(status), fleet_entries(status), NOBODY, runs(status))
        self._interrupted = False
        if entry.key == QUIT:
            return False
        own = self._own.get(entry.key)
        if own is not None:
            own()
        else:
            self._shell.carry_out(entry, NOBODY)
        return True

    def _status(self) -> dict[str, Any]:
        """Return the status; of a daemon that does not answer only that it is there, for it can be stopped."""
        try:
            return self._shell.status()
        except MakerdError as exc:
            click.echo(f"makerd: {explain_error(exc)}", err=True)
            return {"daemon": {"state": "not answering"}, "bots": [], "invalid": []}

    def _create(self) -> None:
        before = self._shell.files()
        if not self._shell.run("config", "create"):
            return
        made = sorted(self._shell.files() - before)
        if runs(self._shell.status()):
            self._shell.offer_reload()
        elif made and self._shell.ask.is_sure(f"No daemon runs. Start it now, with {made[0]} alone?", True):
            self._shell.run("start", "--daemon", made[0])

    def _monitor(self) -> None:
        """Say where the daemon's monitor is; where there is none, serve one until Ctrl-C."""
        web = self._status()["daemon"].get("web") or {}
        if web.get("url"):
            click.echo(f"open {web['url']} in a browser")
            return
        click.echo("No monitor belongs to the daemon; to have one, put this into config/daemon.json:")
        click.echo('  "web": {"enabled": true}')
        if self._shell.has_screen and self._shell.ask.is_sure("Serve one from here, until Ctrl-C?", True):
            self._serve()

    def _serve(self) -> None:
        command = [sys.executable, str(CHECKOUT / "run.py"), "--web", "--home", str(self._shell.app.home.root)]
        process = subprocess.Popen(command)
        while True:
            try:
                process.wait()
                return
            except KeyboardInterrupt:
                continue  # it heard the same Ctrl-C, and ends by itself
