"""The keys of what is done for a position beside barriers: anchor, open profit, rescue, the way back after a breach."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from core.market.entry_anchor import AnchorRules
from core.market.open_profit import ProfitRules
from core.market.recovery import RecoverySettings
from core.market.recovery_guard import RecoveryRules
from core.market.rescue import ADD, RescueRules
from core.market.tuner import TunerSettings
from utils.errors import ConfigError

_SECOND_NS = 1_000_000_000


@dataclass(frozen=True)  # without slots: strategies have it beside another base
class CareParams:
    """Keys of `strategy_config`; units and ranges are told in its schema."""

    entry_anchor: bool = False
    anchor_tol_neutral_pct: float = 0.0
    anchor_tol_signal_pct: float = 0.5
    anchor_dca_pct: float = 0.05
    anchor_max_age_s: float | None = None
    upnl_take_profit_pct: float | None = None
    upnl_take_profit_quote: float | None = None
    tp_min_pct: float | None = None
    tp_max_pct: float | None = None
    tp_maker_wait_s: float = 3.0
    sigma_ref: float | None = None
    rescue_enabled: bool = False
    rescue_mode: str = ADD
    rescue_trigger_pct: float = 1.0
    rescue_max_steps: int = 3
    rescue_step_pct: float = 0.5
    rescue_size_mult: float = 1.0
    rescue_max_quote: float | None = None
    rescue_exit_pct: float = 0.1
    recovery_enabled: bool = False
    recovery_cooldown_s: float = 9.0
    recovery_dwell_s: float = 30.0
    max_recoveries: int = 3
    max_consecutive_losses: int = 5
    tuner_enabled: bool = False
    tuner_band: float = 4.0

    def anchor_rules(self) -> AnchorRules:
        """Return how near to a position's entry its quotes may be."""
        age_s = self.anchor_max_age_s
        return AnchorRules(
            self.anchor_tol_neutral_pct / 100,
            self.anchor_tol_signal_pct / 100,
            self.anchor_dca_pct / 100,
            None if age_s is None else int(age_s * _SECOND_NS),
        )

    def profit_rules(self) -> ProfitRules:
        """Return when an open profit is taken."""
        return ProfitRules(
            _decimal(self.upnl_take_profit_pct),
            _decimal(self.upnl_take_profit_quote),
            _decimal(self.tp_min_pct),
            _decimal(self.tp_max_pct),
            self.sigma_ref,
            int(self.tp_maker_wait_s * _SECOND_NS),
        )

    def rescue_rules(self) -> RescueRules:
        """Return how a losing position is added to, or leant against."""
        return RescueRules(
            self.rescue_mode,
            self.rescue_trigger_pct,
            self.rescue_max_steps,
            self.rescue_step_pct,
            self.rescue_size_mult,
            _decimal(self.rescue_max_quote),
            Decimal(str(self.rescue_exit_pct)),
        )

    def recovery_rules(self) -> RecoveryRules:
        """Return the way back after a breach."""
        settings = RecoverySettings(self.recovery_cooldown_s, self.recovery_dwell_s)
        return RecoveryRules(self.recovery_enabled, settings, self.max_recoveries, self.max_consecutive_losses)

    def tuner_settings(self) -> TunerSettings:
        """Return how far gamma and kappa may follow the results, as factors of what they are else."""
        return TunerSettings(gamma0=1.0, kappa0=1.0, band=self.tuner_band)

    def check_care(self) -> None:
        """Refuse keys that contradict each other. Raises ConfigError."""
        if (self.tp_min_pct is None) != (self.tp_max_pct is None):
            raise ConfigError("tp_min_pct and tp_max_pct need each other")
        if self.tp_min_pct is not None and self.tp_max_pct is not None:
            if self.upnl_take_profit_pct is None or self.sigma_ref is None:
                raise ConfigError("tp_min_pct and tp_max_pct need upnl_take_profit_pct and sigma_ref")
            if self.tp_min_pct > self.tp_max_pct:
                raise ConfigError("tp_min_pct must not be above tp_max_pct")

    def least_profit_pct(self) -> float | None:
        """Return the smallest open profit that is taken, in percent of the entry value; None where none is by share."""
        return self.upnl_take_profit_pct if self.tp_min_pct is None else self.tp_min_pct


def _decimal(value: float | None) -> Decimal | None:
    return None if value is None else Decimal(str(value))
