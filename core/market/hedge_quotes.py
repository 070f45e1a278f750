"""What a maker quotes that hedges elsewhere: prices from the hedge leg's depth, sizes from its depth and its money.

Prices are floats in ticks until they are snapped; depth is walked in whole lots.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from core.market.book import Level, OrderBook
from core.market.hedge_params import HedgeParams
from core.market.instrument import Instrument
from core.market.order import Order, Side
from core.market.position import Position
from core.market.reports import Balance
from core.market.risk_limits import RiskLimits
from core.market.risk_room import position_limit

_BPS = 10_000.0
_PCT = Decimal(100)
_VALUE_SHARE = Decimal("0.95")  # of a limit of value, that quotes count on


def levels_taken(book: OrderBook, side: Side) -> tuple[Level, ...]:
    """Return the levels that an order of a side takes from, best first."""
    return book.asks if side is Side.BUY else book.bids


@dataclass(frozen=True, slots=True)
class Depth:
    """What a book gives for a number of lots: the average price, the price of the last level, in ticks."""

    average_ticks: float
    last_ticks: int
    lots: int  # as many as there are, at the most those asked for


def depth_of(levels: Sequence[Level], lots: int) -> Depth | None:
    """Return what taking `lots` comes to, None from an empty side. What is not shown is priced like the last level."""
    if not levels or lots <= 0:
        return None
    left, value, last = lots, 0, levels[0].price_ticks
    for price, size in levels:
        taken = min(left, size)
        value, left, last = value + taken * price, left - taken, price
        if not left:
            break
    there = lots - left
    return Depth((value + left * last) / lots, last, there)


def lots_within(levels: Sequence[Level], slippage_bps: float) -> int:
    """Return the lots that can be taken no farther than a slippage beyond the best price."""
    if not levels:
        return 0
    best = levels[0].price_ticks
    reach = best * slippage_bps / _BPS
    return sum(size for price, size in levels if abs(price - best) <= reach)


def hedge_price(book: OrderBook, side: Side, lots: int, reach_bps: float, instrument: Instrument) -> int | None:
    """Return how far a hedge may trade, in ticks: the depth's price and a slippage beyond; None without a price."""
    depth = depth_of(levels_taken(book, side), lots)
    if depth is None:
        return None
    return instrument.snap(depth.last_ticks * (1 + side.sign * reach_bps / _BPS), side)


@dataclass(frozen=True, slots=True)
class PriceLink:
    """The way from a price of the hedge leg to one of the maker leg: what one maker base brings when it is hedged."""

    maker: Instrument
    hedge: Instrument
    ratio: float
    rate: float  # maker quote per hedge quote
    slippage_bps: float

    def break_even_ticks(self, side: Side, hedge_ticks: float) -> float:
        """Return the maker's price at which a quote of `side` earns nothing after slippage and the fees of both."""
        hedge_price = hedge_ticks * float(self.hedge.tick_size)
        cost = (self.slippage_bps + float(self.hedge.taker_fee_bps)) / _BPS
        proceeds = hedge_price * (1 - side.sign * cost) * self.ratio * self.rate
        fair = proceeds / (1 + side.sign * float(self.maker.maker_fee_bps) / _BPS)
        return fair / float(self.maker.tick_size)

    def profit_bps(self, side: Side, price_ticks: int, hedge_ticks: float) -> float:
        """Return what a quote earns when it is filled and hedged now."""
        return side.sign * (self.break_even_ticks(side, hedge_ticks) / price_ticks - 1) * _BPS

    def price_at(self, side: Side, hedge_ticks: float, profit_bps: float) -> float:
        """Return the maker's price, in ticks, at which a quote earns so much."""
        return self.break_even_ticks(side, hedge_ticks) * (1 - side.sign * profit_bps / _BPS)


def wanted_ticks(
    params: HedgeParams,
    side: Side,
    book: OrderBook,
    instrument: Instrument,
    link: PriceLink | None,
    hedge_ticks: float | None,
) -> int | None:
    """Return the price of a side's quote before anything is kept of the old one; None where there is none."""
    bid, ask = book.best_bid_ticks, book.best_ask_ticks
    if params.quote_mode == "touch":
        return bid if side is Side.BUY else ask
    if params.quote_mode == "spread":
        ticks = book.mid_ticks() * (1 - side.sign * params.spread_pct / 200)
    elif link is None or hedge_ticks is None:
        return None
    else:
        ticks = link.price_at(side, hedge_ticks, params.target_profit_bps)
    return no_better(instrument.snap(ticks, side), side, bid, ask, params.max_improve_ticks)


def no_better(price_ticks: int, side: Side, bid_ticks: int, ask_ticks: int, improve_ticks: int) -> int:
    """Return a price that improves the touch by so many ticks at the most and never meets the other side."""
    if side is Side.BUY:
        return min(price_ticks, bid_ticks + improve_ticks, ask_ticks - 1)
    return max(price_ticks, ask_ticks - improve_ticks, bid_ticks + 1)


def kept_ticks(
    params: HedgeParams, side: Side, live: Order, link: PriceLink | None, hedge_ticks: float | None, age_ns: int
) -> int | None:
    """Return the price of a live quote when it may stay, None when it is to be put at the wanted one.

    In profit mode one stays while its profit is inside the bounds. A young one stays for `anti_hysteresis_s`, unless
    it would no longer earn the least profit.
    """
    young = params.anti_hysteresis_s > 0 and age_ns < params.anti_hysteresis_s * 1e9
    if params.quote_mode != "profit":
        return live.price_ticks if young else None
    if link is None or hedge_ticks is None:
        return None
    profit_bps = link.profit_bps(side, live.price_ticks, hedge_ticks)
    if profit_bps < params.min_profit_bps:
        return None
    return live.price_ticks if young or profit_bps <= params.max_profit_bps else None


def room_lots(
    side: Side,
    price_ticks: int,
    instrument: Instrument,
    balances: Mapping[str, Balance],
    position: Position,
    limits: RiskLimits,
    book: OrderBook,
    balance_share: Decimal,
) -> int:
    """Return the lots that a leg can still trade on a side: its free money, and its limit of position.

    A balance that is not known is none. On margin what only reduces needs no money; the rest is reckoned without
    leverage. A limit of value is not used up: the hedge is held to it at the price of its own moment.
    """
    if limits.max_position_quote is not None:
        limits = replace(limits, max_position_quote=limits.max_position_quote * _VALUE_SHARE)
    money = _money_lots(side, price_ticks, instrument, balances, position, balance_share)
    limit, _ = position_limit(limits, book, instrument)
    if limit is None:
        return max(0, money)
    return max(0, min(money, limit - side.sign * position.size_lots))


def _money_lots(
    side: Side,
    price_ticks: int,
    instrument: Instrument,
    balances: Mapping[str, Balance],
    position: Position,
    share: Decimal,
) -> int:
    quote, base = balances.get(instrument.quote), balances.get(instrument.base)
    if instrument.kind == "spot" and side is Side.SELL:
        return 0 if base is None else int(base.available * share / (instrument.lot_size * instrument.contract_size))
    if quote is None:
        return 0
    fee = max(Decimal(0), instrument.taker_fee_bps) / 10_000
    bought = int(max(quote.available, Decimal(0)) * share / (instrument.unit_quote * price_ticks * (1 + fee)))
    if instrument.kind == "spot":
        return bought
    reducing = max(0, -side.sign * position.size_lots)
    return reducing + bought


def share_of(percent: float) -> Decimal:
    """Return percent as an exact share."""
    return Decimal(str(percent)) / _PCT
