"""New settings, limits and parameters for a loop that runs: checked as a whole, then taken over between two steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.trading.clock import seconds
from core.trading.cycle_timer import OWN
from core.trading.loop_settings import LoopSettings
from utils.errors import ConfigError, StrategyBug

if TYPE_CHECKING:
    from core.market.risk_limits import RiskLimits
    from core.trading.bot_state import BotState
    from strategies.base import Strategy

Section = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LiveChange:
    """All that a running loop can take over; `limits` by leg."""

    settings: LoopSettings
    limits: Mapping[str, RiskLimits]
    params: Any
    stop_timeout_ns: int


def prepare_change(
    bot: BotState, strategy: Strategy, strategy_config: Section, risk_config: Section, stop_timeout_s: float
) -> LiveChange:
    """Return the change that validated sections ask for; nothing has happened yet. Raises ConfigError."""
    settings = LoopSettings.from_config(strategy_config, risk_config, bot.settings.referenced)
    limits = {leg.name: settings.limits_of(leg.name, leg.instrument) for leg in bot.legs}
    params = strategy.params_from(strategy_config)
    strategy.check(params, bot.view.instruments, limits)
    return LiveChange(settings, limits, params, seconds(stop_timeout_s))


def apply_change(bot: BotState, strategy: Strategy, change: LiveChange) -> None:
    """Take a change over; orders stay, the next decision moves what does not fit any more.

    Raises ConfigError when the strategy does not take its parameters, and all is as before then; StrategyBug when it
    does not take the old ones back either.
    """
    before = strategy.params
    try:
        strategy.reconfigure(change.params)
    except Exception as exc:
        try:
            strategy.reconfigure(before)
        except Exception as again:
            raise StrategyBug(f"the strategy took neither new nor old parameters: {again!r}") from again
        raise ConfigError(f"the strategy does not take the new parameters: {type(exc).__name__}: {exc}") from exc
    settings = change.settings
    bot.settings = settings
    bot.timer.use(settings.interval_ns, settings.min_cycle_ns)
    bot.breaker.use(settings.max_consecutive_rejects, settings.reject_window_ns, settings.breaker_cooldown_ns)
    bot.churn.limits = settings.churn
    for leg in bot.legs:
        leg.limits = change.limits[leg.name]
        leg.desk.use(settings.reports)
    bot.timer.hurry(OWN)
