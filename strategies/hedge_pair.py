"""Both legs of a hedged maker as one picture of a view, and what follows from it for one quote."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from core.market.book import OrderBook
from core.market.commands import Quote
from core.market.hedge_exposure import Bounds, Need, base_held, exposure, least_base, need_of
from core.market.hedge_params import HedgeParams, nanoseconds
from core.market.hedge_quotes import (
    PriceLink,
    depth_of,
    kept_ticks,
    levels_taken,
    lots_within,
    no_better,
    room_lots,
    share_of,
    wanted_ticks,
)
from core.market.instrument import Instrument
from core.market.order import Order, Side
from core.market.order_value import equity_quote, order_value
from core.market.position import Position
from core.market.reports import Balance
from core.market.risk_limits import RiskLimits
from strategies.base import View

MAKER, HEDGE = "maker", "hedge"
TAKE_SLOT = "take"  # where the loop seats immediate orders
_TWICE = 2
_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Pair:
    """Both legs at one moment; with one leg only, the hedge's side is the maker's."""

    maker: Instrument
    hedge: Instrument
    hedge_leg: str
    maker_book: OrderBook | None
    hedge_book: OrderBook | None
    maker_position: Position
    hedge_position: Position
    maker_balances: Mapping[str, Balance]
    hedge_balances: Mapping[str, Balance]
    hedge_limits: RiskLimits
    quotes: tuple[Order, ...]  # the maker's live orders that hold a slot

    @classmethod
    def of(cls, view: View, params: HedgeParams) -> Pair:
        """Return the picture of a view."""
        leg = HEDGE if params.is_cross else MAKER
        return cls(
            maker=view.instruments[MAKER],
            hedge=view.instruments[leg],
            hedge_leg=leg,
            maker_book=view.books.get(MAKER),
            hedge_book=view.books.get(leg),
            maker_position=view.positions.get(MAKER) or Position(MAKER),
            hedge_position=view.positions.get(leg) or Position(leg),
            maker_balances=view.balances.get(MAKER, {}),
            hedge_balances=view.balances.get(leg, {}),
            hedge_limits=view.limits.get(leg) or RiskLimits(),
            quotes=tuple(order for order in view.open_orders.get(MAKER, ()) if order.time_in_force != "IOC"),
        )

    @property
    def is_cross(self) -> bool:
        """Tell whether there are two legs."""
        return self.hedge_leg != MAKER

    def mark_ticks(self) -> int:
        """Return the hedge leg's mid in whole ticks, 0 before it showed one."""
        book = self.hedge_book
        return int(book.mid_ticks()) if book is not None and book.is_quotable else 0

    def exposure(self, params: HedgeParams, reference: Decimal) -> Decimal:
        """Return what is not hedged, in the hedge leg's base."""
        maker = base_held(self.maker_position, self.maker)
        hedge = base_held(self.hedge_position, self.hedge) if self.is_cross else _ZERO
        return exposure(maker, hedge, params.ratio, reference)

    def value(self, base: Decimal, params: HedgeParams) -> Decimal:
        """Return what an amount of the hedge leg's base is worth in the maker's quote asset."""
        return abs(base) * self.hedge.to_price(self.mark_ticks()) * params.rate

    def unwind_need(self, exposure_base: Decimal, params: HedgeParams) -> Need:
        """Return the order that ends an exposure on the maker leg."""
        book = self.maker_book
        price_ticks = int(book.mid_ticks()) if book is not None and book.is_quotable else 0
        return need_of(exposure_base / params.ratio, price_ticks, self.maker)

    def bounds(self, params: HedgeParams) -> Bounds:
        """Return how much may be open for how long; what is not given follows from the sizes of orders."""
        unhedged, residue = params.max_unhedged_usd, params.residue_max_usd
        if unhedged is None:
            unhedged = _TWICE * max(self._order_value(params), self._least_value(params))
        if residue is None:
            residue = _TWICE * self._least_value(params)
        return Bounds(unhedged, nanoseconds(params.max_unhedged_s), residue, nanoseconds(params.residue_max_age_s))

    def _order_value(self, params: HedgeParams) -> Decimal:
        if params.order_size is None:
            return self.quote_value(params)
        return self.value(params.order_size * params.ratio, params)

    def quote_value(self, params: HedgeParams) -> Decimal:
        """Return what a quote is worth whose size is not given in base; 0, which is none, while that is not known."""
        if params.order_size_pct is None:
            return params.order_size_quote or _ZERO
        book = self.maker_book
        if book is None or not book.is_quotable:
            return _ZERO
        mid = self.maker.tick_size * Decimal(book.mid_ticks())
        equity = equity_quote(self.maker_balances, self.maker_position, self.maker, mid)
        return Decimal(order_value(equity, params.order_size_pct))

    def _least_value(self, params: HedgeParams) -> Decimal:
        return self.value(least_base(self.mark_ticks(), self.hedge), params)


def reference_of(params: HedgeParams, pair: Pair) -> Decimal:
    """Return the level that flat means, in the hedge leg's base: what is held now, nothing, or a number."""
    if params.reference_position == "startup":
        return pair.exposure(params, _ZERO)
    return _ZERO if params.reference_position == "zero" else Decimal(str(params.reference_position))


def is_outstanding(view: View, leg: str) -> bool:
    """Tell whether an order of ours that takes is not settled on a leg, or its fills are not booked yet."""
    if TAKE_SLOT in view.unbooked.get(leg, ()):
        return True
    return any(order.time_in_force == "IOC" for order in view.open_orders.get(leg, ()))


def side_quote(side: Side, pair: Pair, params: HedgeParams, exposure_base: Decimal, utc_ns: int) -> Quote | None:
    """Return the maker's quote of a side; None where its hedge has no price or no money, or it is too small."""
    book = pair.maker_book
    assert book is not None
    hedge_ticks: float | None = None
    link: PriceLink | None = None
    lots = _wanted_lots(params, side, pair, book)
    if pair.is_cross:
        lots = min(lots, _hedgeable_lots(params, side, pair, exposure_base))
        hedge_ticks = _hedge_ticks(params, side, pair, lots)
        link = _link(params, pair)
    price_ticks = _price(side, pair, params, (link, hedge_ticks), exposure_base, utc_ns)
    if price_ticks is None or pair.maker.unplaceable_reason(price_ticks, lots):
        return None
    return Quote(side, price_ticks, lots, 0, MAKER)


def _wanted_lots(params: HedgeParams, side: Side, pair: Pair, book: OrderBook) -> int:
    if params.order_size is not None:
        return pair.maker.to_lots(params.order_size / pair.maker.contract_size)
    touch = book.best_bid_ticks if side is Side.BUY else book.best_ask_ticks
    return int(pair.quote_value(params) / (pair.maker.unit_quote * touch))


def _hedgeable_lots(params: HedgeParams, side: Side, pair: Pair, exposure_base: Decimal) -> int:
    """Return the maker's lots that the hedge leg's depth and money allow beside what is not hedged yet."""
    assert pair.hedge_book is not None
    taker, instrument = side.opposite, pair.hedge
    depth = lots_within(levels_taken(pair.hedge_book, taker), params.taker_slippage_bps)
    room = room_lots(
        taker,
        max(1, pair.mark_ticks()),
        instrument,
        pair.hedge_balances,
        pair.hedge_position,
        pair.hedge_limits,
        pair.hedge_book,
        share_of(params.balance_factor_pct),
    )
    unit = instrument.lot_size * instrument.contract_size
    pending = max(_ZERO, side.sign * exposure_base)
    base = min(depth * unit * share_of(params.depth_factor_pct), room * unit - pending)
    return pair.maker.to_lots(max(_ZERO, base) / params.ratio / pair.maker.contract_size)


def _hedge_ticks(params: HedgeParams, side: Side, pair: Pair, maker_lots: int) -> float | None:
    """Return the average price at which a filled quote would be hedged, in ticks."""
    assert pair.hedge_book is not None
    base = pair.maker.to_size(maker_lots) * pair.maker.contract_size * params.ratio
    lots = max(1, pair.hedge.to_lots(base / pair.hedge.contract_size))
    depth = depth_of(levels_taken(pair.hedge_book, side.opposite), lots)
    return None if depth is None else depth.average_ticks


def _link(params: HedgeParams, pair: Pair) -> PriceLink:
    return PriceLink(pair.maker, pair.hedge, float(params.ratio), float(params.rate), params.taker_slippage_bps)


def _price(
    side: Side,
    pair: Pair,
    params: HedgeParams,
    way: tuple[PriceLink | None, float | None],
    exposure_base: Decimal,
    utc_ns: int,
) -> int | None:
    """Return a side's price in ticks: the live quote's while it may stay, else the wanted one.

    A quote that has come to earn too little goes first and comes back with the next decision: the tolerance of the
    diff could else keep it.
    """
    book = pair.maker_book
    assert book is not None
    link, hedge_ticks = way
    wanted = wanted_ticks(params, side, book, pair.maker, link, hedge_ticks)
    if wanted is None:
        return None
    if params.residue_policy == "maker_flatten" and exposure_base:
        wanted = no_better(wanted - (1 if exposure_base > 0 else -1), side, book.best_bid_ticks, book.best_ask_ticks, 1)
    live = next((order for order in pair.quotes if order.side is side), None)
    if live is None:
        return wanted
    if params.quote_mode == "profit" and link is not None and hedge_ticks is not None:
        profit_bps = link.profit_bps(side, live.price_ticks, hedge_ticks)
        if profit_bps < params.min_profit_bps:
            return None
    kept = kept_ticks(params, side, live, link, hedge_ticks, utc_ns - live.sent_ns)
    return wanted if kept is None else kept
