"""Looks at a fleet all the time: who owns what, which limits hold, when whoever was hit is well again."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import Any

from tests.chaos.arena import Arena
from tests.chaos.books import FillFact, VenueBook, read_paper, venue_book
from tests.chaos.checks import Dead, born_before_swept, limit_passed, owners_doubled
from tests.chaos.plan import Strike
from tests.chaos.roster import BotSpec

_TICK_S, _LOOK_S, _MOVE_S = 0.2, 0.5, 3.0
_MOVE_BPS = 20
_LATELY_S = 5.0
_PAPER_LOOKS = 4  # the files of paper venues are copied to be read, so at each fourth look only
_NEWEST_FILLS = 40  # asked for at each look; more than that at once are read in full


@dataclass(slots=True)
class Injury:
    """What a strike did, until everybody is well again."""

    strike: Strike
    at_s: float
    before: dict[str, int | None]  # bot -> the pid of its worker when it struck; only of those that were hit
    zygote: int | None = None  # its pid, when it is the zygote that was hit
    well_s: float | None = None

    @property
    def is_overtaken(self) -> bool:
        """Tell whether everybody who was hit was hit again before being well."""
        return not self.before and self.zygote is None

    def is_over(self, well: Mapping[str, tuple[int, float]], zygote: int | None) -> bool:
        """Tell whether everybody who was hit has been well since; `well`: bot -> pid and time of the last such look."""
        if self.zygote is not None and zygote in (None, self.zygote):
            return False
        return all(
            name in well and well[name][1] > self.at_s and not (self.strike.kind.replaces and well[name][0] == pid)
            for name, pid in self.before.items()
        )


def is_well(row: Mapping[str, Any] | None) -> bool:
    """Tell whether a bot runs and rests orders."""
    return row is not None and row["state"] == "RUNNING" and row["phase"] == "QUOTING" and row["open_orders"] > 0


@dataclass(slots=True)
class Tally:
    """Fills of one account and symbol, kept up to date from the newest ones."""

    fills: dict[str, FillFact] = field(default_factory=dict)
    position: Decimal = Decimal(0)

    def add(self, book: VenueBook) -> VenueBook:
        """Take in what is new; return the book with every fill."""
        for key in book.fills.keys() - self.fills:
            self.fills[key] = book.fills[key]
            self.position += book.fills[key].signed
        return VenueBook(book.orders, {}, self.position if book.held is None else book.held)


class Watch(threading.Thread):
    """The looking, in a thread of its own; also moves the simulated markets."""

    def __init__(self, arena: Arena, seed: int) -> None:
        super().__init__(name="watch", daemon=True)
        self.arena = arena
        self.violations: list[str] = []
        self.failure: BaseException | None = None
        self.injuries: list[Injury] = []
        self.rows: dict[str, dict[str, Any]] | None = None
        self.rows_at_s = 0.0
        self._well: dict[str, tuple[int, float]] = {}  # bot -> pid, and when it was last seen to be well
        self.status_count = self.look_count = 0
        self._random = Random(seed)
        self._tallies = {bot.name: Tally() for bot in arena.bots}
        self._counts: dict[str, int] = {}
        self._prices: dict[tuple[str, str], Decimal] = {}
        self._dead: dict[str, Dead] = {}  # bot -> its last worker that was made to die
        self.moves = True  # whether prices are moved
        self._zygote: int | None = None
        self._end = threading.Event()
        self._lock = threading.Lock()

    def run(self) -> None:
        """Look until `close`."""
        look_s = move_s = 0.0
        try:
            while not self._end.wait(_TICK_S):
                now_s = time.monotonic()
                if now_s >= look_s:
                    look_s = now_s + _LOOK_S
                    self._look()
                if now_s >= move_s and self.moves:
                    move_s = now_s + _MOVE_S
                    self._move()
                self._ask()
        except BaseException as exc:
            self.failure = exc

    def close(self) -> None:
        """End the looking."""
        self._end.set()
        self.join()

    def _ask(self) -> None:
        asked_s = time.monotonic()
        rows = self.arena.status()
        self.status_count += rows is not None
        if rows is not None:
            self._well |= {name: (row["pid"], asked_s) for name, row in rows.items() if is_well(row)}
            with self._lock:
                for injury in self.injuries:
                    if injury.well_s is None and not injury.is_overtaken and injury.is_over(self._well, self._zygote):
                        injury.well_s = asked_s
        self.rows, self.rows_at_s = rows, time.monotonic()

    def _look(self) -> None:
        found = self.arena.processes(owners=True)
        self._zygote = next((one.pid for one in found if one.role == "zygote"), None)
        self._note(owners_doubled(found))
        workers = {one.bot: one.pid for one in found if one.role == "worker"}
        for bot, book in self._books():
            self.check(bot, book, workers.get(bot.name))
        if self.look_count % _PAPER_LOOKS == 0:
            for bot in self.arena.bots:
                if bot.is_paper:
                    self.check(bot, read_paper(self.arena.home.state, bot), workers.get(bot.name))
        self.look_count += 1

    def check(self, bot: BotSpec, book: VenueBook, worker: int | None) -> None:
        """Hold one book against what must be true at any moment; `worker` lived before it was read."""
        self._note(limit_passed(bot, book))
        if bot.name in self._dead:
            self._note(born_before_swept(bot, book, self._dead[bot.name], worker))

    def _books(self) -> Iterable[tuple[BotSpec, VenueBook]]:
        for venue, sim in self.arena.sims.items():
            state = sim.state(fills=_NEWEST_FILLS)
            bots = [bot for bot in self.arena.bots if bot.venue == venue]
            counts = {bot.account: state["accounts"][bot.account]["fill_count"] for bot in bots}
            if any(count - self._counts.get(account, 0) > _NEWEST_FILLS for account, count in counts.items()):
                state = sim.state(fills=1_000_000)
                counts = {bot.account: state["accounts"][bot.account]["fill_count"] for bot in bots}
            self._counts |= counts
            for bot in bots:
                yield bot, self._tallies[bot.name].add(venue_book(state, bot))

    def _move(self) -> None:
        """Let prices jump about where they began, so that something fills all the time."""
        for venue, sim in self.arena.sims.items():
            for symbol, row in sim.state(fills=0)["markets"].items():
                base = self._prices.setdefault((venue, symbol), Decimal(row["mark"]))
                bps = Decimal(self._random.randint(-_MOVE_BPS, _MOVE_BPS))
                sim.price(symbol, round(base * (1 + bps / 10_000), 2))

    def _note(self, violations: list[str]) -> None:
        stamp = time.strftime("%H:%M:%S")
        self.violations += [f"{stamp} {line}" for line in violations]

    # -- asked by the driver ----------------------------------------------------------------------------------------
    def doomed(self, bot: BotSpec, pid: int | None, book: VenueBook) -> None:
        """Note that a worker is about to die, and what it has at the venue."""
        sent = [order.incarnation for order in book.orders]
        if pid is not None and sent:
            self._dead[bot.name] = Dead(pid, max(sent))

    def hit(self, injury: Injury) -> None:
        """Begin to wait for the end of an injury. Whoever is hit again recovers from the later one."""
        with self._lock:
            for earlier in self.injuries:
                if earlier.well_s is None:
                    earlier.before = {name: pid for name, pid in earlier.before.items() if name not in injury.before}
            self.injuries.append(injury)

    def unwell(self) -> list[str]:
        """Return who is not well by a status that is newer than this call's beginning; waits for one."""
        asked_s = time.monotonic()
        while self.rows_at_s <= asked_s and self.failure is None:
            time.sleep(0.02)
        if self.failure is not None:
            raise self.failure
        rows = self.rows
        if rows is None:
            return ["the daemon does not answer"]
        unwell = [bot.name for bot in self.arena.bots if not self._was_well(bot.name, rows.get(bot.name))]
        return unwell + [
            f"{one.strike.kind.name} of {one.strike.bot.name}"
            for one in self.injuries
            if one.well_s is None and not one.is_overtaken
        ]

    def _was_well(self, name: str, row: Mapping[str, Any] | None) -> bool:
        """Tell whether a bot runs and has quoted of late; between two sets of quotes it may have none."""
        pid, seen_s = self._well.get(name, (None, 0.0))
        lately = row is not None and row["state"] == "RUNNING" and time.monotonic() - seen_s < _LATELY_S
        return lately and row is not None and row["pid"] == pid
