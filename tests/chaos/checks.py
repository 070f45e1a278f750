"""What must be true of the books, as pure functions: facts in, one line for each violation out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from tests.chaos.books import LedgerBook, RunFacts, VenueBook
from tests.chaos.processes import Found
from tests.chaos.roster import BotSpec


@dataclass(frozen=True, slots=True)
class Dead:
    """A worker that was made to die, and the newest incarnation that it may be."""

    pid: int
    incarnation: int


ADJUSTMENT = "adjustment"  # how a ledger names an entry that only balances a position: a fill was lost


def fills_differ(bot: BotSpec, venue: VenueBook, ledger: LedgerBook) -> list[str]:
    """Each fill of the venue is in the ledger exactly once, with its side, price, size and fee; nothing else is."""
    wrong = [f"{bot.name}: fill {key} of the venue is not in the ledger" for key in venue.fills.keys() - ledger.fills]
    for key in ledger.fills.keys() - venue.fills:
        what = "the ledger balanced its position by an entry" if key.startswith(ADJUSTMENT) else "the ledger has a fill"
        wrong.append(f"{bot.name}: {what} that the venue does not know: {key} {ledger.fills[key]}")
    for key in venue.fills.keys() & ledger.fills:
        if venue.fills[key] != ledger.fills[key]:
            wrong.append(
                f"{bot.name}: fill {key} is {venue.fills[key]} at the venue, {ledger.fills[key]} in the ledger"
            )
    if ledger.rows != len(ledger.fills):
        wrong.append(f"{bot.name}: the ledger has {ledger.rows} rows for {len(ledger.fills)} fills")
    return sorted(wrong)


def positions_differ(bot: BotSpec, venue: VenueBook, ledger: LedgerBook) -> list[str]:
    """The ledger's position is the venue's, and both are what the fills add up to."""
    told = sum((fill.signed for fill in venue.fills.values()), Decimal(0))
    wrong = []
    if ledger.position != venue.position:
        wrong.append(f"{bot.name}: position {ledger.position} in the ledger, {venue.position} at the venue")
    if told != venue.position:
        wrong.append(f"{bot.name}: the venue's fills add up to {told}, its position is {venue.position}")
    return wrong


def limit_passed(bot: BotSpec, venue: VenueBook) -> list[str]:
    """The position with every resting order of a side filled stays within the limit."""
    wrong = []
    for side, sign in (("buy", 1), ("sell", -1)):
        resting = sum((order.remaining for order in venue.orders if order.side == side), Decimal(0))
        worst = sign * venue.position + resting
        if worst > bot.max_position:
            wrong.append(
                f"{bot.name}: position {venue.position} and {resting} resting on the {side} side "
                f"pass the limit of {bot.max_position}"
            )
    return wrong


def strange_orders(bot: BotSpec, venue: VenueBook, ledger: LedgerBook) -> list[str]:
    """Each resting order is one that the ledger of its owner knows and calls open."""
    unknown = [order for order in venue.orders if order.venue_id not in ledger.open_ids]
    return [f"{bot.name}: order {order} rests at the venue, and no ledger calls it open" for order in unknown]


def survivors(bot: BotSpec, venue: VenueBook, doomed: Iterable[str]) -> list[str]:
    """No order that rested when its worker died rests any more."""
    alive = {order.venue_id for order in venue.orders} & set(doomed)
    return [f"{bot.name}: order {key} outlived its worker" for key in sorted(alive)]


def born_before_swept(bot: BotSpec, venue: VenueBook, dead: Dead, worker: int | None) -> list[str]:
    """Nothing of a worker that died rests once its successor lives (`worker`: who lived before the book was read)."""
    old = [order.venue_id for order in venue.orders if order.incarnation <= dead.incarnation]
    if not old or worker in (None, dead.pid):
        return []
    return [f"{bot.name}: {', '.join(old)} of the dead worker {dead.pid} rest although its successor {worker} lives"]


def owners_doubled(processes: Iterable[Found]) -> list[str]:
    """At most one living process writes a bot's ledger."""
    writers: dict[str, list[Found]] = {}
    for found in processes:
        for name in found.writes:
            writers.setdefault(name, []).append(found)
    return [
        f"{name}: written by {len(pids)} processes at once: " + ", ".join(f"{one.pid} ({one.title})" for one in pids)
        for name, pids in sorted(writers.items())
        if len(pids) > 1
    ]


def runs_wrong(bot: BotSpec, pid: int | None, run: RunFacts, processes: Iterable[Found]) -> list[str]:
    """A running bot has one worker, which holds every claim of the bot, and a run record that is open."""
    workers = [found.pid for found in processes if found.role == "worker" and found.bot == bot.name]
    wrong = []
    if workers != [pid]:
        wrong.append(f"{bot.name}: its workers are {workers}, the status says {pid}")
    if run.claimed_by != {pid}:
        wrong.append(f"{bot.name}: its claims are held by {sorted(run.claimed_by)}, the status says {pid}")
    if run.clean is not False:
        wrong.append(f"{bot.name}: it runs, and its run record says clean={run.clean}")
    return wrong


def left_behind(
    bots: Iterable[BotSpec], venues: Mapping[str, VenueBook], runs: Mapping[str, RunFacts], processes: Iterable[Found]
) -> list[str]:
    """After the stop: no process, no resting order, every run record clean."""
    wrong = [f"process {found.pid} ({found.title}) outlived the stop" for found in processes]
    for bot in bots:
        wrong += [f"{bot.name}: order {order} outlived the stop" for order in venues[bot.name].orders]
        if runs[bot.name].clean is False:
            wrong.append(f"{bot.name}: its run record is not clean after the stop")
    return wrong
