"""What a supervisor says to a living worker, carried out between two steps of its trading loop."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from core.bot_config import BotConfig
from core.process.handover import Handover
from core.process.legs import hold_to_margin_rules
from core.registry.change_classes import changed_keys
from core.trading.trading_loop import SpotRule
from utils.errors import ConfigError, LedgerError

if TYPE_CHECKING:
    from core.process.build import Bot
    from core.process.lease_keeper import LeaseKeeper
    from core.process.run_record import RunRecord
    from core.process.worker import Worker

Message = Mapping[str, Any]
SETTLE_SHARE = 0.5  # of the time of a handover: for what is in flight; the rest is the successor's
_SECTIONS = ("exchange_config", "strategy_config", "risk_config", "hedge_exchange_config")
log = logging.getLogger("makerd.process")


def spot_rule(sell_base: bool) -> SpotRule:
    """Return what an operator's close does about a position on a spot venue."""
    return SpotRule.SELL if sell_base else SpotRule.LEAVE


class WorkerCommands:
    """The verbs that a running worker obeys; anything else is told to the log and changes nothing."""

    def __init__(self, worker: Worker, bot: Bot, resolved: BotConfig, leases: LeaseKeeper) -> None:
        self._worker, self._bot, self._resolved = worker, bot, resolved
        self._verbs: dict[str, Callable[[Message], None]] = {
            "stop": self._stop,
            "pause": lambda _message: bot.loop.pause(),
            "resume": lambda _message: bot.loop.resume(),
            "close": self._close,
            "reload": self._reload,
            "handover": self._hand_over,
            "lease": lambda message: leases.hear(dict(message)),
            "dead_man": lambda message: bot.loop.trust_dead_man(int(message["until_ns"])),
        }

    def obey(self, message: Message) -> None:
        """Carry out one packet. Raises StrategyBug when a strategy is left with no parameters at all."""
        verb = self._verbs.get(str(message.get("t")))
        if verb is None:
            log.warning("unknown_command", extra={"fields": {"verb": str(message.get("t"))[:40]}})
            return
        verb(message)
        if message["t"] not in ("lease", "dead_man"):  # these come all the time, and nobody waits for what they do
            self._worker.beat_due_ns = 0  # what came of it is told at once

    def _stop(self, message: Message) -> None:
        self._bot.loop.begin_stop(str(message.get("reason", "asked to stop")), close=message.get("close") is True)

    def _close(self, message: Message) -> None:
        rule = spot_rule(message.get("sell_base") is True)
        self._bot.loop.begin_close(str(message.get("reason", "asked to close")), rule)

    # A changed config

    def _reload(self, message: Message) -> None:
        """Take a changed config over and say so, or say why not; then everything is as it was."""
        digest, error = "", None
        try:
            new = BotConfig.from_plain(message["config"])
            digest = new.digest
            self._take_over(new)
        except (ConfigError, LedgerError) as exc:
            error = str(exc)
        except (AttributeError, KeyError, TypeError, ValueError) as exc:
            error = f"that is not a config: {exc!r}"
        if error is not None:
            log.warning("reload_refused", extra={"fields": {"reason": error}})
        self._worker.say({"t": "reloaded", "digest": digest, "error": error})

    def _take_over(self, new: BotConfig) -> None:
        worker, loop = self._worker, self._bot.loop
        old, keys = worker.config, changed_keys(worker.config, new)
        restart = [".".join(map(str, key.path)) for key in keys if not key.live]
        if restart:
            raise ConfigError(f"needs a new worker: {', '.join(restart)}")
        if loop.is_ending:
            raise ConfigError("the bot is ending")
        resolved = _resolved_with(self._resolved, old, new)
        hold_to_margin_rules(resolved, self._bot.clients)
        change = loop.prepare_change(resolved.strategy_config, resolved.risk_config, new.daemon.stop_timeout_s)
        before = worker.record
        assert before is not None
        self._put_on_record(replace(before, config=new))
        try:
            loop.apply_change(change)
        except ConfigError:
            self._put_on_record(before)
            raise
        self._resolved, worker.config = resolved, new
        names = [".".join(map(str, key.path)) for key in keys]
        log.info("reloaded", extra={"fields": {"keys": names, "digest": new.digest}})

    def _put_on_record(self, record: RunRecord) -> None:
        """Replace the run record, durably. Raises LedgerError."""
        try:
            record.write(self._worker.folder)
        except OSError as exc:
            raise self._worker.cannot_write(exc) from exc
        self._worker.record = record

    # Orders left to a successor

    def _hand_over(self, message: Message) -> None:
        said = message.get("deadline_s")
        deadline_s = float(said) if isinstance(said, int | float) else 0.0
        until = Handover.within(deadline_s)

        def write(orders: Any) -> None:
            record = self._worker.record
            assert record is not None
            record = dataclasses.replace(record, handover=until.of(orders))
            record.write(self._worker.folder)
            self._worker.record = record

        reason = str(message.get("reason", "handover"))
        self._bot.loop.begin_handover(reason, deadline_s * SETTLE_SHARE, write)


def _resolved_with(resolved: BotConfig, old: BotConfig, new: BotConfig) -> BotConfig:
    """Return the new config with its secrets resolved: no live key is one, so they are those of the old."""
    sections: dict[str, Any] = {}
    for name in _SECTIONS:
        before, values = getattr(old, name), getattr(resolved, name)
        wanted = getattr(new, name)
        sections[name] = {key: values[key] if before.get(key) == one else one for key, one in wanted.items()}
    return replace(new, **sections)
