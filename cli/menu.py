"""The interactive menu: arrow keys on a terminal, numbers elsewhere. It only runs what `commands.py` has."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import click

from cli.offline import status_while_down
from cli.shared import App, guarded
from core.process.control import DaemonDown, call
from utils.errors import MakerdError
from utils.exit_statuses import DONE
from utils.input_validation import printable
from utils.terminal import is_terminal, wants_colour

Choices = Sequence[tuple[str, str]]  # (what it does, what is shown)
Choose = Callable[[str, Choices], str]

BACK = ("", "back")
QUIT = "quit"
MAIN: Choices = (
    ("list", "List the configs"),
    ("start", "Start the daemon or a bot"),
    ("stop", "Stop a bot or everything"),
    ("status", "Status of the fleet"),
    ("logs", "Logs"),
    (QUIT, "Quit"),
)
ALL = "*"  # no bot has this name


def run_menu(app: App) -> int:
    """Show the menu until Quit, the end of the input or a second Ctrl-C in a row; return 0."""
    return Menu(app, _chooser()).run()


def _chooser() -> Choose:
    return choose_by_arrows if is_terminal(sys.stdin) and is_terminal(sys.stdout) else choose_by_number


def choose_by_arrows(title: str, choices: Choices) -> str:
    """Let the user pick with arrow keys. Raises KeyboardInterrupt."""
    import questionary

    style = None if wants_colour(sys.stdout) else questionary.Style([(kind, "") for kind in _STYLED])
    picks = [questionary.Choice(text, value=value) for value, text in choices]
    return str(questionary.select(title, picks, style=style).unsafe_ask())


_STYLED = ("qmark", "question", "answer", "pointer", "highlighted", "selected", "instruction", "text", "separator")


def choose_by_number(title: str, choices: Choices) -> str:
    """Let the user pick by number, or by the word itself. Raises EOFError, KeyboardInterrupt."""
    while True:
        click.echo(title)
        for number, (_value, text) in enumerate(choices, 1):
            click.echo(f"  {number}) {text}")
        given = input(f"1-{len(choices)}: ").strip().lower()
        for number, (value, text) in enumerate(choices, 1):
            if given and given in (str(number), value, text.lower()):
                return value
        click.echo(f"{printable(given)!r} is none of 1 to {len(choices)}")


class Menu:
    """Asks, runs one command, asks again."""

    def __init__(self, app: App, choose: Choose) -> None:
        self._app = app
        self._choose = choose
        self._actions: dict[str, Callable[[], None]] = {
            "list": lambda: self._run("config", "list"),
            "start": self._start,
            "stop": self._stop,
            "status": lambda: self._run("status"),
            "logs": self._logs,
        }

    def run(self) -> int:
        """Return 0 once the user has left."""
        interrupted = False
        while True:
            try:
                action = self._choose("makerd", MAIN)
                interrupted = False
                if action == QUIT:
                    return DONE
                self._actions[action]()
            except KeyboardInterrupt:
                if interrupted:
                    return DONE
                interrupted = True
                click.echo("\nnothing was changed; Quit or another Ctrl-C leaves the menu")
            except EOFError:
                click.echo()
                return DONE
            except (MakerdError, OSError) as exc:
                click.echo(f"makerd: {exc}", err=True)

    def _run(self, *arguments: str) -> None:
        """Run a command; its errors are shown by itself, and the menu goes on."""
        commands = self._app.commands
        assert commands is not None  # the door sets it
        guarded(commands, App(self._app.services, self._app.home_given, self._app.debug), arguments, "makerd")

    def _status(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = call(self._app.home, "status")
        except DaemonDown:
            found = status_while_down(self._app.home, self._app.services.figures)
        return found

    def _start(self) -> None:
        found = self._status()
        if found["daemon"]["state"] != "running":
            self._run("start", "--daemon")
            return
        resting = [bot for bot in found["bots"] if bot["state"] in ("STOPPED", "FATAL", "HALTED")]
        if not resting:
            click.echo("every bot is started")
            return
        name = self._choose("Start which bot?", [*_named(resting), BACK])
        state = next((bot["state"] for bot in resting if bot["name"] == name), None)
        if state == "HALTED":
            reason = next((bot.get("reason") or "a limit" for bot in resting if bot["name"] == name), "")
            sure = self._choose(
                f"{name} was halted: {reason}. Clear the limit?", [BACK, ("yes", "yes, reset and start")]
            )
            if sure == "yes":
                self._run("bot", "reset", name)
        elif state is not None:
            self._run("bot", "start", name)

    def _stop(self) -> None:
        found = self._status()
        if found["daemon"]["state"] != "running":
            click.echo("the daemon is not running")
            return
        living = [bot for bot in found["bots"] if bot["state"] not in ("STOPPED", "FATAL", "HALTED")]
        name = self._choose("Stop what?", [*_named(living), (ALL, "everything: all bots and the daemon"), BACK])
        if name == ALL and self._choose("Stop everything?", [BACK, ("yes", "yes, stop everything")]):
            self._run("stop")
        elif name not in ("", ALL):
            self._run("bot", "stop", name)

    def _logs(self) -> None:
        bots = [(bot["name"], bot["name"]) for bot in self._status()["bots"]]
        name = self._choose("Whose log?", [*bots, ("daemon", "the daemon"), BACK])
        if not name:
            return
        how = self._choose("How?", [("last", "the last 20 lines"), ("follow", "follow it; Ctrl-C comes back"), BACK])
        if how:
            self._run("logs", name, *(["-f"] if how == "follow" else []))


def _named(bots: Sequence[dict[str, Any]]) -> Choices:
    return [(str(bot["name"]), f"{bot['name']} ({bot['state']})") for bot in bots]
