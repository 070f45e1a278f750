"""The report of a backtest: one HTML file that needs nothing else. Pure; the same result gives the same bytes."""

from __future__ import annotations

from collections.abc import Container, Mapping
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from core.backtest.charts import Chart, Line, Mark, rows_of
from core.backtest.recorder import NO_QUOTE, Recorder
from core.market.instrument import Instrument
from core.market.order import Side

if TYPE_CHECKING:
    from core.backtest.figures import Course
    from core.backtest.result import BacktestResult

MAX_MARKS = 4000  # fills that are drawn; of more, the first ones
_NOT_SHOWN = ("markouts_bps", "orders", "bot", "symbol", "ended", "elapsed_s", "events_per_s", "steps")
_STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --dim: #7a8594; --paper: #fff; --line: #e3e7ec; --bid: #2a78c2;
  --ask: #c2571a; --mid: #98a2b0; --good: #1d8a4e; --bad: #c0392b; }
@media (prefers-color-scheme: dark) { :root { --ink: #dfe5ec; --dim: #8e99a8; --paper: #14181d; --line: #2a313a;
  --bid: #6fb1f0; --ask: #f0955a; --mid: #6d7886; --good: #53c285; --bad: #ee7466; } }
body { font: 15px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 2rem auto;
  max-width: 1040px; padding: 0 1rem; }
h1 { font-size: 1.4rem; margin: 0; } h2 { font-size: 1rem; margin: 1.6rem 0 .3rem; }
p { color: var(--dim); margin: .2rem 0; }
svg { width: 100%; height: auto; display: block; } svg text { font-size: 11px; fill: var(--dim); }
svg path { fill: none; stroke-width: 1.2; } .grid { stroke: var(--line); } .zero { stroke: var(--dim); }
path.mid { stroke: var(--mid); } path.bid { stroke: var(--bid); } path.ask { stroke: var(--ask); }
path.net { stroke: var(--good); stroke-width: 1.6; } path.position { stroke: var(--bid); }
path.drawdown { stroke: var(--bad); }
path.buy { fill: var(--bid); stroke: none; } path.sell { fill: var(--ask); stroke: none; }
table { border-collapse: collapse; }
th { text-align: left; font-weight: normal; color: var(--dim); padding-right: 2rem; }
td { font-variant-numeric: tabular-nums; text-align: right; } tr { border-bottom: 1px solid var(--line); }
rect.plus { fill: var(--good); } rect.minus { fill: var(--bad); } rect.gap { fill: none; stroke: var(--line); }
rect.best { stroke: var(--ink); stroke-width: 2; }
table.wide td, table.wide tr:first-child th { padding: 0 .6rem; text-align: right; }
.side { display: flex; flex-wrap: wrap; gap: 0 4rem; }
"""


def report_of(result: BacktestResult, facts: Mapping[str, Any]) -> str:
    """Return the page; `facts` is the table of the run (`bot`, `symbol`, fill model and statistics)."""
    leg = result.only
    times = leg.course.times_ns
    begin_ns, end_ns = (int(times[0]), int(times[-1])) if len(times) else (0, 1)
    made = charts_of(leg.instrument, leg.record, leg.course)
    charts = "\n".join(chart.svg(begin_ns, end_ns) for chart in made)
    span = f"{span_text(begin_ns, end_ns)}, {facts['events']:,} events"
    ended = f"<p>Ended before the data: {escape(str(facts['ended']))}</p>" if facts.get("ended") else ""
    title = escape(f"{facts['bot']}: {facts['symbol']}")
    body = f"""<h1>{title}</h1>
<p>{span}</p>
{ended}
{charts}
<div class="side">
<div><h2>Profit</h2><table>{rows_of(profit_rows(facts))}</table></div>
<div><h2>Markouts, bps of the price, by time after a fill</h2><table>{rows_of(markout_rows(facts))}</table></div>
<div><h2>Orders</h2><table>{rows_of([(key, str(value)) for key, value in facts["orders"].items()])}</table></div>
</div>
<h2>All figures</h2>
<table>{rows_of(figure_rows(facts, _NOT_SHOWN))}</table>"""
    return page(f"Backtest {facts['bot']}: {facts['symbol']}", body)


def page(title: str, body: str) -> str:
    """Return a whole page around a body of HTML."""
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{escape(title)}</title>
<style>{_STYLE}</style>
{body}
</html>
"""


def charts_of(instrument: Instrument, record: Recorder, course: Course, of: str = "") -> list[Chart]:
    """Return the charts of one leg; `of` begins their titles."""
    tick = float(instrument.tick_size)
    times = np.array(record.quote_times, dtype=np.int64)
    quotes = []
    for prices, style in ((record.bids, "bid"), (record.asks, "ask")):
        values = np.array(prices, dtype=np.float64)
        quotes.append(Line(times, np.where(values == NO_QUOTE, np.nan, values * tick), style, steps=True))
    return [
        Chart(
            f"{of}Price, our best quotes and fills",
            360,
            [Line(course.times_ns, course.mid, "mid"), *quotes],
            _marks(instrument, record),
        ),
        Chart(f"{of}Net profit, {instrument.quote}", 200, [Line(course.times_ns, course.net, "net")], zero=True),
        Chart(
            f"{of}Inventory, {instrument.base}",
            150,
            [Line(course.times_ns, course.position, "position", steps=True)],
            zero=True,
        ),
        Chart(
            f"{of}Drawdown, {instrument.quote}",
            130,
            [Line(course.times_ns, -course.drawdown, "drawdown")],
            zero=True,
        ),
    ]


def _marks(instrument: Instrument, record: Recorder) -> list[Mark]:
    found = []
    for fill in record.fills[:MAX_MARKS]:
        price, size = instrument.to_price(fill.price_ticks), instrument.to_size(fill.size_lots)
        text = f"{fill.side.value} {size} at {price} ({fill.liquidity}), {_moment(fill.venue_ns)}"
        found.append(Mark(fill.venue_ns, float(price), fill.side is Side.BUY, text))
    return found


def profit_rows(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the split of the profit, for a table."""
    names = {
        "spread_pnl": "from the spread",
        "inventory_pnl": "from inventory",
        "fees": "fees (a cost)",
        "funding": "funding",
    }
    return [*((text, str(facts[key])) for key, text in names.items()), ("net", str(facts["net_pnl"]))]


def markout_rows(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the markouts, for a table."""
    return [(after, "-" if bps is None else f"{bps:.3f}") for after, bps in facts["markouts_bps"].items()]


def figure_rows(facts: Mapping[str, Any], left_out: Container[str]) -> list[tuple[str, str]]:
    """Return all other figures, for a table."""
    return [(key.replace("_", " "), str(value)) for key, value in facts.items() if key not in left_out]


def span_text(begin_ns: int, end_ns: int) -> str:
    """Return from when to when, for people."""
    return f"{_moment(begin_ns)} to {_moment(end_ns)} UTC"


def _moment(time_ns: int) -> str:
    moment = datetime.fromtimestamp(time_ns // 10**9, tz=UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{time_ns % 10**9 // 10**6:03d}"
