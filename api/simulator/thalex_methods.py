"""Thalex's methods by name: who may call them, how often, and who does them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from api.simulator import thalex_errors as codes
from api.simulator.thalex_candles import RESOLUTIONS
from api.simulator.thalex_channels import open_channel
from api.simulator.thalex_errors import RpcError
from api.simulator.thalex_keys import VIEW, KeyRing
from api.simulator.thalex_params import Params, needed_amount, text_of, unknown_names, whole_of

if TYPE_CHECKING:
    from api.simulator.exchange import SimExchange
    from api.simulator.thalex_account import AccountDesk
    from api.simulator.thalex_market import Markets
    from api.simulator.thalex_notify import Notifier
    from api.simulator.thalex_orders import OrderDesk
    from api.simulator.thalex_quotes import QuoteDesk
    from api.simulator.thalex_session import Session
    from api.simulator.thalex_shapes import Json


_BOOK_LEVELS = 5
_MAX_TIMEOUT_S = 3600
Method = Callable[["Session", Params], Any]
# Requests to the matching engine: they are what the message rate counts.
ENGINE = frozenset(
    {
        "private/insert",
        "private/buy",
        "private/sell",
        "private/amend",
        "private/cancel",
        "private/cancel_all",
        "private/cancel_session",
        "private/mass_quote",
        "private/cancel_mass_quote",
        "private/set_mm_protection",
    }
)
_REDUCING = frozenset({"private/cancel", "private/cancel_all", "private/cancel_session", "private/cancel_mass_quote"})


class Methods:
    """The table of methods."""

    def __init__(
        self,
        exchange: SimExchange,
        markets: Markets,
        keys: KeyRing,
        orders: OrderDesk,
        accounts: AccountDesk,
        quotes: QuoteDesk,
        notifier: Notifier,
        now_s: Callable[[], float],
        utc_ns: Callable[[], int],
    ) -> None:
        self._exchange, self._markets, self._keys = exchange, markets, keys
        self._orders, self._accounts, self._quotes, self._notifier = orders, accounts, quotes, notifier
        self._now_s, self._utc_ns = now_s, utc_ns
        self.table: Mapping[str, Method] = self._session_methods() | self._public_methods() | self._private_methods()

    def _session_methods(self) -> dict[str, Method]:
        return {
            "public/login": self._login,
            "public/subscribe": lambda session, params: self._subscribe(session, params, False),
            "private/subscribe": lambda session, params: self._subscribe(session, params, True),
            "unsubscribe": self._unsubscribe,
            "private/set_cancel_on_disconnect": self._set_cancel_on_disconnect,
            "private/cancel_session": self._cancel_session,
        }

    def _public_methods(self) -> dict[str, Method]:
        return {
            "public/instruments": lambda _, params: self._notifier.instrument_rows(),
            "public/all_instruments": lambda _, params: self._notifier.instrument_rows(),
            "public/instrument": self._instrument,
            "public/ticker": self._ticker,
            "public/book": self._book,
            "public/index": self._index,
            "public/system_info": lambda _, params: {"environment": "simulator", "api_version": "2.0.0", "banners": []},
            "public/mark_price_historical_data": self._mark_history,
            "public/index_price_historical_data": self._index_history,
        }

    def _private_methods(self) -> dict[str, Method]:
        orders, accounts = self._orders, self._accounts
        return {
            "private/insert": orders.insert,
            "private/buy": orders.buy,
            "private/sell": orders.sell,
            "private/amend": orders.amend,
            "private/cancel": orders.cancel,
            "private/cancel_all": orders.cancel_all,
            "private/mass_quote": self._quotes.mass_quote,
            "private/cancel_mass_quote": self._cancel_mass_quote,
            "private/set_mm_protection": self._set_mm_protection,
            "private/open_orders": accounts.open_orders,
            "private/order_history": lambda session, params: accounts.order_history(session, params, self._utc_ns()),
            "private/trade_history": lambda session, params: accounts.trade_history(session, params, self._utc_ns()),
            "private/portfolio": lambda session, params: accounts.portfolio(_account(session)),
            "private/account_summary": lambda session, params: accounts.summary(_account(session)),
            "private/account_breakdown": self._breakdown,
            "private/required_margin_for_order": self._margin_for_order,
        }

    def call(self, session: Session, method: str, params: Params) -> Any:
        """Do a method and return its result. Raises RpcError."""
        do = self.table.get(method)
        if do is None:
            raise RpcError(codes.UNKNOWN_METHOD)
        if method.startswith("private/") and session.account is None:
            raise RpcError(codes.NOT_LOGGED_IN)
        if method in ENGINE:
            if not session.may_send(self._now_s()):
                raise RpcError(codes.THROTTLE)
            if session.key_id.endswith(VIEW) and method not in _REDUCING:
                raise RpcError(codes.UNAUTHORISED, "the key may not trade")
        unknown_names(params, frozenset())  # nulls are refused everywhere
        return do(session, params)

    # -- sessions ---------------------------------------------------------------------------------------------------
    def _login(self, session: Session, params: Params) -> Json:
        session.log_out()
        session.key_id, account, number_ = self._keys.log_in(params, self._utc_ns() / 1e9)
        session.account = session.socket.account = account
        return {"account_number": number_}

    def _set_cancel_on_disconnect(self, session: Session, params: Params) -> Json:
        timeout_s = whole_of(params, "timeout_secs", 1, _MAX_TIMEOUT_S)
        if timeout_s is None:
            raise RpcError(codes.INVALID_REQUEST, "timeout_secs is missing")
        session.arm(timeout_s)
        return {"message_rate": session.message_rate}

    def _cancel_session(self, session: Session, params: Params) -> None:
        if session.persistent:
            raise RpcError(codes.PERSISTENT_SESSION)
        self._exchange.cancel_session(session)
        session.protections.clear()

    def _subscribe(self, session: Session, params: Params, private: bool) -> list[str]:
        """Return the channels really subscribed; an unknown name is just missing."""
        subscribed = []
        for name in _channels(params):
            if name not in session.channels:
                channel = open_channel(name, self._markets, private)
                if channel is None:
                    continue
                session.channels[channel.name] = channel
                session.fresh.append(channel)
            subscribed.append(name)
        return subscribed

    def _unsubscribe(self, session: Session, params: Params) -> list[str]:
        return [name for name in _channels(params) if session.channels.pop(name, None) is not None]

    # -- public -----------------------------------------------------------------------------------------------------
    def _instrument(self, _: Session, params: Params) -> Json:
        name = self._orders.market_of(params).symbol
        return next(row for row in self._notifier.instrument_rows() if row["instrument_name"] == name)

    def _ticker(self, _: Session, params: Params) -> Json:
        state = self._orders.market_of(params)
        return state.ticker_row(self._markets.index_of(state), self._utc_ns())

    def _book(self, _: Session, params: Params) -> Json:
        return self._orders.market_of(params).book_row(_BOOK_LEVELS, self._utc_ns())

    def _index(self, _: Session, params: Params) -> Json:
        row = self._markets.index_row(text_of(params, "underlying") or "", self._utc_ns())
        if row is None:
            raise RpcError(codes.UNKNOWN_INSTRUMENT, "unknown underlying")
        return row

    def _mark_history(self, _: Session, params: Params) -> Json:
        state = self._orders.market_of(params)
        from_s, to_s, resolution_s = _span(params)
        rows = []
        for start, candle in state.candles.rows(from_s, to_s, resolution_s):
            top = state.top_row(candle.close) if resolution_s == RESOLUTIONS["1m"] else None
            funding = [0.0] if state.market.market.kind == "perp" else []
            rows.append([start, *candle, *funding, top])
        kind = "perpetual" if state.market.market.kind == "perp" else "future"
        return {"instrument_type": kind, "mark": rows}

    def _index_history(self, _: Session, params: Params) -> Json:
        name = text_of(params, "index_name") or ""
        states = [state for state in self._markets.values() if state.underlying == name]
        if not states:
            raise RpcError(codes.UNKNOWN_INSTRUMENT, "unknown index")
        return {"index": [[start, *candle] for start, candle in states[0].candles.rows(*_span(params))]}

    # -- private ----------------------------------------------------------------------------------------------------
    def _breakdown(self, session: Session, params: Params) -> Json:
        return self._accounts.breakdown(_account(session), self._keys.accounts[session.key_id][1])

    def _margin_for_order(self, session: Session, params: Params) -> Json:
        return self._accounts.margin_for_order(_account(session), self._orders.market_of(params), params)

    def _set_mm_protection(self, session: Session, params: Params) -> None:
        self._notifier.tell_protection(session, self._quotes.set_protection(session, params))

    def _cancel_mass_quote(self, session: Session, params: Params) -> None:
        own = [each for each in self._notifier.sessions.values() if each.account == session.account]
        for each, status in self._quotes.cancel(own, text_of(params, "product")):
            self._notifier.tell_protection(each, status)


def _account(session: Session) -> str:
    assert session.account is not None
    return session.account


def _channels(params: Params) -> list[Any]:
    channels = params.get("channels")
    if not isinstance(channels, list) or not all(isinstance(name, str) for name in channels):
        raise RpcError(codes.INVALID_REQUEST, "channels is not a list of names")
    return channels


def _span(params: Params) -> tuple[float, float, int]:
    word = text_of(params, "resolution", frozenset(RESOLUTIONS))
    if word is None:
        raise RpcError(codes.INVALID_REQUEST, "resolution is missing")
    from_s, to_s = needed_amount(params, "from"), needed_amount(params, "to")
    if not Decimal(0) <= from_s <= to_s:
        raise RpcError(codes.INVALID_REQUEST, "from is after to")
    return float(from_s), float(to_s), RESOLUTIONS[word]
