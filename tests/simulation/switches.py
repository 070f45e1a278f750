"""Venues of the simulated world that have one dead-man switch for a whole account, and the guards that refresh it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from core.process.account_guards import PREFIX
from core.process.dead_man import FRESH_NS, KIND, TELL_NS, VERDICT_NS, RefreshPlan, account_of
from core.process.worker_record import Exited, Forked, ForkFailed

if TYPE_CHECKING:
    from tests.simulation.world import Process, World

S = 1_000_000_000
SWITCHED = "venue-0"
MIN_S = 4.0
LATE_NS = FRESH_NS + TELL_NS + VERDICT_NS + 2 * S  # how long orders may be kept alive that nobody looks after


class Broken(AssertionError):
    """An invariant does not hold."""


@dataclass(slots=True)
class Switch:
    """One account's switch at the venue."""

    fires_ns: int | None = None  # None: disarmed
    fired: int = 0
    lost_ns: dict[str, int] = field(default_factory=dict)  # bot -> since when its orders have no owner


class Switches:
    """The switches of a world, and its guards' side of the line."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.of_account: dict[str, Switch] = {}
        self._plans: dict[int, RefreshPlan] = {}  # by guard's pid

    def account(self, bot: str) -> str | None:
        """Return the account of a bot whose venue has such a switch."""
        config = self._world.configs[bot]
        return account_of(config, config.legs[0]) if config.exchange == SWITCHED else None

    def bots(self, account: str) -> list[str]:
        return [name for name in self._world.names if self.account(name) == account]

    def guards(self) -> list[Process]:
        return [one for one in self._world.living() if one.kind == KIND]

    # ------------------------------------------------------------ workers

    def announce(self, process: Process) -> None:
        """A worker that opens its venue says that it needs the switch."""
        fleet = self._world.fleet
        if fleet is not None and process.epoch == self._world.epoch and self.account(process.bot) is not None:
            fleet.guards.announced(process.bot, {"accounts": [{"leg": "main", "min_s": MIN_S}]})

    def may_quote(self, process: Process) -> bool:
        """Tell whether a worker believes its switch armed. Raises Broken when it is wrong."""
        account, now_ns = self.account(process.bot), self._world.now_ns
        if account is None:
            return True
        if now_ns >= process.trusts_until_ns:
            return False
        fires_ns = self.of_account.setdefault(account, Switch()).fires_ns
        if fires_ns is None or fires_ns <= now_ns:
            raise Broken(f"S2: {process.bot} trusts the switch of {account}, and it is not armed")
        return True

    # ------------------------------------------------------------ guards

    def fork(self, name: str) -> None:
        world = self._world
        if world.rng.random() < world.fork_fails:
            world.later(0.01, lambda: world.tell(world.epoch, name, ForkFailed("fork: EAGAIN")))
            return
        process = world.new_process(KIND, name, {})
        world.later(world.rng.uniform(0.002, 0.02), lambda: self._born(process))

    def _born(self, process: Process) -> None:
        world = self._world
        if process.epoch != world.epoch or world.fleet is None:
            return
        if any(one.bot == process.bot for one in self.guards()):
            raise Broken(f"two guards: {process.bot}")
        world.processes[process.pid] = process
        self._plans[process.pid] = RefreshPlan()
        world.count[KIND] += 1
        world.tell(process.epoch, process.bot, Forked(process.pid))
        self._turn(process)

    def hear(self, process: Process, message: dict[str, Any]) -> None:
        """A guard is told something; what a stopped one is told has expired when it goes on, which it never does."""
        if process.frozen or process.stuck:
            return
        if message["t"] == "verdict":
            self._plans[process.pid].take(message)
            self._say(process)
        elif message["t"] == "disarm":
            self._disarm(process)
        else:
            self._world.end(process, Exited(0, None, False, "left"))

    def _disarm(self, process: Process) -> None:
        switch, down = self._switch(process), self._is_down(process)
        if not down:
            switch.fires_ns = None
        self._world.end(process, Exited(0, None, not down, "disarmed"))

    def _turn(self, process: Process) -> None:
        """The guard's loop: at least once a second."""
        if not process.alive:
            return
        plan, now_ns = self._plans[process.pid], self._world.now_ns
        if plan.is_due(now_ns) and not process.frozen and not process.stuck:
            down = self._is_down(process)
            if not down:
                self._refresh(process, now_ns + int(plan.timeout_s * S))
            plan.tried(now_ns, not down)
            self._say(process, "away" if down else "")
        self._world.later(max(0.01, (plan.due_ns(now_ns) - now_ns) / S), lambda: self._turn(process))

    def _refresh(self, process: Process, fires_ns: int) -> None:
        switch, account = self._switch(process), process.bot.removeprefix(PREFIX)
        self._look_for_owners(account, switch)
        switch.fires_ns = process.armed_until_ns = fires_ns
        self._world.later((fires_ns - self._world.now_ns) / S, lambda: self._fire(account, fires_ns))

    def _look_for_owners(self, account: str, switch: Switch) -> None:
        now_ns = self._world.now_ns
        for bot in self.bots(account):
            worker = self._world.of(bot)
            owned = worker is not None and not worker.stuck and not worker.frozen
            if owned or not self._world.disk[bot].orders:
                switch.lost_ns.pop(bot, None)
            elif now_ns - switch.lost_ns.setdefault(bot, now_ns) > LATE_NS:
                raise Broken(f"S2: the switch keeps the orders of {bot}, whom nobody looks after, alive")

    def _fire(self, account: str, fires_ns: int) -> None:
        switch = self.of_account[account]
        if switch.fires_ns != fires_ns:
            return
        switch.fires_ns, switch.fired = None, switch.fired + 1
        self._world.count["switch fired"] += 1
        for bot in self.bots(account):
            self._world.disk[bot].orders.clear()

    def _switch(self, process: Process) -> Switch:
        return self.of_account.setdefault(process.bot.removeprefix(PREFIX), Switch())

    def _is_down(self, process: Process) -> bool:
        return self._world.is_down(self.bots(process.bot.removeprefix(PREFIX))[0])

    def _say(self, process: Process, error: str = "") -> None:
        fleet = self._world.fleet
        if fleet is not None and process.epoch == self._world.epoch:
            fleet.guards.announced(process.bot, {"armed_until_ns": process.armed_until_ns, "error": error})

    # ------------------------------------------------------------ what must be true

    def credit(self, gap_ns: int) -> None:
        """A pause of the machine is nobody's fault."""
        for switch in self.of_account.values():
            switch.lost_ns = {bot: since_ns + gap_ns for bot, since_ns in switch.lost_ns.items()}

    def check_settled(self) -> None:
        """When everything has healed: armed by one guard while a bot may quote, disarmed and unguarded without."""
        for account, switch in self.of_account.items():
            fleet, now_ns = self._world.fleet, self._world.now_ns
            assert fleet is not None
            over = all(
                fleet.bots[bot].record.settled and not fleet.bots[bot].record.dirty for bot in self.bots(account)
            )
            guards = [one for one in self.guards() if one.bot == PREFIX + account]
            armed = switch.fires_ns is not None and switch.fires_ns > now_ns
            if over and (guards or armed):
                raise Broken(f"{account} is at rest, armed {armed}, guards {guards}")
            if not over and (len(guards) != 1 or not armed):
                raise Broken(f"{account} has bots, armed {armed}, guards {guards}")
