"""The report of bots as one HTML file that needs nothing else. Pure; the same histories give the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from core.backtest.charts import Chart, Line
from core.backtest.report import page
from core.history.bot_history import BotHistory, days_of_all, total_of
from core.history.records import Day, Markout
from utils.moments import moment_text

_HEADS = ("day", "PnL", "realised", "fees", "funding", "fills", "volume")


def history_page(bots: Sequence[BotHistory], from_utc_ns: int, to_utc_ns: int) -> str:
    """Return the page."""
    title = bots[0].name if len(bots) == 1 else f"{len(bots)} bots"
    parts = [f"<h1>{escape(title)}</h1>\n<p>{moment_text(from_utc_ns)[:19]} to {moment_text(to_utc_ns)[:19]} UTC</p>"]
    if len(bots) > 1:
        parts.append(_fleet(bots))
        for quote, days in days_of_all(bots).items():
            parts.append(f"<h2>All bots in {escape(quote or 'quote')}, by UTC day</h2>\n{_days(days)}")
    parts += [_bot(bot) for bot in bots]
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


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; the first cell of a row is its head."""
    head = "".join(f"<th>{escape(one)}</th>" for one in heads)
    body = "\n".join(
        f"<tr><th>{escape(row[0])}</th>{''.join(f'<td>{escape(one)}</td>' for one in row[1:])}</tr>" for row in rows
    )
    return f'<table class="wide"><tr>{head}</tr>\n{body}</table>'


def _shown(money: str | None) -> str:
    return "-" if money is None else money


def _bps(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
