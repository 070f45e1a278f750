"""The worker: one bot, from the fork to its exit status. It leaves by `os._exit` only."""

from __future__ import annotations

import dataclasses
import logging
import os
import socket
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from api.base_client import DeadManScope
from core.bot_config import BotConfig
from core.logger import redacted
from core.market.client_ids import OrderIds
from core.process import channel
from core.process.build import Bot, build_bot
from core.process.child_setup import (
    SignalFlags,
    StopAsked,
    become_child,
    leave,
    supervisor_environ,
    take_limits,
    take_orders,
)
from core.process.claims import Claim, Claims, ClaimTaken, is_left_over
from core.process.error_statuses import status_of
from core.process.file_watch import FileWatch
from core.process.handover import Handover
from core.process.identity import identity_of
from core.process.lease_keeper import LeaseKeeper
from core.process.legs import claims_of, hold_to_margin_rules
from core.process.network_names import take_network_names
from core.process.order_ids import ids_of_legs
from core.process.run_record import RunRecord, handed_over, has_left_overs, is_clean, next_fence
from core.process.secrets_of import secrets_in
from core.process.venue_keys import check_keys, key_claims, venue_symbols
from core.process.worker_commands import WorkerCommands, spot_rule
from core.process_logs import ProcessLogs
from core.registry.live_consent import hold_to_consent
from core.registry.secret_values import resolve_secrets
from core.trading.clock import SystemClock
from core.trading.trading_loop import LoopExit
from strategies.base import Idle
from utils import exit_statuses
from utils.errors import LedgerError, MakerdError
from utils.home import Home

BEAT_NS = 1_000_000_000
OPEN_S = 60.0  # how long one venue may take until it is open; no heartbeat is sent meanwhile
log = logging.getLogger("makerd.process")


@dataclass(frozen=True, slots=True)
class Task:
    """What the supervisor wants of one worker, beside its config."""

    reset: bool = False  # clear the latches first
    close_only: bool = False  # quote nothing, close, whatever is latched
    sell_base: bool = False  # what closing means on spot
    handover: bool = False  # the worker before left its orders to this one
    paused: bool = False  # an operator wants no quotes for now
    fresh: bool = False  # somebody started a bot that was at rest

    @classmethod
    def of(cls, spec: Mapping[str, Any]) -> Task:
        """Return the task in the first packet; what is missing there is not wanted."""
        return cls(**{field.name: spec.get(field.name) is True for field in dataclasses.fields(cls)})


def main(end: socket.socket, supervisor_pid: int) -> None:
    """Run one bot as its supervisor says; never returns."""
    spec = take_orders(end)
    home, config = Home(Path(spec["home"])), BotConfig.from_plain(spec["config"])
    signals = become_child(f"makerd: {config.name}", supervisor_pid, home.log / f"{config.name}.out")
    take_limits(config.daemon, spec.get("cgroup"))
    worker = Worker(end, signals, home, config, Task.of(spec))
    worker.logs = ProcessLogs(home.log, config.name, spec.get("logs"))
    worker.logs.guard_streams()
    leave(worker.run(supervisor_environ(supervisor_pid)))


class Worker:
    """One incarnation of a bot and its line to the supervisor."""

    def __init__(self, end: socket.socket, signals: SignalFlags, home: Home, config: BotConfig, task: Task) -> None:
        self.end = end
        self.signals = signals
        self.home = home
        self.config = config  # what runs now, unresolved
        self.task = task
        self.claims = Claims()
        self.folder = home.bot_state(config.name)
        self.record: RunRecord | None = None  # set once orders may be sent
        self.supervised = True
        self.beat_due_ns = 0
        self.files = FileWatch()
        self.logs: ProcessLogs | None = None  # this process's, where it is one of its own
        self._supervisor = identity_of(os.getppid())

    def run(self, environ: dict[str, str]) -> int:
        """Live, report how it ended, and return the exit status."""
        end = self.conclude(self._live(environ))
        if self.logs is not None:
            self.logs.close()
        return end.status

    def conclude(self, end: LoopExit) -> LoopExit:
        """Put the end on record and tell the supervisor; return what is told."""
        if self.record is not None and end.clean:
            self._mark_clean()
        if self.task.handover and self.record is None:  # what was left to it may still rest
            end = dataclasses.replace(end, clean=False)
        reason = redacted(end.reason)  # it may repeat a venue's words, and goes where no log's redaction reaches
        fields = {"status": end.status, "reason": reason, "clean": end.clean, "left": list(end.left_orders)}
        fields |= {"handover": end.handover, "closed": end.closed, "left_position": end.left_position}
        log.info("worker_ended", extra={"fields": fields})
        self.say({"t": "exit", **fields})
        return end

    def _live(self, environ: dict[str, str]) -> LoopExit:
        try:
            resolved = resolve_secrets(self.config, environ, self.home.env_file)
            hidden = [*secrets_in(resolved), *take_network_names(self.config, environ, self.home.env_file)]
            if self.logs is not None:
                self.logs.open_log(hidden)
            return self._own_and_trade(resolved)
        except ClaimTaken as exc:
            return self._claim_refused(exc)
        except Exception as exc:
            return self._failed(exc)

    def _own_and_trade(self, resolved: BotConfig) -> LoopExit:
        home_id = self.home.identity()
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        hold_to_consent(self.folder, self.config)
        self._claim([*claims_of(self.config, home_id), *key_claims(resolved)])
        left, refusal = self._left_to_us()
        if refusal:
            return LoopExit(exit_statuses.VENUE_UNREACHABLE, refusal, False, ())
        try:
            fence = next_fence(self.folder)
        except OSError as exc:
            raise self.cannot_write(exc) from exc
        ids = ids_of_legs(self.config, self.home, fence)
        swept = is_clean(self.folder)
        strategy = Idle(None) if self.task.close_only else None
        bot = build_bot(resolved, self.home.state, self.home.data_dirs, ids, SystemClock(), strategy)
        try:
            if left is not None and not _are_known(left, bot, ids):
                reason = "the orders that were handed over are not those of the ledger; they are swept first"
                return LoopExit(exit_statuses.VENUE_UNREACHABLE, reason, False, ())
            if self.task.reset:
                bot.ledger.reset(time.time_ns())
            with self.signals.interrupting():
                self._open(bot, resolved, swept)
            if bot.loop.finished is not None:  # latched: it has not looked at its ledger and has nothing to say of it
                return bot.loop.finished
            self._write_record(fence)
            return self._drive(bot, resolved)
        except StopAsked:
            return LoopExit(exit_statuses.DONE, "asked to stop before the venue was open", True, ())
        finally:
            bot.close()

    def _left_to_us(self) -> tuple[Handover | None, str]:
        """Return what the worker before has left to this one, or why nothing may be done before a sweep."""
        if not has_left_overs(self.folder):
            return None, ""
        told = "an earlier run did not say that it left no order; it is swept first"
        if not self.task.handover:
            return None, told
        try:
            return handed_over(self.folder, self.config), ""
        except (OSError, ValueError) as exc:
            return None, f"{told} ({exc})"

    def _claim(self, claims: list[Claim]) -> None:
        self.claims.take(claims, self.config.name, str(self.home.root))

    def _open(self, bot: Bot, resolved: BotConfig, swept: bool) -> None:
        """Open the venues and look at the keys; no order can be sent yet, so whatever fails leaves nothing behind."""
        log.info("worker_started", extra={"fields": {"pid": os.getpid(), "strategy": self.config.strategy}})
        if accounts := _guarded_accounts(bot, resolved):  # told at once: the guard is made while the venue is opened
            self.say({"t": "dead_man", "accounts": accounts})
        if not all(client.embedded for client in bot.clients):
            self.say({"t": "needs", "seconds": OPEN_S * len(bot.clients)})
        if self.task.paused:
            bot.loop.pause()
        only_close = spot_rule(self.task.sell_base) if self.task.close_only else None
        bot.loop.start(only_close, new_run=not self._is_of_this_run(), swept=swept, fresh=self.task.fresh)
        if bot.loop.finished is None:
            self._claim(key_claims(resolved, venue_symbols(bot.clients, resolved.legs)))
            check_keys(resolved, bot.clients)
            if not self.task.close_only:  # what is there must be closed all the same
                hold_to_margin_rules(resolved, bot.clients)

    def _is_of_this_run(self) -> bool:
        """Tell whether the worker before was of the same supervisor: `duration_s` goes on over what ended that one."""
        try:
            record = RunRecord.read(self.folder)
        except (OSError, ValueError):
            return False
        return record is not None and record.supervisor is not None and record.supervisor == self._supervisor

    def _write_record(self, fence: int) -> None:
        """Write down what runs, before the first order; from here on an end that proves nothing is swept."""
        record = RunRecord(self.config, fence, clean=False, supervisor=self._supervisor)
        try:
            record.write(self.folder)
        except OSError as exc:
            raise self.cannot_write(exc) from exc
        self.record = record

    def cannot_write(self, exc: OSError) -> LedgerError:
        """Return what a write to the bot's folder that failed comes to."""
        return LedgerError(f"cannot write {self.folder}: {exc.strerror}; free some disk space")

    def _drive(self, bot: Bot, resolved: BotConfig) -> LoopExit:
        """Turn the trading loop until it has finished, beating once a second from between its steps."""
        loop, clock, leases = bot.loop, SystemClock(), LeaseKeeper(bot.clients)
        commands = WorkerCommands(self, bot, resolved, leases)
        said_phase = ""
        while loop.finished is None:
            due_ns = loop.step()
            now_ns = clock.now_ns()
            if now_ns >= self.beat_due_ns or loop.phase != said_phase:
                said_phase = loop.phase
                self._beat(bot)
                self.beat_due_ns = now_ns + BEAT_NS
                if (asks := leases.request(now_ns)) is not None:
                    self.say(asks)
                if self.logs is not None:
                    self.logs.tend()
            if loop.finished is not None:
                break
            fds = [self.signals.fileno(), *([self.end.fileno()] if self.supervised else []), *loop.filenos()]
            readable = clock.wait(min(due_ns, self.beat_due_ns), fds)
            if self.signals.fileno() in readable:
                self.signals.drain()
            if self.end.fileno() in readable:
                self._hear(bot, commands)
            if self.signals.stop_asked:
                self._heed_signal(bot, commands)
            if not self.supervised:  # nobody hears us any more: cancel and leave
                loop.begin_stop("the supervisor is gone")
        self._beat(bot)
        return loop.finished

    def _heed_signal(self, bot: Bot, commands: WorkerCommands) -> None:
        """Stop as the supervisor says, which comes before its signal; without its word, as the config says."""
        while self.supervised and self._hear(bot, commands):
            pass
        if not bot.loop.is_stopping:
            bot.loop.begin_stop("asked to stop", close=self.supervised and bot.loop.closes_at_stop)

    def _beat(self, bot: Bot) -> None:
        snapshot = {**bot.loop.snapshot(), "config_digest": self.config.digest}
        self.say({"t": "beat", "ready": bot.loop.reconciled, "snapshot": snapshot})
        for packet in self.files.news(bot.loop.file_errors()):
            self.say({**packet, "error": packet["error"] and redacted(packet["error"])})

    def _hear(self, bot: Bot, commands: WorkerCommands) -> bool:
        """Take one packet; tell whether there was any."""
        try:
            message = channel.receive(self.end)
        except BlockingIOError:
            return False
        except channel.BadPacket as exc:
            log.warning("bad_packet", extra={"fields": {"reason": str(exc)}})
            return True
        except ConnectionError:
            message = None
        if message is None:
            self.supervised = False
        else:
            commands.obey(message)
        return True

    def say(self, message: dict[str, Any]) -> None:
        """Tell the supervisor something; one that is gone is not waited for."""
        try:
            channel.send(self.end, message)
        except OSError:
            self.supervised = False

    def _claim_refused(self, exc: ClaimTaken) -> LoopExit:
        """Tell the supervisor who owns us: an own earlier self leaves soon, a bot that is supervised does not."""
        log.warning("claim_refused", extra={"fields": {"reason": str(exc)}})
        if exc.holder is not None and is_left_over(exc, self.config.name, str(self.home.root)):
            self.say({"t": "held", "held_by": exc.holder.identity.to_plain()})
            return LoopExit(exit_statuses.VENUE_UNREACHABLE, str(exc), True, ())
        return LoopExit(exit_statuses.CONFIG, str(exc), True, ())

    def _failed(self, exc: Exception) -> LoopExit:
        status = status_of(exc)
        trace = traceback.format_exc()
        shown = trace if not isinstance(exc, MakerdError) or status == exit_statuses.CRASH else None
        log.error("worker_failed", extra={"fields": {"reason": str(exc), "status": status, "traceback": shown}})
        reason = str(exc) if isinstance(exc, MakerdError) else f"{type(exc).__name__}: {exc}"
        return LoopExit(status, redacted(reason), self.record is None, ())

    def _mark_clean(self) -> None:
        assert self.record is not None
        try:
            self.record.mark_clean(self.folder)
        except OSError as exc:  # the next start sweeps once more, which is harmless
            log.warning("run_record_not_written", extra={"fields": {"reason": str(exc)}})


def _guarded_accounts(bot: Bot, config: BotConfig) -> list[dict[str, Any]]:
    """Return the legs whose venue has one dead-man switch for the whole account, with its shortest time-out."""
    return [
        {"leg": leg.leg, "min_s": client.capabilities.dead_man_min_s}
        for leg, client in zip(config.legs, bot.clients, strict=True)
        if client.capabilities.dead_man_scope is DeadManScope.ACCOUNT
    ]


def _are_known(left: Handover, bot: Bot, ids: Mapping[str, OrderIds]) -> bool:
    """Tell whether what was handed over is what the ledger calls open, and ours by its ids."""
    owned = all(any(one.owns(order) for one in ids.values()) for order in left.orders)
    return owned and bot.ledger.open_ids() == frozenset(left.orders)


if __name__ == "__main__":  # without a zygote: python -m core.process.worker FD SUPERVISOR_PID
    main(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2]))
