"""The report of a backtest with several legs: what they come to together, then each leg. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Any

from core.backtest.charts import Chart, Line, rows_of, table
from core.backtest.report import charts_of, figure_rows, markout_rows, page, profit_rows, span_text
from core.backtest.together import PlayedLeg, Together, together_of

if TYPE_CHECKING:
    from core.backtest.result import BacktestResult

_OF_ALL = (
    "markouts_bps", "orders", "bot", "symbol", "ended", "elapsed_s", "events_per_s", "steps", "legs", "exposure",
    "strategy",
)  # fmt: skip
_OF_LEG = ("markouts_bps", "leg")


def legs_report_of(result: BacktestResult, facts: Mapping[str, Any]) -> str:
    """Return the page; `facts` is the table of the run. The same result gives the same bytes."""
    together = together_of(result.legs)
    times = together.times_ns
    begin_ns, end_ns = (int(times[0]), int(times[-1])) if len(times) else (0, 1)
    title = escape(f"{facts['bot']}: {facts['symbol']}")
    ended = f"<p>Ended before the data: {escape(str(facts['ended']))}</p>" if facts.get("ended") else ""
    quotes = " + ".join(dict.fromkeys(leg.instrument.quote for leg in result.legs))
    charts = "\n".join(chart.svg(begin_ns, end_ns) for chart in _charts(together, quotes))
    told_of = zip(result.legs, facts["legs"], strict=True)
    legs = "\n".join(_section(leg, told, begin_ns, end_ns) for leg, told in told_of)
    body = f"""<h1>{title}</h1>
<p>{span_text(begin_ns, end_ns)}, {facts["events"]:,} events of {len(result.legs)} legs</p>
{ended}
{charts}
<div class="side">
<div><h2>Profit of all legs</h2><table>{rows_of(profit_rows(facts))}</table></div>
<div><h2>Exposure, by base asset</h2>{_exposures(facts)}</div>
<div><h2>Orders</h2><table>{rows_of([(key, str(value)) for key, value in facts["orders"].items()])}</table></div>
</div>
<div class="side">
<div><h2>All figures</h2><table>{rows_of(figure_rows(facts, _OF_ALL))}</table></div>
<div><h2>The strategy&#39;s own</h2><table>{rows_of(figure_rows(_flat(facts["strategy"]), ()))}</table></div>
</div>
{legs}"""
    return page(f"Backtest {facts['bot']}: {facts['symbol']}", body)


def _charts(together: Together, quotes: str) -> list[Chart]:
    times = together.times_ns
    exposures = [
        Chart(f"Exposure, {base}", 150, [Line(times, held, "position", steps=True)], zero=True)
        for base, held in together.exposure.items()
    ]
    return [
        Chart(f"Net profit of all legs, {quotes}", 200, [Line(times, together.net, "net")], zero=True),
        *exposures,
        Chart(f"Drawdown of all legs, {quotes}", 130, [Line(times, -together.drawdown, "drawdown")], zero=True),
    ]


def _exposures(facts: Mapping[str, Any]) -> str:
    rows = [[base, *(str(held[key]) for key in ("max", "mean", "end"))] for base, held in facts["exposure"].items()]
    return table(["", "most", "mean", "at the end"], rows)


def _flat(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a strategy tells with one row for each value of a group."""
    found: dict[str, Any] = {}
    for key, value in told.items():
        group = _flat(value) if isinstance(value, Mapping) else {"": value}
        found |= {f"{key} {name}".rstrip(): one for name, one in group.items()}
    return found


def _section(leg: PlayedLeg, told: Mapping[str, Any], begin_ns: int, end_ns: int) -> str:
    """Return what there is of one leg; `told` is its table."""
    name, where = leg.leg.leg, f"{leg.leg.symbol} on {leg.leg.exchange}"
    made = charts_of(leg.instrument, leg.record, leg.course, f"{name}: ")
    charts = "\n".join(chart.svg(begin_ns, end_ns) for chart in made)
    return f"""<section style="margin-top: 2.5rem">
<h1>{escape(f"{name}: {where}")}</h1>
{charts}
<div class="side">
<div><h2>Profit</h2><table>{rows_of(profit_rows(told))}</table></div>
<div><h2>Markouts, bps of the price, by time after a fill</h2><table>{rows_of(markout_rows(told))}</table></div>
<div><h2>Figures</h2><table>{rows_of(figure_rows(told, _OF_LEG))}</table></div>
</div>
</section>"""
