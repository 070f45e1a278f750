"""All that the doctor looks at, in the order in which a person would mend it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from core.bot_config import BotConfig
from core.doctor.clock import clock_findings
from core.doctor.finding import Finding
from core.doctor.home import home_findings
from core.doctor.host import host_findings
from core.doctor.limits import limit_finding
from core.doctor.venues import venue_findings
from utils.home import Home


def examine(home: Home, verdict: Mapping[str, Any] | str) -> Iterator[Finding]:
    """Yield every finding about a host and a home; `verdict` is the validator's, or why there is none."""
    plain = [] if isinstance(verdict, str) else verdict["bots"]
    configs = [BotConfig.from_plain(bot) for bot in plain]
    yield from host_findings(len(configs))
    yield limit_finding(home)
    yield from clock_findings(home.root)
    yield from home_findings(home, verdict)
    yield from venue_findings(home, configs)
