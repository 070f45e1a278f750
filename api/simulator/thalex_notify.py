"""From what happens on the exchange to what Thalex's channels say, and the faults on the way."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from api.simulator.exchange_types import BookDelta, DeafListener, MarketPrint, SimFill, SimOrder
from api.simulator.thalex_channels import PRIVATE, BookChannel, MarketChannel, PrivateChannel
from api.simulator.thalex_instruments import instrument_row
from api.simulator.thalex_records import is_listed
from api.simulator.thalex_session import Session
from api.simulator.thalex_shapes import Json, notification
from api.simulator.thalex_spoil import with_unknown_enum, with_unknown_field
from core.market.order import POST_ONLY_WOULD_CROSS, OrderState

if TYPE_CHECKING:
    from api.simulator.faults import Faults
    from api.simulator.thalex_account import AccountDesk
    from api.simulator.thalex_market import Markets
    from api.simulator.thalex_quotes import QuoteDesk
    from api.simulator.thalex_records import Records


HISTORY_LAG_S = 0.03  # fills are told by the order channels first; the history channels follow
_SUMMARY_PERIOD_S = 1.0
_REMARK_SHARE = Decimal("0.01")  # a position line is told again when the mark moved by more than this
_ORDER_CHANNELS = ("account.orders", "account.persistent_orders", "session.orders")
_WORDLESS = ("account.summary", "account.portfolio")
_CHANGES = {"accepted": "insert", "modified": "amend"}


class _Late(NamedTuple):
    due_s: float
    account: str
    channel: str
    row: Json


class Notifier(DeafListener):
    """Listens to the exchange and tells the sessions. It never calls the exchange back: trips wait for `tick`."""

    def __init__(
        self,
        markets: Markets,
        records: Records,
        accounts: AccountDesk,
        quotes: QuoteDesk,
        faults: Faults,
        now_s: Callable[[], float],
        utc_ns: Callable[[], int],
        later: Callable[[float, Callable[[], None]], Any],
    ) -> None:
        self._markets, self._records, self._accounts, self._quotes = markets, records, accounts, quotes
        self._faults, self._now_s, self._utc_ns, self._run_later = faults, now_s, utc_ns, later
        self.sessions: dict[int, Session] = {}
        self._late: deque[_Late] = deque()
        self._tripped: list[tuple[Session, str]] = []

    # -- saying -----------------------------------------------------------------------------------------------------
    def say(self, session: Session, channel: str, value: Any) -> None:
        """Send a notification, as the armed faults let it."""
        message = notification(channel, value)
        if self._faults.take("unknown_field", session.account, channel) is not None:
            message = with_unknown_field(message)
        if channel in PRIVATE:
            if channel not in _WORDLESS and self._faults.take("unknown_enum", session.account, channel) is not None:
                message = with_unknown_enum(message)
            delay = self._faults.take("delay", session.account, channel, explicit=True)
            if delay is not None:
                self._run_later(delay["seconds"], lambda: session.send(message))
                return
        session.send(message)

    def _tell(self, account: str, channel: str, row: Json) -> None:
        for session in self.sessions.values():
            if session.account == account and channel in session.channels:
                self.say(session, channel, [row])

    def _tell_order(self, order: SimOrder, row: Json) -> None:
        self._tell(order.account, "account.orders", row)
        if order.persistent:
            self._tell(order.account, "account.persistent_orders", row)
        session = order.session
        if isinstance(session, Session) and not session.ended and "session.orders" in session.channels:
            self.say(session, "session.orders", [row])

    def _tell_late(self, account: str, channel: str, row: Json) -> None:
        self._late.append(_Late(self._now_s() + HISTORY_LAG_S, account, channel, row))

    # -- hearing ----------------------------------------------------------------------------------------------------
    def on_order(self, order: SimOrder, what: str) -> None:
        """Tell of an order that came, changed or ended; fills are told by `on_fill`."""
        note = self._records.note(order)
        self._keep_client_id(order, note.client_order_id)
        if what == "fill" or (what == "rejected" and order.reason != POST_ONLY_WOULD_CROSS):
            return
        self._tell_order(order, self._records.order_row(order, _CHANGES.get(what, "cancel")))
        if not order.is_open and is_listed(order):
            self._tell_late(order.account, "account.order_history", self._records.history_row(order))

    def _keep_client_id(self, order: SimOrder, client_order_id: int | None) -> None:
        """Keep a session's client order ids: those of its open orders."""
        session = order.session
        if not isinstance(session, Session) or client_order_id is None:
            return
        if order.is_open:
            session.client_order_ids[client_order_id] = order.order_id
        elif session.client_order_ids.get(client_order_id) == order.order_id:
            del session.client_order_ids[client_order_id]

    def on_fill(self, fill: SimFill, order: SimOrder) -> None:
        """Tell of a fill: at once in the order channels, a little later in the trade history."""
        trade = self._records.add_fill(fill, order)
        is_double = self._faults.take("duplicate_fill", fill.account, f"fill {fill.symbol}") is not None
        row, trade_row = self._records.order_row(order, "fill", [fill]), self._records.trade_row(trade)
        for _ in range(2 if is_double else 1):
            self._tell_order(order, row)
            self._tell_late(fill.account, "account.trade_history", trade_row)
        if order.state is OrderState.FILLED:
            self._tell_late(order.account, "account.order_history", self._records.history_row(order))
        self._protect(fill, order)

    def _protect(self, fill: SimFill, order: SimOrder) -> None:
        product, session = self._records.note(order).product, order.session
        if not product or not isinstance(session, Session):
            return
        status = self._quotes.count_fill(session, fill, product)
        if status is None:
            return
        self.tell_protection(session, status)
        if status["remaining_amount"] <= 0:
            self._tripped.append((session, product))

    def tell_protection(self, session: Session, status: Json) -> None:
        """Tell of a protection group."""
        if not session.ended and "session.mm_protection" in session.channels:
            self.say(session, "session.mm_protection", [status])

    def on_position(self, account: str, symbol: str) -> None:
        """Tell of a position that changed."""
        for session in self.sessions.values():
            channel = session.channels.get("account.portfolio")
            if session.account == account and isinstance(channel, PrivateChannel):
                channel.told[symbol] = self._markets[symbol].mark
                self.say(session, channel.name, [self._accounts.position_row(account, self._markets[symbol])])

    def on_print(self, print_: MarketPrint) -> None:
        """Keep a trade for the channels that tell it."""
        self._markets[print_.symbol].hear_print(print_)
        for session in self.sessions.values():
            for channel in session.channels.values():
                if isinstance(channel, MarketChannel):
                    channel.hear_print(print_)

    def on_book(self, delta: BookDelta) -> None:
        """Tell a step of the book, where it may be told now."""
        self._markets[delta.symbol].hear_book(delta)
        now_s = self._now_s()
        for session in self.sessions.values():
            for channel in session.channels.values():
                if isinstance(channel, MarketChannel):
                    channel.hear_book(delta)
                    self._flush(session, channel, now_s)

    def _flush(self, session: Session, channel: MarketChannel, now_s: float) -> None:
        if not channel.is_due(now_s):
            return
        is_book = isinstance(channel, BookChannel)
        if is_book and self._faults.standing("freeze_book", session.account, channel.name) is not None:
            return
        value = channel.take(now_s, self._utc_ns())
        if value is None or (is_book and self._faults.take("skip_sequence", session.account, channel.name) is not None):
            return  # a skipped one counts as told: from now on the totals disagree with what the client has
        self.say(session, channel.name, value)

    # -- time and new subscriptions ---------------------------------------------------------------------------------
    def tick(self) -> None:
        """Say what was put off: late rows, channels with a delay, periodic ones; end tripped quotes."""
        now_s = self._now_s()
        tripped, self._tripped = self._tripped, []
        for session, product in tripped:
            self._quotes.trip(session, product)
        while self._late and self._late[0].due_s <= now_s:
            late = self._late.popleft()
            self._tell(late.account, late.channel, late.row)
        for session in self.sessions.values():
            for channel in session.channels.values():
                if isinstance(channel, MarketChannel):
                    self._flush(session, channel, now_s)
                elif isinstance(channel, PrivateChannel) and session.account is not None:
                    self._periodic(session, session.account, channel, now_s)

    def _periodic(self, session: Session, account: str, channel: PrivateChannel, now_s: float) -> None:
        if channel.name not in ("account.summary", "account.portfolio") or now_s < channel.due_s:
            return
        channel.due_s = now_s + _SUMMARY_PERIOD_S
        if channel.name == "account.summary":
            self.say(session, channel.name, self._accounts.summary(account))
            return
        rows = []
        for line in self._accounts.portfolio(account):
            mark = self._markets[line["instrument_name"]].mark
            told = channel.told.setdefault(line["instrument_name"], mark)
            if abs(mark - told) > told * _REMARK_SHARE:
                channel.told[line["instrument_name"]] = mark
                rows.append(line)
        if rows:
            self.say(session, channel.name, rows)

    def greet(self, session: Session) -> None:
        """Say the first word of each new subscription."""
        fresh, session.fresh = session.fresh, []
        for channel in fresh:
            if isinstance(channel, MarketChannel):
                self._flush(session, channel, self._now_s())
            elif channel.name == "instruments":
                self.say(session, channel.name, [{"added": row} for row in self.instrument_rows()])
            elif session.account is not None and channel.name in _ORDER_CHANNELS:
                self.say(session, channel.name, self._existing(session, session.account, channel.name))
            elif session.account is not None and isinstance(channel, PrivateChannel):
                self._greet_portfolio(session, session.account, channel)

    def _greet_portfolio(self, session: Session, account: str, channel: PrivateChannel) -> None:
        if channel.name == "account.portfolio":
            lines = self._accounts.portfolio(account)
            for line in lines:
                channel.told[line["instrument_name"]] = self._markets[line["instrument_name"]].mark
            self.say(session, channel.name, lines)

    def instrument_rows(self) -> list[Json]:
        """Return all instruments."""
        states = [state for state in self._markets.values() if state.market.is_listed]
        return [instrument_row(state.market.market, state.market.listed, state.listed_ns) for state in states]

    def _existing(self, session: Session, account: str, channel: str) -> list[Json]:
        orders = self._records.open_orders(account)
        if channel == "session.orders":
            orders = [order for order in orders if order.session is session]
        elif channel == "account.persistent_orders":
            orders = [order for order in orders if order.persistent]
        return [self._records.order_row(order, "existing") for order in orders]
