"""Layered quotes on a perpetual that lean against the position, and care for the position itself.

At each decision: the barriers and the distance to liquidation, what is too much of the position, then the quotes. While
a gate keeps the quotes off, the first two go on. The arithmetic of layers, skew, barriers and shedding is in
`core/market`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from core.market.account_needs import AccountNeeds
from core.market.barriers import BARRIER_KEYS, barrier_limits
from core.market.book import OrderBook
from core.market.commands import Command, Flatten, Quote, Quotes
from core.market.events import Event, FillEvent, OrderUpdate, Timer, Watch
from core.market.exposure import target_for
from core.market.instrument import Instrument
from core.market.layers import LayerParams, LayerPlan, fair_ticks, far_enough, keep_apart, only_reducing, own_values
from core.market.order import Fill, OrderEvent, Side
from core.market.position import Position
from core.market.protection import Protection, ProtectionRules
from core.market.shedding import SLOT, Shed, Shedding, ShedRules
from core.market.skew import inventory_ratio, size_share, skew_shift
from strategies.base import Strategy, View, as_decimal

LEG = "main"
_NOTHING = Quotes((), LEG)
_SECOND_NS = 1_000_000_000
_MAX_MARK_AGE_NS = 10 * _SECOND_NS  # an older mark price is none; the mid takes its place
_DECIMALS = ("leverage", "target_position", "position_threshold", "stop_loss", "take_profit")


@dataclass(frozen=True, slots=True)
class PerpMarketMakerParams(LayerParams):
    """The strategy's own keys of `strategy_config`; units and ranges are told in its schema."""

    leverage: Decimal | None = Decimal(1)
    margin_mode: str | None = "cross"
    one_way_check: bool = True
    target_position: Decimal = Decimal(0)
    target_mode: str = "signed"
    position_threshold: Decimal | None = None
    inventory_skew: float = 0.0
    skew_unit: str = "spread"
    size_skew: float = 0.0
    reduce_mode: str = "maker_then_ioc"
    reduce_wait_s: float = 15.0
    reduce_slippage_bps: float = 20.0
    max_close_slippage_bps: float = 200.0
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    stop_loss_pct: float | None = None
    take_profit_pct: float | None = None
    trailing_start_pct: float | None = None
    trailing_delta_pct: float | None = None
    time_limit_s: float | None = None
    barrier_cooldown_s: float = 60.0
    liquidation_buffer_pct: float = 10.0
    funding_aware: bool = False
    funding_horizon_s: float = 600.0
    max_funding_bps: float | None = None

    def protection_rules(self) -> ProtectionRules:
        """Return where a position ends. Raises ConfigError for barriers that contradict each other."""
        return ProtectionRules(
            barriers=barrier_limits({key: getattr(self, key) for key in BARRIER_KEYS}),
            liquidation_buffer_pct=as_decimal(self.liquidation_buffer_pct),
            cooldown_ns=int(self.barrier_cooldown_s * _SECOND_NS),
        )

    def shed_rules(self) -> ShedRules:
        """Return how too much of a position is shed."""
        return ShedRules(self.reduce_mode, int(self.reduce_wait_s * _SECOND_NS), self.reduce_slippage_bps)


class PerpMarketMaker(Strategy):
    """Layers on both sides of a reference that leans against the position."""

    params: PerpMarketMakerParams

    def __init__(self, params: PerpMarketMakerParams) -> None:
        super().__init__(params)
        self._plan: LayerPlan | None = None
        self._protection = Protection(params.protection_rules())
        self._shedding = Shedding(params.shed_rules())
        self._reducing_ids: deque[str] = deque(maxlen=64)  # the newest orders in the slot `reduce`
        self._reduced_quote = Decimal(0)
        self._funding_paid = Decimal(0)
        self._ratio = 0.0
        self._skew_bps = 0.0
        self._reference_ticks: float | None = None

    @classmethod
    def params_from(cls, strategy_config: Mapping[str, Any]) -> PerpMarketMakerParams:
        """Return the parameters of a section, the loop's keys left out. Raises ConfigError for a contradiction."""
        values = own_values(PerpMarketMakerParams, strategy_config)
        values |= {key: as_decimal(values[key]) for key in _DECIMALS if key in values}
        for key in ("leverage", "margin_mode"):  # null is "leave it as it is", and not the default
            if key in strategy_config and strategy_config[key] is None:
                values[key] = None
        params = PerpMarketMakerParams(**values)
        params.check_layers()
        params.protection_rules()
        return params

    def reconfigure(self, params: PerpMarketMakerParams) -> None:
        """Go by other parameters from the next decision on; the clocks of the barriers go on."""
        super().reconfigure(params)
        self._plan = None
        self._protection.rules = params.protection_rules()
        self._shedding.rules = params.shed_rules()

    def account_needs(self) -> AccountNeeds:
        """Return the leverage and the margin mode that the account must have."""
        params = self.params
        return AccountNeeds(params.leverage, params.margin_mode, params.one_way_check)

    def on_event(self, event: Event, view: View) -> list[Command]:
        """Decide when it is time, protect the position while a gate is shut, follow fills at any time."""
        if isinstance(event, Timer):
            return self._protect(view) or self._quote(view)
        if isinstance(event, Watch):
            return self._protect(view)
        if isinstance(event, FillEvent):
            self._follow(event.fill, view)
        elif isinstance(event, OrderUpdate) and event.event is OrderEvent.ACCEPTED:
            key, live = event.client_order_id, view.open_orders.get(LEG, ())
            self._reducing_ids.extend(key for order in live if order.client_order_id == key and order.slot == SLOT)
        return []

    def _follow(self, fill: Fill, view: View) -> None:
        self._protection.book_fill(fill.side.sign * fill.size_lots, _position(view).size_lots, view.now_ns)
        if fill.liquidity == "taker" or fill.client_order_id in self._reducing_ids:  # it takes only to reduce
            self._reduced_quote += view.instruments[LEG].notional_quote(fill.price_ticks, fill.size_lots)

    # The position

    def _protect(self, view: View) -> list[Command]:
        """Return what closes or cuts the position at once, nothing when it may stay as it is."""
        mark, position, instrument = _mark(view), _position(view), view.instruments[LEG]
        self._funding_paid = -position.funding_paid
        if mark is None:
            return []
        held_there = view.venue_positions.get(LEG)
        # As of the last report: good enough while the position has not turned since.
        known = held_there is not None and held_there.size_lots * position.size_lots > 0
        liquidation = held_there.liquidation_price if held_there is not None and known else None
        reason = self._protection.look(position, instrument, mark, liquidation, view.now_ns)
        if reason:
            return [Flatten(reason, self.params.reduce_slippage_bps, self._widest_bps(), LEG)]
        shed = self._too_much(view, position, instrument)
        return self._shed_now(shed, view) if shed is not None and shed.immediate else []

    def _widest_bps(self) -> float:
        return max(self.params.reduce_slippage_bps, self.params.max_close_slippage_bps)

    def _too_much(self, view: View, position: Position, instrument: Instrument) -> Shed | None:
        held, limit = position.size_lots, view.position_limits.get(LEG)
        target, given = self._target(held, instrument), self.params.position_threshold
        threshold = instrument.to_lots(given) if given is not None else (None if limit is None else limit // 2)
        shed, book = self._shedding.judge(held, target, threshold, limit, view.now_ns), view.books.get(LEG)
        if shed is None or book is None or not book.is_quotable:
            return None
        return None if instrument.unplaceable_reason(book.best_bid_ticks, shed.size_lots) else shed

    def _target(self, held_lots: int, instrument: Instrument) -> int:
        return target_for(held_lots, instrument.to_lots(self.params.target_position), self.params.target_mode)

    def _shed_now(self, shed: Shed, view: View) -> list[Command]:
        """Return an immediate order once no quote of ours is left that it could meet, or that could fill beside it."""
        if view.open_orders.get(LEG) or not self._shedding.may_take(view.now_ns):
            return [_NOTHING]
        take = shed.take(view.books[LEG], view.instruments[LEG], self.params.reduce_slippage_bps, LEG)
        return [_NOTHING, take]

    # The quotes

    def _quote(self, view: View) -> list[Command]:
        book = view.books.get(LEG)
        if book is None or not book.is_quotable:
            return [_NOTHING]
        instrument, position = view.instruments[LEG], _position(view)
        quotes = self._ladder(view, book, instrument, position.size_lots)
        if self._protection.is_cooling(view.now_ns):
            quotes = only_reducing(quotes, position.size_lots)
        shed = self._too_much(view, position, instrument)
        if shed is not None:  # it takes the place of the quotes on its side
            quotes = [quote for quote in quotes if quote.side is not shed.side]
            quotes.append(shed.quote(book, LEG))
        return [Quotes(tuple(quotes), LEG)]

    def _ladder(self, view: View, book: OrderBook, instrument: Instrument, held: int) -> list[Quote]:
        """Return the layers of both sides, after skew and funding."""
        params, plan = self.params, self._plan_for(instrument)
        fair = self._fair(view, book)
        self._ratio = inventory_ratio(held, self._target(held, instrument), view.position_limits.get(LEG))
        shift = skew_shift(fair, fair * plan.half_share, self._ratio, params.inventory_skew, params.skew_unit)
        self._skew_bps = shift / fair * 10_000
        self._reference_ticks = reference = fair + shift
        payer, rate = self._payer(view)
        sides: dict[Side, Sequence[Quote]] = {}
        for side in (Side.BUY, Side.SELL):
            factor = size_share(side, self._ratio, params.size_skew)
            around = reference * (1 - side.sign * rate) if side is payer else reference
            sides[side] = plan.side(side, around, factor, book, LEG)
        growing = Side.BUY if self._ratio >= 0 else Side.SELL
        quotes = keep_apart(sides[Side.BUY], sides[Side.SELL], growing)
        most_bps = params.max_funding_bps
        if payer is not None and most_bps is not None and rate * 10_000 > most_bps:
            quotes = only_reducing(quotes, held, payer)
        return far_enough(quotes, params.minimum_spread_pct, book, view.open_orders.get(LEG, ()))

    def _fair(self, view: View, book: OrderBook) -> float:
        if self.params.price_source == "mark" and (mark := _mark(view)) is not None:
            return float(mark / view.instruments[LEG].tick_size)
        return fair_ticks(self.params, book)

    def _payer(self, view: View) -> tuple[Side | None, float]:
        """Return the side whose fills would soon pay funding, and the rate as a share; no side when none does."""
        facts, due_ns = view.facts.get(LEG), view.funding_due_ns.get(LEG)
        if not self.params.funding_aware or facts is None or not facts.funding_rate or due_ns is None:
            return None, 0.0
        if not 0 <= due_ns - view.now_ns <= self.params.funding_horizon_s * _SECOND_NS:
            return None, 0.0
        return (Side.BUY if facts.funding_rate > 0 else Side.SELL), abs(float(facts.funding_rate))

    def _plan_for(self, instrument: Instrument) -> LayerPlan:
        """Return the plan, made anew when the venue changed the instrument."""
        if self._plan is None or self._plan.instrument is not instrument:
            self._plan = LayerPlan(self.params, instrument)
        return self._plan

    def stats(self) -> dict[str, Any]:
        """Return what it leans by, what its barriers did, what it shed and paid; money in quote as decimal text."""
        distance = self._protection.distance_pct
        return {
            "inventory_ratio": self._ratio,
            "skew_bps": self._skew_bps,
            "reference_ticks": self._reference_ticks,
            "barrier_hits": dict(self._protection.hits),
            "reduce_volume": format(self._reduced_quote, "f"),
            "funding_paid": format(self._funding_paid, "f"),
            "liq_distance_pct": None if distance is None else round(float(distance), 3),
        }


def _position(view: View) -> Position:
    return view.positions.get(LEG) or Position(LEG)


def _mark(view: View) -> Decimal | None:
    """Return the venue's mark price while it is fresh, else the mid; None when there is neither."""
    facts, book = view.facts.get(LEG), view.books.get(LEG)
    if facts is not None and facts.mark_price is not None and view.now_ns - facts.local_ns <= _MAX_MARK_AGE_NS:
        return facts.mark_price
    if book is None or not book.is_quotable:
        return None
    return Decimal(book.mid_ticks()) * view.instruments[LEG].tick_size


STRATEGY = PerpMarketMaker
