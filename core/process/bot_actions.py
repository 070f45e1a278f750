"""Carries out what the state table says: each action of a bot as messages, signals and wishes for children."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from core.bot_config import BotConfig
from core.process.cgroups import Groups
from core.process.children import Children
from core.process.dead_man import KIND as GUARD
from core.process.fleet import BotEntry
from core.process.worker_record import Action, Happening, State, Unusable
from utils.home import Home

log = logging.getLogger("makerd.process")


class Warm(Protocol):
    """What is known of the zygote."""

    unusable: dict[str, str]  # kind -> why

    @property
    def lives(self) -> bool:
        """Tell whether there is one to fork from."""


class BotActions:
    """The hands of a fleet."""

    def __init__(self, home: Home, output_fd: int, now_ns: Callable[[], int]) -> None:
        self.groups: Groups | None = None  # of cgroup v2, where a subtree is delegated
        self.log_rules: Mapping[str, Any] = {}
        self._home, self._output_fd, self._now_ns = home, output_fd, now_ns
        self._children: Children
        self._zygote: Warm
        self._on_happening: Callable[[str, Happening], None]
        self.do: Mapping[Action, Callable[[BotEntry], None]] = {}

    def attach(
        self,
        children: Children,
        zygote: Warm,
        on_happening: Callable[[str, Happening], None],
        queue: Callable[[BotEntry], None],
    ) -> None:
        """Take over whom actions are carried out with; `queue` has a bot wait for its turn to start."""
        self._children, self._zygote, self._on_happening = children, zygote, on_happening
        self.do = {
            Action.SPAWN: queue,
            Action.SWEEP: self._sweep,
            Action.ASK_STOP: self._ask_stop,
            Action.ASK_HANDOVER: self._ask_handover,
            Action.ASK_CLOSE: self._ask_close,
            Action.PAUSE: lambda bot: self._tell(bot, {"t": "pause"}),
            Action.RESUME: lambda bot: self._tell(bot, {"t": "resume"}),
            Action.DUMP: self._dump,
            Action.KILL: self._kill,
            Action.KILL_HOLDER: self._kill_holder,
            Action.ALERT: self._alert,
        }

    def fork(self, bot: BotEntry) -> None:
        """Ask for a bot's worker or job."""
        name, kind = bot.config.name, bot.config.warm_kind
        if kind not in self._zygote.unusable:
            what = "job" if bot.config.is_job else "worker"
            self._children.ask(what, name, kind, self._spec_of_worker(bot), self._now_ns())
        elif bot.record.closing:  # to close needs no strategy, and so no zygote that could import it
            self._children.exec_child("worker", name, self._spec_of_worker(bot), self._output_fd)
        else:
            self._on_happening(name, Unusable(self._zygote.unusable[kind]))

    def fork_guard(self, name: str, config: BotConfig, task: dict[str, Any]) -> None:
        """Have the guard of an account made, by the zygote where it is at hand."""
        kind, spec = config.warm_kind, {**task, "home": str(self._home.root), "config": config.to_plain()}
        spec["logs"] = dict(self.log_rules)
        if self._zygote.lives and kind not in self._zygote.unusable:
            self._children.ask(GUARD, name, kind, spec, self._now_ns())
        else:
            self._children.exec_child(GUARD, name, spec, self._output_fd)

    def sweep_alone(self, bot: BotEntry) -> None:
        """Make a sweep without the zygote."""
        self._children.exec_child("sweep", bot.config.name, self._spec(bot), self._output_fd)

    def _sweep(self, bot: BotEntry) -> None:
        self._children.ask("sweep", bot.config.name, bot.config.warm_kind, self._spec(bot), self._now_ns())

    def _spec_of_worker(self, bot: BotEntry) -> dict[str, Any]:
        group = None if self.groups is None else self.groups.prepare(bot.config.name, bot.config.daemon)
        return {**self._spec(bot), "cgroup": group}

    def _spec(self, bot: BotEntry) -> dict[str, Any]:
        record = bot.record
        return {
            "home": str(self._home.root),
            "config": bot.config.to_plain(),
            "logs": dict(self.log_rules),
            "reset": record.reset,
            "fresh": record.fresh,
            "paused": record.paused,
            "close_only": record.closing,
            "sell_base": record.sell_base,
            "handover": record.handover_until_ns is not None,
        }

    def _tell(self, bot: BotEntry, message: dict[str, Any]) -> None:
        self._children.tell(bot.config.name, message)

    def _ask_stop(self, bot: BotEntry) -> None:
        said = {"t": "stop", "reason": bot.record.reason or "asked to stop", "close": bot.record.closing_stop}
        self._tell(bot, said)
        self._children.signal(bot.config.name, signal.SIGTERM)

    def _ask_handover(self, bot: BotEntry) -> None:
        if bot.config.is_job:  # it has nothing to hand over
            self._ask_stop(bot)
            return
        reason = bot.record.reason or "asked to restart"
        self._tell(bot, {"t": "handover", "reason": reason, "deadline_s": bot.config.daemon.stop_timeout_s})

    def _ask_close(self, bot: BotEntry) -> None:
        self._tell(bot, {"t": "close", "reason": "asked to close", "sell_base": bot.record.sell_base})

    def _kill(self, bot: BotEntry) -> None:
        """Kill the process group; then the control group, for what has left the former. A sweeper is in no such one."""
        self._children.signal(bot.config.name, signal.SIGKILL, group=True)
        if self.groups is not None and bot.record.state is not State.SWEEPING:
            self.groups.kill(bot.config.name)

    def _dump(self, bot: BotEntry) -> None:
        log.error("worker_stuck", extra={"fields": {"bot": bot.config.name, "reason": bot.record.reason}})
        self._children.signal(bot.config.name, signal.SIGUSR2)

    @staticmethod
    def _alert(bot: BotEntry) -> None:
        record = bot.record
        fields = {"bot": record.name, "state": record.state.value, "reason": record.reason}
        log.error("alert", extra={"fields": fields})

    def _kill_holder(self, bot: BotEntry) -> None:
        if bot.record.held_by is not None:
            self._children.kill_holder(bot.record.held_by)
