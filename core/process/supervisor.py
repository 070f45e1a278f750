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
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core.bot_config import BotConfig
from core.process import channel
from core.process.children import Children
from core.process.config_child import ConfigChild
from core.process.control import ControlServer
from core.process.fleet import BotEntry, exit_entry, last_known
from core.process.health import Health
from core.process.identity import signal_exactly
from core.process.log_tail import log_tail
from core.process.worker_states import (
    Action,
    Exited,
    Happening,
    Overweight,
    Ready,
    Restart,
    Start,
    State,
    Stop,
    SweepEnded,
    Tick,
    TidyUp,
    Unusable,
    WorkerRecord,
    decide,
    next_due_ns,
)
from core.process.zygote_link import ZygoteLink, spawn_module
from utils.files import write_json_atomic
from utils.home import Home
from utils.version import __version__

IDLE_NS = 1_000_000_000
PAUSE_NS = 2_000_000_000  # a loop gap beyond this is a paused machine, not silent workers
ZYGOTE_RETRY_NS = 500_000_000
SHUTDOWN_EXTRA_NS = 15_000_000_000
COMPRESS_NS = 300_000_000_000
log = logging.getLogger("makerd.process")


@dataclass(frozen=True, slots=True)
class Paths:
    """Where one supervisor works: a home, and for a foreground run folders of its own inside it."""

    home: Home
    configs: Path
    run_dir: Path


class Supervisor:
    """The daemon's only thread."""

    def __init__(self, paths: Paths, only: frozenset[str], direct: bool, output_fd: int) -> None:
        self.paths = paths
        self.direct = direct
        self.only = only
        self.selector = selectors.DefaultSelector()
        self.bots: dict[str, BotEntry] = {}
        self.invalid: list[dict[str, Any]] = []
        self.started_ns = time.monotonic_ns()
        self.last_loop_ns = self.started_ns
        self.stopping_since_ns: int | None = None
        self.control: ControlServer | None = None
        self.on_ready: Callable[[dict[str, Any]], None] | None = None
        self.on_reloaded: list[Callable[[dict[str, Any] | str], None]] = []
        self.on_stopped: list[Callable[[dict[str, Any]], None]] = []
        self.waiters: list[Callable[[int], bool]] = []  # each is called until it says that it is done
        self._output_fd = output_fd
        self._zygote = ZygoteLink()
        self._zygote_due_ns: int | None = None
        self._warming: set[str] = set()  # kinds whose warming is under way
        self._unusable: dict[str, str] = {}  # kind -> why it cannot be used
        self._children = Children(self.selector, self._zygote, self.happened, self._beat)
        self._config_child: ConfigChild | None = None
        self._compress_due_ns = self.started_ns + COMPRESS_NS

    # ------------------------------------------------------------ the loop

    def run(self) -> int:
        """Serve until stopped; return the exit status."""
        wake = self._catch_signals()
        self._start_zygote()
        self.load_configs()
        while not self._finished():
            ready = self.selector.select(self._timeout_s())
            try:
                for key, mask in ready:
                    if self.selector.get_map().get(key.fd) is key:  # an earlier callback may have closed it
                        key.data(mask)
                self._credit_pause()
                self._tick(time.monotonic_ns())
                self._answer_waiters()
            except Exception:  # one of the two outermost loops: a bug in here must not take the fleet down
                log.exception("supervisor_bug")
                time.sleep(0.01)
        self.selector.unregister(wake)
        return self._shut_down()

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
                self.load_configs()
            if signal.SIGCHLD in numbers:
                self._reap()

        self.selector.register(reader, selectors.EVENT_READ, on_wake)
        return reader

    def _timeout_s(self) -> float:
        now_ns = time.monotonic_ns()
        due = [next_due_ns(bot.record) for bot in self.bots.values()]
        times = [time_ns for time_ns in (*due, self._zygote_due_ns) if time_ns is not None]
        return max(0, min([now_ns + IDLE_NS, *times]) - now_ns) / 1e9

    def _credit_pause(self) -> None:
        """After a paused machine nobody's silence counts: the gap is given to every heartbeat."""
        now_ns = time.monotonic_ns()
        gap_ns = now_ns - self.last_loop_ns
        self.last_loop_ns = now_ns
        if gap_ns > PAUSE_NS:
            log.warning("loop_gap", extra={"fields": {"gap_s": round(gap_ns / 1e9, 2)}})
            for bot in self.bots.values():
                bot.record = replace(bot.record, heartbeat_ns=bot.record.heartbeat_ns + gap_ns)

    def _tick(self, now_ns: int) -> None:
        if any((due := next_due_ns(bot.record)) is not None and due <= now_ns for bot in self.bots.values()):
            self._children.drain()  # heartbeats that wait in a pipe count
        for name, bot in list(self.bots.items()):
            due = next_due_ns(bot.record)
            if due is not None and due <= now_ns:
                self.happened(name, Tick())
            if bot.health is not None and bot.health.is_due(now_ns):
                self._sample(name, bot.health, now_ns)
        self._tend_zygote(now_ns)
        if self._config_child is not None and now_ns > self._config_child.deadline_ns:
            self._config_child.expire()
        if self.control is not None:
            self.control.drop_idle(now_ns / 1e9)
        if now_ns > self._compress_due_ns:
            self._compress_due_ns = now_ns + COMPRESS_NS
            self._one_shot("core.log_manager", ["compress", str(self.paths.home.log)])

    def _answer_waiters(self) -> None:
        now_ns = time.monotonic_ns()
        self.waiters = [waiter for waiter in self.waiters if not waiter(now_ns)]

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
        bot.ended_by = "killed" if bot.record.killed else "clean" if event.clean else "swept"
        bot.health = None

    def _act(self, bot: BotEntry, action: Action) -> None:
        name, now_ns = bot.config.name, time.monotonic_ns()
        if action is Action.SPAWN:
            kind = kind_of(bot.config)
            if kind in self._unusable:
                self.happened(name, Unusable(self._unusable[kind]))
            else:
                self._children.ask("worker", name, kind, self._spec(bot), now_ns)
        elif action is Action.SWEEP:
            self._sweep(bot, now_ns)
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

    def _sweep(self, bot: BotEntry, now_ns: int) -> None:
        name, kind = bot.config.name, kind_of(bot.config)
        if kind in self._unusable or not self._zygote.end:
            self._children.exec_sweep(name, self._spec(bot), self._output_fd)
        else:
            self._children.ask("sweep", name, kind, self._spec(bot), now_ns)

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

    # ------------------------------------------------------------ children

    def _reap(self) -> None:
        for pid in self._children.reap():
            if pid == self._zygote.pid:
                self._zygote_ended()

    def _start_zygote(self) -> None:
        self._zygote_due_ns = None
        try:
            self._zygote.start(self._output_fd)
        except OSError as exc:
            log.error("zygote_not_started", extra={"fields": {"reason": str(exc)}})
            self._zygote_due_ns = time.monotonic_ns() + ZYGOTE_RETRY_NS
            return
        assert self._zygote.end is not None
        self.selector.register(self._zygote.end, selectors.EVENT_READ, self._hear_zygote)

    def _hear_zygote(self, _mask: int) -> None:
        end = self._zygote.end
        while end is not None and self._zygote.end is end:
            try:
                message = channel.receive(end)
            except BlockingIOError:
                return
            except (channel.BadPacket, OSError):
                message = None
            if message is None:
                self._zygote_ended()
            else:
                self._zygote_said(message)

    def _zygote_said(self, message: dict[str, Any]) -> None:
        op = message.get("op")
        self._zygote.answered_ns = time.monotonic_ns()
        if op == "forked":
            self._children.answered(message["id"], int(message["pid"]))
        elif op == "failed":
            self._children.answered(message["id"], None, str(message["error"]))
        elif op == "warmed":
            self._kind_settled(str(message["kind"]), message["failed"])
        self._zygote.pump(time.monotonic_ns())

    def _kind_settled(self, kind: str, failure: str | None) -> None:
        self._warming.discard(kind)
        if failure is None:
            self._zygote.warm_kinds.add(kind)
        else:
            log.error("kind_unusable", extra={"fields": {"kind": kind, "reason": failure}})
            self._unusable[kind] = failure
            for name in self._children.give_up(kind):
                bot = self.bots[name]
                if bot.record.state is State.SWEEPING:
                    self._sweep(bot, time.monotonic_ns())
                else:
                    self.happened(name, Unusable(failure))
        if not self._warming:
            self._say_ready()

    def _zygote_ended(self) -> None:
        """Replace the zygote; running workers are not its children and go on."""
        if self._zygote.end is None:
            return
        log.warning("zygote_ended", extra={"fields": {"pid": self._zygote.pid}})
        self.selector.unregister(self._zygote.end)
        self._zygote.kill()
        self._children.zygote_lost()
        self._warming.clear()
        self._zygote_due_ns = time.monotonic_ns() + ZYGOTE_RETRY_NS

    def _tend_zygote(self, now_ns: int) -> None:
        if self._zygote.end is not None and self._zygote.overdue(now_ns):
            log.warning("zygote_silent", extra={"fields": {"pid": self._zygote.pid}})
            self._zygote_ended()
        if self._zygote_due_ns is not None and now_ns >= self._zygote_due_ns and self.stopping_since_ns is None:
            self._start_zygote()
            self._warm()
        self._zygote.pump(now_ns)

    def _warm(self) -> None:
        """Send an example of each kind of bot that is not warm yet to the zygote."""
        if self._zygote.end is None:
            return
        data_dirs = list(self.paths.home.data_dirs)
        for config in [bot.config for bot in self.bots.values()]:
            kind = kind_of(config)
            if kind not in self._zygote.warm_kinds and kind not in self._warming:
                self._warming.add(kind)
                self._unusable.pop(kind, None)
                self._zygote.warm({"kind": kind, "config": config.to_plain(), "data_dirs": data_dirs})

    def _one_shot(self, module: str, arguments: list[str]) -> None:
        try:
            spawn_module(module, arguments, dict(os.environ), self._output_fd, self._output_fd)
        except OSError as exc:
            log.warning("one_shot_failed", extra={"fields": {"module": module, "reason": str(exc)}})

    # ------------------------------------------------------------ configs

    def load_configs(self) -> None:
        """Have the configs validated in a child; what it says is applied when it has ended."""
        if self._config_child is not None or self.stopping_since_ns is not None:
            return
        home, configs = self.paths.home.root, self.paths.configs
        now_ns = time.monotonic_ns()
        try:
            self._config_child = ConfigChild(home, configs, self._output_fd, self.selector, now_ns, self._configs_read)
        except OSError as exc:
            self._configs_read(f"the configs could not be validated: {exc.strerror}")

    def _configs_read(self, answer: dict[str, Any] | str) -> None:
        self._config_child = None
        if isinstance(answer, str):
            log.error("configs_not_read", extra={"fields": {"reason": answer}})
        else:
            self._apply(answer)
        waiting, self.on_reloaded = self.on_reloaded, []
        for callback in waiting:
            callback(answer)
        if self.on_ready is not None and (isinstance(answer, str) or not self.bots):
            self._refuse_start(answer)

    def _refuse_start(self, answer: dict[str, Any] | str) -> None:
        assert self.on_ready is not None
        error = answer if isinstance(answer, str) else _nothing_to_run(answer, self.paths.configs, self.only)
        say, self.on_ready = self.on_ready, None
        say({"ready": False, "status": 1, "error": error, "invalid": self.invalid})
        self.stop_all()

    def _apply(self, answer: dict[str, Any]) -> None:
        """Take over a validated registry: new bots start, changed ones restart, gone ones stop, the rest goes on."""
        self.invalid = answer["invalid"]
        unclean = {entry["name"]: entry["run"] for entry in answer["unclean"]}
        configs = {plain["name"]: BotConfig.from_plain(plain) for plain in answer["bots"]}
        first = not self.bots
        changed: list[str] = []
        for name, config in configs.items():
            old = self.bots.get(name)
            if old is None:
                record = WorkerRecord(name, config.daemon, dirty=name in unclean)
                self.bots[name] = BotEntry(config, record, snapshot=last_known(answer["figures"].get(name)))
                changed.append(name)
            elif old.config.digest != config.digest or not old.in_registry:
                old.config, old.in_registry = config, True
                old.record = replace(old.record, config=config.daemon)
                changed.append(name)
        self._warm()
        # A direct run looks after its own bot: what others left, or still run, is the daemon's.
        self._leave_out(configs, unclean if first and not self.direct else {})
        for name in changed:
            self._begin(name, first)

    def _begin(self, name: str, first: bool) -> None:
        bot = self.bots[name]
        if bot.record.wanted:
            bot.record = replace(bot.record, reason="config changed")
            self.happened(name, Restart())
        elif self._autostarts(bot) and (first or bot.record.settled):
            self.happened(name, Start())
        elif bot.record.dirty and bot.record.settled:
            self.happened(name, TidyUp())

    def _autostarts(self, bot: BotEntry) -> bool:
        if bot.held_down:
            return False
        return bot.config.name in self.only if self.only else bot.config.daemon.autostart

    def _leave_out(self, configs: dict[str, BotConfig], unclean: dict[str, Any]) -> None:
        """Stop bots whose file is gone or invalid-named no more, and sweep what runs without a config left."""
        broken = {entry.get("name") for entry in self.invalid} | {Path(entry["file"]).stem for entry in self.invalid}
        for name, bot in list(self.bots.items()):
            if name in configs or not broken.isdisjoint((name, Path(bot.config.source_path).stem)):
                continue  # an invalid file never disturbs the running bot
            bot.in_registry = False
            self.happened(name, Stop())
        for name, run in unclean.items():
            if name not in self.bots and run is not None:
                config = BotConfig.from_plain(run["config"])
                self.bots[name] = BotEntry(config, WorkerRecord(name, config.daemon, dirty=True), in_registry=False)
                self.happened(name, TidyUp())

    def _say_ready(self) -> None:
        if self.on_ready is not None and self.bots:
            say, self.on_ready = self.on_ready, None
            say({"ready": True, "pid": os.getpid(), "bots": len(self.bots), "invalid": self.invalid})

    # ------------------------------------------------------------ the end

    def stop_all(self) -> None:
        """Begin to stop: every bot in parallel, each with its own deadline."""
        if self.stopping_since_ns is None:
            self.stopping_since_ns = time.monotonic_ns()
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
        return time.monotonic_ns() - self.stopping_since_ns > limit_ns

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
        return {"daemon": daemon, "bots": rows, "invalid": self.invalid}

    def _leave_final_status(self) -> None:
        try:
            write_json_atomic(self.paths.run_dir / "final.json", self.status())
        except OSError as exc:
            log.warning("final_status_not_written", extra={"fields": {"reason": str(exc)}})

    def _shut_down(self) -> int:
        for name, bot in self.bots.items():
            if not bot.record.settled:
                bot.left_orders = [f"not confirmed: {bot.record.reason}"]
                self._children.signal(name, signal.SIGKILL, group=True)
        report = {
            "bots": [
                {"name": name, "how": bot.ended_by, "left_orders": bot.left_orders} for name, bot in self.bots.items()
            ]
        }
        self._zygote.kill()
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


def kind_of(config: BotConfig) -> str:
    """Return what the zygote warms once for all bots of a kind: venue and strategy."""
    return f"{config.exchange.partition(':')[0]}/{config.strategy}"


def _nothing_to_run(answer: dict[str, Any], configs: Path, only: frozenset[str]) -> str:
    if answer["invalid"]:
        first = answer["invalid"][0]["complaints"][0]
        count = sum(len(entry["complaints"]) for entry in answer["invalid"])
        return f"no valid config: {first}" + (f" (and {count - 1} more complaints)" if count > 1 else "")
    return f"no config in {configs}; copy one there from config/templates and start again"
