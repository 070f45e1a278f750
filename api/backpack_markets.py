"""Backpack's list of markets: what can be traded, by which names, and at what fees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from math import ceil
from typing import Any

from api.backpack_values import amount, complete, mapping, optional, rows, text
from core.market.instrument import Instrument
from utils.errors import NotListed, VenueRefused, VenueUnreachable

_KINDS = {"SPOT": "spot", "PERP": "perp"}
_NAMES_TOLD = 3


@dataclass(frozen=True, slots=True)
class ListedMarket:
    """A market of the venue; `kind` is None for one that makerd does not trade."""

    symbol: str
    base: str
    quote: str
    kind: str | None
    tick_size: Decimal
    size_step: Decimal
    min_size: Decimal
    max_size: Decimal | None
    trading: str  # open, closed, cancelonly, limitonly, postonly

    @property
    def names(self) -> tuple[str, ...]:
        """Return our name first, then the other spellings by which it may be asked for."""
        plain = f"{self.base}-{self.quote}"
        if self.kind == "spot":
            return (plain, self.symbol)
        if self.kind == "perp":
            ours = f"{self.base}-PERP" if self.quote == "USDC" else f"{plain}-PERP"
            return (ours, f"{plain}-PERP", self.symbol)
        return (self.symbol.replace("_", "-"), self.symbol)


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """The settings of an account; fees in basis points."""

    spot_fees: tuple[Decimal, Decimal]  # maker, taker
    futures_fees: tuple[Decimal, Decimal]
    leverage: Decimal | None
    auto_lend: bool
    liquidating: bool


@complete
def market_of(row: dict[str, Any]) -> ListedMarket:
    """Return a listed market."""
    price, quantity = mapping(mapping(row["filters"])["price"]), mapping(mapping(row["filters"])["quantity"])
    return ListedMarket(
        symbol=text(row["symbol"]),
        base=text(row["baseSymbol"]),
        quote=text(row["quoteSymbol"]),
        kind=_KINDS.get(str(row.get("marketType"))),
        tick_size=amount(price["tickSize"]),
        size_step=amount(quantity["stepSize"]),
        min_size=amount(quantity["minQuantity"]),
        max_size=optional(quantity.get("maxQuantity")),
        trading=str(row.get("orderBookState", "Open")).lower(),
    )


def markets_of(payload: Any) -> list[ListedMarket]:
    """Return the markets that can be read; one that cannot must not hide the others."""
    found = []
    for row in rows(payload):
        try:
            found.append(market_of(row))
        except ValueError:
            continue
    return found


@complete
def account_of(payload: Any) -> AccountFacts:
    """Return the settings of the account."""
    row = mapping(payload)
    return AccountFacts(
        spot_fees=(amount(row["spotMakerFee"]), amount(row["spotTakerFee"])),
        futures_fees=(amount(row["futuresMakerFee"]), amount(row["futuresTakerFee"])),
        leverage=optional(row.get("leverageLimit")),
        auto_lend=bool(row.get("autoLend")),
        liquidating=bool(row.get("liquidating")),
    )


def find_market(markets: Sequence[ListedMarket], symbol: str) -> ListedMarket:
    """Return the market of our name or the venue's.

    Raises NotListed naming it and the nearest ones, VenueRefused for a kind that we do not trade, VenueUnreachable when
    the venue lists nothing at all.
    """
    if not markets:
        raise VenueUnreachable("Backpack lists no market at all; wait for the venue")
    wanted = symbol.upper()
    found = next((market for market in markets if market.kind and wanted in market.names), None)
    if found is not None:
        return found
    if any(market.symbol == wanted for market in markets):
        raise VenueRefused(f"{symbol} is listed, but it is neither a spot market nor a perpetual")
    near = get_close_matches(wanted, [market.names[0] for market in markets if market.kind], _NAMES_TOLD, 0.3)
    hint = f"; near to it: {', '.join(near)}" if near else ""
    raise NotListed(f"Backpack lists no {symbol}{hint}; correct the symbol")


def instrument_of(market: ListedMarket, account: AccountFacts | None) -> Instrument:
    """Return the instrument with the account's fees; without an account they are 0. Raises VenueRefused."""
    kind = market.kind or ""
    fees = (Decimal(0), Decimal(0))
    if account is not None:
        fees = account.spot_fees if kind == "spot" else account.futures_fees
    try:
        return Instrument(
            symbol=market.names[0],
            venue_symbol=market.symbol,
            kind=kind,
            base=market.base,
            quote=market.quote,
            tick_size=market.tick_size,
            lot_size=market.size_step,
            min_lots=max(1, ceil(market.min_size / market.size_step)) if market.size_step > 0 else 1,
            maker_fee_bps=fees[0],
            taker_fee_bps=fees[1],
        )
    except ValueError as exc:
        raise VenueRefused(f"{market.symbol} cannot be traded: {exc}") from exc
