"""Runs what was chosen: the commands themselves, with the questions that belong to them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Protocol

import click

from cli import prompts
from cli.menu.entries import Bot, Entry, filled, offered
from cli.offline import configs_in, status_while_down
from cli.prompts import Choices, Problem
from cli.shared import App, guarded
from core.process.control import DaemonDown, call
from utils.exit_statuses import DONE


class Ask(Protocol):
    """Asks a person. Everything raises KeyboardInterrupt, and EOFError at the end of the input."""

    def choose(self, title: str, choices: Choices) -> str:
        """Return the meaning of what was chosen."""

    def type_in(self, title: str, problem: Problem) -> str:
        """Return what was typed, once `problem` finds nothing wrong."""

    def is_sure(self, question: str, default: bool) -> bool:
        """Return a yes or no."""

    def typed_word(self, text: str, word: str) -> bool:
        """Tell whether a word was typed that says yes."""

    def pause(self) -> None:
        """Wait until what was shown has been read."""


class Person:
    """Who sits before the terminal."""

    choose = staticmethod(prompts.choose)
    type_in = staticmethod(prompts.type_in)
    is_sure = staticmethod(prompts.is_sure)
    typed_word = staticmethod(prompts.typed_word)
    pause = staticmethod(prompts.pause)


class Shell:
    """Commands and questions of one menu."""

    def __init__(self, app: App, ask: Ask) -> None:
        self.app = app
        self.ask = ask
        self.has_screen = sys.stdout.isatty()

    def run(self, *arguments: str) -> bool:
        """Run a command; its errors are shown by itself. Return whether it went well."""
        commands = self.app.commands
        assert commands is not None  # the door sets it
        other = self.app.beside.get(arguments[0])
        app = App(self.app.services, self.app.home_given, self.app.debug, commands)
        return guarded(other or commands, app, arguments[1:] if other else arguments, "makerd") == DONE

    def status(self) -> dict[str, Any]:
        """Return what the daemon says, or the files when it does not run."""
        try:
            found: dict[str, Any] = call(self.app.home, "status")
        except DaemonDown:
            services, home = self.app.services, self.app.home
            found = status_while_down(home, services.figures, services.daemon_pid(home))
        return found

    def files(self) -> frozenset[str]:
        """Return the names that have an active file."""
        return frozenset(one.name for one in configs_in(self.app.home.active, self.app.home) if one.name)

    def pick(self, title: str, entries: Sequence[Entry], bot: Bot, daemon_runs: bool) -> Entry:
        """Let one of the entries that make sense be chosen."""
        found = {one.key: one for one in offered(entries, bot, daemon_runs, self.has_screen)}
        return found[self.ask.choose(title, [(one.key, one.text) for one in found.values()])]

    def carry_out(self, entry: Entry, bot: Bot) -> bool:
        """Run an entry's command once its question is answered; return whether it was done."""
        question, word = filled(entry.question, bot), filled(entry.typed, bot)
        if word and not self.ask.typed_word(question, word):
            click.echo("nothing was changed")
            return False
        if question and not word and not self.ask.is_sure(question, False):
            click.echo("nothing was changed")
            return False
        done = self.run(*(filled(part, bot) for part in entry.command))
        if entry.shows:
            self.ask.pause()
        return done

    def offer_reload(self) -> None:
        """Offer to tell a running daemon of a change."""
        if self.status()["daemon"]["state"] != "running":
            return
        if self.ask.is_sure("Reload now, so that the daemon takes it up?", True):
            self.run("reload")
