"""Puts what happened to a bot to the state table and carries out what it says: a thin shell around decisions."""

from __future__ import annotations

import logging
import random
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.bot_config import BotConfig
from core.fleet_config import SupervisionConfig
from core.process.account_guards import AccountGuards
from core.process.bot_actions import BotActions, Warm
from core.process.children import Children
from core.process.escalation import Escalation, is_death
from core.process.event_desk import EventDesk
from core.process.fleet import BotEntry, exit_entry
from core.process.health import Health
from core.process.log_tail import log_tail
from core.process.rate_leases import RateLeases
from core.process.start_queue import StartQueue, Wish
from core.process.worker_record import (
    Exited,
    ForkFailed,
    Happening,
    Pause,
    Ready,
    Restart,
    State,
    Stop,
    SweepEnded,
    Tick,
    Unusable,
)
from core.process.worker_states import decide, next_due_ns
from utils import exit_statuses
from utils.home import Home

IDLE_NS = 1_000_000_000
log = logging.getLogger("makerd.process")


def venue_of(config: BotConfig) -> str | None:
    """Return the venue whose storm guard a bot is under, None when it needs none: an embedded one is always there."""
    if config.is_job or config.exchange.partition(":")[0] == "paper":
        return None
    addresses = [str(config.exchange_config.get(key) or "") for key in ("base_url", "ws_url")]
    return " ".join(part for part in (config.exchange, config.network, *addresses) if part)


class FleetControl:
    """Every bot of one supervisor: its events, its actions, its turn to start."""

    def __init__(
        self,
        home: Home,
        bots: dict[str, BotEntry],
        events: EventDesk,
        output_fd: int,
        now_ns: Callable[[], int] = time.monotonic_ns,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.bots = bots
        self._now_ns, self._chance = now_ns, chance
        self.starts, self.escalation = StartQueue(), Escalation()
        self.actions = BotActions(home, output_fd, now_ns)
        self._events = events
        self._pause_account_on_deaths = False
        self.take(SupervisionConfig(), {})
        self.on_death: list[Callable[[str, str], None]] = []  # (bot, reason)
        self.leases = RateLeases()
        self.guards = AccountGuards(bots, events, now_ns)
        self._home = home
        self._children: Children
        self._due_ns: int | None = None  # nothing is due before; None: look

    def take(self, config: SupervisionConfig, log_rules: Mapping[str, Any]) -> None:
        """Follow the daemon file; children get the rules of their logs at their start."""
        self.actions.log_rules = log_rules
        self.starts.parallel = config.parallel_starts
        self.starts.set_pauses(int(config.venue_guard_s * 1e9), int(config.venue_guard_max_s * 1e9))
        self.escalation.deaths = config.escalation_deaths
        self.escalation.window_ns = int(config.escalation_window_s * 1e9)
        self._pause_account_on_deaths = config.pause_account_on_deaths

    def attach(self, children: Children, zygote: Warm) -> None:
        """Take over whom actions are carried out with."""
        self._children = children
        self.actions.attach(children, zygote, self.happened, self._queue)
        self.guards.start, self.guards.tell = self.actions.fork_guard, children.tell
        self.guards.kill = lambda name: children.signal(name, signal.SIGKILL, group=True)

    def take_over(self, leases: Mapping[str, Any], guards: Sequence[Mapping[str, Any]]) -> None:
        """Go on where an earlier self was: its bots and children are known."""
        self.leases.take_over(leases)
        self.guards.take_over(guards)
        for name, bot in self.bots.items():
            if bot.record.state is State.STARTING and self._children.living(name) is None:
                self._queue(bot)
            elif bot.record.state is State.STARTING:
                self.starts.take_over(self._wish(bot))

    # ------------------------------------------------------------ what happened

    def happened(self, name: str, event: Happening) -> None:
        """Put an event to the state table and carry out what it says."""
        if self.guards.owns(name):
            self.guards.happened(name, event)
            return
        bot = self.bots.get(name)
        now_ns = self._now_ns()
        if bot is None or (isinstance(event, Restart) and self.starts.why(name, now_ns)):
            return  # who waits for its turn to start will start with what is true then
        if isinstance(event, Exited):
            event = self._end_group(bot, event)
            self._note_exit(bot, event)
        elif isinstance(event, Stop):
            event = replace(event, close=closes_at_stop(bot.config))
        before, self._due_ns = bot.record, None  # not sooner: the account of a dead bot may have been paused
        bot.record, actions = decide(before, event, now_ns, self._chance())
        self._events.decided(bot.config, before, event, bot.record, actions)
        self._note_change(bot, before.state, event)
        for action in actions:
            self.actions.do[action](bot)
        if not bot.in_registry and bot.record.settled and not bot.record.dirty:
            self.bots.pop(name, None)
        self._keep_turns(bot, event, now_ns)
        self.guards.changed()

    def _end_group(self, bot: BotEntry, event: Exited) -> Exited:
        """Let nothing of a worker outlive it; a worker that the kernel ended for its memory is told as that."""
        groups = self.actions.groups
        why = "" if groups is None else groups.ended(bot.config.name)
        return replace(event, reason=why) if why and event.signal is not None else event

    def _note_change(self, bot: BotEntry, before: State, event: Happening) -> None:
        if bot.record.state is not before:
            fields = {"bot": bot.config.name, "from": before.value, "to": bot.record.state.value}
            log.info("state_changed", extra={"fields": {**fields, "reason": bot.record.reason}})
        if isinstance(event, SweepEnded) and not event.confirmed:
            log.warning("sweep_not_confirmed", extra={"fields": {"bot": bot.config.name, "reason": event.reason}})

    def _note_exit(self, bot: BotEntry, event: Exited) -> None:
        name = bot.config.name
        if event.held_by is None:  # a refused claim is a wait, not an exit
            lines = log_tail(self._home.log / f"{name}.log")
            reason = bot.record.reason if bot.record.killed else event.reason
            bot.last_exit = exit_entry(event.status, event.signal, reason, lines)
            log.info("worker_exited", extra={"fields": {"bot": name, "reason": reason}})
        self.leases.drop(name)
        bot.ended_by = "killed" if bot.record.killed else "clean" if event.clean else "swept"
        bot.health = None
        if is_death(event) and bot.record.state in (State.STARTING, State.RUNNING):
            self._escalate(bot)
            for callback in self.on_death:
                callback(name, event.reason)

    def _escalate(self, bot: BotEntry) -> None:
        """Tell a person when an account's bots die one after the other; let the others pause where that is wanted."""
        for account in sorted({(leg.exchange, leg.account) for leg in bot.config.legs}):
            died = self.escalation.died(" ".join(account), bot.config.name, self._now_ns())
            if not died:
                continue
            reason = f"{', '.join(died)} died within {self.escalation.window_ns / 1e9:.0f} s on {' '.join(account)}"
            log.error("escalation", extra={"fields": {"account": " ".join(account), "reason": reason}})
            self._events.note("escalation", bot.config.name, "escalation", " ".join(account), reason=reason)
            for other in list(self.bots.values()) if self._pause_account_on_deaths else ():
                if any((leg.exchange, leg.account) == account for leg in other.config.legs):
                    self.happened(other.config.name, Pause(reason))

    def beat(self, name: str, packet: bytes, is_ready: bool) -> None:
        """Take a heartbeat."""
        bot = self.bots.get(name)
        if bot is None:
            return
        bot.hear(packet)
        bot.record = replace(bot.record, heartbeat_ns=self._now_ns())
        if is_ready and bot.record.state is State.STARTING:
            bot.health = Health(bot.record.pid or 0, self._log_files(name))
            self._children.calm(name)
            self.happened(name, Ready())

    def _log_files(self, name: str) -> tuple[Path, Path]:
        return self._home.log / f"{name}.log", self._home.log / f"{name}.out"

    def lend(self, name: str, message: dict[str, Any]) -> dict[str, Any]:
        """Answer a worker that asks for a share of a request budget."""
        return self.leases.answer(name, message, self._now_ns())

    def reload(self, name: str) -> None:
        """Have a running worker take its new config over, between two cycles."""
        self._children.tell(name, {"t": "reload", "config": self.bots[name].config.to_plain()})

    def reloaded(self, name: str, message: Mapping[str, Any]) -> None:
        """Take a worker's answer to a new config; one that cannot take it over is followed by one that can."""
        bot, error = self.bots.get(name), message.get("error")
        if bot is None or message.get("digest") != bot.config.digest:
            return  # of a config that is not the newest any more
        self._events.note("reloaded", name, reason=str(error or ""), digest=bot.config.digest[:12])
        if error is not None:
            log.warning("reload_refused", extra={"fields": {"bot": name, "reason": str(error)}})
            self.happened(name, Restart())

    def withdrawn(self, name: str, reason: str) -> None:
        """Give a worker up whose kind cannot be used; one that only closes is made without the zygote."""
        if self.guards.owns(name):
            self.guards.happened(name, ForkFailed(reason))
        elif self.bots[name].record.closing:
            self.actions.fork(self.bots[name])
        else:
            self.happened(name, Unusable(reason))

    def sweep_alone(self, name: str) -> None:
        """Make a sweep without the zygote: it cannot do it, or not soon."""
        self.actions.sweep_alone(self.bots[name])

    # ------------------------------------------------------------ time

    def next_due_ns(self, now_ns: int) -> int:
        """Return when something is due, or sooner: a heartbeat only moves it back, a decision resets it."""
        if self._due_ns is None or self._due_ns <= now_ns:
            due = [time_ns for bot in self.bots.values() if (time_ns := next_due_ns(bot.record)) is not None]
            turn_ns = self.starts.due_ns(now_ns)
            self._due_ns = min([*due, *([] if turn_ns is None else [turn_ns])], default=now_ns + IDLE_NS)
        return self._due_ns if self.guards.due_ns is None else min(self._due_ns, self.guards.due_ns)

    def tick(self, now_ns: int) -> None:
        """Let time pass for whoever waits for it."""
        if self.next_due_ns(now_ns) > now_ns:
            return
        self._children.drain()  # heartbeats that wait in a pipe count
        failed: Exception | None = None
        for name, bot in list(self.bots.items()):
            due_ns = next_due_ns(bot.record)
            if due_ns is not None and due_ns <= now_ns:
                try:
                    self.happened(name, Tick(self._children.is_frozen(name)))
                except Exception as exc:  # a bug over one bot must not keep the others from their turn
                    failed = failed or exc
        self._admit(now_ns)
        self.guards.tick(now_ns)
        self._due_ns = None
        if failed is not None:
            raise failed

    def credit(self, gap_ns: int) -> None:
        """Count a pause of the whole machine as nobody's silence."""
        self._due_ns = None
        self.guards.credit(gap_ns)
        for bot in self.bots.values():
            bot.record = replace(bot.record, heartbeat_ns=bot.record.heartbeat_ns + gap_ns)

    # ------------------------------------------------------------ whose turn it is

    def _keep_turns(self, bot: BotEntry, event: Happening, now_ns: int) -> None:
        name = bot.config.name
        if isinstance(event, Ready):
            self.starts.ready(name)
        elif isinstance(event, Exited | ForkFailed | Unusable):
            self._note_end(bot, event, now_ns)
        elif bot.record.state is not State.STARTING and self.starts.withdraw(name):
            self.happened(name, ForkFailed("not started yet"))
        if len(self.starts):
            self._admit(now_ns)

    def _note_end(self, bot: BotEntry, event: Happening, now_ns: int) -> None:
        unreachable = (
            isinstance(event, Exited) and event.status == exit_statuses.VENUE_UNREACHABLE and event.held_by is None
        )
        self.starts.ended(bot.config.name, venue_of(bot.config), unreachable, now_ns, self._chance())

    def _queue(self, bot: BotEntry) -> None:
        self.starts.ask(self._wish(bot))
        self._admit(self._now_ns())

    @staticmethod
    def _wish(bot: BotEntry) -> Wish:
        urgent = bot.record.handover_until_ns is not None or bot.record.closing
        return Wish(bot.config.name, venue_of(bot.config), urgent)

    def _admit(self, now_ns: int) -> None:
        for name in self.starts.admit(now_ns, self._is_blocked):
            self.actions.fork(self.bots[name])

    def _is_blocked(self, name: str) -> bool:
        """Tell whether a bot that leaves the registry still has what this one needs: it may have been renamed."""
        wanted = _markets(self.bots[name].config)
        return any(
            not other.in_registry and other.config.name != name and not wanted.isdisjoint(_markets(other.config))
            for other in self.bots.values()
        )


def closes_at_stop(config: BotConfig) -> bool:
    """Tell whether a bot wants its position closed when it is stopped; only its worker knows whether it can."""
    return config.strategy_config.get("on_stop") == "close_position"


def _markets(config: BotConfig) -> set[tuple[str, str, str]]:
    return {(leg.exchange, leg.account, leg.symbol) for leg in config.legs}
