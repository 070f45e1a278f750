"""Quotes on a perpetual from a model of inventory risk: Avellaneda-Stoikov, or Gueant-Lehalle-Fernandez-Tapia.

At each decision: what the position needs (strategies/perp_position.py), whether it is a time to quote, then the model
with what was measured until then, the bounds of its spread, and the layers. The model and its estimators are in
`core/market`; while one of them has nothing to say yet, a static spread is quoted and the status says why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from core.market.as_check import check_market
from core.market.as_estimates import ModelEstimates
from core.market.as_file import GivenParams
from core.market.as_params import AvellanedaStoikovParams, params_of
from core.market.as_quotes import (
    boosts,
    clamped,
    crosses,
    fallback_quote,
    in_regime,
    layer_rungs,
    model_quote,
    moved,
    size_factor,
    spread_bounds,
    widened,
)
from core.market.avellaneda import ModelInputs, ModelQuote
from core.market.bars import Bar
from core.market.book import OrderBook
from core.market.commands import Command, Flatten, Quote
from core.market.events import BookUpdate, Event, FillEvent, Timer, TradePrint
from core.market.filter import Signal
from core.market.grid_entry import mid_price
from core.market.instrument import Instrument
from core.market.ladder import build_side
from core.market.lasting import Moment
from core.market.layers import LayerPlan, far_enough, keep_apart, only_reducing
from core.market.model_units import ticks_per_unit
from core.market.order import Order, Side
from core.market.order_value import equity_quote, order_value
from core.market.quote_habits import QuoteHabits
from core.market.regimes import Regimes
from core.market.rescue import UNWIND_GAMMA, UNWIND_SKEW
from core.market.risk_limits import RiskLimits
from core.market.signal_latch import SignalLatch
from core.market.skew import inventory_ratio
from core.market.tape_signals import TapeSignals
from core.market.trend import OFF, Trend
from strategies.base import View
from strategies.cared_position import CaredPosition
from strategies.perp_position import LEG, NOTHING, TOLD_PRICES, mark_of, position_of, told_ticks

HISTORY = 200  # candles that a life begins with, as far as the venue has them
_SIGNALS = {Side.BUY: Signal.BUY, Side.SELL: Signal.SELL}


class AvellanedaStoikov(CaredPosition):
    """Layers on both sides of a reservation price."""

    params: AvellanedaStoikovParams
    file_keys = ("params_file", "regime_model_file")

    def __init__(self, params: AvellanedaStoikovParams) -> None:
        super().__init__(params)
        self._given = GivenParams(params)
        self._horizon = params.horizon_rule()
        self._plan: LayerPlan | None = None
        self._estimates: ModelEstimates | None = None
        self._tape: TapeSignals | None = None
        self._began_utc_ns: int | None = None  # of a finite run: the first decision of this life
        self._refusal: str | None = None
        self._habits = QuoteHabits(params)
        self._trend = Trend(params)
        self._regimes = Regimes(params, params.candle_s)
        self._latch = self._trend.latch.to_plain()
        self._order_times = 1.0  # what the plan's sizes are multiplied with: an order's value where capital decides
        self._seen_ns = 0
        self._q = 0.0
        self._quote_now: ModelQuote | None = None
        self._mid: float | None = None
        self._reference_stale = False
        self._source = "none"
        self._decisions = self._clamped = self._held = 0

    @classmethod
    def params_from(cls, strategy_config: Mapping[str, Any]) -> AvellanedaStoikovParams:
        """Return the parameters of a section, the loop's keys left out. Raises ConfigError for a contradiction."""
        return params_of(strategy_config)

    @classmethod
    def check(cls, params: Any, instruments: Mapping[str, Instrument], limits: Mapping[str, RiskLimits]) -> None:
        """Refuse a market or limits that the parameters make no sense with. Raises ConfigError."""
        check_market(params, instruments[LEG], limits[LEG])

    def reconfigure(self, params: Any) -> None:
        """Go by other parameters from the next decision on; what was measured stays where it is still meant."""
        before: AvellanedaStoikovParams = self.params
        super().reconfigure(params)
        self._habits.use(params)
        if params.trend_keys() != before.trend_keys():
            self._trend = Trend(params, self._trend.latch)
        if (params.regime_model_file, params.candle_s) != (before.regime_model_file, before.candle_s):
            self._regimes = Regimes(params, params.candle_s)
        elif params.regime_params != before.regime_params:
            self._regimes.reconfigure(params)
        if params.tape_keys() != before.tape_keys():
            self._tape = None
        error = self._given.error if params.params_file == before.params_file else None
        self._given = GivenParams(params)
        self._given.error = error  # until the file is looked at again: it is bad, or good, still
        self._horizon = params.horizon_rule()
        self._plan = None
        if self._estimates is not None:
            self._estimates.reconfigure(params)

    def on_event(self, event: Event, view: View) -> list[Command]:
        """Watch the market at any time; decide when it is due, with no quotes outside the session."""
        if isinstance(event, BookUpdate):
            self._see_book(view)
        elif isinstance(event, TradePrint):
            self._see_trade(event, view)
        elif isinstance(event, FillEvent):
            self._habits.on_fill(event, view.open_orders.get(LEG, ()), view.instruments[LEG], _now(view))
        elif isinstance(event, Timer):
            self._see_book(view)
            if self._tau_s(view) is None:
                return self._protect(view) or self._after_session(view)
        return super().on_event(event, view)

    # The market

    def history_wanted(self) -> tuple[float, int] | None:
        """Return the candles of the trend filter and of the regimes' model, where there is one of them."""
        params = self.params
        is_watched = params.trend_filter != OFF or params.regime_model_file is not None
        return (params.candle_s, HISTORY) if is_watched else None

    def take_history(self, bars: Sequence[Bar]) -> None:
        """Begin with candles of before this life."""
        self._trend.preload(bars)
        self._regimes.preload(bars)

    def _see_book(self, view: View) -> None:
        book = view.books.get(LEG)
        if book is not None and book.is_quotable:
            self._habits.see(book, view.now_ns)
            self._estimates_of(view).see_mid(view.now_ns, book.mid_ticks())
            self._trend.see(view.utc_ns, book.mid_ticks())
            self._regimes.see(view.utc_ns, book.mid_ticks())

    def _see_trade(self, event: TradePrint, view: View) -> None:
        book = view.books.get(LEG)
        if book is not None and book.is_quotable:
            estimates = self._estimates_of(view)
            estimates.see_trade(view.now_ns, event.price_ticks, book.mid_ticks(), event.aggressor)
        self._tape_of(view).see(view.now_ns, event.price_ticks, event.size_lots, event.aggressor)

    def _estimates_of(self, view: View) -> ModelEstimates:
        if self._estimates is None:
            self._estimates = ModelEstimates(self.params, float(view.instruments[LEG].tick_size))
        return self._estimates

    def _tape_of(self, view: View) -> TapeSignals:
        if self._tape is None:
            self._tape = TapeSignals(self.params, view.instruments[LEG])
        return self._tape

    # The session

    def _tau_s(self, view: View) -> float | None:
        if self._began_utc_ns is None:
            self._began_utc_ns = view.utc_ns
        return self._horizon.tau_s(view.utc_ns, self._began_utc_ns)

    def _after_session(self, view: View) -> list[Command]:
        """Return what ends a session: no quotes, and the position closed where that is asked for."""
        self._source, held, mark = "session", position_of(view).size_lots, mark_of(view)
        if not (self.params.flatten_at_end and held) or mark is None:
            return [NOTHING]
        instrument = view.instruments[LEG]
        if instrument.unplaceable_reason(instrument.to_ticks(mark), abs(held)):
            return [NOTHING]
        return [Flatten("session_end", self.params.reduce_slippage_bps, self._widest_bps(), LEG)]

    # The quotes

    def wanted(self, view: View) -> list[Quote]:
        """Return the layers of both sides around what the model says."""
        book, instrument = view.books[LEG], view.instruments[LEG]
        plan = self._plan_for(instrument, book)
        if self._refusal is not None:
            self._source = "refused"
            return []
        mid = self._mid = self._fair(view, book)
        self._take_files(view, mid)
        held = position_of(view).size_lots
        self._order_times = self._worth_of_order(view, book) if self.params.sizes_by_worth else 1.0
        regime = self._regime(view, held)
        quote = self._quote_now = self._model(view, plan, mid, regime)
        if not self._habits.is_warm(view.now_ns):
            self._source = "warmup"
            return []
        if quote is None:
            return []
        self._held += crosses(quote, book)
        live = view.open_orders.get(LEG, ())
        quotes: Sequence[Quote] = self._layers(plan, quote, mid, book, regime, live)
        toxic = self._tape_of(view).step(view.now_ns)
        self._seen_ns = view.now_ns
        for side in Side:
            if self._trend.blocks(side) or toxic.blocks(side, view.now_ns):
                quotes = only_reducing(quotes, held, side)
        quotes = self._habits.shape(quotes, book, view.unbooked.get(LEG, frozenset()), view.now_ns, LEG)
        quotes = far_enough(quotes, self.params.minimum_spread_pct, book, live)
        return self._cared(quotes, view, plan.lots(self._times, mid)[0], regime in _SIGNALS.values())

    def _worth_of_order(self, view: View, book: OrderBook) -> float:
        """Return the value of the innermost order in quote, 0 while that of the account is not known."""
        share_pct = self.params.order_size_pct
        if share_pct is None:
            return self._order_value(view)
        balances, instrument = view.balances.get(LEG, {}), view.instruments[LEG]
        equity = equity_quote(balances, position_of(view), instrument, mark_of(view) or mid_price(book, instrument))
        return order_value(equity, share_pct)

    @property
    def _times(self) -> float:
        return self._order_times * self._recovery.size_scale

    def _take_files(self, view: View, mid: float) -> None:
        self._regimes.look(view.files.get("regime_model_file"))
        if self._given.look(view.files.get("params_file"), view.instruments[LEG], mid, view.utc_ns):
            self._horizon = self._given.now.horizon_rule()
            self._estimates_of(view).reconfigure(self._given.now)

    def _regime(self, view: View, held: int) -> Signal:
        latch = self._trend.latch
        signal = self._trend.step(view.utc_ns, held == 0).signal
        if self._trend.latch is not latch:
            self._latch = self._trend.latch.to_plain()
        return signal

    def remembered(self) -> dict[str, Any]:
        """Return the kept signal, and what fills have left, beside the position's clocks."""
        return super().remembered() | {"latch": self._latch, "habits": self._habits.to_plain()}

    def restore(self, saved: Mapping[str, Any], view: View) -> None:
        """Take up the clocks and the kept signal. Raises ValueError when it is none."""
        super().restore(saved, view)
        self._trend.latch = SignalLatch.from_plain(saved["latch"])
        self._latch = self._trend.latch.to_plain()
        if "habits" in saved:
            self._habits.take_up(saved["habits"], view.instruments[LEG], _now(view))

    def _plan_for(self, instrument: Instrument, book: OrderBook) -> LayerPlan:
        """Return the plan, made anew, and the parameters judged again, when the venue changed the instrument."""
        if self._plan is None or self._plan.instrument is not instrument:
            self._plan = LayerPlan(self.params.layer_params(), instrument)
            self._refusal = self.params.complaint(book.mid_ticks(), float(instrument.tick_size))
        return self._plan

    def _fair(self, view: View, book: OrderBook) -> float:
        told = told_ticks(view, self.params.price_source)
        self._reference_stale = told is None and self.params.price_source in TOLD_PRICES
        if told is not None:
            return told
        return book.microprice_ticks() if self.params.price_source == "micro" else book.mid_ticks()

    def _model(self, view: View, plan: LayerPlan, mid: float, regime: Signal) -> ModelQuote | None:
        """Return what is quoted around, within the bounds of the spread; None when the numbers make no quote."""
        tau_s, full_q = self._tau_s(view), self._inventory(view, plan, mid)
        if tau_s is None:  # by a horizon that has just come from a file; else no decision is asked for
            return None
        self._decisions += 1
        is_given, inputs = self._given.is_usable, None
        if not is_given and self.params.require_params:
            self._source = "params"
            return None
        if is_given:
            inputs = self._estimates_of(view).refresh(view.now_ns, mid, tau_s, full_q)
        if inputs is None:
            self._source = "fallback"
            share = max(-1.0, min(1.0, self._q / full_q))
            still = fallback_quote(self.params, plan.instrument, mid, share)
            return widened(still, self._recovery.spread_factor)
        self._sigma = inputs.sigma / mid
        self._rescue = self._rescue.unwound(self._q / full_q)
        unwinds = self._rescue.is_unwinding
        try:
            inputs = self._adjusted(inputs, view, mid, regime)
            if unwinds:
                inputs = inputs._replace(gamma=inputs.gamma * UNWIND_GAMMA)
            wanted = model_quote(mid, self._q, inputs)
            if regime is Signal.TRENDING or unwinds:
                times = UNWIND_SKEW if unwinds else 1.0
                times *= self.params.trending_skew_mult if regime is Signal.TRENDING else 1.0
                wanted = moved(wanted, mid, times)
        except ValueError:
            self._source = "no_number"
            return None
        self._source = self.params.model
        quote, was_clamped = clamped(wanted, spread_bounds(self._given.now, plan.instrument, mid))
        self._clamped += was_clamped
        return widened(self._tape_of(view).moved(quote, view.now_ns), self._recovery.spread_factor)

    def _adjusted(self, inputs: ModelInputs, view: View, mid: float, regime: Signal) -> ModelInputs:
        """Return the inputs with what the trained regimes, the tuner, the trend filter and the tape make of them."""
        if self._regimes.has_model:
            scale = ticks_per_unit(self.params.unit, mid, float(view.instruments[LEG].tick_size))
            inputs = self._regimes.inputs(inputs, scale)
        inputs = inputs._replace(gamma=inputs.gamma * self._tuner.gamma, kappa=inputs.kappa * self._tuner.kappa)
        return self._tape_of(view).inputs(in_regime(inputs, self.params, regime), view.now_ns)

    def _inventory(self, view: View, plan: LayerPlan, mid: float) -> float:
        """Work out the inventory in its unit; return what a full one is in that unit."""
        held, limit = position_of(view).size_lots, view.position_limits.get(LEG)
        target = self._target(held, plan.instrument)
        if self.params.q_unit == "max_position":
            self._q = inventory_ratio(held, target, limit)
            return 1.0
        order_lots = plan.sizes[0] * self._order_times / (mid if plan.in_quote else 1.0) or 1.0
        self._q = (held - target) / order_lots
        return max(1.0, limit / order_lots) if limit else 1.0

    def _layers(
        self, plan: LayerPlan, quote: ModelQuote, mid: float, book: OrderBook, regime: Signal, live: Sequence[Order]
    ) -> list[Quote]:
        rungs = layer_rungs(self.params, quote.spread / mid)
        sides: dict[Side, list[Quote]] = {}
        held = {Side.BUY: min(quote.bid, book.best_ask_ticks - 1), Side.SELL: max(quote.ask, book.best_bid_ticks + 1)}
        for side, price in held.items():
            lots = plan.lots(self._times * size_factor(side, self._q, self.params.order_amount_shape), mid)
            made = build_side(side, price, rungs, lots, plan.slots[side], book, plan.instrument, LEG)
            first = self._habits.in_front(made, side, book, plan.instrument, live)
            sides[side] = [one for one in first if price > 0 and one.price_ticks > 0]
            if regime is _SIGNALS[side]:
                extra = boosts(self.params, side, mid, plan.lots(self._times, mid)[0], book, plan.instrument)
                sides[side] = sorted([*sides[side], *extra], key=lambda one: -one.side.sign * one.price_ticks)
        return keep_apart(sides[Side.BUY], sides[Side.SELL], Side.BUY if self._q >= 0 else Side.SELL)

    def gates(self) -> Mapping[str, str]:
        """Return why nothing is quoted: parameters from a file are required, and there are none to go by."""
        return {"params": self._given.missing} if self.params.require_params and not self._given.is_usable else {}

    def file_errors(self) -> dict[str, str]:
        """Return what is wrong with the parameter file and with that of the regimes' model."""
        errors = {"params_file": self._given.error, "regime_model_file": self._regimes.error}
        return {key: error for key, error in errors.items() if error is not None}

    def stats(self) -> dict[str, Any]:
        """Return what the model goes by and says, what held it back, and what became of the position."""
        quote, mid = self._quote_now, self._mid
        model = self._estimates.stats(mid) if self._estimates is not None else {}
        return (
            {
                "source": self._source,
                "refusal": self._refusal,
                "reference_stale": self._reference_stale,
                **model,
                **({} if self._given.is_usable else {"waiting": "params"}),
                **self._given.stats(),
                **self._trend.stats(),
                **self._regimes.stats(),
                **(self._tape.stats(self._seen_ns) if self._tape is not None else {}),
                "q": self._q,
                "reservation_ticks": quote and quote.reservation,
                "spread_bps": quote and mid and quote.spread / mid * 10_000,
                "skew_bps": quote and mid and (quote.reservation / mid - 1) * 10_000,
                "decisions": self._decisions,
                "clamped": self._clamped,
                "held_at_touch": self._held,
            }
            | self._habits.stats()
            | super().stats()
        )


def _now(view: View) -> Moment:
    return Moment(view.now_ns, view.utc_ns)


STRATEGY = AvellanedaStoikov
