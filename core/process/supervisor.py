"""The supervisor: one thread, one loop over signals, child exits, pipes, the control socket and a clock.

It decides nothing here (that is `worker_states.py`) and does nothing slow: configs are validated, bots forked and
orders swept in children. It imports no strategy, venue or schema and never looks at a secret. What follows is a thin
shell: what happened becomes an event of the state table, an action becomes a system call.
"""

from __future__ import annotations

import logging
import os
import random
import selectors
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from core.process.children import Children
from core.process.control import ControlServer
from core.process.fleet import BotEntry, exit_entry
from core.process.health import Health
from core.process.identity import signal_exactly
from core.process.log_tail import log_tail
from core.process.rate_leases import RateLeases
from core.process.registry_sync import Paths, RegistrySync
from core.process.worker_record import (
    Action,
    Exited,
    Happening,
    Overweight,
    Ready,
    State,
    Stop,
    SweepEnded,
    Tick,
    Unusable,
)
from core.process.worker_states import KILL_MARGIN_NS, SWEEP_LIMIT_NS, SWEEP_RETRY_MAX_NS, decide, next_due_ns
from core.process.zygote_keeper import ZygoteKeeper, kind_of
from core.process.zygote_link import ZygoteLink, environ_without_secrets, spawn_module
from utils import exit_statuses
from utils.files import write_json_atomic
from utils.version import __version__

IDLE_NS = 1_000_000_000
PAUSE_NS = 2_000_000_000  # a loop gap beyond this is a paused machine, not silent workers
SHUTDOWN_EXTRA_NS = KILL_MARGIN_NS + 2 * SWEEP_LIMIT_NS + 3_000_000_000
SAMPLE_GAP_NS = 100_000_000
SAMPLES_AT_ONCE = 4
COMPRESS_NS = 300_000_000_000
log = logging.getLogger("makerd.process")


class Supervisor:
    """The daemon's only thread."""

    def __init__(self, paths: Paths, only: frozenset[str], direct: bool, output_fd: int) -> None:
        self.paths = paths
        self.direct = direct
        self.selector = selectors.DefaultSelector()
        self.bots: dict[str, BotEntry] = {}
        self.started_ns = time.monotonic_ns()
        self.last_loop_ns = self.started_ns
        self.stopping_since_ns: int | None = None
        self.control: ControlServer | None = None
        self.on_ready: Callable[[dict[str, Any]], None] | None = None
        self.on_stopped: list[Callable[[dict[str, Any]], None]] = []
        self.waiters: list[Callable[[int], bool]] = []  # each is called until it says that it is done
        self._output_fd = output_fd
        link = ZygoteLink()
        self._leases = RateLeases()
        self._children = Children(self.selector, link, self.happened, self._beat, self._lend)
        data_dirs = paths.home.data_dirs
        self._zygote = ZygoteKeeper(
            link, self._children, self.selector, output_fd, data_dirs, self._withdrawn, self._sweep_alone
        )
        self.registry = RegistrySync(paths, only, direct, self.selector, output_fd, self.bots, self.happened)
        self.registry.before_begin = self._warm
        self._due_ns: int | None = None  # no bot wants a Tick before; None: look
        self._sample_due_ns = 0
        self._read_once = False  # the configs, successfully or not
        self._compress_due_ns = self.started_ns + COMPRESS_NS

    # ------------------------------------------------------------ the loop

    def run(self) -> int:
        """Serve until stopped; return the exit status."""
        wake = self._catch_signals()
        self._zygote.start()
        self.registry.on_read.append(self._first_read)
        self.registry.load()
        while not self._finished():
            for key, mask in self.selector.select(self._timeout_s()):
                if self.selector.get_map().get(key.fd) is key:  # an earlier callback may have closed it
                    self._guarded(partial(key.data, mask))
            self._credit_pause()
            self._guarded(lambda: self._tick(time.monotonic_ns()))
            self._guarded(self._answer_waiters)
        self.selector.unregister(wake)
        return self._shut_down()

    def _guarded(self, step: Callable[[], None]) -> None:
        """Do one thing of the loop; a bug in it must not take the fleet down, nor keep the others from their turn."""
        try:
            step()
        except Exception:
            log.exception("supervisor_bug")
            time.sleep(0.01)

    def _catch_signals(self) -> int:
        reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, lambda _number, _frame: None)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)

        def on_wake(_mask: int) -> None:
            numbers = set(os.read(reader, 4096))
            if numbers & {signal.SIGTERM, signal.SIGINT}:
                self.stop_all()
            if signal.SIGHUP in numbers:
                self.reload()
            if signal.SIGCHLD in numbers:
                self._reap()

        self.selector.register(reader, selectors.EVENT_READ, on_wake)
        return reader

    def _timeout_s(self) -> float:
        now_ns = time.monotonic_ns()
        due_ns = min(self._next_due_ns(now_ns), self._zygote.due_ns or now_ns + IDLE_NS, now_ns + IDLE_NS)
        return max(0, due_ns - now_ns) / 1e9

    def _next_due_ns(self, now_ns: int) -> int:
        """Return when the first bot wants a Tick, or sooner: a heartbeat only moves it back, a decision resets it."""
        if self._due_ns is None or self._due_ns <= now_ns:
            due = [time_ns for bot in self.bots.values() if (time_ns := next_due_ns(bot.record)) is not None]
            self._due_ns = min(due, default=now_ns + IDLE_NS)
        return self._due_ns

    def _credit_pause(self) -> None:
        """After a paused machine nobody's silence counts: the gap is given to every heartbeat."""
        now_ns = time.monotonic_ns()
        gap_ns = now_ns - self.last_loop_ns
        self.last_loop_ns = now_ns
        if gap_ns > PAUSE_NS:
            log.warning("loop_gap", extra={"fields": {"gap_s": round(gap_ns / 1e9, 2)}})
            for bot in self.bots.values():
                bot.record = replace(bot.record, heartbeat_ns=bot.record.heartbeat_ns + gap_ns)
            self._zygote.credit(gap_ns)

    def _tick(self, now_ns: int) -> None:
        self._reap()  # a wake-up byte may have been lost with an error
        if self._next_due_ns(now_ns) <= now_ns:
            self._children.drain()  # heartbeats that wait in a pipe count
            for name, bot in list(self.bots.items()):
                due = next_due_ns(bot.record)
                if due is not None and due <= now_ns:
                    self.happened(name, Tick())
        if now_ns >= self._sample_due_ns:
            self._sample_due_ns = now_ns + SAMPLE_GAP_NS
            self._sample_some(now_ns)
        self._zygote.tend(now_ns)
        self.registry.tend(now_ns)
        self._say_ready()
        if self.control is not None:
            self.control.drop_idle(now_ns / 1e9)
        if now_ns > self._compress_due_ns:
            self._compress_due_ns = now_ns + COMPRESS_NS
            self._one_shot("core.log_manager", ["compress", str(self.paths.home.log)])

    def _answer_waiters(self) -> None:
        now_ns = time.monotonic_ns()
        self.waiters = [waiter for waiter in self.waiters if not waiter(now_ns)]

    def _sample_some(self, now_ns: int) -> None:
        """Read the health of a few bots; the kernel walks a process's pages for it, so never of all at once."""
        due = [name for name, bot in self.bots.items() if bot.health is not None and bot.health.is_due(now_ns)]
        for name in due[:SAMPLES_AT_ONCE]:
            health = self.bots[name].health
            assert health is not None
            self._sample(name, health, now_ns)

    def _sample(self, name: str, health: Health, now_ns: int) -> None:
        health.sample(now_ns)
        limit_mb = self.bots[name].config.daemon.memory_limit_mb
        cpu_limit = self.bots[name].config.daemon.cpu_limit_pct
        if cpu_limit is not None and health.cpu_pct is not None and health.cpu_pct > cpu_limit:
            log.warning("cpu_over_limit", extra={"fields": {"bot": name, "pct": health.cpu_pct, "limit": cpu_limit}})
        if health.pss_mb is not None and health.pss_mb > limit_mb and self.bots[name].record.state is State.RUNNING:
            self.happened(name, Overweight(f"uses {health.pss_mb:.0f} MB, memory_limit_mb is {limit_mb:.0f}"))

    # ------------------------------------------------------------ decisions and actions

    def happened(self, name: str, event: Happening) -> None:
        """Put an event to the state table and carry out what it says."""
        bot = self.bots.get(name)
        if bot is None:
            return
        before = bot.record
        self._due_ns = None
        if isinstance(event, Exited):
            self._note_exit(bot, event)
        bot.record, actions = decide(before, event, time.monotonic_ns(), random.random())
        if bot.record.state is not before.state:
            fields = {"bot": name, "from": before.state.value, "to": bot.record.state.value}
            log.info("state_changed", extra={"fields": {**fields, "reason": bot.record.reason}})
        if isinstance(event, SweepEnded) and not event.confirmed:
            log.warning("sweep_not_confirmed", extra={"fields": {"bot": name, "reason": event.reason}})
        for action in actions:
            self._act(bot, action)
        if not bot.in_registry and bot.record.settled and not bot.record.dirty:
            del self.bots[name]

    def _note_exit(self, bot: BotEntry, event: Exited) -> None:
        if event.held_by is None:  # a refused claim is a wait, not an exit
            lines = log_tail(self.paths.home.log / f"{bot.config.name}.log")
            reason = bot.record.reason if bot.record.killed else event.reason
            bot.last_exit = exit_entry(event.status, event.signal, reason, lines)
            log.info("worker_exited", extra={"fields": {"bot": bot.config.name, "reason": reason}})
        self._leases.drop(bot.config.name)
        bot.ended_by = "killed" if bot.record.killed else "clean" if event.clean else "swept"
        bot.health = None

    def _act(self, bot: BotEntry, action: Action) -> None:
        name, now_ns = bot.config.name, time.monotonic_ns()
        if action is Action.SPAWN:
            kind = kind_of(bot.config)
            if kind in self._zygote.unusable:
                self.happened(name, Unusable(self._zygote.unusable[kind]))
            else:
                self._children.ask("worker", name, kind, self._spec(bot), now_ns)
        elif action is Action.SWEEP:
            self._children.ask("sweep", name, kind_of(bot.config), self._spec(bot), now_ns)
        elif action is Action.ASK_STOP:
            self._children.tell(name, {"t": "stop", "reason": bot.record.reason or "asked to stop"})
            self._children.signal(name, signal.SIGTERM)
        elif action is Action.DUMP:
            log.error("worker_stuck", extra={"fields": {"bot": name, "reason": bot.record.reason}})
            self._children.signal(name, signal.SIGUSR2)
        elif action is Action.KILL:
            self._children.signal(name, signal.SIGKILL, group=True)
        elif action is Action.KILL_HOLDER and bot.record.held_by is not None:
            signal_exactly(bot.record.held_by, signal.SIGKILL)
        elif action is Action.ALERT:
            fields = {"bot": name, "state": bot.record.state.value, "reason": bot.record.reason}
            log.error("alert", extra={"fields": fields})

    def _spec(self, bot: BotEntry) -> dict[str, Any]:
        home = str(self.paths.home.root)
        return {"home": home, "config": bot.config.to_plain(), "reset": bot.record.reset}

    def _beat(self, name: str, message: dict[str, Any]) -> None:
        bot = self.bots.get(name)
        if bot is None:
            return
        bot.hear(message["snapshot"])
        bot.record = replace(bot.record, heartbeat_ns=time.monotonic_ns())
        if message.get("ready") and bot.record.state is State.STARTING:
            bot.health = Health(bot.record.pid or 0)
            self.happened(name, Ready())

    def _lend(self, name: str, message: dict[str, Any]) -> dict[str, Any]:
        return self._leases.answer(name, message, time.monotonic_ns())

    # ------------------------------------------------------------ children

    def _reap(self) -> None:
        for pid in self._children.reap():
            if pid == self._zygote.pid:
                self._zygote.ended()

    def _withdrawn(self, name: str, reason: str) -> None:
        """A kind of bot cannot be used: its workers are not made."""
        self.happened(name, Unusable(reason))

    def _sweep_alone(self, name: str) -> None:
        """The zygote cannot make a sweeper, or not soon."""
        self._children.exec_sweep(name, self._spec(self.bots[name]), self._output_fd)

    def _warm(self) -> None:
        self._zygote.warm({kind_of(bot.config): bot.config for bot in self.bots.values()})

    # ------------------------------------------------------------ readiness and configs

    def reload(self) -> None:
        """Read the folder of configs again."""
        if self.stopping_since_ns is None:
            self.registry.load()

    def _first_read(self, answer: dict[str, Any] | str) -> None:
        error = self.registry.why_nothing_runs(answer)
        if error is not None and self.on_ready is not None:
            say, self.on_ready = self.on_ready, None
            say({"ready": False, "status": exit_statuses.REFUSED, "error": error, "invalid": self.registry.invalid})
            self.stop_all()
        self._read_once = True

    def _say_ready(self) -> None:
        if self.on_ready is not None and self._read_once and not self._zygote.warming and self._zygote.lives:
            say, self.on_ready = self.on_ready, None
            say({"ready": True, "pid": os.getpid(), "bots": len(self.bots), "invalid": self.registry.invalid})

    def _one_shot(self, module: str, arguments: list[str]) -> None:
        try:
            spawn_module(module, arguments, environ_without_secrets(), self._output_fd, self._output_fd)
        except OSError as exc:
            log.warning("one_shot_failed", extra={"fields": {"module": module, "reason": str(exc)}})

    # ------------------------------------------------------------ the end

    def stop_all(self) -> None:
        """Begin to stop: every bot in parallel, each with its own deadline."""
        if self.stopping_since_ns is None:
            self.stopping_since_ns = time.monotonic_ns()
            self.registry.closed = True
            log.info("stopping")
            for name in list(self.bots):
                self.happened(name, Stop())

    def _finished(self) -> bool:
        busy = len(self._children) or any(not bot.record.settled or bot.record.dirty for bot in self.bots.values())
        if self.stopping_since_ns is None:
            return self.direct and self.on_ready is None and not busy and bool(self.bots)
        if not busy:
            return True
        timeouts = [bot.config.daemon.stop_timeout_s for bot in self.bots.values()]
        limit_ns = int(max(timeouts, default=0) * 1e9) + SHUTDOWN_EXTRA_NS
        sweeping = [bot.record for bot in self.bots.values() if bot.record.state is State.SWEEPING and bot.record.pid]
        ends_ns = max((record.due_ns or 0 for record in sweeping if not record.sweep_attempt), default=0)
        ends_ns = max(self.stopping_since_ns + limit_ns, ends_ns + KILL_MARGIN_NS)
        return time.monotonic_ns() > ends_ns or self._only_refused_keys()

    def _only_refused_keys(self) -> bool:
        """Tell whether all that is left are sweeps whose key the venue has just refused: to wait helps nobody."""
        late_ns = time.monotonic_ns() + SWEEP_RETRY_MAX_NS  # no other sweep pauses for longer
        left = [bot.record for bot in self.bots.values() if not bot.record.settled or bot.record.dirty]
        return not len(self._children) and all(
            record.state is State.SWEEPING and record.due_ns is not None and record.due_ns > late_ns for record in left
        )

    def status(self) -> dict[str, Any]:
        """Return the `status --json` object."""
        now_ns = time.monotonic_ns()
        daemon = {
            "state": "stopping" if self.stopping_since_ns is not None else "running",
            "pid": os.getpid(),
            "uptime_s": round((now_ns - self.started_ns) / 1e9, 2),
            "version": __version__,
            "home": str(self.paths.home.root),
        }
        rows = [bot.row(now_ns) for _, bot in sorted(self.bots.items())]
        return {"daemon": daemon, "bots": rows, "invalid": self.registry.invalid}

    def _leave_final_status(self) -> None:
        try:
            write_json_atomic(self.paths.run_dir / "final.json", self.status())
        except OSError as exc:
            log.warning("final_status_not_written", extra={"fields": {"reason": str(exc)}})

    def _shut_down(self) -> int:
        for bot in self.bots.values():
            if not bot.record.settled:
                # Whoever still works on it goes on: with our end a worker is told to cancel and leave.
                bot.left_orders = [f"not confirmed: {bot.record.reason}"]
        report = {
            "bots": [
                {"name": name, "how": bot.ended_by, "left_orders": bot.left_orders} for name, bot in self.bots.items()
            ]
        }
        self._zygote.stop()
        self._reap()
        log.info("stopped", extra={"fields": report})
        if self.direct:
            self._leave_final_status()
        for callback in self.on_stopped:
            callback(report)
        if self.control is not None:
            self.control.flush(2.0)
            self.control.close()
        return 1 if any(bot.left_orders for bot in self.bots.values()) else 0
