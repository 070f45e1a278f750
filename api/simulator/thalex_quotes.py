"""Thalex's mass quotes and market-maker protection. Rules: exchanges/thalex.md, section 7."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from api.simulator import thalex_errors as codes
from api.simulator.exchange_types import SimFill, SimOrder, SimRefused
from api.simulator.thalex_errors import RpcError, refusal
from api.simulator.thalex_instruments import product_of
from api.simulator.thalex_orders import Wish
from api.simulator.thalex_params import Params, flag_of, lots_of, needed_amount, text_of, ticks_of
from api.simulator.thalex_session import Protection
from api.simulator.thalex_shapes import Json, OrderNote, number
from core.market.order import POST_ONLY_WOULD_CROSS, Side

if TYPE_CHECKING:
    from api.simulator.exchange import SimExchange
    from api.simulator.thalex_market import Markets, MarketState
    from api.simulator.thalex_orders import OrderDesk
    from api.simulator.thalex_records import Records
    from api.simulator.thalex_session import Session


MAX_QUOTES, MAX_LEVELS = 100, 10
_SIDES = (("b", Side.BUY), ("a", Side.SELL))


class QuoteDesk:
    """Keeps the quotes of sessions as the last mass quote wanted them."""

    def __init__(self, exchange: SimExchange, markets: Markets, records: Records, desk: OrderDesk) -> None:
        self._exchange, self._markets, self._records, self._desk = exchange, markets, records, desk

    # -- protection -------------------------------------------------------------------------------------------------
    def set_protection(self, session: Session, params: Params) -> Json:
        """Do private/set_mm_protection; return the status row of the group."""
        product = text_of(params, "product") or ""
        if product not in {product_of(state.market.market) for state in self._markets.values()}:
            raise RpcError(codes.PROTECTION_GROUP)
        if "amount" in params:  # deprecated: one number for both
            params = {**params, "trade_amount": params["amount"], "quote_amount": params["amount"]}
        trade, quote = needed_amount(params, "trade_amount"), needed_amount(params, "quote_amount")
        if not 0 < trade <= quote:
            raise RpcError(codes.PROTECTION_GROUP, "trade_amount must be above 0 and at most quote_amount")
        session.protections[product] = Protection(trade, quote)
        return status_row(product, trade, "refill")

    def count_fill(self, session: Session, fill: SimFill, product: str) -> Json | None:
        """Take an execution out of its group; return the status row, None when the group is gone."""
        group = session.protections.get(product)
        if group is None:
            return None
        group.remaining -= self._markets[fill.symbol].instrument.to_size(fill.size_lots)
        return status_row(product, group.remaining, "executions")

    def trip(self, session: Session, product: str) -> None:
        """End the quotes of a group whose amount is used up."""
        for order in self._quotes(session, product):
            self._exchange.cancel(order.account, order.order_id, "mm_protection")

    # -- quotes -----------------------------------------------------------------------------------------------------
    def cancel(self, sessions: list[Session], product: str | None) -> list[tuple[Session, Json]]:
        """Do private/cancel_mass_quote over all sessions of the account: quotes end, groups are reset."""
        rows = []
        for session in sessions:
            for order in self._quotes(session, product):
                self._exchange.cancel(order.account, order.order_id, "client_bulk_cancel")
            for name in [name for name in session.protections if product in (None, name)]:
                del session.protections[name]
                rows.append((session, status_row(name, Decimal(0), "client_cancel")))
        return rows

    def mass_quote(self, session: Session, params: Params) -> Json:
        """Do private/mass_quote."""
        quotes = params.get("quotes")
        if not isinstance(quotes, list) or not 0 < len(quotes) <= MAX_QUOTES:
            raise RpcError(codes.INVALID_REQUEST, f"quotes is not a list of 1 to {MAX_QUOTES}")
        successes, errors = 0, []
        for quote in quotes:
            for name, side in _SIDES:
                if not isinstance(quote, dict) or quote.get(name) is None:
                    continue
                try:
                    successes += self._quote_side(session, params, quote, side, quote[name])
                except RpcError as exc:
                    errors.append({**exc.as_json(), "side": side.value})
        return {"n_success": successes, "n_fail": len(errors), "errors": errors}

    def _quote_side(self, session: Session, params: Params, quote: Params, side: Side, wanted: Any) -> int:
        """Make one side's quotes what is wanted; return how many prices were put, kept or removed."""
        name = quote.get("i")
        if not isinstance(name, str) or name not in self._markets:
            raise RpcError(codes.UNKNOWN_INSTRUMENT)
        state = self._markets[name]
        product = product_of(state.market.market)
        levels = self._levels(state, wanted)
        group = session.protections.get(product)
        if group is None or group.remaining <= 0:
            raise RpcError(codes.PROTECTION_NOT_SET)
        if any(state.instrument.to_size(lots) > group.quote_amount for _, lots in levels):
            raise RpcError(codes.QUOTE_TOO_LARGE)
        standing = [order for order in self._quotes(session, product) if order.symbol == name and order.side is side]
        wish = {price: lots for price, lots in levels if lots}
        kept = self._drop_others(standing, wish)
        for price_ticks, lots in wish.items():
            if price_ticks not in kept:
                self._put(session, state, params, product, Wish(side, price_ticks, lots, "GTC", False, False, None))
        return max(1, len(levels))

    def _drop_others(self, standing: list[SimOrder], wish: dict[int, int]) -> set[int]:
        """End the quotes that are not wanted as they are; return the prices of those that stay."""
        kept = set()
        for order in standing:
            price = order.price_ticks or 0
            lots = wish.get(price, 0)
            if lots and lots <= order.remaining_lots:
                try:
                    self._exchange.amend(order.account, order.order_id, price, order.filled_lots + lots)
                except SimRefused as exc:
                    raise refusal(exc.reason) from exc
                kept.add(price)
            else:
                self._exchange.cancel(order.account, order.order_id, "client_cancel")
        return kept

    def _put(self, session: Session, state: MarketState, params: Params, product: str, wish: Wish) -> None:
        note = OrderNote(reject_post_only=flag_of(params, "reject_post_only"), product=product)
        wish.post_only, wish.label = flag_of(params, "post_only"), text_of(params, "label")
        if wish.post_only and not note.reject_post_only:
            wish.price_ticks = state.market.passive_ticks(wish.side, wish.price_ticks)
        order = self._desk.submit(session, state.market, note, wish)
        if order.reason == POST_ONLY_WOULD_CROSS:
            raise RpcError(codes.PRICE, "quote would cross", "")

    def _levels(self, state: MarketState, wanted: Any) -> list[tuple[int, int]]:
        """Return (price ticks, lots) of `{"p", "a"}` or `[[price, amount], ...]`; amount 0 removes."""
        rows = [wanted] if isinstance(wanted, dict) else wanted
        if not isinstance(rows, list) or len(rows) > MAX_LEVELS:
            raise RpcError(codes.INVALID_REQUEST, f"a side is a quote or a list of up to {MAX_LEVELS}")
        return [self._level(state, row) for row in rows]

    def _level(self, state: MarketState, row: Any) -> tuple[int, int]:
        if isinstance(row, list) and len(row) == 2:
            row = {"p": row[0], "a": row[1]}
        if not isinstance(row, dict):
            raise RpcError(codes.INVALID_REQUEST, "a level is not [price, amount]")
        amount = needed_amount(row, "a")
        price_ticks = ticks_of(state.market, needed_amount(row, "p"))
        return price_ticks, lots_of(state.market, amount) if amount else 0

    def _quotes(self, session: Session, product: str | None) -> list[SimOrder]:
        """Return the standing quotes of a session, of one group or of all."""
        if session.account is None:
            return []
        found = []
        for order in self._exchange.open_orders(session.account):
            group = self._records.note(order).product
            if order.session is session and group and product in (None, group):
                found.append(order)
        return found


def status_row(product: str, remaining: Decimal, reason: str) -> Json:
    """Return a row of session.mm_protection."""
    return {"product": product, "remaining_amount": number(remaining), "reason": reason}
