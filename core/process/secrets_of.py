"""Which values of a resolved config must never be seen again."""

from __future__ import annotations

from core.bot_config import BotConfig
from utils.env import Secret


def secrets_in(config: BotConfig) -> list[Secret]:
    """Return every secret of a config whose references are resolved."""
    sections = (config.exchange_config, config.strategy_config, config.risk_config, config.job_config)
    every = (*sections, config.hedge_exchange_config)
    return [value for section in every for value in section.values() if isinstance(value, Secret)]
