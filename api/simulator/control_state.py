"""What `GET /_sim/state` says, as JSON values; amounts are decimal text. Credentials are not in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from core.market.order import Side

if TYPE_CHECKING:
    from api.simulator.exchange import SimExchange, SimFill, SimMarket, SimOrder
    from api.simulator.server import VenueServer

Plain = dict[str, Any]
_LEVELS = 5  # of a book, a side


def state_of(server: VenueServer, accounts: Sequence[str], fills: int, requests: int) -> Plain:
    """Return the state, with up to `fills` newest fills of each account and the newest `requests`, oldest first."""
    exchange = server.exchange
    return {
        "venue": server.venue,
        "now_ns": exchange.now_ns,
        "markets": {symbol: _market_row(exchange, market) for symbol, market in exchange.markets.items()},
        "accounts": {name: _account_row(server, name, fills) for name in accounts},
        "counters": {
            "requests": dict(sorted(server.counters.items())),
            "violations": dict(sorted(server.violations.items())),
        },
        "recent": [asdict(asked) for asked in list(server.recent)[max(0, len(server.recent) - requests) :]],
        "paused": exchange.is_paused,
        "faults": server.faults.armed(),
        "sockets": [{"name": socket.name, "account": socket.account} for socket in server.sockets],
    }


def _market_row(exchange: SimExchange, market: SimMarket) -> Plain:
    best = {side: market.best(side) for side in Side}
    prices = {side: None if level is None else _price(market, level.price_ticks) for side, level in best.items()}
    return {
        "bid": prices[Side.BUY],
        "ask": prices[Side.SELL],
        "mark": f"{exchange.mark(market.symbol):f}",
        "bids": _levels(market, Side.BUY),
        "asks": _levels(market, Side.SELL),
        "sequence": market.sequence,
        "tick_size": f"{market.listed.tick_size:f}",
        "lot_size": f"{market.instrument.lot_size:f}",
    }


def _levels(market: SimMarket, side: Side) -> list[list[str]]:
    """Return the best levels of the public book, best first: price and size."""
    found = market.book.top(side, _LEVELS)
    return [[_price(market, level.price_ticks), _size(market, level.size_lots)] for level in found]


def _account_row(server: VenueServer, name: str, fills: int) -> Plain:
    exchange = server.exchange
    account = exchange.accounts[name]
    newest = list(account.fills)[max(0, len(account.fills) - fills) :]
    return {
        "open_orders": [order_row(server, order) for order in account.open.values()],
        "positions": {
            symbol: {"size": _size(exchange.markets[symbol], lots), "entry_price": f"{entry:f}"}
            for symbol, (lots, entry) in exchange.positions(name).items()
        },
        "balances": {
            asset: {"total": f"{total:f}", "available": f"{available:f}"}
            for asset, (total, available) in exchange.balances(name).items()
        },
        "fill_count": account.fill_count,
        "fills": [_fill_row(server, fill) for fill in newest],
    }


def order_row(server: VenueServer, order: SimOrder) -> Plain:
    """Return an order; the id is as the venue tells it."""
    market = server.exchange.markets[order.symbol]
    return {
        "order_id": server.wire_order_id(order),
        "client_id": order.client_id,
        "label": order.label,
        "account": order.account,
        "symbol": order.symbol,
        "side": order.side.value,
        "price": None if order.price_ticks is None else _price(market, order.price_ticks),
        "size": _size(market, order.size_lots),
        "filled": _size(market, order.filled_lots),
        "state": order.state.value,
        "reason": order.reason,
        "post_only": order.post_only,
        "reduce_only": order.reduce_only,
        "tif": order.time_in_force,
        "persistent": order.persistent,
        "created_ns": order.created_ns,
    }


def _fill_row(server: VenueServer, fill: SimFill) -> Plain:
    market = server.exchange.markets[fill.symbol]
    return {
        "trade_id": server.wire_trade_id(fill),
        "order_id": server.wire_order_id(fill.order),
        "client_id": fill.order.client_id,
        "label": fill.order.label,
        "symbol": fill.symbol,
        "side": fill.side.value,
        "price": _price(market, fill.price_ticks),
        "size": _size(market, fill.size_lots),
        "liquidity": fill.liquidity,
        "fee": f"{fill.fee:f}",
        "fee_asset": fill.fee_asset,
        "at_ns": fill.at_ns,
    }


def _price(market: SimMarket, price_ticks: int) -> str:
    return _text(market.instrument.to_price(price_ticks))


def _size(market: SimMarket, lots: int) -> str:
    return _text(market.instrument.to_size(lots))


def _text(value: Decimal) -> str:
    return f"{value:f}"
