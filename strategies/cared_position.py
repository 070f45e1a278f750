"""What a model's quoter does for its position beside barriers: entry anchor, open profit, rescue, the way back, sizes.

And what it learns from its round trips.

The arithmetic is in `core/market`: entry_anchor, open_profit, rescue, recovery_guard, capital_sizing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from core.market.book import OrderBook
from core.market.capital_sizing import CapitalSizing
from core.market.care_params import CareParams
from core.market.commands import Command, Flatten, Halt, Quote, Quotes
from core.market.entry_anchor import anchor_bounds, anchored
from core.market.events import Event, FillEvent
from core.market.hanging import apart_from
from core.market.instrument import Instrument
from core.market.open_profit import REST, OpenProfit, closing_quote
from core.market.position import Position
from core.market.recovery_guard import RecoveryGuard, is_healthy
from core.market.rescue import Rescue, is_rescue
from core.market.round_trips import RoundTrips
from core.market.tuner import Tuner
from strategies.base import View
from strategies.perp_position import LEG, NOTHING, PositionStrategy, mark_of, position_of

_BPS = Decimal(10_000)
_STOPS = frozenset({"stop_loss", "trailing_stop", "liquidation"})


class CaredPosition(PositionStrategy):
    """A quoter whose position is worked out of trouble, and whose profit is taken; subclasses say what they quote."""

    def __init__(self, params: Any) -> None:
        super().__init__(params)
        self._care: CareParams = params
        self._profit = OpenProfit(params.profit_rules())
        self._recovery = RecoveryGuard(params.recovery_rules())
        self._trips = RoundTrips()
        self._tuner = Tuner(params.tuner_settings())
        self._results: tuple[Any, dict[str, Any]] = (None, {})
        self._rescue = Rescue()
        self._rescue_told: tuple[Rescue, str] | None = None  # what the record beside it is of
        self._rescue_plain: dict[str, Any] = {}
        self._tick = ""  # that the prices of a rescue are told in
        self._rescues = 0  # positions that were got out of
        self._capital = CapitalSizing(params.capital_rules())
        self._sigma: float | None = None  # a share per root second, as the model last had it

    def reconfigure(self, params: Any) -> None:
        """Go by other parameters from the next decision on; what is under way goes on by them."""
        super().reconfigure(params)
        self._care = params
        self._profit.rules = params.profit_rules()
        self._recovery.rules = params.recovery_rules()
        self._capital.rules = params.capital_rules()
        if not params.tuner_enabled or params.tuner_settings() != self._tuner.settings:
            self._tuner = Tuner(params.tuner_settings())
        if not params.rescue_enabled:
            self._rescue = Rescue()

    def on_event(self, event: Event, view: View) -> list[Command]:
        """Follow fills of orders that add to a losing position, besides what every position needs."""
        if isinstance(event, FillEvent) and is_rescue(event.slot):
            self._rescue = self._rescue.filled(event.fill, view.instruments[LEG])
        return super().on_event(event, view)

    # At a decision

    def _protect(self, view: View) -> list[Command]:
        """Count a stop as a breach."""
        commands = super()._protect(view)
        if any(isinstance(one, Flatten) and one.reason in _STOPS for one in commands):
            self._recovery.breach(self._now)
            self._rescue = Rescue()
        return commands

    def _quote(self, view: View) -> list[Command]:
        """Return the quotes, but for what goes before them: the end, a pause, a profit, a way out."""
        mark, position, instrument = mark_of(view), position_of(view), view.instruments[LEG]
        if self._recovery.is_spent(view.utc_ns):
            return [NOTHING, Halt(f"more than {self._care.max_recoveries} breaches in 24 hours")]
        if mark is not None:
            self._learn(position, is_healthy(self._losses(), position, mark, instrument))
        if self._recovery.is_halted:
            return [NOTHING]
        book = view.books.get(LEG)
        if mark is None or book is None or not book.is_quotable:
            return super()._quote(view)
        return self._profit_taken(position, mark, book, view) or super()._quote(view)

    def _learn(self, position: Position, all_is_well: bool) -> None:
        """Let a round trip that has ended count for the way back, and for gamma and kappa but while halted."""
        earned, was_halted = self._trips.see(position), self._recovery.is_halted
        self._recovery.look(earned, all_is_well, self._now)
        if earned is not None and self._care.tuner_enabled and not was_halted:
            self._tuner = self._tuner.after_trip(float(earned))

    def _losses(self) -> dict[str, Decimal | None]:
        barriers = self._protection.rules.barriers
        return {"quote": barriers.stop_loss_quote, "pct": barriers.stop_loss_pct}

    def _profit_taken(self, position: Position, mark: Decimal, book: OrderBook, view: View) -> list[Command]:
        """Return what takes an open profit, or ends a rescue that has worked; nothing while there is neither."""
        instrument = view.instruments[LEG]
        due = self._profit.look(position, mark, instrument, self._sigma, view.now_ns)
        if due == REST:
            return [Quotes((closing_quote(position, book, LEG),), LEG)]
        if due:
            return [self._flatten("open_profit")]
        if self._rescue.is_over(self._care.rescue_rules(), position, mark, instrument):
            self._rescue, self._rescues = Rescue(), self._rescues + 1
            return [self._flatten("rescue_exit")]
        return []

    def _flatten(self, reason: str) -> Flatten:
        return Flatten(reason, self.params.reduce_slippage_bps, self._widest_bps(), LEG)

    # The quotes

    def _cared(self, quotes: Sequence[Quote], view: View, order_lots: int, has_signal: bool) -> list[Quote]:
        """Return a model's quotes kept off the entry, and the order that adds to a losing position."""
        book, instrument, position = view.books[LEG], view.instruments[LEG], position_of(view)
        self._tick = self._tick or f"{instrument.tick_size:f}"  # a venue that changes it ends the bot
        kept = self._anchored(quotes, position, instrument, view.now_ns, has_signal)
        mark, care = mark_of(view), self._care
        if not care.rescue_enabled or mark is None:
            return kept
        # A stop's pause, and the way back, end it: then nothing is added.
        if self._protection.is_cooling(view.now_ns) or self._recovery.size_scale < 1 or not position.size_lots:
            self._rescue = Rescue()
            return kept
        self._rescue = self._rescue.step(care.rescue_rules(), position, mark, book, order_lots, instrument)
        added = self._rescue.quotes(position.size_lots, book, LEG)
        return [*apart_from(kept, added), *added]

    def _anchored(
        self, quotes: Sequence[Quote], position: Position, instrument: Instrument, now_ns: int, has_signal: bool
    ) -> list[Quote]:
        entry = position.average_price(instrument)
        if not self._care.entry_anchor or entry is None:
            return list(quotes)
        rules, age_ns = self._care.anchor_rules(), self._protection.age_ns(now_ns)
        fees = float(2 * max(Decimal(0), instrument.maker_fee_bps) / _BPS)
        tolerance, ticks = rules.tolerance_at(has_signal, age_ns), float(entry / instrument.tick_size)
        bounds = anchor_bounds(ticks, position.size_lots, tolerance, rules.distance, fees, instrument)
        return anchored(quotes, bounds)

    def _order_value(self, view: View) -> float:
        """Return the value in quote of one order by what the account is worth; 0 while that is not known."""
        instrument, mark, position = view.instruments[LEG], mark_of(view), position_of(view)
        balance, equity = view.balances.get(LEG, {}).get(instrument.quote), None
        if balance is not None and mark is not None:
            equity = float(balance.total + position.unrealised_pnl(mark, instrument))
        return self._capital.look(equity, not position.size_lots, self._sigma, view.now_ns) or 0.0

    # Memory

    def remembered(self) -> dict[str, Any]:
        """Return the way back and what was added to a losing position, beside the position's clocks."""
        if (self._rescue, self._tick) != self._rescue_told:
            self._rescue_told = (self._rescue, self._tick)
            self._rescue_plain = self._rescue.to_plain() | {"tick": self._tick}
        state = (self._trips.state, self._tuner)
        if state != self._results[0]:
            trips, tuner = list(self._trips.to_plain()), self._tuner.to_plain()
            self._results = state, {"trips": trips, "tuner": tuner, "base": self._base()}
        recovery = self._recovery.to_plain(self._now)
        return super().remembered() | {
            "rescue": self._rescue_plain,
            "recovery": recovery,
            "results": self._results[1],
        }

    def _base(self) -> list[str]:
        """Return what gamma and kappa are given as: with another base, what was learned of them is of no use."""
        return [str(getattr(self.params, name)) for name in ("model", "unit", "gamma", "kappa")]

    def restore(self, saved: Mapping[str, Any], view: View) -> None:
        """Go on with the clocks, the way back, and what was added. Raises ValueError for a record that is none."""
        super().restore(saved, view)
        if "recovery" in saved:
            self._recovery.take_up(saved["recovery"], self._now)
            results = saved["results"]
            self._trips.take_up(results["trips"])
            if self._care.tuner_enabled and results["base"] == self._base():
                self._tuner = Tuner.from_plain(results["tuner"], self._care.tuner_settings())
            rescue, self._tick = dict(saved["rescue"]), f"{view.instruments[LEG].tick_size:f}"
            if rescue.pop("tick") == self._tick and self._care.rescue_enabled:
                self._rescue = Rescue.from_plain(rescue)

    def stats(self) -> dict[str, Any]:
        """Return what was done for the position."""
        tuned = {"tuned_gamma": self._tuner.gamma, "tuned_kappa": self._tuner.kappa} if self._care.tuner_enabled else {}
        own = tuned | {
            "profits_taken": self._profit.taken,
            "rescue_steps": self._rescue.steps,
            "rescues": self._rescues,
        }
        return own | self._recovery.stats() | super().stats()
