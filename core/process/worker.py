"""The worker: one bot, from the fork to its exit status. It leaves by `os._exit` only."""

from __future__ import annotations

import dataclasses
import logging
import os
import socket
import time
import traceback
from pathlib import Path
from typing import Any

from core.bot_config import BotConfig
from core.logger import redacted, setup_worker_logging
from core.process import channel
from core.process.build import Bot, build_bot
from core.process.child_setup import SignalFlags, StopAsked, become_child, leave, supervisor_environ, take_orders
from core.process.claims import Claim, Claims, ClaimTaken, is_left_over
from core.process.lease_keeper import LeaseKeeper
from core.process.legs import claims_of
from core.process.order_ids import ids_of_legs
from core.process.run_record import RunRecord, has_left_overs, is_clean, next_fence
from core.process.secrets_of import secrets_in
from core.process.venue_keys import check_keys, key_claims, venue_symbols
from core.registry.config_manager import resolve_secrets
from core.registry.live_consent import hold_to_consent
from core.trading.clock import SystemClock
from core.trading.trading_loop import LoopExit
from utils import exit_statuses
from utils.errors import (
    ConfigError,
    LedgerError,
    MakerdError,
    RiskHalt,
    VenueAuthError,
    VenueRefused,
    VenueUnreachable,
)
from utils.home import Home

BEAT_NS = 1_000_000_000
OPEN_S = 60.0  # how long one venue may take until it is open; no heartbeat is sent meanwhile
log = logging.getLogger("makerd.process")

# Which status an error that ends a worker becomes; the first match counts, anything else is a crash.
STATUS_OF: tuple[tuple[type[BaseException], int], ...] = (
    (VenueAuthError, exit_statuses.AUTH),
    (RiskHalt, exit_statuses.RISK_HALT),
    (VenueRefused, exit_statuses.CONFIG),
    (ConfigError, exit_statuses.CONFIG),
    (VenueUnreachable, exit_statuses.VENUE_UNREACHABLE),
)


def status_of(error: BaseException) -> int:
    """Return the exit status of an error."""
    return next((status for kind, status in STATUS_OF if isinstance(error, kind)), exit_statuses.CRASH)


def main(end: socket.socket, supervisor_pid: int) -> None:
    """Run one bot as its supervisor says; never returns."""
    spec = take_orders(end)
    home, config = Home(Path(spec["home"])), BotConfig.from_plain(spec["config"])
    signals = become_child(f"makerd: {config.name}", supervisor_pid, home.log / f"{config.name}.out")
    try:
        os.nice(config.daemon.nice)
    except PermissionError:  # a negative one is for root; the bot runs as well without it
        pass
    worker = Worker(end, signals, home, config, bool(spec.get("reset")))
    leave(worker.run(supervisor_environ(supervisor_pid)))


class Worker:
    """One incarnation of a bot and its line to the supervisor."""

    def __init__(self, end: socket.socket, signals: SignalFlags, home: Home, config: BotConfig, reset: bool) -> None:
        self.end = end
        self.signals = signals
        self.home = home
        self.config = config
        self.reset = reset
        self.claims = Claims()
        self.folder = home.bot_state(config.name)
        self.record: RunRecord | None = None  # set once orders may be sent
        self.supervised = True

    def run(self, environ: dict[str, str]) -> int:
        """Live, report how it ended, and return the exit status."""
        end = self._live(environ)
        if self.record is not None and end.clean:
            self._mark_clean()
        log.info("worker_ended", extra={"fields": {"status": end.status, "reason": end.reason, "clean": end.clean}})
        self._say(
            {"t": "exit", "status": end.status, "reason": end.reason, "clean": end.clean, "left": list(end.left_orders)}
        )
        logging.shutdown()
        return end.status

    def _live(self, environ: dict[str, str]) -> LoopExit:
        try:
            resolved = resolve_secrets(self.config, environ, self.home.env_file)
            setup_worker_logging(
                self.home.log / f"{self.config.name}.log", self.config.name, redact=secrets_in(resolved)
            )
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
        if has_left_overs(self.folder):
            reason = "an earlier run did not say that it left no order; it is swept first"
            return LoopExit(exit_statuses.VENUE_UNREACHABLE, reason, False, ())
        try:
            fence = next_fence(self.folder)
        except OSError as exc:
            raise self._cannot_write(exc) from exc
        ids = ids_of_legs(self.config, self.home, fence)
        swept = is_clean(self.folder)
        bot = build_bot(resolved, self.home.state, self.home.data_dirs, ids, SystemClock())
        try:
            if self.reset:
                bot.ledger.reset(time.time_ns())
            with self.signals.interrupting():
                self._open(bot, resolved, swept)
            if bot.loop.finished is not None:  # latched: it has not looked at its ledger and has nothing to say of it
                return bot.loop.finished
            self._write_record(fence)
            return self._drive(bot)
        except StopAsked:
            return LoopExit(exit_statuses.DONE, "asked to stop before the venue was open", True, ())
        finally:
            bot.close()

    def _claim(self, claims: list[Claim]) -> None:
        self.claims.take(claims, self.config.name, str(self.home.root))

    def _open(self, bot: Bot, resolved: BotConfig, swept: bool) -> None:
        """Open the venues and look at the keys; no order can be sent yet, so whatever fails leaves nothing behind."""
        log.info("worker_started", extra={"fields": {"pid": os.getpid(), "strategy": self.config.strategy}})
        if not all(client.embedded for client in bot.clients):
            self._say({"t": "needs", "seconds": OPEN_S * len(bot.clients)})
        bot.loop.start(swept)
        if bot.loop.finished is None:
            self._claim(key_claims(resolved, venue_symbols(bot.clients, resolved.legs)))
            check_keys(resolved, bot.clients)

    def _write_record(self, fence: int) -> None:
        """Write down what runs, before the first order; from here on an end that proves nothing is swept."""
        record = RunRecord(self.config, fence, clean=False)
        try:
            record.write(self.folder)
        except OSError as exc:
            raise self._cannot_write(exc) from exc
        self.record = record

    def _cannot_write(self, exc: OSError) -> LedgerError:
        return LedgerError(f"cannot write {self.folder}: {exc.strerror}; free some disk space")

    def _drive(self, bot: Bot) -> LoopExit:
        """Turn the trading loop until it has finished, beating once a second from between its steps."""
        loop, clock, leases = bot.loop, SystemClock(), LeaseKeeper(bot.clients)
        next_beat_ns, said_phase = clock.now_ns(), ""
        while loop.finished is None:
            due_ns = loop.step()
            now_ns = clock.now_ns()
            if now_ns >= next_beat_ns or loop.phase != said_phase:
                said_phase = loop.phase
                self._say({"t": "beat", "ready": loop.reconciled, "snapshot": loop.snapshot()})
                next_beat_ns = now_ns + BEAT_NS
                if (asks := leases.request(now_ns)) is not None:
                    self._say(asks)
            if loop.finished is not None:
                break
            fds = [self.signals.fileno(), *([self.end.fileno()] if self.supervised else []), *loop.filenos()]
            readable = clock.wait(min(due_ns, next_beat_ns), fds)
            if self.signals.fileno() in readable:
                self.signals.drain()
            if self.end.fileno() in readable:
                self._hear(bot, leases)
            if self.signals.stop_asked:
                loop.begin_stop("asked to stop")
        self._say({"t": "beat", "ready": loop.reconciled, "snapshot": loop.snapshot()})
        return loop.finished

    def _hear(self, bot: Bot, leases: LeaseKeeper) -> None:
        try:
            message = channel.receive(self.end)
        except BlockingIOError:
            return
        except ConnectionError:
            message = None
        if message is None:  # nobody supervises us any more: cancel and leave
            self.supervised = False
            bot.loop.begin_stop("the supervisor is gone")
            return
        verb = message.get("t")
        if verb == "stop":
            bot.loop.begin_stop(str(message.get("reason", "asked to stop")))
        elif verb == "pause":
            bot.loop.pause()
        elif verb == "resume":
            bot.loop.resume()
        elif verb == "lease":
            leases.hear(message)

    def _say(self, message: dict[str, Any]) -> None:
        try:
            channel.send(self.end, message)
        except OSError:
            self.supervised = False

    def _claim_refused(self, exc: ClaimTaken) -> LoopExit:
        """Tell the supervisor who owns us: an own earlier self leaves soon, a bot that is supervised does not."""
        log.warning("claim_refused", extra={"fields": {"reason": str(exc)}})
        if exc.holder is not None and is_left_over(exc, self.config.name, str(self.home.root)):
            self._say({"t": "held", "held_by": exc.holder.identity.to_plain()})
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
            dataclasses.replace(self.record, clean=True).write(self.folder)
        except OSError as exc:  # the next start sweeps once more, which is harmless
            log.warning("run_record_not_written", extra={"fields": {"reason": str(exc)}})
