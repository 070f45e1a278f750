"""Looks at a few bots at a time: their memory and processor against what their configs allow."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from core.process.bot_actions import BotActions
from core.process.fleet import BotEntry
from core.process.health import Health
from core.process.worker_record import Happening, Overweight, State

GAP_NS = 100_000_000
AT_ONCE = 4  # the kernel walks a process's pages for each
log = logging.getLogger("makerd.process")


class HealthRounds:
    """Reads the health of every bot in turn, never of all at once."""

    def __init__(
        self, bots: Mapping[str, BotEntry], happened: Callable[[str, Happening], None], actions: BotActions
    ) -> None:
        self._bots, self._happened, self._actions = bots, happened, actions
        self._due_ns = 0

    def tend(self, now_ns: int) -> None:
        """Look at whoever is due, a few of them."""
        if now_ns < self._due_ns:
            return
        self._due_ns = now_ns + GAP_NS
        due = [(bot, health) for bot in self._bots.values() if (health := bot.health) and health.is_due(now_ns)]
        for bot, health in due[:AT_ONCE]:
            self._look_at(bot, health, now_ns)

    def _look_at(self, bot: BotEntry, health: Health, now_ns: int) -> None:
        name, limits = bot.config.name, bot.config.daemon
        if self._actions.groups is not None:
            self._actions.groups.hold(name, limits)
        health.sample(now_ns, limits.memory_limit_mb)
        cpu_limit = limits.cpu_limit_pct
        if cpu_limit is not None and health.cpu_pct is not None and health.cpu_pct > cpu_limit:
            log.warning("cpu_over_limit", extra={"fields": {"bot": name, "pct": health.cpu_pct, "limit": cpu_limit}})
        limit_mb, pss_mb = limits.memory_limit_mb, health.pss_mb
        if pss_mb is not None and pss_mb > limit_mb and bot.record.state is State.RUNNING:
            self._happened(name, Overweight(f"uses {pss_mb:.0f} MB, memory_limit_mb is {limit_mb:.0f}"))
