"""The daemon's figures in Prometheus' text format, written by the official client library.

Never imported by the supervisor: a door or a one-shot child asks it for plain numbers (`core/process/metrics.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector, CollectorRegistry

from utils.files import write_atomic

READABLE = 0o644  # the collector of a node exporter runs as somebody else


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: its key in the answer, its name and meaning for Prometheus, and what a unit of ours is in theirs."""

    key: str
    name: str
    text: str
    counter: bool = False
    factor: float = 1.0


DAEMON = (
    Figure("uptime_s", "makerd_uptime_seconds", "Time since the daemon was started."),
    Figure("time_s", "makerd_asked_timestamp_seconds", "When the daemon gave these figures."),
    Figure("cpu_s", "makerd_cpu_seconds", "Processor time of the supervisor.", True),
    Figure("open_files", "makerd_open_files", "Open files of the supervisor."),
    Figure("loop_turns", "makerd_loop_turns", "Turns of the supervisor's loop.", True),
    Figure("loop_busy_s", "makerd_loop_busy_seconds", "Time that the supervisor's loop worked.", True),
    Figure("loop_lag_worst_s", "makerd_loop_lag_worst_seconds", "Longest turn of the last one to two minutes."),
    Figure("events", "makerd_events", "Rows written into the event file.", True),
    Figure("events_lost", "makerd_events_lost", "Rows that could not be written.", True),
    Figure("alerts_sent", "makerd_alerts_sent", "Alerts that a child was started for.", True),
    Figure("alerts_suppressed", "makerd_alerts_suppressed", "Alerts left out because their like was just sent.", True),
    Figure("alerts_dropped", "makerd_alerts_dropped", "Alerts that nobody could be told of.", True),
    Figure("forks", "makerd_forks", "Workers started.", True),
    Figure("sweeps", "makerd_sweeps", "Sweepers started.", True),
    Figure("restarts", "makerd_restarts", "Restarts of all bots.", True),
    Figure("zygotes_lost", "makerd_zygotes_lost", "Zygotes that ended or were replaced.", True),
)
_AGAINST = "How far the mid was against fills {} s later, mean."
BOT = (
    Figure("uptime_s", "makerd_bot_uptime_seconds", "Time since the worker was started; 0 while there is none."),
    Figure("heartbeat_age_s", "makerd_bot_heartbeat_age_seconds", "Time since the trading loop's last word."),
    Figure("pss_mb", "makerd_bot_memory_pss_bytes", "Memory, shared pages in proportion.", False, 2**20),
    Figure("cpu_pct", "makerd_bot_cpu_ratio", "Share of one core.", False, 0.01),
    Figure("open_files", "makerd_bot_open_files", "Open files of the worker."),
    Figure("log_bytes", "makerd_bot_log_bytes", "Bytes that the worker wrote into its logs.", True),
    Figure("restarts", "makerd_bot_restarts", "Restarts while this daemon lives.", True),
    Figure("open_orders", "makerd_bot_open_orders", "Resting orders."),
    Figure("fills", "makerd_bot_fills", "Fills of the bot's ledger.", True),
    Figure("position", "makerd_bot_position", "Position in base units, or contracts."),
    Figure("realised_pnl", "makerd_bot_realised_pnl", "Realised profit of the bot's ledger, in quote units."),
    Figure("unrealised_pnl", "makerd_bot_unrealised_pnl", "Profit of the open position, in quote units."),
    Figure("fees", "makerd_bot_fees", "Fees of the bot's ledger, in quote units; below 0 are rebates."),
    Figure("funding", "makerd_bot_funding", "Funding in the bot's ledger, in quote units; below 0 was paid."),
    Figure("quote_uptime_pct", "makerd_bot_quote_uptime_ratio", "Share of the time with quotes out.", False, 0.01),
    Figure("gates", "makerd_bot_gates", "Gates that keep the bot from quoting."),
    Figure("time_at_touch_pct", "makerd_bot_time_at_touch_ratio", "Share of the time at the best price.", False, 0.01),
    Figure(
        "spread_captured_bps", "makerd_bot_spread_captured_bps", "Mean distance of fills from the mid that they met."
    ),
    *(
        Figure(f"adverse_markout_{one}s_bps", f"makerd_bot_adverse_markout_{one}s_bps", _AGAINST.format(one))
        for one in (1, 5, 30, 60)
    ),
    Figure("cancel_fill_ratio", "makerd_bot_cancel_fill_ratio", "Cancels for each fill, over the bot's life."),
    Figure("wear_rate", "makerd_bot_wear_ratio", "Fees less what was gained against the mid, for a unit of volume."),
    Figure("cycle_p50_ms", "makerd_bot_cycle_p50_seconds", "Median time of a decision with its orders.", False, 0.001),
    Figure("cycle_p99_ms", "makerd_bot_cycle_p99_seconds", "The 99th percentile of the same.", False, 0.001),
    Figure("peak_equity", "makerd_bot_peak_equity", "Highest equity of the session, in quote units."),
    Figure("drawdown_pct", "makerd_bot_drawdown_ratio", "Fall from the highest equity of the session.", False, 0.01),
    Figure("spread_quoted_bps", "makerd_bot_spread_quoted_bps", "Distance of the best own bid from the best own ask."),
    Figure("inventory_ratio", "makerd_bot_inventory_ratio", "Position over its limit, from -1 to 1."),
    Figure("volume_base", "makerd_bot_volume_base", "Size of all fills of the bot's ledger, in base units.", True),
    Figure("volume_quote", "makerd_bot_volume_quote", "Value of all fills of the bot's ledger.", True),
    Figure("maker_volume", "makerd_bot_maker_volume", "Value of the fills that were a maker's.", True),
    Figure("taker_volume", "makerd_bot_taker_volume", "Value of the fills that were a taker's.", True),
    Figure("clock_offset_ms", "makerd_bot_clock_offset_seconds", "How far its venue's clock is ahead.", False, 0.001),
    Figure("reference_age_s", "makerd_bot_reference_age_seconds", "Age of the price of its reference."),
)
LABELS = ("exchange", "account", "symbol", "strategy", "mode")


def render(figures: Mapping[str, Any]) -> str:
    """Return the figures as text; what is not known is left out."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Given(figures))
    return generate_latest(registry).decode()


def write_textfile(path: Path, text: str) -> None:
    """Replace a file that a node exporter may read at any moment. Raises OSError."""
    write_atomic(path, text.encode(), READABLE)


class _Given(Collector):
    """Hands the client library figures that somebody else has collected."""

    def __init__(self, figures: Mapping[str, Any]) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        """Yield every family."""
        daemon, bots = self._figures["daemon"], self._figures["bots"]
        yield _info("makerd", "The daemon.", ("version",), [(str(daemon["version"]),)])
        for figure in DAEMON:
            yield _family(figure, (), [((), daemon[figure.key])])
        alerts = [((kind,), count) for kind, count in sorted(self._figures["alerts"].items())]
        yield _family(Figure("", "makerd_alerts", "Alerts by kind, told or not.", True), ("alert",), alerts)
        labels = [tuple(str(bot[key]) for key in ("name", *LABELS)) for bot in bots]
        yield _info("makerd_bot", "What a bot trades.", ("bot", *LABELS), labels)
        yield from self._states(bots)
        for figure in BOT:
            yield _family(figure, ("bot",), [((str(bot["name"]),), bot[figure.key]) for bot in bots])

    def _states(self, bots: list[Mapping[str, Any]]) -> Iterator[Metric]:
        states = [str(state) for state in self._figures["states"]]
        own = GaugeMetricFamily("makerd_bot_state", "1 for the state that the bot is in.", labels=("bot", "state"))
        fleet = GaugeMetricFamily("makerd_bots", "Bots in a state.", labels=("state",))
        for state in states:
            fleet.add_metric((state,), sum(bot["state"] == state for bot in bots))
            for bot in bots:
                own.add_metric((str(bot["name"]), state), float(bot["state"] == state))
        yield from (fleet, own)


def _family(figure: Figure, labels: tuple[str, ...], values: Sequence[tuple[tuple[str, ...], Any]]) -> Metric:
    kind = CounterMetricFamily if figure.counter else GaugeMetricFamily
    family = kind(figure.name, figure.text, labels=labels)
    for names, value in values:
        if value is not None:
            family.add_metric(names, value * figure.factor)
    return family


def _info(name: str, text: str, labels: tuple[str, ...], values: Sequence[tuple[str, ...]]) -> Metric:
    family = GaugeMetricFamily(f"{name}_info", text, labels=labels)
    for names in values:
        family.add_metric(names, 1.0)
    return family
