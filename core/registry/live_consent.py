"""Real money needs a word from a person, once per bot: `--live`, or a typed confirmation.

The word is a file in the bot's state folder, so that a restart of the daemon or of the machine does not ask again; it
holds for one venue (with its addresses), account and symbol. A worker that finds none does not start.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from core.bot_config import HEDGE, BotConfig
from utils.errors import ConfigError
from utils.files import read_json, write_json_atomic

NAME = "live.json"
_ADDRESSES = ("base_url", "ws_url")
_OF_THIS_HOST = frozenset({"localhost", "127.0.0.1", "::1"})


def is_simulated(exchange_config: Mapping[str, Any]) -> bool:
    """Tell whether every address of a section is of this host: a simulator of the venue."""
    return all(map(_is_here, addresses_in(exchange_config)))


def is_real_money(exchange_config: Mapping[str, Any]) -> bool:
    """Tell whether orders of a section cost money: mode live, no test net, no simulator.

    An address of another host goes before the network: nobody but a person can tell whether that is a test net.
    """
    if exchange_config.get("mode", "paper") != "live":
        return False
    if exchange_config.get("network") == "test":
        return not all(one is None or _is_here(one) for one in addresses_in(exchange_config))
    return not is_simulated(exchange_config)


def _is_here(address: object) -> bool:
    try:
        return isinstance(address, str) and urlsplit(address).hostname in _OF_THIS_HOST
    except ValueError:  # no address: nothing that could be of this host
        return False


@dataclass(frozen=True, slots=True)
class Subject:
    """What a person agrees to: where which money is traded; another address is another venue."""

    exchange: str
    account: str
    symbol: str  # of a group of instruments all of them
    addresses: tuple[str | None, ...] = (None, None)  # None: the venue's own
    hedge: tuple[str | None, ...] = ()  # the same of the hedge leg, where there is one

    def to_plain(self) -> list[Any]:
        """Return JSON-able data."""
        return [self.exchange, self.account, self.symbol, *self.addresses, *self.hedge]


def addresses_in(exchange_config: Mapping[str, Any]) -> tuple[str | None, ...]:
    """Return the addresses that a section gives, None for the venue's own."""
    return tuple(exchange_config.get(key) for key in _ADDRESSES)


def give_consent(folder: Path, subject: Subject) -> None:
    """Write down that a bot may trade real money there. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_json_atomic(folder / NAME, subject.to_plain())


def has_consent(folder: Path, subject: Subject) -> bool:
    """Tell whether a person has agreed to that."""
    try:
        return bool(read_json(folder / NAME) == subject.to_plain())
    except (OSError, ValueError):
        return False


def subject_of(config: BotConfig) -> Subject:
    """Return what a bot would trade."""
    others = [leg for leg in config.legs if leg.leg == HEDGE]
    hedge = [[leg.exchange, leg.account, leg.symbol, *addresses_in(config.hedge_exchange_config)] for leg in others]
    addresses = addresses_in(config.exchange_config)
    symbols = traded_symbols([leg.symbol for leg in config.legs if leg.leg != HEDGE])
    return Subject(config.exchange, config.account, symbols, addresses, tuple(hedge[0]) if hedge else ())


def traded_symbols(symbols: Sequence[str]) -> str:
    """Return how the symbols that a bot quotes on its venue are named together, the main one first."""
    return " + ".join(symbols)


def trades_real_money(config: BotConfig) -> bool:
    """Tell whether orders of any leg of a bot cost money."""
    return any(is_real_money(config.exchange_config_of(leg)) for leg in config.legs)


def hold_to_consent(folder: Path, config: BotConfig) -> None:
    """Raise ConfigError when a bot would trade real money and nobody has agreed to it."""
    if trades_real_money(config) and not has_consent(folder, subject_of(config)):
        raise ConfigError(
            f"{config.name} would trade real money ({config.symbol} on {config.exchange}) and nobody has agreed to it: "
            f"`python core/daemon_manager.py restart {config.name} --live`"
        )
