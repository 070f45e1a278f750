"""Asking before real money: `--live`, or the bot's name typed on a terminal; once per bot and what it trades."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import click

from cli.offline import configs_in
from cli.prompts import can_ask, typed_word
from core.registry.live_consent import Subject, give_consent, has_consent, traded_symbols
from utils.errors import ConfigError
from utils.home import Home
from utils.input_validation import printable

Decorated = TypeVar("Decorated")


def live_option(command: Decorated) -> Decorated:
    """Add `--live`."""
    option = click.option("--live", is_flag=True, help="Agree that bots of mode live trade real money.")
    decorated: Decorated = option(command)  # type: ignore[type-var]  # click's own signature
    return decorated


def agree_to_live(home: Home, names: Sequence[str], live: bool) -> None:
    """Make sure that a person agrees to each bot that would trade real money; no names: all active ones.

    Raises ConfigError when nobody does.
    """
    for bot in configs_in(home.active, home):
        if bot.real_money and not bot.problem and (not names or bot.name in names):
            symbols = traded_symbols([bot.symbol, *(symbol for _, symbol in bot.others)])
            agree_to_one(home, bot.name, Subject(bot.exchange, bot.account, symbols, bot.addresses, bot.hedge), live)


def agree_to_one(home: Home, name: str, what: Subject, live: bool) -> None:
    """Make sure that a person agrees that a bot trades `what`. Raises ConfigError."""
    folder = home.bot_state(name)
    if has_consent(folder, what):
        return
    at = "".join(f", at {address}" for address in what.addresses if address)
    text = printable(
        f"{name} would trade real money: {what.symbol} on {what.exchange}, account {what.account}{at}{_hedged(what)}",
        500,
    )
    if not live and not _typed(name, text):
        raise ConfigError(f"{text}; agree with --live, or set exchange_config.mode to paper")
    give_consent(folder, what)


def _hedged(what: Subject) -> str:
    if not what.hedge:
        return ""
    venue, account, symbol, *addresses = what.hedge
    at = "".join(f", at {address}" for address in addresses if address)
    return f"; hedged with {symbol} on {venue}, account {account}{at}"


def _typed(name: str, text: str) -> bool:
    """Ask on a terminal; anything but the bot's name is a no."""
    return can_ask() and typed_word(f"{text}. Every order and fill is yours.", name)
