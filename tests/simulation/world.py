"""A world without processes: clock, venue, claims, run records and children are simulated, the decisions are real.

`FleetControl`, the state table, the start queue and the guards run as they do in the daemon. What a child does and what
befalls it is drawn from one seeded generator, so a seed repeats a run exactly.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.bot_config import BotConfig, DaemonConfig, Leg
from core.process.fleet import BotEntry
from core.process.fleet_control import FleetControl
from core.process.identity import Identity
from core.process.worker_record import Exited, Forked, ForkFailed, Happening, Start, SweepEnded, TidyUp, WorkerRecord
from tests.simulation.stand_ins import Children, NoEvents, Zygote
from tests.simulation.switches import KIND, Broken, Switches
from utils.home import Home

S = 1_000_000_000
MS = 1_000_000
READY, BEAT = (b'{"t":"beat","ready":true,"snapshot":{}}', True), (b'{"t":"beat","ready":true,"snapshot":{}}', True)
DONE, CRASH, UNREACHABLE, HALT, BAD_CONFIG = 0, 70, 75, 77, 78


@dataclass(slots=True)
class Process:
    """A simulated worker or sweeper."""

    pid: int
    kind: str
    bot: str
    epoch: int  # of the supervisor that had it forked
    spec: dict[str, Any]
    alive: bool = True
    holds_claim: bool = False
    ready: bool = False
    stuck: bool = False  # its loop hangs
    frozen: bool = False  # SIGSTOP
    leaving: bool = False
    trusts_until_ns: int = 0  # of a worker: until then its account's switch is armed, as it was told
    armed_until_ns: int = 0  # of a guard: what it says


@dataclass(slots=True)
class OnDisk:
    """What outlives every process: the run record, the latch, the handover record; and what rests at the venue."""

    unclean: bool = False
    latched: bool = False
    handover_until_ns: int = 0
    orders: set[int] = field(default_factory=set)
    position: bool = False


class World:
    """Bots, their venue, and one supervisor after the other."""

    def __init__(self, bots: int, rng: random.Random, venues: int = 2) -> None:
        self.rng, self.now_ns, self.epoch = rng, 10**12, 0
        self.names = [f"bot-{number}" for number in range(bots)]
        self.configs = {name: _config(name, f"venue-{i % venues}", rng) for i, name in enumerate(self.names)}
        self.disk = {name: OnDisk() for name in self.names}
        self.down: set[str] = set()  # venues that cannot be reached
        self.processes: dict[int, Process] = {}
        self.events: list[tuple[int, int, Callable[[], None]]] = []
        self.count: Counter[str] = Counter()
        self.fork_fails = 0.0
        self._serial = 0
        self.fleet: FleetControl | None = None
        self.switches = Switches(self)
        self.start_supervisor()

    # ------------------------------------------------------------ time

    def later(self, seconds: float, what: Callable[[], None]) -> None:
        """Have something happen."""
        self._serial += 1
        heapq.heappush(self.events, (self.now_ns + int(seconds * S), self._serial, what))

    def run(self, seconds: float) -> None:
        """Let time pass: whatever is due happens, and the supervisor ticks when it says that it is due."""
        end_ns = self.now_ns + int(seconds * S)
        still = 0
        while True:
            due_ns = self.events[0][0] if self.events else end_ns
            if self.fleet is not None:
                due_ns = min(due_ns, max(self.now_ns, self.fleet.next_due_ns(self.now_ns)))
            if due_ns > end_ns:
                self.now_ns = end_ns
                return
            still = still + 1 if due_ns == self.now_ns else 0
            if still > 2000:
                raise Broken("busy loop: time stands still")
            self.now_ns = due_ns
            while self.events and self.events[0][0] <= self.now_ns:
                heapq.heappop(self.events)[2]()
            if self.fleet is not None:
                self.count["ticks"] += 1
                self.fleet.tick(self.now_ns)
            if due_ns >= end_ns:
                return

    # ------------------------------------------------------------ supervisors

    def start_supervisor(self) -> None:
        """Begin as a daemon does: with what is on disk."""
        self.epoch += 1
        children = Children(self)
        bots: dict[str, BotEntry] = {}
        home = Home(Path("/nonexistent"))
        fleet = FleetControl(home, bots, NoEvents(), 2, lambda: self.now_ns, self.rng.random)  # type: ignore[arg-type]
        fleet.attach(children, Zygote())  # type: ignore[arg-type]
        self.fleet = fleet
        for name in self.names:
            config = self.configs[name]
            bots[name] = BotEntry(config, WorkerRecord(name, config.daemon, dirty=self.disk[name].unclean))
        for name in self.names:
            fleet.happened(name, Start())
            if bots[name].record.settled and bots[name].record.dirty:
                fleet.happened(name, TidyUp())

    def kill_supervisor(self) -> None:
        """The kernel tells every child; who is stuck or frozen does not hear it."""
        self.fleet = None
        for process in self.living():
            self.end(process, None, 9) if process.kind == KIND else self.terminate(process)

    def reboot(self) -> None:
        """Nothing is left but the disk and the venue."""
        self.fleet = None
        for process in self.living():
            self.end(process, None, 9, tell=False)

    # ------------------------------------------------------------ processes

    def living(self) -> list[Process]:
        return [process for process in self.processes.values() if process.alive]

    def of(self, bot: str, kind: str = "worker") -> Process | None:
        """Return a bot's process: of the newest supervisor that has one, for a stopped one outlives its own."""
        found = [one for one in self.living() if one.bot == bot and one.kind == kind]
        return max(found, key=lambda one: one.epoch, default=None)

    def is_down(self, bot: str) -> bool:
        return self.configs[bot].exchange in self.down

    def fork(self, kind: str, bot: str, spec: dict[str, Any]) -> None:
        """A child is asked for; it comes to be, or not."""
        if self.rng.random() < self.fork_fails:
            self.later(0.01, lambda: self.tell(self.epoch, bot, ForkFailed("fork: EAGAIN")))
            return
        process = self.new_process(kind, bot, spec)
        self.later(self.rng.uniform(0.002, 0.02), lambda: self._born(process))

    def new_process(self, kind: str, bot: str, spec: dict[str, Any]) -> Process:
        """Return a process of the present supervisor, not born yet."""
        self._serial += 1
        return Process(10_000 + self._serial, kind, bot, self.epoch, spec)

    def _born(self, process: Process) -> None:
        if process.epoch != self.epoch or self.fleet is None:
            return  # its supervisor died before the fork
        self.processes[process.pid] = process
        self.count[process.kind] += 1
        self.tell(process.epoch, process.bot, Forked(process.pid))
        begin = self._open if process.kind == "worker" else self._sweep
        self.later(self.rng.uniform(0.01, 0.3), lambda: begin(process))

    def _claim(self, process: Process) -> bool:
        """Take the bot's claim, or leave because somebody holds it."""
        holder = next((one for one in self.living() if one.bot == process.bot and one.holds_claim), None)
        if holder is None:
            process.holds_claim = True
            return True
        if holder.epoch == process.epoch:
            raise Broken(f"S1: two processes of one supervisor want {process.bot}: {holder} and {process}")
        held_by = Identity(holder.pid, holder.pid, "boot")
        if process.kind == "worker":
            self.end(process, Exited(UNREACHABLE, None, True, "held", held_by))
        else:
            self.end(process, SweepEnded(False, "held", held_by))
        return False

    def _open(self, process: Process) -> None:
        disk, handover = self.disk[process.bot], process.spec["handover"]
        if not process.alive or process.stuck or process.frozen or not self._claim(process):
            return
        self.switches.announce(process)
        if disk.latched and not process.spec["close_only"] and not process.spec["reset"]:
            self.end(process, Exited(HALT, None, True, "latched"))
            return
        if disk.unclean and not (handover and self.now_ns < disk.handover_until_ns):
            self.end(process, Exited(UNREACHABLE, None, False, "swept first"))
            return
        if self.is_down(process.bot):
            self.end(process, Exited(UNREACHABLE, None, not handover, "unreachable"))
            return
        if process.spec["reset"]:
            disk.latched = False
        disk.unclean, disk.handover_until_ns = True, 0
        if disk.orders and not handover:
            raise Broken(f"S2: {process.bot} runs while {len(disk.orders)} orders of an earlier life rest")
        process.ready = True
        self.beat(process)
        if process.spec["close_only"]:
            self.close(process)
        else:
            self._quote(process)

    def beat(self, process: Process) -> None:
        """Beat once, and again a second later."""
        if not process.alive or process.leaving:
            return
        if not process.stuck and not process.frozen and self.fleet is not None and process.epoch == self.epoch:
            self.fleet.beat(process.bot, *BEAT)
        self.later(1.0, lambda: self.beat(process))

    def _quote(self, process: Process) -> None:
        """Place and cancel while it lives."""
        if not process.alive or process.leaving:
            return
        if not process.stuck and not process.frozen and not self.is_down(process.bot):
            rivals = [one for one in self.living() if one.bot == process.bot and one.holds_claim and one is not process]
            if rivals:
                raise Broken(f"S1: {process.bot} has two owners: {rivals}")
            if self.switches.may_quote(process):
                self.disk[process.bot].orders.add(self.rng.randrange(10**9))
            else:
                self.disk[process.bot].orders.clear()
            self.disk[process.bot].position = self.rng.random() < 0.5
        self.later(self.rng.uniform(0.5, 3), lambda: self._quote(process))

    def terminate(self, process: Process) -> None:
        """TERM: cancel, confirm, leave; as far as the venue lets it. A guard takes no notice."""
        if process.kind == KIND:
            return
        if not process.alive or process.stuck or process.frozen or process.leaving:
            return
        process.leaving = True
        seconds = self.rng.uniform(0.01, 0.5) if not self.is_down(process.bot) else process.spec["stop_timeout_s"]
        self.later(seconds, lambda: self._left(process))

    def _left(self, process: Process) -> None:
        if not process.alive or process.stuck or process.frozen:
            return
        if process.kind == "sweep":
            self.end(process, SweepEnded(False, "asked to stop"))
            return
        clean = not process.ready or not self.is_down(process.bot)
        if process.ready and clean:
            self._cancel_all(process.bot)
        if process.spec["handover"] and not process.ready:
            clean = False
        self.end(process, Exited(DONE, None, clean, "asked to stop"))

    def _cancel_all(self, bot: str) -> None:
        self.disk[bot].orders.clear()
        self.disk[bot].unclean = False

    def hand_over(self, process: Process, deadline_s: float) -> None:
        """Leave the orders, written down, or cancel them when they cannot be left."""
        if not process.alive or process.stuck or process.frozen or process.leaving:
            return
        if not process.ready or self.rng.random() < 0.3:
            self.terminate(process)
            return
        process.leaving = True
        until_ns = self.now_ns + int(deadline_s * S)

        def gone() -> None:
            if process.alive and not process.stuck and not process.frozen:
                self.disk[process.bot].handover_until_ns = until_ns
                self.end(process, Exited(DONE, None, False, "handover", None, True))

        self.later(self.rng.uniform(0.01, 0.3), gone)

    def close(self, process: Process) -> None:
        """Cancel, close, leave; tried until the venue lets it."""

        def flat() -> None:
            if not process.alive or process.stuck or process.frozen:
                self.later(1.0, flat) if process.alive else None
                return
            if self.is_down(process.bot):
                self.later(1.0, flat)
                return
            self._cancel_all(process.bot)
            self.disk[process.bot].position = False
            self.end(process, Exited(DONE, None, True, "closed", None, False, True))

        if process.alive and process.ready and not process.leaving:
            process.leaving = True
            self.later(self.rng.uniform(0.05, 3), flat)
        elif process.alive and not process.ready:
            process.spec["close_only"] = True

    def _sweep(self, process: Process) -> None:
        if not process.alive or process.stuck or process.frozen or not self._claim(process):
            return
        if self.disk[process.bot].unclean and self.is_down(process.bot):
            self.later(self.rng.uniform(0.5, 8), lambda: self.end(process, SweepEnded(False, "venue down")))
            return

        def confirmed() -> None:
            if not process.alive or process.stuck or process.frozen:
                return
            if self.disk[process.bot].unclean and self.is_down(process.bot):
                self.end(process, SweepEnded(False, "venue down"))
                return
            self._cancel_all(process.bot)
            self.disk[process.bot].handover_until_ns = 0
            self.end(process, SweepEnded(True))

        self.later(self.rng.uniform(0.02, 2), confirmed)

    def end(self, process: Process, event: Happening | None, by_signal: int = 0, tell: bool = True) -> None:
        """A process is gone; its supervisor, if it lives, reaps it."""
        if not process.alive:
            return
        process.alive = process.holds_claim = False
        self.processes.pop(process.pid, None)
        if event is None:
            event = Exited(None, by_signal) if process.kind != "sweep" else SweepEnded(False, "the sweeper was killed")
        if tell:
            self.later(0.001, lambda: self.tell(process.epoch, process.bot, event))

    def tell(self, epoch: int, bot: str, event: Happening) -> None:
        """Let the supervisor that it concerns know."""
        if self.fleet is not None and epoch == self.epoch:
            self.count["events"] += 1
            self.fleet.happened(bot, event)


def _config(name: str, venue: str, rng: random.Random) -> BotConfig:
    daemon = DaemonConfig(
        heartbeat_timeout_s=rng.choice([3.0, 10.0]),
        stop_timeout_s=rng.choice([2.0, 20.0]),
        backoff_initial_s=rng.choice([0.0, 1.0]),
        backoff_max_s=30.0,
        max_restarts=rng.choice([3, 1000]),
        restart_interval_min=rng.choice([0.0, 0.0, 2.0]),
    )
    leg = Leg("main", venue, f"account-{venue}", f"{name}-USD")
    return BotConfig(name, venue, "s", (leg,), daemon, {}, {}, {}, {}, "", name)
