"""Backpack's signed account calls: balances, collateral, lending, positions, settings, history."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from aiohttp import web

from api.simulator import backpack_account_shapes as shapes
from api.simulator.backpack_gate import Gate, Params, SignedHandler, whole
from api.simulator.backpack_orders import read_decimal, refusal, unparsed
from api.simulator.backpack_shapes import MARKET_TYPES, Json, by_number, plain

if TYPE_CHECKING:
    from api.simulator.backpack_state import Desk
    from api.simulator.exchange_market import SimMarket

_ZERO = Decimal(0)
_MAX_LEVERAGE = 50


class AccountCalls:
    """The calls about an account."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self, gate: Gate) -> Iterable[web.RouteDef]:
        """Return all account routes."""
        reads: dict[str, SignedHandler] = {
            "/api/v1/account": self.account,
            "/api/v1/account/limits/order": self.largest_order,
            "/api/v1/capital": self.capital,
            "/api/v1/capital/collateral": self.collateral,
            "/api/v1/borrowLend/positions": self.lent,
            "/api/v1/position": self.positions,
            "/wapi/v1/history/fills": self.fills,
            "/wapi/v1/history/orders": self.past_orders,
            "/wapi/v1/history/funding": lambda account, params: [],
        }
        return [
            *(web.get(path, gate.signed(call), allow_head=False) for path, call in reads.items()),
            web.patch("/api/v1/account", gate.signed(self.update)),
            web.post("/api/v1/borrowLend", gate.signed(self.lend)),
        ]

    # -- settings ---------------------------------------------------------------------------------------------------
    def account(self, account: str, params: Params) -> Json:
        """Return settings, fees in basis points, and counts."""
        settings = self._desk.settings(account)
        return {
            "autoBorrowSettlements": settings.auto_borrow_settlements,
            "autoLend": settings.auto_lend,
            "autoRepayBorrows": settings.auto_repay_borrows,
            "borrowLimit": "0",
            **self._fees(),
            "leverageLimit": plain(settings.leverage_limit),
            "limitOrders": len(self._desk.exchange.open_orders(account)),
            "liquidating": False,
            "positionLimit": "100000000",
            "triggerOrders": 0,
        }

    def _fees(self) -> Json:
        fees = dict.fromkeys(("futuresMakerFee", "futuresTakerFee", "spotMakerFee", "spotTakerFee"), "0")
        for market in self._desk.exchange.markets.values():
            kind, instrument = "spot" if market.is_spot else "futures", market.instrument
            fees[f"{kind}MakerFee"], fees[f"{kind}TakerFee"] = (
                plain(instrument.maker_fee_bps),
                plain(instrument.taker_fee_bps),
            )
        return fees

    def update(self, account: str, body: Any) -> None:
        """Change settings; the answer is empty."""
        settings = self._desk.settings(account)
        if body.get("leverageLimit") is not None:
            leverage = read_decimal(body["leverageLimit"], "leverageLimit", "INVALID_CLIENT_REQUEST")
            if not 1 <= leverage <= _MAX_LEVERAGE:
                raise unparsed(f"`leverageLimit` must be 1 to {_MAX_LEVERAGE}")
            settings.leverage_limit = self._desk.exchange.accounts[account].leverage = leverage
        settings.auto_lend = bool(body.get("autoLend", settings.auto_lend))
        settings.auto_borrow_settlements = bool(body.get("autoBorrowSettlements", settings.auto_borrow_settlements))
        settings.auto_repay_borrows = bool(body.get("autoRepayBorrows", settings.auto_repay_borrows))

    def largest_order(self, account: str, params: Params) -> Json:
        """Return about the largest quantity that an order could have."""
        market, side = self._desk.market(params.get("symbol")), params.get("side")
        if side not in ("Bid", "Ask"):
            raise unparsed('failed to parse "Side"')
        price = self._desk.exchange.mark(market.symbol)
        if params.get("price") is not None:
            price = read_decimal(params["price"], "price", "INVALID_PRICE")
        step = market.instrument.lot_size
        most = self._affordable(account, market, str(side), price) // step * step
        return {"symbol": market.symbol, "side": side, "price": plain(price), "maxOrderQuantity": plain(most)}

    def _affordable(self, account: str, market: SimMarket, side: str, price: Decimal) -> Decimal:
        instrument = market.instrument
        if market.is_spot and side == "Ask":
            return max(_ZERO, self._desk.unlent(account, instrument.base))
        limit = min(self._desk.settings(account).leverage_limit, Decimal(market.market.max_leverage))
        funds = max(_ZERO, self._desk.unlent(account, instrument.quote)) * (1 if market.is_spot else limit)
        return funds / price if price else _ZERO

    # -- money ------------------------------------------------------------------------------------------------------
    def capital(self, account: str, params: Params) -> Json:
        """Return balances without what is lent."""
        return shapes.balances(self._desk.exchange.balances(account), self._desk.settings(account).lent)

    def collateral(self, account: str, params: Params) -> Json:
        """Return the margin account."""
        exchange = self._desk.exchange
        pnl = exposure = _ZERO
        for market in self._held(account):
            (lots, entry), mark = exchange.position(account, market.symbol), exchange.mark(market.symbol)
            pnl += shapes.unrealised(market.instrument, lots, entry, mark)
            exposure += abs(market.instrument.to_size(lots)) * mark
        futures = {"pnlUnrealized": pnl, "netExposureFutures": exposure}
        lent = self._desk.settings(account).lent
        return shapes.collateral(exchange.balances(account), lent, self._desk.marks_by_asset(), futures)

    def lent(self, account: str, params: Params) -> list[Json]:
        """Return what is lent; nothing can be borrowed here."""
        lent, marks = self._desk.settings(account).lent, self._desk.marks_by_asset()
        return [
            shapes.lent_position(number, asset, amount, marks.get(asset, _ZERO))
            for number, (asset, amount) in enumerate(sorted(lent.items()), 88)
        ]

    def lend(self, account: str, body: Any) -> None:
        """Lend a part of a balance; the answer is empty."""
        asset, amount = str(body.get("symbol")), read_decimal(body.get("quantity"), "quantity", "INVALID_QUANTITY")
        if body.get("side") != "Lend":
            raise refusal("BORROW_LIMIT", "Borrow limit exceeded", "not_simulated")
        if amount > self._desk.unlent(account, asset):
            raise refusal("INSUFFICIENT_FUNDS", "Insufficient funds")
        lent = self._desk.settings(account).lent
        lent[asset] = lent.get(asset, _ZERO) + amount

    # -- positions --------------------------------------------------------------------------------------------------
    def positions(self, account: str, params: Params) -> list[Json]:
        """Return open positions: an empty list for a flat account, 404 for a market without one."""
        asked, exchange = params.get("symbol"), self._desk.exchange
        rows = []
        for market in self._held(account):
            if asked in (None, market.symbol):
                lots, entry = exchange.position(account, market.symbol)
                realised = exchange.accounts[account].positions[market.symbol].realised_pnl
                mark = exchange.mark(market.symbol)
                rows.append(shapes.position(market.instrument, lots, entry, mark, realised))
        if asked is not None and not rows:
            raise refusal("RESOURCE_NOT_FOUND", "Position not found")
        return rows

    def _held(self, account: str) -> list[SimMarket]:
        markets = self._desk.exchange.markets.values()
        return [market for market in markets if self._desk.exchange.position(account, market.symbol)[0]]

    # -- history ----------------------------------------------------------------------------------------------------
    def fills(self, account: str, params: Params) -> list[Json]:
        """Return fills, newest first; `from` and `to` are milliseconds, both included."""
        first, last = whole(params, "from", 0, 0, 10**14), whole(params, "to", 10**14, 0, 10**14)
        if first > last:
            raise refusal("INVALID_RANGE", "Invalid range", "bad_request")
        rows = [
            shapes.fill(fill, self._desk.instrument(fill.symbol))
            for fill in reversed(self._desk.exchange.fills(account, params.get("symbol")))
            if first <= fill.at_ns // 10**6 <= last
            and params.get("orderId") in (None, fill.order.order_id)
            and self._is_type(fill.symbol, params)
        ]
        return by_number(rows, *_page(params))

    def past_orders(self, account: str, params: Params) -> list[Json]:
        """Return orders, closed and open, newest first."""
        exchange, symbol = self._desk.exchange, params.get("symbol")
        orders = [*exchange.closed_orders(account, symbol), *exchange.open_orders(account, symbol)]
        orders.sort(key=lambda order: (order.created_ns, int(order.order_id)), reverse=True)
        rows = [
            shapes.past_order(order, self._desk.instrument(order.symbol))
            for order in orders
            if params.get("orderId") in (None, order.order_id) and self._is_type(order.symbol, params)
        ]
        return by_number(rows, *_page(params))

    def _is_type(self, symbol: str, params: Params) -> bool:
        return params.get("marketType") in (None, MARKET_TYPES[self._desk.instrument(symbol).kind])


def _page(params: Params) -> tuple[int, int]:
    return whole(params, "limit", 100, 1, 1000), whole(params, "offset", 0, 0, 10**9)
