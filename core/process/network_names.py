"""How venues are reached from this host: proxies and certificates, names of the environment or of `.env`.

The zygote is not given them, for a proxy's address may hold a password. Who speaks to a venue takes them over after
the fork, into the environment of its own memory, where api/proxies.py and api/dialing.py look for them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from api.client_registry import client_class
from core.bot_config import BotConfig
from core.registry.environment import Environment
from utils.env import Secret

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
_OTHERS = ("NO_PROXY", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
NAMES = tuple(spelt for name in (*PROXIES, *_OTHERS) for spelt in (name, name.lower()))


def take_network_names(config: BotConfig, environ: Mapping[str, str], env_file: Path) -> list[Secret]:
    """Put what says how to reach a venue into this process's environment; return what of it nobody may see.

    `environ` is the supervisor's; it counts before `.env`. A bot without a venue behind a network is given nothing.
    """
    if all(client_class(leg.exchange, config.mode).embedded for leg in config.legs):
        return []
    from api.proxies import secrets_of_proxy  # which such a venue's client has loaded

    found = Environment(environ, env_file)
    taken = {name: found[name] for name in NAMES if found.get(name)}
    os.environ.update(taken)
    return [one for name, text in taken.items() if name.upper() in PROXIES for one in secrets_of_proxy(text)]
