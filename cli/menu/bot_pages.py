"""The pages of one bot: what it does, its config, its log."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import click

from cli.figures import when
from cli.menu.entries import AWAY, BACK, BOT, CONFIG, LOGS, Bot, Entry, bot_of, runs
from cli.menu.shell import Shell
from cli.offline import configs_in
from core.registry.store import ConfigStore
from utils.log_components import COMPONENTS

MAX_VERSIONS = 30  # offered to go back to


class BotPages:
    """Asks what to do with a bot until the person goes back."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._own: dict[str, Callable[[Bot], object]] = {
            "logs": lambda bot: self.logs(bot.name),
            "config": self._config,
            "export": self._export,
            "set": self._set,
            "rollback": self._rollback,
        }

    def bots(self) -> None:
        """Let bots be chosen, one after the other."""
        while bots := self._all():
            shown = [(one.name, f"{one.name}  ({one.about or one.where})") for one in bots]
            name = self._shell.ask.choose("Which bot?", [*shown, ("", "Back")])
            if not name:
                return
            self.page(name)
        click.echo("there is no bot yet; make one with `New bot`")

    def page(self, name: str) -> None:
        """Show what can be done with a bot, again after each thing done."""
        while (bot := self._find(name)) is not None:
            entry = self._pick(f"{bot.name}: {bot.about or bot.where}", BOT, bot)
            if entry.key == BACK:
                return
            self._do(entry, bot)

    def _all(self) -> list[Bot]:
        home = self._shell.app.home
        archived = {one.name: one for one in configs_in(home.archived, home) if one.name}
        where = dict.fromkeys(archived, "archived") | dict.fromkeys(self._shell.files(), "active")
        bots = [bot_of(row, where.get(row["name"], "gone")) for row in self._shell.status()["bots"]]
        known = {one.name for one in bots}
        away = [one for name, one in archived.items() if name not in known and where[name] == "archived"]
        return bots + [Bot(one.name, AWAY, "archived", is_job=one.kind == "job") for one in away]

    def _find(self, name: str) -> Bot | None:
        return next((bot for bot in self._all() if bot.name == name), None)

    def _pick(self, title: str, entries: Sequence[Entry], bot: Bot) -> Entry:
        return self._shell.pick(title, entries, bot, runs(self._shell.status()))

    def _do(self, entry: Entry, bot: Bot) -> None:
        own = self._own.get(entry.key)
        done = own(bot) if own else self._shell.carry_out(entry, bot)
        if done and entry.reloads:
            self._shell.offer_reload()

    def _config(self, bot: Bot) -> None:
        while (found := self._find(bot.name)) is not None:
            entry = self._pick(f"The config of {bot.name}:", CONFIG, found)
            if entry.key == BACK:
                return
            self._do(entry, found)

    def _set(self, bot: Bot) -> bool:
        given = self._shell.ask.type_in("KEY=VALUE, such as spread_pct=0.02 (empty: nothing):", _setting_problem)
        return bool(given) and self._shell.run("config", "set", bot.name, given)

    def _rollback(self, bot: Bot) -> bool:
        with ConfigStore(self._shell.app.home).reading() as history:
            versions = history.versions(bot.name)[-MAX_VERSIONS:]
        shown = [(str(one.number), f"{one.number}: {when(one.at_ns)} {one.action} by {one.who}") for one in versions]
        chosen = self._shell.ask.choose("Back to which version?", [*reversed(shown), ("", "Back")])
        return bool(chosen) and self._shell.run("config", "rollback", bot.name, chosen)

    def _export(self, bot: Bot) -> None:
        file = self._shell.ask.type_in(f"File (empty: {bot.name}-fills.csv):", lambda _given: None)
        self._shell.run("export", "fills", bot.name, "-o", file or f"{bot.name}-fills.csv")

    def logs(self, name: str) -> None:
        """Show a log as it is asked for."""
        entry = self._shell.pick(f"The log of {name}:", LOGS, Bot(name), True)
        if entry.key == "since":
            since = self._shell.ask.type_in("Since when? 10m, 2h, 2026-01-31T08:00 (UTC):", _needs_some)
            self._shell.run("logs", name, "--since", since)
            self._shell.ask.pause()
        elif entry.key == "component":
            component = self._shell.ask.choose("Which component?", [(one, one) for one in COMPONENTS])
            self._shell.run("logs", name, "--component", component)
            self._shell.ask.pause()
        elif entry.key != BACK:
            self._shell.carry_out(entry, Bot(name))


def _setting_problem(given: str) -> str | None:
    return None if not given or "=" in given else "it is written KEY=VALUE"


def _needs_some(given: str) -> str | None:
    return None if given else "an answer, please"
