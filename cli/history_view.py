"""The report of bots as tables with sparklines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from cli.figures import amount, when
from cli.sparkline import ASCII, BLOCKS, sparkline
from core.history.bot_history import days_of_all, total_of
from utils.input_validation import printable

if TYPE_CHECKING:
    from core.history.bot_history import BotHistory
    from core.history.records import Day, FillRow, Markout

_SPARK = 10  # characters in a table
_MAX_SPARK = 60
_NOTHING = "no bot has a ledger yet: a bot makes one when it first starts"


def report_view(bots: Sequence[BotHistory], width: int, encoding: str) -> RenderableType:
    """Return the whole report for a terminal of a width."""
    steps = BLOCKS if encoding.lower().startswith("utf") else ASCII
    if not bots:
        return Text(_NOTHING, "dim")
    parts: list[RenderableType] = []
    if len(bots) > 1:
        parts.append(_fleet_table(bots, steps))
        for quote, days in days_of_all(bots).items():
            parts += [Text(""), Text(f"all bots in {quote or 'quote'}, by day", "bold"), _day_table(days)]
    for bot in bots:
        parts += [Text("")] if parts else []
        parts += _of_bot(bot, min(_MAX_SPARK, max(10, width - 20)), steps)
    return Group(*parts)


def _fleet_table(bots: Sequence[BotHistory], steps: str) -> Table:
    table = _table("bot", "symbol", "PnL", "fills", "volume", "spread bps", "course")
    for bot in bots:
        total = bot.total
        figures = (amount(total.pnl), str(total.fills), amount(total.volume))
        table.add_row(printable(bot.name), printable(bot.symbol), *figures, _bps(bot.markouts), _course(bot, steps))
    return table


def _of_bot(bot: BotHistory, width: int, steps: str) -> list[RenderableType]:
    parts: list[RenderableType] = [Text(f"{printable(bot.name)}  {printable(bot.symbol)}", "bold")]
    if bot.problem:
        return [*parts, Text(f"  {printable(bot.problem, 400)}", "red")]
    if not bot.days:
        return [*parts, Text("  nothing in this span", "dim")]
    parts.append(_day_table(bot.days))
    if len(bot.days) > 1:
        parts.append(_day_line(bot.days, steps))
    if bot.series:
        parts.append(Text(f"  {'net':<10}{sparkline(_nets(bot), width, steps)}"))
    parts.append(Text(f"  {'markouts':<10}{_markouts(bot.markouts)}"))
    parts += [Text(f"  latched: {latch.name}: {printable(latch.reason, 200)}", "red") for latch in bot.latches]
    return parts


def fills_view(fills: Sequence[FillRow], profits: Mapping[int, str]) -> RenderableType:
    """Return fills as a table, the newest first; `profits` by number, before fees, of those that closed something."""
    if not fills:
        return Text("no fill yet", "dim")
    table = _table("when (UTC)", "side", "price", "size", "fee", "as", "PnL")
    for one in fills:
        earned = "" if one.number not in profits else amount(profits[one.number])
        words = (one.side, one.price, one.size, f"{amount(one.fee)} {one.fee_asset}", one.liquidity, earned)
        table.add_row(when(one.utc_ns)[5:], *map(printable, words))
    return table


def _day_line(days: Sequence[Day], steps: str) -> Text:
    earned = [None if day.pnl is None else float(day.pnl) for day in days]
    return Text(f"  {'PnL a day':<10}{sparkline(earned, _MAX_SPARK, steps)}")


def _day_table(days: Sequence[Day]) -> Table:
    table = _table("day", "PnL", "realised", "fees", "funding", "fills", "volume")
    rows = [*days, total_of(days)] if len(days) > 1 else days
    for at, day in enumerate(rows):
        money = [amount(one) for one in (day.pnl, day.realised, day.fees, day.funding)]
        style = "bold" if at == len(days) else None
        table.add_row(day.day, *money, str(day.fills), amount(day.volume), style=style)
    return table


def _table(first: str, *others: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    table.add_column(first, no_wrap=True)
    for name in others:
        left = name in ("symbol", "course", "side", "as")
        table.add_column(name, justify="left" if left else "right", no_wrap=True)
    return table


def _nets(bot: BotHistory) -> list[float | None]:
    return [None if point.net is None else float(point.net) for point in bot.series]


def _course(bot: BotHistory, steps: str) -> str:
    return "?" if bot.problem else sparkline(_nets(bot), _SPARK, steps)


def _bps(markouts: Sequence[Markout]) -> str:
    captured = next((one.mean_bps for one in markouts if one.horizon_s == 0), None)
    return "-" if captured is None else f"{captured:.2f}"


def _markouts(markouts: Sequence[Markout]) -> str:
    told = [
        f"{'spread' if one.horizon_s == 0 else f'{one.horizon_s:g}s'} "
        + ("-" if one.mean_bps is None else f"{one.mean_bps:.2f} bps ({one.fills})")
        for one in markouts
    ]
    return ", ".join(told) or "-"
