"""How one loop behaves: the loop's own keys of `strategy_config` and `risk_config`, and constants that are no keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from core.market.churn import ChurnLimits
from core.market.group_limits import GroupLimits
from core.market.order_diff import DiffTolerance
from core.market.risk_limits import RiskLimits
from core.trading.clock import seconds
from core.trading.report_desk import ReportTiming

if TYPE_CHECKING:
    from core.market.instrument import Instrument

_REPORTS_PER_POSITION_AGE = 3  # so that one lost answer does not make the position old


@dataclass(frozen=True, slots=True)
class LoopSettings:
    """Durations in nanoseconds. The defaults of the keys are those of the schemas; the rest is explained here."""

    interval_ns: int = seconds(10)
    duration_ns: int = 0  # 0 is endless
    requote_bps: float = 0.0  # 0 is off
    min_cycle_ns: int = seconds(0.1)
    ack_timeout_ns: int = seconds(10)
    tolerance: DiffTolerance = field(default_factory=DiffTolerance)
    amend_orders: bool = False  # where the venue amends
    decision_log: str = "off"  # off | sampled | all
    startup_position: str = "keep"  # keep | close_long | close_short | close_all | refuse
    startup_orders: str = "reconcile"  # reconcile | cancel_all
    on_stop: str = "cancel"  # cancel | close_position
    decision_rate: float = 0.05  # of the decisions that `sampled` logs
    risk_config: Mapping[str, Any] = field(default_factory=dict)  # limits need the instrument, so they come later
    group: GroupLimits | None = None  # of a bot that trades a group of instruments
    referenced: str = ""  # the leg whose price is held against another market, where there is one
    max_consecutive_rejects: int = 5  # in a row within the window: nothing is placed for the cooldown
    reject_window_ns: int = seconds(60)
    breaker_cooldown_ns: int = seconds(60)
    churn: ChurnLimits = field(default_factory=ChurnLimits)
    reports: ReportTiming = field(default_factory=ReportTiming)
    report_patience: int = 5  # complete reports that may fail to bring a missing fill before we stop asking
    adjust_after_ns: int = seconds(5)  # a position that differs for so long is taken over from the venue
    guard_ns: int = seconds(0.5)  # how often the gates are looked at when nothing happens
    ledger_retry_ns: int = seconds(1)
    save_ns: int = seconds(5)  # counters and the session's peak; orders and fills are saved at once
    keep_closed_orders_ns: int = seconds(3_600)
    close_retry_ns: int = seconds(1)  # between two attempts to get flat
    close_slippage_bps: float = 50.0  # how far through the touch a closing order may trade
    close_collar_bps: float = 500.0  # and how far from the mid: a side that was pulled away is no price

    @property
    def closes_at_stop(self) -> bool:
        """Tell whether a stop of the bot closes its position."""
        return self.on_stop == "close_position"

    @classmethod
    def from_config(
        cls, strategy_config: Mapping[str, Any], risk_config: Mapping[str, Any], referenced: str = ""
    ) -> LoopSettings:
        """Return the settings of validated sections; a key that is missing or null has its default."""
        defaults = cls()
        shared = _Section(strategy_config)
        risk = _Section(risk_config)
        return cls(
            interval_ns=shared.duration("interval_s", defaults.interval_ns),
            duration_ns=shared.duration("duration_s", defaults.duration_ns),
            requote_bps=float(shared.get("requote_bps", defaults.requote_bps)),
            min_cycle_ns=shared.duration("min_cycle_s", defaults.min_cycle_ns),
            ack_timeout_ns=shared.duration("ack_timeout_s", defaults.ack_timeout_ns),
            tolerance=DiffTolerance(
                price_pct=shared.get("price_tolerance_pct", defaults.tolerance.price_pct),
                size_pct=shared.get("size_tolerance_pct", defaults.tolerance.size_pct),
                max_order_age_ns=shared.duration("max_order_age_s", defaults.tolerance.max_order_age_ns),
                min_order_age_ns=shared.duration("order_refresh_s", 0),
            ),
            amend_orders=bool(shared.get("amend_orders", defaults.amend_orders)),
            decision_log=str(shared.get("decision_log", defaults.decision_log)),
            startup_position=str(shared.get("startup_position", defaults.startup_position)),
            startup_orders=str(shared.get("startup_orders", defaults.startup_orders)),
            on_stop=str(shared.get("on_stop", defaults.on_stop)),
            risk_config=dict(risk_config),
            group=GroupLimits.from_config(strategy_config),
            referenced=referenced,
            max_consecutive_rejects=int(risk.get("max_consecutive_rejects", defaults.max_consecutive_rejects)),
            reject_window_ns=risk.duration("reject_window_s", defaults.reject_window_ns),
            breaker_cooldown_ns=risk.duration("breaker_cooldown_s", defaults.breaker_cooldown_ns),
            churn=ChurnLimits(
                orders_per_min=risk.get("max_orders_per_min", None),
                cancels_per_fill=risk.get("max_cancel_fill_ratio", None),
                cancel_fill_window_ns=risk.duration("cancel_fill_window_s", defaults.churn.cancel_fill_window_ns),
            ),
            reports=_report_timing(risk),
        )

    def limits_of(self, leg: str, instrument: Instrument) -> RiskLimits:
        """Return the limits of a leg. Raises ConfigError for one that cannot be kept."""
        config, is_held = self.risk_config, leg == self.referenced
        if self.referenced and not is_held and instrument.kind == "spot":  # the other leg is held to the reference
            config = {key: value for key, value in config.items() if key != "reference_deviation_bps"}
        limits = RiskLimits.from_config(config, instrument, is_held)
        return limits if self.group is None else self.group.of_leg(leg, limits, instrument)


@dataclass(frozen=True, slots=True)
class _Section:
    values: Mapping[str, Any]

    def get(self, key: str, default: Any) -> Any:
        value = self.values.get(key)
        return default if value is None else value

    def duration(self, key: str, default_ns: int) -> int:
        value = self.values.get(key)
        return default_ns if value is None else seconds(float(value))


def _report_timing(risk: _Section) -> ReportTiming:
    """Return a rhythm in which the position never gets older than allowed while the venue answers."""
    standard = ReportTiming()
    allowed_ns = risk.duration("max_position_age_s", _REPORTS_PER_POSITION_AGE * standard.interval_ns)
    interval_ns = min(standard.interval_ns, allowed_ns // _REPORTS_PER_POSITION_AGE)
    return ReportTiming(interval_ns=interval_ns, timeout_ns=min(standard.timeout_ns, interval_ns))
