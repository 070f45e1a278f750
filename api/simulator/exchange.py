"""The venue-agnostic exchange of the simulator: several accounts on shared markets, beside what a feed displays.

Pure of sockets and clocks: the owner calls `advance(now_ns)` (UTC ns) as time goes by and before each request.
Everything is synchronous; listeners are called inline and must not call back.

    exchange = SimExchange(now_ns, seed=1, rules=MatchingRules(...), max_open_orders=200)
    market = exchange.add_market(market, feed, maker_fee_bps, taker_fee_bps, fee_in_base=False, min_lots=1)
    exchange.add_account("a", {"USDC": Decimal(10_000)})
    exchange.listeners.append(listener)             # api.simulator.exchange_types.Listener (DeafListener: a base)
    exchange.advance(now_ns)                        # plays the feeds
    order = exchange.submit("a", "SOL_USDC", side=Side.BUY, price_ticks=15000, size_lots=100, client_id="7")
    exchange.amend("a", order.order_id, price_ticks, total_size_lots)     # None: no such; raises SimRefused(reason)
    exchange.cancel("a", order.order_id)                                  # None: no such open order
    exchange.cancel_all("a", "SOL_USDC"), exchange.cancel_session(session)
    exchange.open_orders, order, by_client_id, fills, closed_orders, balances, position, positions, unrealised_pnl, mark
    exchange.set_price("SOL_USDC", Decimal(160)), exchange.set_tick("SOL_USDC", 5), exchange.pause(True)
    exchange.fill_resting("a", order_id, lots)      # a made-up counterparty fills an open order (fault partial_fill)

Events of a submit: on_order accepted, then per trade on_order "fill" + on_fill (maker, then taker) + on_print, then
on_order expired when the rest does not stay; at last one on_book. A rejected order gives on_order "rejected" only
(it has an id, but is not kept). States: REJECTED; EXPIRED (reason ioc_remainder, fok, no_liquidity, self_trade,
reduce_only); CANCELED (reason user, session_end, reduce_only, or what `cancel` was told); NEW, PARTIALLY_FILLED,
FILLED. `reduce_only` as the reason of an end: nothing is left to reduce; while something is, the order only shrinks
("modified").
Reasons of REJECTED: no_market, time_in_force, price, min_size, min_notional, too_many_open_orders, duplicate_client_id,
post_only_cannot_be_ioc, post_only_would_cross, insufficient_balance ..., insufficient_margin,
reduce_only_is_for_positions, reduce_only_would_not_reduce.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import Any

from api.feed import Feed, Picture, Print
from api.market_facts import Market
from api.simulator.exchange_account import SimAccountState
from api.simulator.exchange_market import SimMarket
from api.simulator.exchange_match import Matcher
from api.simulator.exchange_records import ExchangeRecords
from api.simulator.exchange_types import (
    TIMES_IN_FORCE,
    BookDelta,
    DeafListener,
    Listener,
    MarketPrint,
    SimFill,
    SimOrder,
    SimRefused,
)
from core.market.fill_rules import MatchingRules
from core.market.order import POST_ONLY_WOULD_CROSS, OrderState, Side

__all__ = [
    "BookDelta",
    "DeafListener",
    "Listener",
    "MarketPrint",
    "SimAccountState",
    "SimExchange",
    "SimFill",
    "SimMarket",
    "SimOrder",
    "SimRefused",
]


# Behind more than this (the machine slept) the feeds jump instead of catching up.
_MAX_CATCH_UP_NS = 30 * 10**9


class SimExchange(ExchangeRecords):
    """All markets and accounts of one simulated venue."""

    def __init__(
        self, now_ns: int, seed: int = 1, rules: MatchingRules | None = None, max_open_orders: int = 200
    ) -> None:
        super().__init__()
        self.listeners: list[Listener] = []
        self.max_open_orders = max_open_orders  # of an account
        self.is_paused = False
        draw = Random(f"{seed}/exchange").random
        self._match = Matcher(self.accounts, self.listeners, rules or MatchingRules(), draw, now_ns)

    @property
    def now_ns(self) -> int:
        """Return how far the market was played (UTC)."""
        return self._match.now_ns

    # -- what there is ----------------------------------------------------------------------------------------------
    def add_market(
        self,
        market: Market,
        feed: Feed,
        maker_fee_bps: Decimal,
        taker_fee_bps: Decimal,
        *,
        fee_in_base: bool = False,
        min_lots: int = 1,
    ) -> SimMarket:
        """List a market; its feed begins now."""
        instrument = replace(market.instrument(maker_fee_bps, taker_fee_bps), min_lots=min_lots)
        found = self.markets[market.venue_symbol] = SimMarket(market, instrument, feed, self.now_ns, fee_in_base)
        found.show(feed.seek(0))
        self._match.flush(found)
        return found

    def add_account(self, name: str, balances: Mapping[str, Decimal]) -> SimAccountState:
        """Open an account. Raises ValueError when there is one of that name."""
        if name in self.accounts:
            raise ValueError(f"there is an account {name!r} already")
        assets = {asset for market in self.markets.values() for asset in _assets(market)}
        self.accounts[name] = SimAccountState(name, dict.fromkeys(sorted(assets), Decimal(0)) | dict(balances))
        return self.accounts[name]

    # -- time -------------------------------------------------------------------------------------------------------
    def advance(self, now_ns: int) -> None:
        """Play the feeds up to now; a time before the last one does nothing."""
        last_ns = self._match.now_ns
        if now_ns <= last_ns:
            return
        if self.is_paused:
            for market in self.markets.values():
                market.start_ns += now_ns - last_ns
            self._match.now_ns = now_ns
            return
        for market in self.markets.values():
            self._match.now_ns = last_ns
            if now_ns - last_ns > _MAX_CATCH_UP_NS:
                self._show(market, market.feed.seek(now_ns - market.start_ns))
            else:
                self._play(market, now_ns)
        self._match.now_ns = now_ns

    def pause(self, paused: bool) -> None:
        """Stop or resume the feeds: what they display stands still; orders still trade."""
        self.is_paused = paused

    def _play(self, market: SimMarket, now_ns: int) -> None:
        while (event := market.feed.next(now_ns - market.start_ns)) is not None:
            self._match.now_ns = max(self._match.now_ns, market.start_ns + event.at_ns)
            if isinstance(event, Picture):
                self._show(market, event)
            elif isinstance(event, Print):
                price_ticks = market.on_tick(event.aggressor.opposite, event.price_ticks + market.offset_ticks)
                if price_ticks > 0:
                    self._match.on_print(market, price_ticks, event.size_lots, event.aggressor)
                    self._match.flush(market)

    def _show(self, market: SimMarket, picture: Picture) -> None:
        market.show(picture)
        self._match.cross_feed(market)
        self._match.flush(market)

    def set_price(self, symbol: str, mid: Decimal) -> None:
        """Move the displayed market so that its mid is there, and keep that offset. Raises KeyError, ValueError."""
        market = self.markets[symbol]
        market.move_to(float(mid / market.instrument.tick_size))
        self._match.cross_feed(market)
        self._match.flush(market)

    def set_tick(self, symbol: str, multiple: int) -> list[SimOrder]:
        """List another tick size, a multiple of the first one; open orders of the market end and are returned."""
        market = self.markets[symbol]
        ended = [order for account in self.accounts for order in self.cancel_all(account, symbol, "tick_change")]
        market.set_tick(multiple)
        self._match.cross_feed(market)
        self._match.flush(market)
        return ended

    def delist(self, symbol: str) -> list[SimOrder]:
        """Take a market off the list, as when it expires; its open orders end and are returned."""
        self.markets[symbol].is_listed = False
        return [order for account in self.accounts for order in self.cancel_all(account, symbol, "delisted")]

    # -- orders -----------------------------------------------------------------------------------------------------
    def submit(
        self,
        account: str,
        symbol: str,
        *,
        side: Side,
        price_ticks: int | None,
        size_lots: int,
        client_id: str | None = None,
        post_only: bool = False,
        reduce_only: bool = False,
        time_in_force: str = "GTC",
        label: str | None = None,
        session: Any | None = None,
        persistent: bool = True,
    ) -> SimOrder:
        """Take an order: reject it, match it, rest or end what is left. Raises KeyError for an unknown account."""
        order = SimOrder(
            account, symbol, self._match.new_order_id(), client_id, side, price_ticks, size_lots,
            post_only=post_only, reduce_only=reduce_only, time_in_force=time_in_force, created_ns=self.now_ns,
            label=label, session=session, persistent=persistent,
        )  # fmt: skip
        reason = self._refusal(order)
        if reason is not None:
            order.state, order.reason, order.closed_ns = OrderState.REJECTED, reason, self.now_ns
            self._match.tell(order, "rejected")
            return order
        market = self.markets[symbol]
        self._match.tell(order, "accepted")
        if time_in_force != "FOK" or self._match.fills_at_once(market, order):
            self._match.walk(market, order)
        self._match.rest_or_end(market, order)
        self._match.flush(market)
        return order

    def _refusal(self, order: SimOrder) -> str | None:
        account = self.accounts[order.account]
        if order.symbol not in self.markets:
            return "no_market"
        if order.time_in_force not in TIMES_IN_FORCE:
            return "time_in_force"
        if len(account.open) >= self.max_open_orders:
            return "too_many_open_orders"
        if order.client_id is not None and account.by_client_id(order.client_id, order.session):
            return "duplicate_client_id"
        if order.post_only and (order.time_in_force != "GTC" or order.price_ticks is None):
            return "post_only_cannot_be_ioc"
        return self._placing_refusal(order, order.price_ticks)

    def _placing_refusal(self, order: SimOrder, price_ticks: int | None) -> str | None:
        """Return why an order cannot stand at a price with its size."""
        market = self.markets[order.symbol]
        if price_ticks is None:
            price_ticks = market.worst_ticks(order.side, order.size_lots)
            if not price_ticks:
                return None  # nothing to take: it ends as soon as it has arrived
        reason = market.instrument.unplaceable_reason(price_ticks, order.size_lots)
        # What is left of a position may be worth less than the minimum and must still be closable.
        if reason is not None and not (reason == "min_notional" and order.reduce_only):
            return reason
        if order.post_only and market.crosses(order.side, price_ticks):
            return POST_ONLY_WOULD_CROSS
        return self.accounts[order.account].refusal(order, market, self.markets.values(), price_ticks)

    def amend(self, account: str, order_id: str, price_ticks: int, size_lots: int) -> SimOrder | None:
        """Change price and total size (filled part included); only a pure shrink keeps its place in the queue.

        None: no such open order. Raises SimRefused: nothing was changed.
        """
        order = self.accounts[account].open.get(order_id)
        if order is None:
            return None
        if size_lots <= order.filled_lots:
            return self.cancel(account, order_id)
        market = self.markets[order.symbol]
        wanted = replace(order, price_ticks=price_ticks, size_lots=size_lots)
        shrinks = price_ticks == order.price_ticks and size_lots <= order.size_lots
        reason = None if shrinks else self._placing_refusal(wanted, price_ticks)
        if reason is not None:
            raise SimRefused(reason)
        if not shrinks:
            market.remove(order)
        order.price_ticks, order.size_lots = price_ticks, size_lots
        self._match.tell(order, "modified")
        if shrinks:
            market.touch(order.side, price_ticks)
        else:
            del self.accounts[account].open[order_id]
            self._match.walk(market, order)
            self._match.rest_or_end(market, order)
        self._match.flush(market)
        return order

    def cancel(self, account: str, order_id: str, reason: str = "user") -> SimOrder | None:
        """End an open order; None when there is none of that id."""
        order = self.accounts[account].open.get(order_id)
        if order is not None:
            self._end([order], reason)
        return order

    def cancel_all(self, account: str, symbol: str | None = None, reason: str = "user") -> list[SimOrder]:
        """End the open orders of an account and return them."""
        return self._end(self.open_orders(account, symbol), reason)

    def cancel_session(self, session: Any, reason: str = "session_end") -> list[SimOrder]:
        """End the open orders of a session that are not persistent, and return them."""
        opened = [order for account in self.accounts.values() for order in account.open.values()]
        return self._end([order for order in opened if order.session == session and not order.persistent], reason)

    def _end(self, orders: list[SimOrder], reason: str) -> list[SimOrder]:
        for order in orders:
            self._match.end(self.markets[order.symbol], order, OrderState.CANCELED, reason)
        for symbol in dict.fromkeys(order.symbol for order in orders):
            self._match.flush(self.markets[symbol])
        return orders

    def fill_resting(self, account: str, order_id: str, lots: int) -> SimFill | None:
        """Fill up to `lots` of an open order at its own price by a made-up counterparty; None: no such order."""
        order = self.accounts[account].open.get(order_id)
        if order is None or order.price_ticks is None or lots <= 0:
            return None
        market = self.markets[order.symbol]
        self._match.trade(market, order.price_ticks, min(lots, order.remaining_lots), order.side.opposite, order, None)
        self._match.flush(market)
        return self.accounts[account].fills[-1]


def _assets(market: SimMarket) -> tuple[str, ...]:
    instrument = market.instrument
    return (instrument.base, instrument.quote) if market.is_spot else (instrument.quote,)
