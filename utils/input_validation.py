"""Names and symbols that come from a person, and how such text is shown back to them."""

from __future__ import annotations

import re

BOT_NAME = r"^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$"
SYMBOL = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,47}$"
# Names that a file or folder of ours already has beside those of the bots.
RESERVED_BOT_NAMES = frozenset({"daemon", "home_id"})
_SEPARATORS = re.compile(r"[-_]")
_PERP = re.compile(r"[-_]PERP(ETUAL)?$", re.IGNORECASE)
_DATED = re.compile(r"-[0-9]{1,2}[A-Z]{3}[0-9]{2}$", re.IGNORECASE)  # BTC-27DEC30


def matches(pattern: str, text: str) -> bool:
    """Tell whether a whole text is of a pattern."""
    return re.fullmatch(pattern, text) is not None


def bot_name_problem(name: str) -> str | None:
    """Return why `name` cannot be a bot's name, None when it can."""
    if not re.fullmatch(BOT_NAME, name):
        return "a bot's name has 1 to 64 letters, digits, - or _, and does not begin with -"
    if name.lower() in RESERVED_BOT_NAMES:
        return f"{name} is a name that makerd uses itself"
    return None


def symbol_problem(symbol: str) -> str | None:
    """Return why `symbol` cannot be a symbol, None when it can; whether a venue lists it is another question."""
    if not re.fullmatch(SYMBOL, symbol):
        return "a symbol has letters, digits, - or _, for example SOL-USDC or BTC-PERP"
    return None


def symbol_key(symbol: str) -> str:
    """Return what spellings of one symbol have in common: `BTC-USDT`, `btc_usdt`, `BTCUSDT`; ours and a venue's."""
    return _SEPARATORS.sub("", our_symbol(symbol.upper()))


def our_symbol(symbol: str) -> str:
    """Return our name of a symbol that may be written as a venue does: `SOL_USDC_PERP`, `BTC-PERPETUAL`."""
    name = _PERP.sub("-PERP", symbol.replace("_", "-"))
    return f"{name.removesuffix('-USDC-PERP')}-PERP" if name.endswith("-USDC-PERP") else name


def margin_kind(symbol: str) -> str | None:
    """Return `perp` or `future` where a name of ours or of a venue says so, None where it does not."""
    if _PERP.search(symbol):
        return "perp"
    return "future" if _DATED.search(symbol) else None


def printable(text: str, limit: int = 80) -> str:
    """Return `text` on one line, without anything a terminal would act on, cut to `limit` characters."""
    cut = text if len(text) <= limit else text[: limit - 3] + "..."
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in cut)
