"""The driver: rounds of faults, a quiet point after each, and the books compared there and at the end."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.chaos.arena import Arena
from tests.chaos.books import VenueBook, read_ledger, read_paper, read_simulator
from tests.chaos.checks import (
    fills_differ,
    left_behind,
    limit_passed,
    positions_differ,
    runs_wrong,
    strange_orders,
    survivors,
)
from tests.chaos.plan import Strike
from tests.chaos.processes import send
from tests.chaos.roster import BotSpec
from tests.chaos.watch import Injury, Watch
from tests.sim_process import SimRefusedRequest

_QUIET_S = 300.0  # from the last fault of a round until everybody is well
_OBEY_S = 20.0  # how long a bot may take to see what it is told to do wrong
_AGREE_S = 40.0  # how long books may take to agree at a quiet point; they change while they are read


class Violated(AssertionError):
    """An invariant does not hold; the message has a line for each violation."""


@dataclass(slots=True)
class Driver:
    """One run over a fleet that is built and not started."""

    arena: Arena
    watch: Watch
    say: Callable[[str], None] = print
    log: list[str] = field(default_factory=list)
    quiet_points: int = 0
    fills: int = 0
    _doomed: dict[str, set[str]] = field(default_factory=dict)
    _began_s: float = field(default_factory=time.monotonic)

    def run(self, rounds: list[list[Strike]], limit_s: float) -> None:
        """Start, strike, compare, stop, compare. Raises Violated, and whatever the harness itself raises."""
        self.begin()
        for number, strikes in enumerate(rounds, 1):
            if time.monotonic() - self._began_s > limit_s:
                self._tell(f"the time is over after {number - 1} rounds")
                break
            for strike in strikes:
                self.strike(strike)
            self.calm_down()
            self.quiet(f"round {number} of {len(rounds)}")
        self.finish()

    def begin(self) -> None:
        """Start the fleet, and wait until all of it is well."""
        self._tell("built")
        self.arena.start()
        self._tell("started")
        self.watch.start()
        self.quiet("the start")

    # -- faults -----------------------------------------------------------------------------------------------------
    def strike(self, strike: Strike) -> None:
        """Let one fault happen, and note who was hit and what rested."""
        time.sleep(strike.gap_s)
        arena, kind = self.arena, strike.kind
        hit = arena.bots if kind.hits_all else [strike.bot]
        if kind.name == "zygote_kill":
            hit = []
        zygote = arena.pid_of("zygote") if kind.name == "zygote_kill" else None
        before = {bot.name: arena.pid_of("worker", bot.name) for bot in hit}
        if kind.fatal:
            for bot in hit:
                book = self._book(bot)
                self.watch.doomed(bot, before[bot.name], book)
                self._doomed.setdefault(bot.name, set()).update(one.venue_id for one in book.orders)
        self._tell(f"{kind.name} of {'all' if kind.hits_all else strike.bot.name} ({strike.draw:.2f})")
        kind.act(arena, strike.bot, strike.draw)
        self.watch.hit(Injury(strike, time.monotonic(), before, zygote))

    def _book(self, bot: BotSpec) -> VenueBook:
        if bot.is_paper:
            return read_paper(self.arena.home.state, bot)
        return read_simulator(self.arena.sims[bot.venue], [bot], fills=0)[bot.name]

    def calm_down(self) -> None:
        """Take back what is armed and did not strike: a quiet point has no faults."""
        for sim in self.arena.sims.values():
            with contextlib.suppress(SimRefusedRequest):
                sim.fault("clear")
        time.sleep(1.0)
        orders = [self.arena.order_file(bot) for bot in self.arena.bots]
        end_s = time.monotonic() + _OBEY_S  # an order that nobody obeys would be waited for in vain
        while any(order.exists() for order in orders) and time.monotonic() < end_s:
            time.sleep(0.1)
        for order in orders:
            order.unlink(missing_ok=True)

    # -- quiet points -----------------------------------------------------------------------------------------------
    def quiet(self, what: str) -> None:
        """Wait until everybody is well, then compare the books. Raises Violated."""
        began_s, last = time.monotonic(), list[str]()
        while unwell := self.watch.unwell():
            last = unwell
            if time.monotonic() - began_s > _QUIET_S:
                raise Violated(f"not well {_QUIET_S:.0f} s after {what}: {', '.join(unwell)}")
            self._raise_violations()
        settled_s = time.monotonic() - began_s
        self.watch.moves = False
        self.arena.hold_markets(True)
        self._compare(what)
        self.arena.hold_markets(False)
        self.watch.moves = True
        self.quiet_points += 1
        self._tell(
            f"quiet after {what}: well in {settled_s:.1f} s (last: {', '.join(last[:3])}), {self.fills} fills so far"
        )

    def _compare(self, what: str) -> None:
        """Wait until the books of every bot agree: what was under way when the markets were held comes to its end."""
        waiting = {bot.name: ["not compared"] for bot in self.arena.bots}
        deadline = time.monotonic() + _AGREE_S
        counts: dict[str, int] = {}
        while waiting:
            for bot in self.arena.bots:
                if bot.name in waiting:
                    worker = self.arena.pid_of("worker", bot.name)
                    ledger, book = read_ledger(self.arena.home.state, bot), self._full_book(bot)
                    self.watch.check(bot, book, worker)
                    wrong = [*fills_differ(bot, book, ledger), *positions_differ(bot, book, ledger)]
                    wrong += [*strange_orders(bot, book, ledger), *survivors(bot, book, self._doomed.get(bot.name, ()))]
                    counts[bot.name] = len(book.fills)
                    waiting[bot.name] = wrong + self._owner_wrong(bot)
                    if not waiting[bot.name]:
                        del waiting[bot.name]
            self._raise_violations()
            if waiting and time.monotonic() > deadline:
                lines = [line for lines in waiting.values() for line in lines]
                raise Violated(f"{_AGREE_S:.0f} s after {what} the books do not agree:\n" + "\n".join(lines))
        self._doomed.clear()
        self.fills = sum(counts.values())

    def _full_book(self, bot: BotSpec) -> VenueBook:
        if bot.is_paper:
            return read_paper(self.arena.home.state, bot)
        return read_simulator(self.arena.sims[bot.venue], [bot])[bot.name]

    def _owner_wrong(self, bot: BotSpec) -> list[str]:
        rows = self.arena.status() or {}
        pid = rows.get(bot.name, {}).get("pid")
        return runs_wrong(bot, pid, self.arena.runs()[bot.name], self.arena.processes())

    def _raise_violations(self) -> None:
        if self.watch.failure is not None:
            raise self.watch.failure
        if self.watch.violations:
            raise Violated("\n".join(self.watch.violations))

    # -- the end ----------------------------------------------------------------------------------------------------
    def finish(self) -> None:
        """Stop the fleet; what is left is compared without patience."""
        self.watch.close()
        done = self.arena.stop()
        wrong = [] if done.returncode == 0 else [f"stop ended with {done.returncode}: {done.stderr.strip()}"]
        venues, ledgers = self.arena.venues(), self.arena.ledgers()
        wrong += left_behind(self.arena.bots, venues, self.arena.runs(), self.arena.processes())
        for sim in self.arena.sims.values():
            for name, account in sim.state(fills=0)["accounts"].items():
                wrong += [f"{name}: order {row['order_id']} rests after the stop" for row in account["open_orders"]]
        for bot in self.arena.bots:
            book, ledger = venues[bot.name], ledgers[bot.name]
            wrong += [*fills_differ(bot, book, ledger), *positions_differ(bot, book, ledger), *limit_passed(bot, book)]
        self.fills = sum(len(book.fills) for book in venues.values())
        self.watch.violations += wrong
        self._raise_violations()
        self._tell(f"stopped: {done.stdout.strip()}; {self.fills} fills, all in the ledgers once")

    def _tell(self, line: str) -> None:
        stamped = f"{time.strftime('%H:%M:%S')} +{time.monotonic() - self._began_s:6.1f} {line}"
        self.log.append(stamped)
        self.say(stamped)


def end_by_force(arena: Arena) -> None:
    """Kill whatever lives of a fleet."""
    send((found.pid for found in arena.processes()), signal.SIGKILL)
