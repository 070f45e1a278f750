"""Draw a config's quotes over its feed as docs/img/NAME.svg: `python docs/make_quotes_picture.py CONFIG [NAME]`.

The bot runs on the embedded venue with a simulated clock: the same loop, strategy, limits and fills as on paper. The
same code and config give the same picture. Above: the mid, our resting orders, our fills. Below: the position, and in
grey that of a hedge leg.
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
from core.market.order import Side
from core.process.build import Bot, build_bot
from core.registry.config_manager import load_file
from core.trading.clock import SECOND_NS, SimulatedClock
from utils.home import Home

IMAGES = ROOT / "docs" / "img"
WIDTH, LEFT, RIGHT = 900, 74, 12
UPPER, LOWER = (34, 330), (366, 450)  # top and bottom of the two panels
COLOURS = {Side.BUY: "#1a7f37", Side.SELL: "#b42318"}
LEGEND = "black: mid · green: our bids · red: our asks · dots: our fills"
STEP_NS = SECOND_NS // 10
Point = tuple[float, float]


@dataclass
class Seen:
    """What happened, in seconds, prices and base."""

    mids: list[Point] = field(default_factory=list)
    orders: dict[tuple[Side, str], list[Point | None]] = field(default_factory=dict)  # by slot; None is a gap
    fills: list[tuple[float, float, Side]] = field(default_factory=list)
    positions: list[Point] = field(default_factory=list)
    hedged: list[Point] = field(default_factory=list)  # of the hedge leg, where there is one


def main() -> int:
    """Run the bot and write the picture. Raises InvalidConfig."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("name", nargs="?", help="of the picture; default: the strategy's")
    parser.add_argument("--seconds", type=float, default=19.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        home.make_folders()
        config = load_file(options.config, home, {})
        clock = SimulatedClock()
        ids = {leg.leg: ClientOrderIds("picture", config.name, 1) for leg in config.legs}
        bot = build_bot(config, home.state, home.data_dirs, ids, clock)
        try:
            seen = watch(bot, clock, options.seconds)
        finally:
            bot.close()
    target = IMAGES / f"{options.name or config.strategy}.svg"
    target.write_text(picture(seen, f"{config.strategy}, {config.legs[0].symbol}"))
    return 0


def watch(bot: Bot, clock: SimulatedClock, duration_s: float) -> Seen:
    """Let the bot live for a while and note what it does ten times a second."""
    bot.loop.start()
    state, begin_ns = bot.loop._bot, clock.now_ns()
    leg, seen, told = state.legs[0], Seen(), 0
    while clock.now_ns() < begin_ns + duration_s * SECOND_NS:
        until_ns = clock.now_ns() + STEP_NS
        while clock.now_ns() < until_ns:
            clock.wait(min(bot.loop.step(), until_ns), ())
        if leg.mid_ticks is None:
            continue
        at_s, tick = (clock.now_ns() - begin_ns) / SECOND_NS, float(leg.instrument.tick_size)
        seen.mids.append((at_s, leg.mid_ticks * tick))
        seen.positions.append((at_s, float(leg.instrument.to_size(leg.position.size_lots))))
        for other in state.legs[1:]:
            size = other.instrument.to_size(other.position.size_lots)
            seen.hedged.append((at_s, float(size)))
        live = {(order.side, order.slot): order.price_ticks * tick for order in leg.tracker.live()}
        for key in live.keys() | seen.orders.keys():
            line = seen.orders.setdefault(key, [])
            line.append((at_s, live[key]) if key in live else None)
        fills = bot.ledger.fills(leg.name)
        seen.fills += [(at_s, one.price_ticks * tick, one.side) for one in fills[told:]]
        told = len(fills)
    return seen


def picture(seen: Seen, title: str) -> str:
    """Return the picture as SVG that loads nothing from elsewhere."""
    prices = [point[1] for line in (seen.mids, *seen.orders.values()) for point in line if point is not None]
    sizes = [size for _, size in (*seen.positions, *seen.hedged)]
    last_s = seen.mids[-1][0]
    upper, lower = _scale(last_s, prices, UPPER), _scale(last_s, [*sizes, 0.0], LOWER)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} 480" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="480" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="20" font-weight="bold">{title}</text>',
        f'<text x="{WIDTH - RIGHT}" y="20" text-anchor="end">{LEGEND}</text>',
        *_axis(prices, UPPER, upper, ".1f"),
        *_axis([*sizes, 0.0], LOWER, lower, ".3f"),
        f'<text x="{LEFT}" y="{LOWER[0] - 8}">position</text>',
        f'<text x="{WIDTH - RIGHT}" y="474" text-anchor="end">{last_s:.0f} s</text>',
    ]
    for (side, _), line in sorted(seen.orders.items(), key=lambda item: (item[0][0].value, item[0][1])):
        parts += [_path(run, upper, COLOURS[side], 1.2) for run in _runs(line)]
    parts.append(_path(seen.mids, upper, "#111111", 1.0))
    for at_s, price, side in seen.fills:
        x, y = upper((at_s, price))
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{COLOURS[side]}" stroke="#ffffff"/>')
    if seen.hedged:
        parts.append(_path(seen.hedged, lower, "#888888", 1.5))
    parts += [_path(seen.positions, lower, "#1f4fa3", 1.5), "</svg>\n"]
    return "\n".join(parts)


def _scale(last_s: float, values: Sequence[float], panel: tuple[int, int]) -> Callable[[Point], Point]:
    low, high = min(values), max(values)
    spread, (top, bottom) = (high - low) or 1.0, panel

    def place(point: Point) -> Point:
        x = LEFT + point[0] / last_s * (WIDTH - LEFT - RIGHT)
        return x, bottom - (point[1] - low) / spread * (bottom - top)

    return place


def _axis(values: Sequence[float], panel: tuple[int, int], place: Callable[[Point], Point], form: str) -> Iterator[str]:
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
