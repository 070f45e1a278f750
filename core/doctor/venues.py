"""Whether the venues of the configs can be reached from here, by the way that the bots take: proxy, TCP, TLS."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from api.client_registry import client_class
from api.dialing import dial
from api.proxies import Endpoint, endpoint_of, proxy_for
from core.bot_config import BotConfig
from core.doctor.finding import Finding, judged
from core.registry.environment import Environment
from core.registry.live_consent import addresses_in, has_consent, subject_of, trades_real_money
from utils.env import Secret, whole_reference
from utils.errors import ConfigError, VenueUnreachable
from utils.home import Home

CONNECT_S = 5.0
AT_ONCE = 8
MAX_ADDRESSES = 50


@dataclass(frozen=True, slots=True)
class Target:
    """One address, by one way, and the bots that need it."""

    url: str
    proxy: Secret | None
    bots: tuple[str, ...]


def venue_findings(home: Home, configs: Sequence[BotConfig]) -> Iterator[Finding]:
    """Yield what there is to say about the venues of live configs and of those that name addresses."""
    for config in configs:
        if trades_real_money(config) and not has_consent(home.bot_state(config.name), subject_of(config)):
            text = f"nobody has agreed yet that {config.name} trades real money"
            yield judged("live", text, warns=f"`bot start {config.name} --live` when it shall")
    targets = targets_of(configs, Environment(os.environ, home.env_file))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield from pool.map(try_target, targets[:MAX_ADDRESSES])
    if len(targets) > MAX_ADDRESSES:
        text = f"{len(targets) - MAX_ADDRESSES} more addresses were not tried"
        yield judged("venue", text, warns="look at the logs of their bots")


def targets_of(configs: Sequence[BotConfig], environment: Mapping[str, str]) -> list[Target]:
    """Return every address that a live config, or one that names addresses itself, needs; each once."""
    bots: dict[tuple[str, Secret | None], list[str]] = {}
    for config in configs:
        for leg in config.markets:
            section = config.exchange_config_of(leg)
            if config.mode != "live" and not any(addresses_in(section)):
                continue
            proxy = _proxy_of(section, environment)
            for url in client_class(leg.exchange).addresses(section):
                bots.setdefault((url, proxy), []).append(config.name)
    return [Target(url, proxy, tuple(names)) for (url, proxy), names in bots.items()]


def _proxy_of(section: Mapping[str, object], environment: Mapping[str, str]) -> Secret | None:
    reference = whole_reference(str(section.get("proxy") or ""))
    found = reference.look_up(environment) if reference else None
    return Secret(found) if found else None


def try_target(target: Target) -> Finding:
    """Connect and hang up."""
    who = f"{target.bots[0]}{f' and {len(target.bots) - 1} more' if len(target.bots) > 1 else ''}"
    try:
        endpoint = endpoint_of(target.url)
        proxy = proxy_for(endpoint, target.proxy)
        dial(endpoint, proxy, None, CONNECT_S, tunnel=True).close()
    except (VenueUnreachable, ConfigError, OSError) as exc:
        return judged("venue", f"{exc} (for {who})", "look at network, firewall, proxy and the address in the config")
    by = f" by the proxy {proxy.name}" if proxy else ""
    return judged("venue", f"{_shown(endpoint)} can be reached{by} (for {who})")


def _shown(endpoint: Endpoint) -> str:
    return f"{endpoint.name}{' with TLS' if endpoint.tls else ''}"
