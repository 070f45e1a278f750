"""A simulated venue: a book picture and trade prints against resting orders give fills. Pure; no clock, no I/O.

Rules (all fills of resting orders are at the order's own price and pay the maker fee):

* A resting order **crosses** when the opposite best price reaches its own: it takes what that side displays up to its
  price. A trade print of the opposite aggressor beyond its price fills it, too.
* Model `touch`: a print exactly at the order's price while the order is at or inside its own best price is one
  evaluation; one number is drawn for it, and the order fills when the number is below `touch_prob`.
* Model `queue`: a print at the order's price by the opposite aggressor first takes those who stand before the order
  (`queue_position.py`), and fills it with the rest; one beyond its price fills all of it.
* A print counts only inside the print band around the book before it.
* But for that last case no fill is larger than what was displayed or printed, and volume used by one of our orders is
  not there for the next: prints are shared by price, then by arrival; what was taken from a level stays taken while the
  level is displayed.
* A feed shows pictures (`on_book`), or a whole book level by level (`on_clear`, `on_level`).
* A marketable order walks the book and pays the taker fee; the rest is cancelled (IOC) or rests (GTC). Post-only orders
  that would cross on arrival are rejected. Reduce-only orders never fill beyond the position, and go when it is closed.
* An order that is amended to a smaller size at its price keeps its place; any other amendment is judged like a new
  order, and puts it at the end.

Latency is the caller's: it calls when an order or cancel arrives. Our own orders never meet each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from core.market.book import Level
from core.market.displayed import Displayed
from core.market.fill_rules import TIMES_IN_FORCE, MatchingRules, Standing, is_hit, standing_in
from core.market.matched import NOTHING, Arrival, EngineState, Matched
from core.market.order import POST_ONLY_WOULD_CROSS, Amend, Fill, Order, OrderState, Side
from core.market.queue_desk import QueueDesk, picture_of, rests_at
from core.market.sim_account import SimAccount

NO_SUCH_ORDER = "no_such_open_order"


class MatchingEngine:
    """One account's orders on one simulated market. Numbers of orders and trades only grow."""

    def __init__(
        self,
        account: SimAccount,
        rules: MatchingRules,
        draw: Callable[[], float],  # uniform in [0, 1)
        id_prefix: str = "",
        orders: Iterable[Order] = (),
        last_order: int = 0,
        last_trade: int = 0,
        shown: Displayed | None = None,
    ) -> None:
        self.account = account
        self.instrument = account.instrument
        self.rules = rules
        self.orders: dict[str, Order] = {order.client_order_id: order for order in orders}  # by arrival
        self.last_order, self.last_trade = last_order, last_trade
        self._draw, self._id_prefix = draw, id_prefix
        self.shown = shown or Displayed()
        self.queue = QueueDesk(rules.queue_model, rules.queue_exponent) if rules.fill_model == "queue" else None

    # -- state ------------------------------------------------------------------------------------------------------
    def state(self) -> EngineState:
        """Return a copy of everything that `restore` needs."""
        places = {} if self.queue is None else dict(self.queue.places)
        taken = dict(self.shown.taken)
        return EngineState(dict(self.orders), self.account, self.last_order, self.last_trade, taken, places)

    def restore(self, state: EngineState) -> None:
        """Go back to `state`; the book and the generator stay where they are."""
        self.orders, self.account = dict(state.orders), state.account
        self.last_order, self.last_trade, self.shown.taken = state.last_order, state.last_trade, dict(state.taken)
        if self.queue is not None:
            self.queue.places = dict(state.places)

    def mid_ticks(self) -> float:
        """Return the mid of the newest picture, the side there is, or 0."""
        return self.shown.mid_ticks()

    # -- market data ------------------------------------------------------------------------------------------------
    def on_book(self, bids: Sequence[Level], asks: Sequence[Level], venue_ns: int, is_whole: bool = False) -> Matched:
        """Take a new picture of the book, best levels first, and fill the resting orders that it crosses."""
        before = picture_of(self.shown.bids, self.shown.asks)
        self.shown.show(bids, asks)
        self.shown.is_whole = is_whole
        if not self.orders:
            return NOTHING
        if self.queue is not None:
            self._look_for_places(self.queue)
            self.queue.on_picture(self.orders.values(), before, self.shown)
        return self._fill_crossing(venue_ns)

    def _look_for_places(self, queue: QueueDesk) -> None:
        """Let orders of an earlier life join the end of their queue: where they stood is not remembered."""
        for order in self.orders.values():
            if order.client_order_id not in queue.places:
                queue.join(order, self.shown)

    def on_clear(self) -> None:
        """Forget the book: a whole one follows, level by level."""
        self.shown.clear()

    def on_level(self, side: Side, price_ticks: int, size_lots: int, venue_ns: int) -> Matched:
        """Set the size at a price of a whole book, and fill the resting orders that the level crosses."""
        before = self.shown.set_level(side, price_ticks, size_lots)
        if not self.orders:
            return NOTHING
        if self.queue is not None:
            for order in self.orders.values():
                if rests_at(order, side, price_ticks):
                    self.queue.on_level(order, before, size_lots)
        if size_lots and any(self._is_reached(order, side, price_ticks) for order in self.orders.values()):
            return self._fill_crossing(venue_ns)
        return NOTHING

    @staticmethod
    def _is_reached(order: Order, book_side: Side, price_ticks: int) -> bool:
        """Tell whether a level of the opposite side is at or within an order's price."""
        return order.side is not book_side and order.side.sign * (order.price_ticks - price_ticks) >= 0

    def _fill_crossing(self, venue_ns: int) -> Matched:
        crossing = [order for order in self.orders.values() if self._standing(order) is Standing.CROSS]
        fills: list[Fill] = []
        for order in _by_priority(crossing):
            lots = 0
            for level in self.shown.within(order.side, order.price_ticks):
                lots += self.shown.take(order.side.opposite, level, self._fillable(order) - lots)
            self._fill(order.client_order_id, order.price_ticks, lots, "maker", venue_ns, fills)
        return self._matched(fills)

    def on_print(self, price_ticks: int, size_lots: int, aggressor: Side, venue_ns: int) -> Matched:
        """Take a trade print and fill the resting orders that it reaches."""
        if not self.orders or not self.shown.in_band(price_ticks, self.rules.print_band_pct):
            return NOTHING
        fills: list[Fill] = []
        if self.queue is not None:
            self._print_on_queue(self.queue, price_ticks, size_lots, aggressor, venue_ns, fills)
            return self._matched(fills)
        hit = [order for order in self.orders.values() if self._is_hit(order, price_ticks, aggressor)]
        for order in _by_priority(hit):
            size_lots -= self._fill(order.client_order_id, order.price_ticks, size_lots, "maker", venue_ns, fills)
        return self._matched(fills)

    def _print_on_queue(
        self, queue: QueueDesk, price_ticks: int, size_lots: int, aggressor: Side, venue_ns: int, fills: list[Fill]
    ) -> None:
        """Fill what a print reaches past those who stand before us; what one of our orders got the next does not."""
        taken = 0
        for order in _by_priority([order for order in self.orders.values() if order.side is aggressor.opposite]):
            beyond = order.side.sign * (order.price_ticks - price_ticks)
            if beyond < 0:
                break
            volume = order.remaining_lots if beyond else queue.on_trade(order, size_lots) - taken
            taken += self._fill(order.client_order_id, order.price_ticks, volume, "maker", venue_ns, fills)

    def _is_hit(self, order: Order, price_ticks: int, aggressor: Side) -> bool:
        """Tell whether a print fills an order; draws exactly once for an order that is touched, never for others."""
        return is_hit(
            order.side, order.price_ticks, price_ticks, aggressor, self._standing(order), self.rules, self._draw
        )

    # -- orders -----------------------------------------------------------------------------------------------------
    def submit(self, order: Order, venue_ns: int) -> Arrival:
        """Take an arriving order: reject it, fill what it can take, and rest or end what is left."""
        crosses = self._standing(order) is Standing.CROSS
        refusal = self._refusal(order, crosses)
        if refusal is not None:
            return Arrival(replace(order, state=OrderState.REJECTED, reason=refusal), reason=refusal)
        self.last_order += 1
        accepted = order.moved(OrderState.NEW, f"{self._id_prefix}o{self.last_order}", 0, venue_ns, order.reason)
        return self._arrive(accepted, crosses, venue_ns)

    def _arrive(self, order: Order, crosses: bool, venue_ns: int) -> Arrival:
        """Let an order that is taken trade, then rest at the end of its queue or end."""
        self.orders[order.client_order_id] = order
        fills = self._walk_book(order, venue_ns) if crosses else ()
        left = self.orders.get(order.client_order_id)
        if left is None:
            left = replace(order, filled_lots=order.size_lots, state=OrderState.FILLED)
        elif reason := self._end_reason(left):
            del self.orders[order.client_order_id]
            left = replace(left, state=OrderState.EXPIRED, reason=reason)
        elif self.queue is not None:
            self.queue.join(left, self.shown)
        return Arrival(left, fills, left.reason, self._end_idle_reducers() if fills else ())

    def amend(self, amend: Amend, venue_ns: int) -> Arrival | str:
        """Give a resting order other terms; return what became of it, or why it stays as it is."""
        key, before = amend.client_order_id, self.orders
        order = before.get(key)
        if order is None:
            return NO_SUCH_ORDER
        if amend.size_lots <= order.filled_lots:
            self.cancel(key)
            return Arrival(replace(order, state=OrderState.CANCELED, reason="nothing_left"))
        amended = order.on_terms(amend.price_ticks, amend.size_lots)
        if amended.price_ticks == order.price_ticks and amended.size_lots <= order.size_lots:
            self.orders[key] = amended
            return Arrival(amended)
        self.orders = {each: other for each, other in before.items() if each != key}
        crosses = self._standing(amended) is Standing.CROSS
        refusal = self._refusal(amended, crosses)
        if refusal is not None:
            self.orders = before
            return refusal
        return self._arrive(amended, crosses, venue_ns)

    def cancel(self, client_order_id: str) -> Order | None:
        """Take an order out and return it, None when there is no such open order."""
        order = self.orders.pop(client_order_id, None)
        if order is not None and self.queue is not None:
            self.queue.keep_only(self.orders)
        if order is None:
            return None
        return order.moved(OrderState.CANCELED, order.venue_order_id, order.filled_lots, order.acked_ns, order.reason)

    def _refusal(self, order: Order, crosses: bool) -> str | None:
        if order.client_order_id in self.orders:
            return "duplicate_client_order_id"
        if order.time_in_force not in TIMES_IN_FORCE:
            return "time_in_force"
        unplaceable = self.instrument.unplaceable_reason(order.price_ticks, order.size_lots)
        # What is left of a position may be worth less than the minimum and must still be closable.
        if unplaceable is not None and not (unplaceable == "min_notional" and order.reduce_only):
            return unplaceable
        if len(self.orders) >= self.rules.max_open_orders:
            return "too_many_open_orders"
        if self.shown.best_ticks(Side.BUY) is None or self.shown.best_ticks(Side.SELL) is None:
            return "no_market"
        if order.post_only and order.time_in_force == "IOC":
            return "post_only_cannot_be_ioc"
        if order.post_only and crosses:
            return POST_ONLY_WOULD_CROSS
        return self.account.refusal(order, self.orders.values(), self.mid_ticks())

    def _end_reason(self, order: Order) -> str:
        if order.time_in_force == "IOC":
            return "ioc_remainder"
        if order.reduce_only and not self.account.reducible_lots(order.side):
            return "nothing_to_reduce"
        return ""

    def _walk_book(self, order: Order, venue_ns: int) -> tuple[Fill, ...]:
        fills: list[Fill] = []
        for level in self.shown.within(order.side, order.price_ticks):
            left = self.orders.get(order.client_order_id)
            if left is None:
                break
            lots = self.shown.take(order.side.opposite, level, self._fillable(left))
            self._fill(order.client_order_id, level.price_ticks, lots, "taker", venue_ns, fills)
        return tuple(fills)

    # -- fills ------------------------------------------------------------------------------------------------------
    def _standing(self, order: Order) -> Standing:
        return standing_in(self.shown, order.side, order.price_ticks)

    def _fillable(self, order: Order) -> int:
        """Return how much of an order may fill now."""
        reducible = self.account.reducible_lots(order.side) if order.reduce_only else order.remaining_lots
        return min(reducible, order.remaining_lots)

    def _fill(
        self, client_order_id: str, price_ticks: int, volume: int, liquidity: str, venue_ns: int, into: list[Fill]
    ) -> int:
        """Fill an order from `volume` lots, as far as it goes; return how much."""
        order = self.orders[client_order_id]
        lots = min(volume, self._fillable(order))
        if lots <= 0:
            return 0
        self.last_trade += 1
        fee, fee_asset = self.account.charge(order.side, price_ticks, lots, liquidity)
        fill = Fill(
            trade_id=f"{self._id_prefix}t{self.last_trade}",
            client_order_id=client_order_id,
            leg=order.leg,
            side=order.side,
            price_ticks=price_ticks,
            size_lots=lots,
            liquidity=liquidity,
            fee=fee,
            fee_asset=fee_asset,
            venue_ns=venue_ns,
            venue_order_id=order.venue_order_id,
        )
        self.account = self.account.after_fill(fill)
        into.append(fill)
        if lots == order.remaining_lots:
            del self.orders[client_order_id]
        else:
            filled = order.filled_lots + lots
            self.orders[client_order_id] = order.moved(
                OrderState.PARTIALLY_FILLED, order.venue_order_id, filled, order.acked_ns, order.reason
            )
        return lots

    def _matched(self, fills: list[Fill]) -> Matched:
        if not fills:
            return NOTHING
        ended = self._end_idle_reducers()
        if self.queue is not None:
            self.queue.keep_only(self.orders)
        return Matched(tuple(fills), ended)

    def _end_idle_reducers(self) -> tuple[Order, ...]:
        """Take out reduce-only orders that have nothing left to reduce."""
        idle = [order for order in self.orders.values() if order.reduce_only and not self._fillable(order)]
        for order in idle:
            del self.orders[order.client_order_id]
        return tuple(replace(order, state=OrderState.CANCELED, reason="nothing_to_reduce") for order in idle)


def _by_priority(orders: list[Order]) -> list[Order]:
    """Return orders by price, the most generous first, then by arrival; one list holds one side or both."""
    if len(orders) < 2:
        return orders
    return sorted(orders, key=lambda order: -order.side.sign * order.price_ticks)
