"""The report of bots as one HTML file that needs nothing else. Pure; the same histories give the same bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from core.backtest.charts import Chart, Line, table
from core.backtest.report import page
from core.history.bot_history import BotHistory, days_of_all, total_of
from core.history.records import Day, FillRow, Markout
from utils.moments import moment_text

_FILL_HEADS = ("when (UTC)", "side", "price", "size", "fee", "as", "PnL", "leg")
_NO_PROFITS: Mapping[int, str] = {}
_HEADS = ("day", "PnL", "realised", "fees", "funding", "fills", "volume")


def history_page(
    bots: Sequence[BotHistory],
    from_utc_ns: int,
    to_utc_ns: int,
    fills: Sequence[FillRow] = (),
    profits: Mapping[int, str] = _NO_PROFITS,
) -> str:
    """Return the page; `fills` are the last ones of the first bot, newest first, `profits` by their numbers."""
    title = bots[0].name if len(bots) == 1 else f"{len(bots)} bots"
    parts = [f"<h1>{escape(title)}</h1>\n<p>{moment_text(from_utc_ns)[:19]} to {moment_text(to_utc_ns)[:19]} UTC</p>"]
    if len(bots) > 1:
        parts.append(_fleet(bots))
        for quote, days in days_of_all(bots).items():
            parts.append(f"<h2>All bots in {escape(quote or 'quote')}, by UTC day</h2>\n{_days(days)}")
    parts += [_bot(bot) for bot in bots]
    if fills:
        parts.append(_fills(fills, profits))
    return page(f"Report: {title}", "\n".join(parts))


def _fleet(bots: Sequence[BotHistory]) -> str:
    heads = ("bot", "symbol", "PnL", "fees", "fills", "volume", "spread captured, bps")
    rows = [
        (
            bot.name, bot.symbol, _shown(bot.total.pnl), bot.total.fees, str(bot.total.fills), bot.total.volume,
            _bps(next((one.mean_bps for one in bot.markouts if one.horizon_s == 0), None)),
        )
        for bot in bots
    ]  # fmt: skip
    return f"<h2>Bots</h2>\n{table(heads, rows)}"


def _bot(bot: BotHistory) -> str:
    parts = [f"<h1>{escape(bot.name)} {escape(bot.symbol)}</h1>"]
    parts += [f"<p>{escape(bot.problem)}</p>"] if bot.problem else []
    parts += [f"<p>Latched: {escape(latch.name)}: {escape(latch.reason)}</p>" for latch in bot.latches]
    parts += _charts(bot)
    if bot.days:
        parts.append(f"<h2>By UTC day, {escape(bot.quote or 'quote')}</h2>\n{_days(bot.days)}")
    if bot.markouts:
        parts.append(_markouts(bot.markouts))
    return "\n".join(parts)


def _charts(bot: BotHistory) -> list[str]:
    if not bot.series:
        return []
    times = np.array([point.utc_ns for point in bot.series], dtype=np.int64)

    def line(key: str, style: str, steps: bool = False) -> Line:
        found = [getattr(point, key) for point in bot.series]
        values = np.array([np.nan if value is None else float(value) for value in found], dtype=np.float64)
        return Line(times, values, style, steps)

    quote = bot.quote or "quote"
    charts = [
        Chart(f"Net profit, {quote}", 200, [line("net", "net")], zero=True),
        Chart(f"Equity, {quote}", 150, [line("equity", "net")]),
        Chart("Position, base", 130, [line("position", "position", True)], zero=True),
        Chart("Mid", 150, [line("mid", "mid")]),
    ]
    return [chart.svg(int(times[0]), int(times[-1])) for chart in charts]


def _days(days: Sequence[Day]) -> str:
    rows = [*days, total_of(days)] if len(days) > 1 else days
    cells = [
        (day.day, _shown(day.pnl), _shown(day.realised), day.fees, day.funding, str(day.fills), day.volume)
        for day in rows
    ]
    return table(_HEADS, cells)


def _markouts(markouts: Sequence[Markout]) -> str:
    rows = [
        ("captured spread" if one.horizon_s == 0 else f"{one.horizon_s:g} s", _bps(one.mean_bps), str(one.fills))
        for one in markouts
    ]
    return f"<h2>Markouts, bps of the price, by time after a fill</h2>\n{table(('after', 'bps', 'fills'), rows)}"


def _fills(fills: Sequence[FillRow], profits: Mapping[int, str]) -> str:
    rows = [
        (
            moment_text(one.utc_ns)[:19], one.side, one.price, one.size, f"{one.fee} {one.fee_asset}", one.liquidity,
            profits.get(one.number, ""), one.leg,
        )
        for one in fills
    ]  # fmt: skip
    return f"<h2>The last fills, PnL before fees of those that closed something</h2>\n{table(_FILL_HEADS, rows)}"


def _shown(money: str | None) -> str:
    return "-" if money is None else money


def _bps(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
