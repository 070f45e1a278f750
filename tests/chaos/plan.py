"""Which faults strike whom, in what order and rhythm: everything that a seed decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from tests.chaos.kinds import KINDS, Kind
from tests.chaos.roster import BotSpec

MOST_AT_ONCE = 16  # faults between two quiet points
_HEAVY = 2  # of these, so many may hit the whole fleet


@dataclass(frozen=True, slots=True)
class Strike:
    """One fault. `gap_s` is the pause before it; `draw` in [0, 1) decides what else there is to decide."""

    kind: Kind
    bot: BotSpec
    gap_s: float
    draw: float


def make_plan(seed: int, faults: int, bots: Sequence[BotSpec], kinds: Sequence[Kind] = KINDS) -> list[list[Strike]]:
    """Return rounds of strikes; every kind that fits the bots is among them if there is room for it."""
    random = Random(seed)
    usable = [kind for kind in kinds if kind.hits_all or any(bot.venue in kind.venues for bot in bots)]
    names = [*usable, *random.choices(usable, [kind.weight for kind in usable], k=faults)][:faults]
    random.shuffle(names)
    rounds: list[list[Strike]] = []
    while names:
        rounds.append(_round(random, names, bots))
    return rounds


def _round(random: Random, names: list[Kind], bots: Sequence[BotSpec]) -> list[Strike]:
    """Take the faults of one round off the list: each bot is hit once at most, the fleet twice."""
    size, pace = random.randint(6, MOST_AT_ONCE), random.choice((0.0, 0.3, 1.0))
    free, strikes, heavy = list(bots), list[Strike](), 0
    while names and len(strikes) < size:
        kind = names[-1]
        fit = [bot for bot in free if kind.hits_all or bot.venue in kind.venues]
        if not fit or (kind.hits_all and heavy == _HEAVY):
            break
        names.pop()
        heavy += kind.hits_all
        bot = random.choice(fit)
        free.remove(bot)
        strikes.append(Strike(kind, bot, random.uniform(0, pace), random.random()))
    return strikes
