"""Draw a config's quotes over its feed as docs/img/NAME.svg.

    python docs/make_quotes_picture.py                                 all pictures of the strategies' pages
    python docs/make_quotes_picture.py CONFIG [NAME] [--seconds 30]    one of a config of your own

The bot runs on the embedded venue with a simulated clock: the same loop, strategy, limits and fills as on paper. The
same code and config give the same picture. Above: the mid, our resting orders, our fills, for each leg that is quoted.
Below: the position of the first leg, and in grey those of the others.
"""

# ruff: noqa: E402  # the root of the project is put on the path first

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from core.market.client_ids import ClientOrderIds
from core.market.order import Fill, Side
from core.process.build import Bot, build_bot
from core.registry.config_manager import load_file
from core.trading.clock import SECOND_NS, SimulatedClock
from core.trading.leg_state import LegState
from utils.home import Home

IMAGES, TEMPLATES = ROOT / "docs" / "img", ROOT / "config" / "templates"
# Of the strategies' pages: the template and the seconds, no longer than its recording where that would begin anew.
PICTURES = {
    "avellaneda_stoikov": ("paper_avellaneda_stoikov", 60.0),
    "avellaneda_stoikov_group": ("paper_avellaneda_stoikov_group", 60.0),
    "grid_strategy": ("paper_grid_strategy", 58.0),
    "maker_taker_hedge": ("paper_maker_taker_hedge_recorded", 19.0),
    "market_maker": ("paper_market_maker", 58.0),
    "perp_grid_strategy": ("paper_perp_grid_strategy", 19.0),
    "perp_market_maker": ("paper_perp_market_maker", 19.0),
}
WIDTH, LEFT, RIGHT = 900, 74, 12
UPPER, LOWER = (34, 330), (366, 450)  # top and bottom of the panels: prices, positions
GAP = 28  # between the prices of two legs
COLOURS = {Side.BUY: "#1a7f37", Side.SELL: "#b42318"}
LEGEND = "black: mid · green: our bids · red: our asks · dots: our fills"
STEP_NS = SECOND_NS // 10
Point = tuple[float, float]


@dataclass
class LegSeen:
    """What happened on a leg, in seconds, prices and base."""

    symbol: str
    mids: list[Point] = field(default_factory=list)
    orders: dict[tuple[Side, str], list[Point | None]] = field(default_factory=dict)  # by slot; None is a gap
    fills: list[tuple[float, float, Side]] = field(default_factory=list)
    positions: list[Point] = field(default_factory=list)

    def prices(self) -> list[float]:
        """Return every price that is drawn."""
        return [point[1] for line in (self.mids, *self.orders.values()) for point in line if point is not None]


def main() -> int:
    """Run the bots and write the pictures. Raises InvalidConfig."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path, nargs="?")
    parser.add_argument("name", nargs="?", help="of the picture; default: the strategy's")
    parser.add_argument("--seconds", type=float, default=19.0)
    options = parser.parse_args()
    if options.config is None:
        for name in PICTURES:
            (IMAGES / f"{name}.svg").write_text(of_page(name))
        return 0
    strategy, drawn = draw(options.config, options.seconds)
    (IMAGES / f"{options.name or strategy}.svg").write_text(drawn)
    return 0


def of_page(name: str) -> str:
    """Return the picture of a strategy's page."""
    template, seconds = PICTURES[name]
    return draw(TEMPLATES / f"{template}.json", seconds)[1]


def draw(path: Path, seconds: float) -> tuple[str, str]:
    """Return the strategy of a config and the picture of so much of its life. Raises InvalidConfig."""
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        home.make_folders()
        config = load_file(path, home, {})
        clock = SimulatedClock()
        ids = {leg.leg: ClientOrderIds("picture", config.name, 1) for leg in config.legs}
        bot = build_bot(config, home.state, home.data_dirs, ids, clock)
        try:
            seen = watch(bot, clock, seconds)
        finally:
            bot.close()
    return config.strategy, picture(seen, config.strategy)


def watch(bot: Bot, clock: SimulatedClock, duration_s: float) -> list[LegSeen]:
    """Let the bot live for a while and note what it does ten times a second."""
    bot.loop.start()
    legs, begin_ns = bot.loop._bot.legs, clock.now_ns()
    seen = [LegSeen(leg.instrument.symbol) for leg in legs]
    while clock.now_ns() < begin_ns + duration_s * SECOND_NS:
        until_ns = clock.now_ns() + STEP_NS
        while clock.now_ns() < until_ns:
            clock.wait(min(bot.loop.step(), until_ns), ())
        if legs[0].mid_ticks is None:
            continue
        for leg, noted in zip(legs, seen, strict=True):
            note(leg, noted, bot.ledger.fills(leg.name), (clock.now_ns() - begin_ns) / SECOND_NS)
    return seen


def note(leg: LegState, seen: LegSeen, fills: Sequence[Fill], at_s: float) -> None:
    """Note what a leg has now, and its new fills."""
    tick = float(leg.instrument.tick_size)
    if leg.mid_ticks is not None:
        seen.mids.append((at_s, leg.mid_ticks * tick))
    seen.positions.append((at_s, float(leg.instrument.to_size(leg.position.size_lots))))
    live = {(order.side, order.slot): order.price_ticks * tick for order in leg.tracker.live()}
    for key in live.keys() | seen.orders.keys():
        line = seen.orders.setdefault(key, [])
        line.append((at_s, live[key]) if key in live else None)
    seen.fills += [(at_s, one.price_ticks * tick, one.side) for one in fills[len(seen.fills) :]]


def picture(seen: Sequence[LegSeen], strategy: str) -> str:
    """Return the picture as SVG that loads nothing from elsewhere."""
    quoted = [seen[0], *(leg for leg in seen[1:] if leg.orders and leg.mids)]
    title = f"{strategy}, {' + '.join(leg.symbol for leg in quoted)}"
    sizes = [size for leg in seen for _, size in leg.positions] + [0.0]
    last_s = seen[0].mids[-1][0]
    lower = _scale(last_s, sizes, LOWER)
    scales = [_scale(last_s, leg.prices(), at) for leg, at in zip(quoted, _panels(len(quoted)), strict=True)]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} 480" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="480" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="20" font-weight="bold">{title}</text>',
        f'<text x="{WIDTH - RIGHT}" y="20" text-anchor="end">{LEGEND}</text>',
        *(line for leg, scale in zip(quoted, scales, strict=True) for line in _axis(leg.prices(), scale, ".1f")),
        *_axis(sizes, lower, ".3f"),
        f'<text x="{LEFT}" y="{LOWER[0] - 8}">position</text>',
        f'<text x="{WIDTH - RIGHT}" y="474" text-anchor="end">{last_s:.0f} s</text>',
    ]
    for leg, scale in zip(quoted, scales, strict=True):
        parts += _prices_of(leg, scale)
    parts += [_path(leg.positions, lower, "#888888", 1.5) for leg in seen[1:]]
    parts += [_path(seen[0].positions, lower, "#1f4fa3", 1.5), "</svg>\n"]
    return "\n".join(parts)


def _panels(count: int) -> list[tuple[int, int]]:
    """Return top and bottom of the prices of each leg."""
    top, bottom = UPPER
    each = (bottom - top - GAP * (count - 1)) // count
    return [(top + at * (each + GAP), top + at * (each + GAP) + each) for at in range(count)]


def _prices_of(leg: LegSeen, place: Callable[[Point], Point]) -> Iterator[str]:
    """Yield orders, mid and fills of a leg."""
    for (side, _), line in sorted(leg.orders.items(), key=lambda item: (item[0][0].value, item[0][1])):
        for run in _runs(line):
            yield _path(run, place, COLOURS[side], 1.2)
    yield _path(leg.mids, place, "#111111", 1.0)
    for at_s, price, side in leg.fills:
        x, y = place((at_s, price))
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{COLOURS[side]}" stroke="#ffffff"/>'


def _scale(last_s: float, values: Sequence[float], panel: tuple[int, int]) -> Callable[[Point], Point]:
    low, high = min(values), max(values)
    spread, (top, bottom) = (high - low) or 1.0, panel

    def place(point: Point) -> Point:
        x = LEFT + point[0] / last_s * (WIDTH - LEFT - RIGHT)
        return x, bottom - (point[1] - low) / spread * (bottom - top)

    return place


def _axis(values: Sequence[float], place: Callable[[Point], Point], form: str) -> Iterator[str]:
    low, high = min(values), max(values)
    for share in (0.0, 0.5, 1.0):
        value = low + share * (high - low)
        y = place((0.0, value))[1]
        yield f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#dddddd"/>'
        yield f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:{form}}</text>'


def _runs(line: Sequence[Point | None]) -> Iterator[list[Point]]:
    """Yield the parts of a line between its gaps."""
    run: list[Point] = []
    for point in [*line, None]:
        if point is not None:
            run.append(point)
        elif run:
            yield run
            run = []


def _path(points: Sequence[Point], place: Callable[[Point], Point], colour: str, width: float) -> str:
    """Return a line of steps; points in the middle of a level part are left out."""
    placed = [place(point) for point in points]
    steps = [f"M{placed[0][0]:.1f} {placed[0][1]:.1f}"]
    for (_, y), (x, next_y) in pairwise(placed):
        if next_y != y:
            steps.append(f"H{x:.1f}V{next_y:.1f}")
    steps.append(f"H{placed[-1][0] + 2:.1f}")
    return f'<path d="{"".join(steps)}" fill="none" stroke="{colour}" stroke-width="{width}"/>'


if __name__ == "__main__":
    raise SystemExit(main())
