"""What the paper venue must know of a market: the sidecar beside a recording, or a row of the synthetic table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from core.market.instrument import Instrument
from utils.errors import ConfigError

KINDS = ("spot", "perp", "future")
_MAX_FILE_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Market:
    """A listed instrument without an account's fees."""

    symbol: str
    venue_symbol: str
    kind: str
    base: str
    quote: str
    tick_size: Decimal
    lot_size: Decimal
    min_notional: Decimal
    initial_balances: Mapping[str, Decimal]  # what a new account starts with, by asset
    max_leverage: int = 10  # perpetuals and futures only
    min_lots: int = 1
    source: str = ""
    licence: str = ""
    expiry_utc_ns: int | None = None  # of a dated future

    def to_text(self) -> str:
        """Return the facts as a sidecar has them; `market_from_text` is the inverse."""
        plain = {field.name: getattr(self, field.name) for field in fields(self)}
        if self.expiry_utc_ns is None:  # the text of what has none says nothing of it, as before there were any
            del plain["expiry_utc_ns"]
        return json.dumps(plain | {"initial_balances": dict(self.initial_balances)}, default=str)

    def lists(self, symbol: str) -> bool:
        """Tell whether `symbol` is our name or the venue's for this market."""
        return symbol in (self.symbol, self.venue_symbol)

    def instrument(self, maker_fee_bps: Decimal, taker_fee_bps: Decimal) -> Instrument:
        """Return the instrument with an account's fees."""
        return Instrument(
            symbol=self.symbol,
            venue_symbol=self.venue_symbol,
            kind=self.kind,
            base=self.base,
            quote=self.quote,
            tick_size=self.tick_size,
            lot_size=self.lot_size,
            min_lots=self.min_lots,
            min_notional=self.min_notional,
            maker_fee_bps=maker_fee_bps,
            taker_fee_bps=taker_fee_bps,
            expiry_utc_ns=self.expiry_utc_ns,
        )


def as_amount(value: Any) -> Decimal:
    """Return a number or decimal text that is finite and not negative. Raises ValueError."""
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        raise ValueError(f"{value!r} is not a number") from None
    if not amount.is_finite() or amount < 0:
        raise ValueError(f"{value!r} is not a finite number of 0 or more")
    return amount


def load_market(path: Path) -> Market:
    """Read the sidecar of a recording. Raises ConfigError naming file and key."""
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_FILE_BYTES)
    except OSError as exc:
        raise ConfigError(f"{path}: the market facts cannot be read ({exc.strerror or exc})") from exc
    return market_from_text(text, path)


def market_from_text(text: str | bytes, path: Path) -> Market:
    """Return the market of a sidecar's text; `path` is for the message. Raises ConfigError naming file and key."""
    try:
        plain = json.loads(text)
    except ValueError as exc:
        raise ConfigError(f"{path}: the market facts are not JSON ({exc})") from exc
    if not isinstance(plain, dict):
        raise ConfigError(f"{path}: the market facts are not a JSON object")
    return _market_from(plain, path)


def _market_from(plain: Mapping[str, Any], path: Path) -> Market:
    def text(key: str) -> str:
        value = plain.get(key)
        if not isinstance(value, str) or not value:
            raise ConfigError(f"{path}: {key} is {value!r}, expected a text")
        return value

    def amount(key: str, at_least_something: bool) -> Decimal:
        try:
            value = as_amount(plain.get(key))
        except ValueError as exc:
            raise ConfigError(f"{path}: {key}: {exc}") from exc
        if at_least_something and not value:
            raise ConfigError(f"{path}: {key} is 0, expected more")
        return value

    kind = text("kind")
    if kind not in KINDS:
        raise ConfigError(f"{path}: kind is {kind!r}, expected one of {', '.join(KINDS)}")

    def count(key: str, default: int) -> int:
        value = plain.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ConfigError(f"{path}: {key} is {value!r}, expected a whole number of 1 or more")
        return value

    return Market(
        symbol=text("symbol"),
        venue_symbol=text("venue_symbol"),
        kind=kind,
        base=text("base"),
        quote=text("quote"),
        tick_size=amount("tick_size", True),
        lot_size=amount("lot_size", True),
        min_notional=amount("min_notional", False),
        initial_balances=_balances(plain.get("initial_balances"), path),
        max_leverage=count("max_leverage", 10),
        min_lots=count("min_lots", 1),
        source=str(plain.get("source", "")),
        licence=str(plain.get("licence", "")),
        expiry_utc_ns=count("expiry_utc_ns", 1) if "expiry_utc_ns" in plain else None,
    )


def _balances(value: Any, path: Path) -> dict[str, Decimal]:
    if not isinstance(value, dict):
        raise ConfigError(f"{path}: initial_balances is {value!r}, expected an object")
    try:
        return {str(asset): as_amount(amount) for asset, amount in value.items()}
    except ValueError as exc:
        raise ConfigError(f"{path}: initial_balances: {exc}") from exc
