"""What is told of a bot's history: plain rows. Money, prices and sizes are decimal text, times UTC nanoseconds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OrderRow:
    """An order as the ledger has it; `state` is one of the states of `core/market/order.py`."""

    client_order_id: str
    leg: str
    slot: str
    side: str
    price: str
    size: str
    filled: str
    state: str
    closed: bool
    post_only: bool
    reduce_only: bool
    time_in_force: str
    venue_order_id: str | None
    sent_utc_ns: int
    acked_utc_ns: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class FillRow:
    """A fill; `number` counts the fills of the ledger in the order in which they were booked."""

    number: int
    leg: str
    trade_id: str
    client_order_id: str
    venue_order_id: str | None
    side: str
    price: str
    size: str
    liquidity: str
    fee: str
    fee_asset: str
    utc_ns: int


@dataclass(frozen=True, slots=True)
class FundingRow:
    """A funding payment in quote, negative when we paid; `number` as of fills."""

    number: int
    leg: str
    payment_id: str
    amount: str
    rate: str
    mark_price: str
    size: str
    utc_ns: int


@dataclass(frozen=True, slots=True)
class SeriesPoint:
    """What a leg was worth: lifetime sums in quote; `net` is after fees with funding and open profit.

    None is not known. `equity` is that of the bot's accounts, in the series of its first leg only.
    """

    utc_ns: int
    position: str
    mid: str | None
    realised: str
    fees: str
    funding: str
    net: str | None
    equity: str | None


@dataclass(frozen=True, slots=True)
class Day:
    """One UTC day of all legs. `pnl` (change of net) and `realised` are None where the series has nothing of the day.

    Fees are a cost, a rebate is negative; those in an asset that is neither base nor quote are left out.
    """

    day: str  # 2026-01-31
    pnl: str | None
    realised: str | None
    fees: str
    funding: str
    fills: int
    volume: str


@dataclass(frozen=True, slots=True)
class Markout:
    """What the mid said of fills a time later, in bps of their price, weighted by size; below 0 it ran over us.

    At horizon 0 it is the captured spread. None when there was no mid near enough to any fill.
    """

    horizon_s: float
    mean_bps: float | None
    fills: int


@dataclass(frozen=True, slots=True)
class LatchRow:
    """A tripped gate; `done` is false while what it demands is not."""

    name: str
    action: str
    reason: str
    at_utc_ns: int
    done: bool


@dataclass(frozen=True, slots=True)
class InstrumentRow:
    """What a leg trades."""

    leg: str
    symbol: str
    kind: str
    base: str
    quote: str
    contract_size: str
