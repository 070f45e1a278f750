"""Thalex's account methods: positions, money, margin, open orders and the histories."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

from api.simulator import thalex_errors as codes
from api.simulator.thalex_errors import RpcError
from api.simulator.thalex_params import (
    Params,
    amount_of,
    instrument_names_of,
    needed_amount,
    text_of,
    whole_of,
)
from api.simulator.thalex_shapes import Json, TradeNote, number, portfolio_row, summary_row
from core.market.order import Side

if TYPE_CHECKING:
    from api.simulator.exchange import SimExchange
    from api.simulator.exchange_types import SimOrder
    from api.simulator.thalex_market import Markets, MarketState
    from api.simulator.thalex_records import Records
    from api.simulator.thalex_session import Session


SETTLEMENT = "USDT"  # what margin is held in; instruments are priced in USD
PAGE_ROWS = 1000
HISTORY_NS = 90 * 86_400 * 10**9
_SORTS = frozenset({"ascending", "descending"})
_Row = TypeVar("_Row")
_Key = tuple[int, int]


class AccountDesk:
    """Answers questions about an account."""

    def __init__(self, exchange: SimExchange, markets: Markets, records: Records) -> None:
        self._exchange, self._markets, self._records = exchange, markets, records

    # -- positions and money ----------------------------------------------------------------------------------------
    def position_row(self, account: str, state: MarketState) -> Json:
        """Return one position, a flat one too."""
        lots, entry = self._exchange.position(account, state.symbol)
        position = state.instrument.to_size(abs(lots)) * (1 if lots >= 0 else -1)
        known = self._exchange.accounts[account].positions.get(state.symbol)
        realised = known.realised_pnl if known else Decimal(0)
        return portfolio_row(state.symbol, position, entry, state.mark, self._markets.index_of(state), realised)

    def portfolio(self, account: str) -> list[Json]:
        """Return the positions that are not flat."""
        held = [state for state in self._markets.values() if self._exchange.position(account, state.symbol)[0]]
        return [self.position_row(account, state) for state in held]

    def _pnl(self, account: str, state: MarketState) -> Decimal:
        lots, entry = self._exchange.position(account, state.symbol)
        return Decimal(0) if entry is None else (state.mark - entry) * state.instrument.to_size(lots)

    def margins(self, account: str) -> tuple[Decimal, Decimal]:
        """Return (unrealised profit, required margin)."""
        profits = [self._pnl(account, state) for state in self._markets.values()]
        losses = sum((min(profit, Decimal(0)) for profit in profits), Decimal(0))
        bound = sum((total - free for total, free in self._exchange.balances(account).values()), Decimal(0))
        return sum(profits, Decimal(0)), max(Decimal(0), bound + losses)

    def summary(self, account: str) -> Json:
        """Return the money of an account."""
        balances = self._exchange.balances(account)
        unrealised, required = self.margins(account)
        quote = next(iter(self._markets.values())).market.market.quote
        cash = {asset: total for asset, (total, _) in balances.items()}
        return summary_row(cash, unrealised, required, self._realised(account), quote, SETTLEMENT)

    def _realised(self, account: str) -> Decimal:
        positions = self._exchange.accounts[account].positions.values()
        return sum((position.realised_pnl - position.fees_paid for position in positions), Decimal(0))

    def breakdown(self, account: str, account_number: str) -> Json:
        """Return the money of an account with its positions."""
        row = self.summary(account)
        for cash in row["cash"]:
            cash["applied_collateral"] = cash["balance"]
        lines = [self._breakdown_line(account, line) for line in self.portfolio(account)]
        return {"account_number": account_number, "portfolio": lines, **row}

    def _breakdown_line(self, account: str, line: Json) -> Json:
        state = self._markets[line["instrument_name"]]
        opened = self._exchange.open_orders(account, state.symbol)
        lots = {side: sum(order.remaining_lots for order in opened if order.side is side) for side in Side}
        return line | {
            "unrealised_pnl_positional": line["unrealised_pnl"],
            "unrealised_pnl_perpetual": 0,
            "open_buy_amount": number(state.instrument.to_size(lots[Side.BUY])),
            "open_sell_amount": number(state.instrument.to_size(lots[Side.SELL])),
            "session_realised_pnl": line["realised_pnl"],
            "realised_position_pnl": line["realised_pnl"],
            "session_fees": 0,
        }

    def margin_for_order(self, account: str, state: MarketState, params: Params) -> Json:
        """Return the required margin now, and with an order bought or sold."""
        price, amount = needed_amount(params, "price"), needed_amount(params, "amount")
        _, required = self.margins(account)
        held = state.instrument.to_size(self._exchange.position(account, state.symbol)[0])
        leverage = self._exchange.accounts[account].leverage or state.market.market.max_leverage
        rows: Json = {}
        for name, sign in (("current", 0), ("with_buy", 1), ("with_sell", -1)):
            grown = abs(held + sign * amount) - abs(held)
            margin = max(Decimal(0), required + grown * price / leverage)
            part = {"underlying": state.underlying, "required_margin": number(margin), "loss_margin": number(margin)}
            rows[name] = {"required_margin": number(margin), "underlying": part}
        return rows

    # -- orders and trades ------------------------------------------------------------------------------------------
    def open_orders(self, session: Session, params: Params) -> list[Json]:
        """Return the open orders of the account."""
        assert session.account is not None
        names = instrument_names_of(params)
        name = text_of(params, "instrument_name")
        orders = self._exchange.open_orders(session.account)
        chosen = [order for order in orders if names is None or order.symbol in names]
        return [self._records.order_row(order, "existing") for order in chosen if name in (None, order.symbol)]

    def order_history(self, session: Session, params: Params, now_ns: int) -> Json:
        """Return a page of finished orders."""
        assert session.account is not None
        orders = self._records.finished(session.account)
        page, bookmark = _page(orders, _order_key, lambda order: order.symbol, params, now_ns)
        return {"orders": [self._records.history_row(order) for order in page], "bookmark": bookmark}

    def trade_history(self, session: Session, params: Params, now_ns: int) -> Json:
        """Return a page of trades."""
        assert session.account is not None
        trades = self._records.trades(session.account)
        page, bookmark = _page(trades, _trade_key, lambda trade: trade.fill.symbol, params, now_ns)
        return {"trades": [self._records.trade_row(trade) for trade in page], "bookmark": bookmark}


def _order_key(order: SimOrder) -> _Key:
    return (order.created_ns if order.closed_ns is None else order.closed_ns), int(order.order_id)


def _trade_key(trade: TradeNote) -> _Key:
    return trade.fill.at_ns, trade.fill.number


def _page(
    rows: Iterable[_Row],
    key: Callable[[_Row], _Key],
    symbol: Callable[[_Row], str],
    params: Params,
    now_ns: int,
) -> tuple[list[_Row], str | None]:
    """Return a page of a history and the bookmark of the next one, None when there is none."""
    limit = whole_of(params, "limit", 1, PAGE_ROWS) or PAGE_ROWS
    ascending = text_of(params, "sort", _SORTS) == "ascending"
    low_ns, high_ns = _bounds(params, now_ns)
    names, after = instrument_names_of(params), _bookmark(params)
    chosen = [
        row
        for row in rows
        if low_ns <= key(row)[0] <= high_ns
        and (names is None or symbol(row) in names)
        and (after is None or (key(row) > after if ascending else key(row) < after))
    ]
    chosen.sort(key=key, reverse=not ascending)
    page = chosen[:limit]
    return page, "{:x}-{:x}".format(*key(page[-1])) if len(chosen) > limit else None


def _bounds(params: Params, now_ns: int) -> tuple[int, int]:
    low, high = amount_of(params, "time_low"), amount_of(params, "time_high")
    oldest = now_ns - HISTORY_NS
    # A time that was told is rounded to microseconds. No upper bound of ours: the venue's clock may be skewed.
    high_ns = 2**63 if high is None else int(high * 10**9) + 999
    return (oldest if low is None else max(oldest, int(low * 10**9) - 999)), high_ns


def _bookmark(params: Params) -> _Key | None:
    text: Any = text_of(params, "bookmark")
    if text is None:
        return None
    at, _, tail = text.partition("-")
    try:
        return int(at, 16), int(tail, 16)
    except ValueError:
        raise RpcError(codes.INVALID_REQUEST, "the bookmark is not one of ours") from None
