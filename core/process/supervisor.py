"""The supervisor: one thread, one loop over signals, child exits, pipes, the control socket and a clock.

It decides nothing here (that is `worker_states.py`) and does nothing slow: configs are validated, bots forked and
orders swept in children. It imports no strategy, venue or schema and never looks at a secret. What follows is a thin
shell: what happened becomes an event of the state table, an action becomes a system call.
"""

from __future__ import annotations

import logging
import os
import selectors
import signal
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Any

from core.fleet_config import FleetConfig
from core.process.carried_state import CarriedState
from core.process.child import Listeners
from core.process.children import Children
from core.process.config_watch import ConfigWatch
from core.process.control import ControlServer
from core.process.event_desk import EventDesk
from core.process.fleet import BotEntry, fleet_line
from core.process.fleet_control import IDLE_NS, FleetControl, closes_at_stop
from core.process.fleet_files import FleetFiles
from core.process.health_rounds import HealthRounds
from core.process.log_care import LogCare
from core.process.monitor_keeper import MonitorKeeper
from core.process.pid_file import PidFile
from core.process.purpose import Kind, Purpose
from core.process.registry_sync import Paths, RegistrySync
from core.process.sd_notify import ServiceManager
from core.process.self_exec import take_over
from core.process.turn_clock import TurnClock
from core.process.upgrade import Upgrade
from core.process.worker_record import State, Stop
from core.process.worker_requests import KILL_MARGIN_NS
from core.process.worker_states import SWEEP_LIMIT_NS, SWEEP_RETRY_MAX_NS
from core.process.zygote_keeper import ZygoteKeeper
from core.process.zygote_link import ZygoteLink
from utils import exit_statuses
from utils.files import write_json_atomic
from utils.version import __version__

PAUSE_NS = 2_000_000_000  # a loop gap beyond this is a paused machine, not silent workers
SHUTDOWN_EXTRA_NS = KILL_MARGIN_NS + 2 * SWEEP_LIMIT_NS + 3_000_000_000
log = logging.getLogger("makerd.process")


class Supervisor:
    """The daemon's only thread."""

    def __init__(self, paths: Paths, purpose: Purpose, pid_file: PidFile, output_fd: int) -> None:
        self.paths = paths
        self.pid_file = pid_file
        self.purpose = purpose
        self.selector = selectors.DefaultSelector()
        self.bots: dict[str, BotEntry] = {}
        self.started_ns = time.monotonic_ns()
        self.last_loop_ns = self.started_ns
        self.stopping_since_ns: int | None = None
        self.control: ControlServer | None = None
        self.on_ready: Callable[[dict[str, Any]], None] | None = None
        self.on_stopped: list[Callable[[dict[str, Any]], None]] = []
        self.waiters: list[Callable[[int], bool]] = []  # each is called until it says that it is done
        self.output_fd = output_fd
        link = ZygoteLink()
        self.events = EventDesk(paths.home, output_fd)
        self.fleet = FleetControl(paths.home, self.bots, self.events, output_fd)
        fleet = self.fleet
        listeners = Listeners(
            fleet.happened, fleet.beat, fleet.lend, fleet.reloaded, fleet.guards.announced, self.events.file_told
        )
        self.children = Children(self.selector, link, listeners)
        data_dirs = paths.home.data_dirs
        self.zygote = ZygoteKeeper(
            link, self.children, self.selector, output_fd, data_dirs, fleet.withdrawn, fleet.sweep_alone
        )
        self.fleet.attach(self.children, self.zygote)
        self.registry = RegistrySync(paths, purpose, self.selector, output_fd, self.bots, self.fleet.happened)
        self.registry.before_begin = self._warm
        self.registry.on_live_change = self.fleet.reload
        self.registry.on_fleet_config = self.take_fleet_config
        self.fleet_config = FleetConfig()
        self.service = ServiceManager({})  # whoever has one says so
        self.turns = TurnClock()
        self._health = HealthRounds(self.bots, fleet.happened, fleet.actions)
        self._files = FleetFiles(paths.home.root, output_fd)
        self.monitor = MonitorKeeper(paths.home.root, output_fd)
        self.registry.on_answer = self.events.configs_read
        self.upgrade = Upgrade(self)
        self.fleet.on_death.append(self.upgrade.died)
        home, beside = paths.home, paths.home.daemon_file.parent
        folders, files = (paths.configs, beside / "bases"), (beside / "daemon_config.json",)
        self._watch = ConfigWatch(folders, (home.daemon_file, home.env_file, *files), self._reload_by_watch)
        self.read_once = False  # the configs, successfully or not
        self.logs = LogCare(paths.home.log, output_fd, self.zygote.share_output, self.started_ns)

    # ------------------------------------------------------------ the loop

    def run(self, carried: CarriedState | None = None) -> int:
        """Serve until stopped, from the start or from where an earlier self was; return the exit status."""
        wake = self._catch_signals()
        if carried is None:
            self.events.note("daemon_started", pid=os.getpid(), version=__version__, purpose=self.purpose.kind.value)
            self.zygote.start()
            self.registry.on_read.append(self._first_read)
            self.registry.load()
        else:
            take_over(self, carried)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())  # blocked since before the exec
        while not self._finished():
            ready = self.selector.select(self._timeout_s())
            self.turns.begin(time.monotonic_ns())
            for key, mask in ready:
                if self.selector.get_map().get(key.fd) is key:  # an earlier callback may have closed it
                    self._guarded(partial(key.data, mask))
            self._guarded(self._credit_pause)
            self._tick(time.monotonic_ns())
            self.turns.end(time.monotonic_ns())
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
                with self.events.on_behalf({"signal": "TERM or INT"}):
                    self.stop_all()
            if signal.SIGHUP in numbers:
                self.reload()
            if signal.SIGCHLD in numbers:
                self._reap()

        self.selector.register(reader, selectors.EVENT_READ, on_wake)
        return reader

    def _timeout_s(self) -> float:
        now_ns = time.monotonic_ns()
        others = (self.zygote.due_ns, self.children.quiet_lines.due_ns, self.service.due_ns)
        due_ns = min(self.fleet.next_due_ns(now_ns), now_ns + IDLE_NS, *(due for due in others if due is not None))
        return max(0, due_ns - now_ns) / 1e9

    def _credit_pause(self) -> None:
        """After a paused machine nobody's silence counts: the gap is given to every heartbeat."""
        now_ns = time.monotonic_ns()
        gap_ns = now_ns - self.last_loop_ns
        self.last_loop_ns = now_ns
        if gap_ns > PAUSE_NS:
            log.warning("loop_gap", extra={"fields": {"gap_s": round(gap_ns / 1e9, 2)}})
            self.fleet.credit(gap_ns)
            self.zygote.credit(gap_ns)
            self.events.note("loop_gap", gap_s=round(gap_ns / 1e9, 2))

    def _tick(self, now_ns: int) -> None:
        """Give everybody a turn, also after one whose turn failed."""
        steps: tuple[Callable[[], None], ...] = (
            self._reap,  # a wake-up byte may have been lost with an error
            partial(self.fleet.tick, now_ns),
            partial(self._health.tend, now_ns),
            partial(self.zygote.tend, now_ns),
            partial(self.children.quiet_lines.tend, now_ns),
            partial(self._files.tend, now_ns),
            partial(self.monitor.tend, now_ns),
            partial(self.service.tend, now_ns, lambda: fleet_line(self.bots.values())),
            lambda: self.events.tend(now_ns, self.zygote.pid if self.zygote.lives else None),
            partial(self.registry.tend, now_ns),
            partial(self._watch.tend, now_ns),
            partial(self.upgrade.tend, now_ns),
            self._say_ready,
            lambda: self.control.drop_idle(now_ns / 1e9) if self.control is not None else None,
            partial(self.logs.tend, now_ns),
            self._answer_waiters,
        )
        for step in steps:
            self._guarded(step)

    def _answer_waiters(self) -> None:
        now_ns = time.monotonic_ns()
        self.waiters = [waiter for waiter in self.waiters if not waiter(now_ns)]

    # ------------------------------------------------------------ children

    def _reap(self) -> None:
        for pid in self.children.reap():
            self.events.notifiers.reaped(pid)
            self._files.reaped(pid)
            self.monitor.reaped(pid)
            if pid == self.zygote.pid:
                self.zygote.ended()

    def _warm(self) -> None:
        self.zygote.warm({bot.config.warm_kind: bot.config for bot in self.bots.values()})

    # ------------------------------------------------------------ readiness and configs

    def reload(self) -> None:
        """Read the folder of configs again."""
        if self.stopping_since_ns is None:
            self.service.reloading(time.monotonic_ns())
            self.registry.on_read.append(lambda _answer: self.service.ready())
            self.registry.load()

    def _reload_by_watch(self) -> None:
        with self.events.on_behalf({"watch": "config files"}):
            self.events.command("reload", {}, {})
            self.reload()

    def take_fleet_config(self, config: FleetConfig) -> None:
        """Follow the daemon file."""
        self.fleet_config = config
        self._watch.on = config.supervision.watch and self.purpose.kind is Kind.DAEMON
        self.events.take(config)
        self.logs.use(asdict(config.logs))
        self.fleet.take(config.supervision, self.logs.rules)
        if self.purpose.kind is not Kind.DIRECT:  # two writers of one file
            self._files.want(config)
        if self.purpose.kind is Kind.DAEMON:
            self.monitor.take(config.web)

    def _first_read(self, answer: dict[str, Any] | str) -> None:
        error = self.registry.why_nothing_runs(answer)
        if error is not None and self.on_ready is not None:
            say, self.on_ready = self.on_ready, None
            told = isinstance(answer, dict) or bool(self.registry.invalid)  # else the child failed: it may work later
            status = exit_statuses.CONFIG if told else exit_statuses.REFUSED
            say({"ready": False, "status": status, "error": error, "invalid": self.registry.invalid})
            self.stop_all()
        self.read_once = True

    def _say_ready(self) -> None:
        if self.on_ready is not None and self.read_once and not self.zygote.warming and self.zygote.lives:
            say, self.on_ready = self.on_ready, None
            say({"ready": True, "pid": os.getpid(), "bots": len(self.bots), "invalid": self.registry.invalid})
            self.events.note("daemon_ready", bots=len(self.bots))
            self.service.ready()

    # ------------------------------------------------------------ the end

    def stop_all(self) -> None:
        """Begin to stop: every bot in parallel, each with its own deadline."""
        if self.stopping_since_ns is None:
            self.stopping_since_ns = time.monotonic_ns()
            self.registry.closed = True
            log.info("stopping")
            self.events.note("daemon_stopping")
            self.service.stopping()
            # All at once: what each stop puts on record would let the last ones trade on.
            for name, bot in self.bots.items():
                said = {"t": "stop", "reason": "asked to stop", "close": closes_at_stop(bot.config)}
                self.children.tell(name, said)
            for name in list(self.bots):
                self._guarded(partial(self.fleet.happened, name, Stop()))

    def _finished(self) -> bool:
        busy = len(self.children) or any(not bot.record.settled or bot.record.dirty for bot in self.bots.values())
        if self.stopping_since_ns is None:
            return self.purpose.ends_with_its_bots and self.on_ready is None and not busy and bool(self.bots)
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
        return not len(self.children) and all(
            record.state is State.SWEEPING and record.due_ns is not None and record.due_ns > late_ns for record in left
        )

    def status(self) -> dict[str, Any]:
        """Return the `status --json` object."""
        now_ns = time.monotonic_ns()
        daemon = {
            "state": "stopping" if self.stopping_since_ns is not None else "running",
            "pid": os.getpid(),
            "uptime_s": round((now_ns - self.started_ns) / 1e9, 2),
            "loop_age_s": round((now_ns - self.last_loop_ns) / 1e9, 2),  # an answer proves no more than itself
            "version": __version__,
            "home": str(self.paths.home.root),
            "web": self.monitor.status(),
        }
        why, guards = self.fleet.starts.why, self.fleet.guards
        rows = [
            bot.row(now_ns, why(name, now_ns), guards.shown(bot.config, now_ns))
            for name, bot in sorted(self.bots.items())
        ]
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
        self.zygote.stop()
        self._reap()
        log.info("stopped", extra={"fields": report})
        left = [name for name, bot in self.bots.items() if bot.left_orders]
        self.events.note("daemon_stopped", bots=len(self.bots), left_orders=left)
        if self.purpose.ends_with_its_bots:
            self._leave_final_status()
        for callback in self.on_stopped:
            callback(report)
        if self.control is not None:
            self.control.flush(2.0)
            self.control.close()
        self.monitor.end()
        return 1 if any(bot.left_orders for bot in self.bots.values()) else 0
