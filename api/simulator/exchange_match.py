"""How orders of the simulated exchange trade: with each other, with what the feed displays, with its prints.

An incoming order takes the best price first; at a price the resting orders of all accounts by arrival, then what the
feed displays there. An account never trades with itself: the taker ends. A resting order fills at its own price when
the feed's market reaches it or prints beyond it (core/market/matching.py has the rules).
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING

from api.simulator.exchange_types import Listener, MarketPrint, SimFill, SimOrder
from core.market.fill_rules import MatchingRules, is_hit, standing_in
from core.market.order import OrderState, Side

if TYPE_CHECKING:
    from api.simulator.exchange_account import SimAccountState
    from api.simulator.exchange_market import SimMarket


class Matcher:
    """The trades of one exchange; numbers of orders and trades only grow."""

    def __init__(
        self,
        accounts: dict[str, SimAccountState],
        listeners: list[Listener],
        rules: MatchingRules,
        draw: Callable[[], float],
        now_ns: int,
    ) -> None:
        self._accounts, self._listeners, self._rules, self._draw = accounts, listeners, rules, draw
        self.now_ns = now_ns
        # A simulator that is started again must not repeat the ids of the one before it: bots remember them.
        first = now_ns // 10**6 * 1000
        self._order_ids, self._trade_ids = count(first + 1), count(first + 1)

    def new_order_id(self) -> str:
        """Return the next order id."""
        return str(next(self._order_ids))

    # -- arriving orders --------------------------------------------------------------------------------------------
    def wanted_lots(self, order: SimOrder) -> int:
        """Return how much of an order may fill now."""
        if not order.reduce_only:
            return order.remaining_lots
        return min(order.remaining_lots, self._accounts[order.account].reducible_lots(order))

    def walk(self, market: SimMarket, order: SimOrder) -> None:
        """Let an arriving order take what it can."""
        side = order.side.opposite
        while (
            order.is_open and (wanted := self.wanted_lots(order)) > 0 and market.crosses(order.side, order.price_ticks)
        ):
            best = market.best(side)
            assert best is not None
            queue = market.queue(side, best.price_ticks)
            if queue and queue[0].account == order.account:
                self.end(market, order, OrderState.EXPIRED, "self_trade")
            elif queue:
                lots = min(wanted, queue[0].remaining_lots)
                self.trade(market, best.price_ticks, lots, order.side, queue[0], order)
            else:
                lots = market.take_displayed(side, best.price_ticks, wanted)
                self.trade(market, best.price_ticks, lots, order.side, None, order)

    def fills_at_once(self, market: SimMarket, order: SimOrder) -> bool:
        """Tell whether an arriving order would fill in full (or, reduce-only, as far as it may)."""
        wanted = self.wanted_lots(order)
        used: dict[str, int] = {}  # how far the walk moves the positions of the accounts that it meets
        for level in market.reachable(order.side, order.price_ticks):
            queue = market.queue(order.side.opposite, level.price_ticks)
            wanted -= level.size_lots - sum(maker.remaining_lots for maker in queue)
            for maker in queue:
                if maker.account == order.account:
                    return False  # met before the feed's part of the level: judged as if that were not there
                lots = maker.remaining_lots
                if maker.reduce_only:
                    left = self._accounts[maker.account].reducible_lots(maker) - used.get(maker.account, 0)
                    lots = max(0, min(lots, left))
                used[maker.account] = used.get(maker.account, 0) + min(lots, wanted)
                wanted -= lots
            if wanted <= 0:
                return True
        return wanted <= 0

    def rest_or_end(self, market: SimMarket, order: SimOrder) -> None:
        """Decide what becomes of the rest of an order after its walk."""
        if not order.is_open:
            return
        if reason := self._end_reason(order):
            self.end(market, order, OrderState.EXPIRED, reason)
            return
        self._accounts[order.account].open[order.order_id] = order
        market.add(order)
        self._trim(self._accounts[order.account], market)

    def _end_reason(self, order: SimOrder) -> str:
        if order.price_ticks is None:
            return "no_liquidity"
        if order.time_in_force != "GTC":
            return "ioc_remainder" if order.time_in_force == "IOC" else "fok"
        return "" if self.wanted_lots(order) else "reduce_only"

    # -- the feed ---------------------------------------------------------------------------------------------------
    def cross_feed(self, market: SimMarket) -> None:
        """Fill the resting orders that the displayed market crosses, as far as it displays."""
        for order in market.crossed_by_feed():
            assert order.price_ticks is not None
            for level in market.displayed.within(order.side, order.price_ticks):
                if not order.is_open:
                    break
                lots = market.take_displayed(order.side.opposite, level.price_ticks, order.remaining_lots)
                if lots:
                    self.trade(market, order.price_ticks, lots, order.side.opposite, order, None)

    def on_print(self, market: SimMarket, price_ticks: int, size_lots: int, aggressor: Side) -> None:
        """Let a print of the feed fill the resting orders that it reaches; what is left of it goes on the tape."""
        if market.displayed.in_band(price_ticks, self._rules.print_band_pct):
            for order in self._hits(market, price_ticks, aggressor):
                lots = min(size_lots, order.remaining_lots) if order.is_open else 0
                if lots:
                    assert order.price_ticks is not None
                    self.trade(market, order.price_ticks, lots, aggressor, order, None)
                    size_lots -= lots
        if size_lots:
            self._print(market, str(next(self._trade_ids)), price_ticks, size_lots, aggressor)

    def _hits(self, market: SimMarket, price_ticks: int, aggressor: Side) -> list[SimOrder]:
        hits = []
        for order in market.resting():
            side, own = order.side, order.price_ticks
            assert own is not None
            where = standing_in(market.displayed, side, own)
            # A trade has two sides: a buyer's print never fills a bid, not even one at its price.
            if aggressor is side.opposite and is_hit(side, own, price_ticks, aggressor, where, self._rules, self._draw):
                hits.append((-side.sign * own, order))
        return [order for _, order in sorted(hits, key=lambda hit: hit[0])]

    # -- trades -----------------------------------------------------------------------------------------------------
    def trade(
        self,
        market: SimMarket,
        price_ticks: int,
        lots: int,
        aggressor: Side,
        maker: SimOrder | None,
        taker: SimOrder | None,
    ) -> None:
        """Book one trade; a side that is None is the feed's made-up trader."""
        assert lots > 0
        trade_id = str(next(self._trade_ids))
        for order, liquidity in ((maker, "maker"), (taker, "taker")):
            if order is None:
                market.feed_lots += lots * (aggressor.sign if liquidity == "taker" else aggressor.opposite.sign)
            else:
                self._fill(market, order, trade_id, price_ticks, lots, liquidity)
        self._print(market, trade_id, price_ticks, lots, aggressor)
        for order in (maker, taker):
            if order is not None:
                self._trim(self._accounts[order.account], market)

    def _fill(
        self, market: SimMarket, order: SimOrder, trade_id: str, price_ticks: int, lots: int, liquidity: str
    ) -> None:
        account = self._accounts[order.account]
        order.filled_lots += lots
        order.filled_quote += market.instrument.notional_quote(price_ticks, lots)
        order.state = OrderState.PARTIALLY_FILLED if order.remaining_lots else OrderState.FILLED
        fee, fee_asset = account.on_market(market).charge(order.side, price_ticks, lots, liquidity)
        account.fill_count += 1
        fill = SimFill(
            trade_id, order.account, order.symbol, order, order.side, price_ticks, lots, liquidity, fee, fee_asset,
            self.now_ns, account.fill_count,
        )  # fmt: skip
        account.book_fill(fill, market)
        if order.remaining_lots:
            self._refresh(market, order)
        else:
            self._take_out(market, order)
        self.tell(order, "fill")
        for listener in self._listeners:
            listener.on_fill(fill, order)
            if not market.is_spot:
                listener.on_position(order.account, order.symbol)

    def _print(self, market: SimMarket, trade_id: str, price_ticks: int, size_lots: int, aggressor: Side) -> None:
        market.last_price_ticks = price_ticks
        print_ = MarketPrint(market.symbol, trade_id, price_ticks, size_lots, aggressor, self.now_ns)
        for listener in self._listeners:
            listener.on_print(print_)

    def _trim(self, account: SimAccountState, market: SimMarket) -> None:
        """Shrink reduce-only orders to what is left to reduce; end those that have nothing."""
        for order in account.open_on(market.symbol):
            if not order.reduce_only:
                continue
            left = account.reducible_lots(order)
            if not left:
                self.end(market, order, OrderState.CANCELED, "reduce_only")
            elif order.remaining_lots > left:
                order.size_lots = order.filled_lots + left
                self._refresh(market, order)
                self.tell(order, "modified")

    # -- orders -----------------------------------------------------------------------------------------------------
    def end(self, market: SimMarket, order: SimOrder, state: OrderState, reason: str) -> None:
        """End an order before it is filled, and tell so."""
        order.state, order.reason = state, reason
        self._take_out(market, order)
        self.tell(order, "expired" if state is OrderState.EXPIRED else "cancelled")

    def _take_out(self, market: SimMarket, order: SimOrder) -> None:
        order.closed_ns = self.now_ns
        if order.price_ticks is not None:
            market.remove(order)
        self._accounts[order.account].close(order)

    def _refresh(self, market: SimMarket, order: SimOrder) -> None:
        if order.price_ticks is not None:
            market.touch(order.side, order.price_ticks)

    def tell(self, order: SimOrder, what: str) -> None:
        """Tell the listeners of a change of an order."""
        for listener in self._listeners:
            listener.on_order(order, what)

    def flush(self, market: SimMarket) -> None:
        """Tell the listeners what became of the public book."""
        delta = market.take_delta(self.now_ns)
        if delta is not None:
            for listener in self._listeners:
                listener.on_book(delta)
