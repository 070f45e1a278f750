"""One instrument of a group: its reference price, its model, its layers, and what protects its position."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

from core.market.as_estimates import ModelEstimates
from core.market.as_params import AvellanedaStoikovParams
from core.market.as_quotes import (
    clamped,
    crosses,
    fallback_quote,
    layer_rungs,
    model_quote,
    size_factor,
    spread_bounds,
)
from core.market.avellaneda import ModelQuote
from core.market.basis import Basis
from core.market.book import OrderBook
from core.market.commands import Quote
from core.market.events import TradePrint
from core.market.expiry import NearExpiry
from core.market.group_params import GroupInstrument, GroupParams
from core.market.instrument import Instrument
from core.market.ladder import build_side
from core.market.layers import LayerPlan, keep_apart, only_reducing
from core.market.order import Side
from core.market.position import Position
from core.market.protection import Protection
from strategies.base import View

_MAX_MARK_AGE_NS = 10_000_000_000  # an older mark price is none; the mid takes its place
_BPS = 10_000


class GroupLeg:
    """A leg of the group; `main` is the leg that its price is held against."""

    def __init__(self, one: GroupInstrument, params: GroupParams, model: AvellanedaStoikovParams, main: str) -> None:
        self.one, self.name, self._main = one, one.leg, main
        self._params, self._model = params, model
        self.protection = Protection(params.protection_rules())
        self.basis = Basis(params.basis_halflife_s)
        self._estimates: ModelEstimates | None = None
        self._plan: LayerPlan | None = None
        self._refusal: str | None = None
        self._quote_now: ModelQuote | None = None
        self._reference: float | None = None
        self._source = "none"
        self._is_thin = False  # the book, as of the last look
        self._heard_ns: int | None = None  # of the leg's book
        self._decisions = self._clamped = self._held = 0
        self._closing = ""
        self._hits: Counter[str] = Counter()

    def reconfigure(self, one: GroupInstrument, params: GroupParams, model: AvellanedaStoikovParams) -> None:
        """Go by other parameters from the next decision on; what was measured stays."""
        self.one, self._params, self._model, self._plan = one, params, model, None
        self.protection.rules = params.protection_rules()
        self.basis.halflife_s = params.basis_halflife_s
        if self._estimates is not None:
            self._estimates.reconfigure(model)

    # The market

    def see_book(self, view: View) -> None:
        """Look at the leg's book: its basis, and the mid that volatility is measured from."""
        self._heard_ns = view.now_ns
        book, reference = view.books.get(self.name), self._look(view)
        if book is None or reference is None:
            return
        if not (self.one.is_main or self._is_thin):
            base = _mid_price(view, self._main)
            if base is not None:
                self.basis.see(view.now_ns, book.mid_ticks() * float(view.instruments[self.name].tick_size) - base)
        self._estimates_of(view).see_mid(view.now_ns, reference)

    def see_trade(self, event: TradePrint, view: View) -> None:
        """Take a print of the leg."""
        if (reference := self._look(view)) is not None:
            self._estimates_of(view).see_trade(view.now_ns, event.price_ticks, reference, event.aggressor)

    def _look(self, view: View) -> float | None:
        """Return what the leg is quoted round, in ticks: its own price, or the main one's and the basis."""
        book = view.books.get(self.name)
        if book is None or not book.is_quotable:
            return None
        self._is_thin = not self.one.is_main and self._thin(book, view)
        if not self._is_thin:
            return book.microprice_ticks() if self._params.price_source == "micro" else book.mid_ticks()
        base, basis = _mid_price(view, self._main), self.basis.value
        if base is None or basis is None:
            return None
        found = (base + basis) / float(view.instruments[self.name].tick_size)
        return found if found > 0 else None

    def is_thin(self, view: View) -> bool:
        """Tell whether the leg's book is one that it is not quoted round."""
        self._look(view)
        return self._is_thin

    def _thin(self, book: OrderBook, view: View) -> bool:
        if self._heard_ns is not None and view.now_ns - self._heard_ns > self._params.thin_after_s * 1e9:
            return True
        spread_bps = (book.best_ask_ticks - book.best_bid_ticks) / book.mid_ticks() * _BPS
        if spread_bps > self._params.thin_spread_bps:
            return True
        shown = min(side[0].price_ticks * side[0].size_lots for side in (book.bids, book.asks))
        return float(shown * view.instruments[self.name].unit_quote) < self._params.thin_size_quote

    def _estimates_of(self, view: View) -> ModelEstimates:
        if self._estimates is None:
            self._estimates = ModelEstimates(self._model, float(view.instruments[self.name].tick_size))
        return self._estimates

    # The quotes

    def wanted(self, view: View, q: float) -> list[Quote]:
        """Return the layers of both sides round what the model says of the group's inventory `q`."""
        book, instrument = view.books.get(self.name), view.instruments[self.name]
        self._quote_now, self._reference = None, self._look(view)
        near = self.near_expiry(view)
        if not self.one.quote or near is NearExpiry.FLAT:
            self._source = "watched" if not self.one.quote else "expiry"
            return []
        if book is None or self._reference is None:
            self._source = "basis" if self._is_thin else "book"
            return []
        plan = self._plan_for(instrument, book)
        if self._refusal is not None:
            self._source = "refused"
            return []
        quote = self._quote_now = self._modelled(view, plan, self._reference, q)
        if quote is None:
            return []
        self._decisions += 1
        self._held += crosses(quote, book)
        quotes = self._layers(plan, quote, self._reference, book, q)
        if near is NearExpiry.REDUCE or self.protection.is_cooling(view.now_ns):
            return only_reducing(quotes, self.position(view).size_lots)
        return quotes

    def _plan_for(self, instrument: Instrument, book: OrderBook) -> LayerPlan:
        if self._plan is None or self._plan.instrument is not instrument:
            self._plan = LayerPlan(self._model.layer_params(), instrument)
            self._refusal = self._model.complaint(book.mid_ticks(), float(instrument.tick_size))
        return self._plan

    def _modelled(self, view: View, plan: LayerPlan, reference: float, q: float) -> ModelQuote | None:
        """Return what is quoted around, within the bounds of the spread; None when the numbers make no quote."""
        estimates = self._estimates_of(view)
        estimates.see_mid(view.now_ns, reference)
        inputs = estimates.refresh(view.now_ns, reference, self._params.horizon_s, 1.0)
        if inputs is None:
            self._source = "fallback"
            return fallback_quote(self._model, plan.instrument, reference, q)
        try:
            wanted = model_quote(reference, q, inputs)
        except ValueError:
            self._source = "no_number"
            return None
        self._source = self._model.model
        quote, was_clamped = clamped(wanted, spread_bounds(self._model, plan.instrument, reference))
        self._clamped += was_clamped
        return quote

    def _layers(self, plan: LayerPlan, quote: ModelQuote, reference: float, book: OrderBook, q: float) -> list[Quote]:
        rungs = layer_rungs(self._model, quote.spread / reference)
        held = {Side.BUY: min(quote.bid, book.best_ask_ticks - 1), Side.SELL: max(quote.ask, book.best_bid_ticks + 1)}
        sides: dict[Side, list[Quote]] = {}
        for side, price in held.items():
            factor = self.one.weight * size_factor(side, q, self._model.order_amount_shape)
            lots, slots = plan.lots(factor, reference), plan.slots[side]
            made = build_side(side, price, rungs, lots, slots, book, plan.instrument, self.name) if price > 0 else []
            sides[side] = [one for one in made if one.price_ticks > 0]
        return keep_apart(sides[Side.BUY], sides[Side.SELL], Side.BUY if q >= 0 else Side.SELL)

    # The position

    def position(self, view: View) -> Position:
        """Return what is held, a flat position when nothing is known of one."""
        return view.positions.get(self.name) or Position(self.name)

    def near_expiry(self, view: View) -> NearExpiry:
        """Tell whether the leg's contract ends soon."""
        return self._params.expiry_rules().look(view.instruments[self.name], view.utc_ns)

    def why_close(self, view: View) -> str:
        """Return why the position must be closed now, empty when it need not."""
        mark, position, instrument = self._mark(view), self.position(view), view.instruments[self.name]
        if mark is None:
            return ""
        placeable = instrument.unplaceable_reason(instrument.to_ticks(mark), abs(position.size_lots)) is None
        if self.near_expiry(view) is NearExpiry.FLAT and placeable:
            return "expiry"
        there = view.venue_positions.get(self.name)
        # As of the last report: good enough while the position has not turned since.
        known = there is not None and there.size_lots * position.size_lots > 0
        liquidation = there.liquidation_price if there is not None and known else None
        before, self._closing = (
            self._closing,
            self.protection.look(position, instrument, mark, liquidation, view.now_ns),
        )
        if self._closing and not before:  # it is looked at while it is being closed, too
            self._hits[self._closing] += 1
        return self._closing

    def _mark(self, view: View) -> Decimal | None:
        facts, book = view.facts.get(self.name), view.books.get(self.name)
        if facts is not None and facts.mark_price is not None and view.now_ns - facts.local_ns <= _MAX_MARK_AGE_NS:
            return facts.mark_price
        if book is None or not book.is_quotable:
            return None
        return Decimal(book.mid_ticks()) * view.instruments[self.name].tick_size

    # What is told

    def stats(self, view: View) -> dict[str, Any]:
        """Return what the leg goes by and has earned; money in quote and sizes in base as decimal text."""
        quote, reference, position = self._quote_now, self._reference, self.position(view)
        instrument, mark = view.instruments[self.name], self._mark(view)
        estimates = self._estimates.stats(reference) if self._estimates is not None else {}
        return {
            "symbol": self.one.symbol,
            "source": self._source,
            "refusal": self._refusal,
            "waiting": estimates.get("waiting"),
            "thin": self._is_thin,
            "basis": self.basis.value,
            "reference_ticks": reference,
            "spread_bps": quote and reference and quote.spread / reference * _BPS,
            "skew_bps": quote and reference and (quote.reservation / reference - 1) * _BPS,
            "sigma": estimates.get("sigma"),
            "gamma": estimates.get("gamma"),
            "decisions": self._decisions,
            "clamped": self._clamped,
            "held_at_touch": self._held,
            "position": plain(instrument.to_size(position.size_lots)),
            "realised_pnl": plain(position.realised_pnl),
            "unrealised_pnl": None if mark is None else plain(position.unrealised_pnl(mark, instrument)),
            "fees": plain(position.fees_paid),
            "funding": plain(position.funding_paid),
            "net": None if mark is None else plain(position.net_pnl(mark, instrument)),
            "barrier_hits": dict(self._hits),
        }


def plain(amount: Decimal) -> str:
    """Return an amount as decimal text, without the zeros that its sum left behind."""
    return f"{amount.normalize():f}"


def _mid_price(view: View, leg: str) -> float | None:
    book = view.books.get(leg)
    if book is None or not book.is_quotable:
        return None
    return book.mid_ticks() * float(view.instruments[leg].tick_size)
