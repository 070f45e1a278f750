"""Gathers everything Backpack knows of one market of an account into one report.

The open orders are read first and the rest after them: an order that is missing because it filled meanwhile has its
fill in the history that is read later. A part that cannot be read makes the report incomplete, never empty.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from api.backpack_answers import (
    VenueFill,
    VenueOrder,
    capital_of,
    collateral_of,
    fills_of,
    orders_of,
    positions_of,
)
from api.backpack_calls import Build, Calls, Reply
from api.backpack_records import OrderRecords
from api.backpack_values import MS
from api.backpack_wire import FILLS_PER_PAGE, BackpackWire
from api.base_client import Balance, InboxItem, VenuePosition, VenueReport
from api.http_call import Lane
from core.market.instrument import Instrument
from core.market.order import Fill, Order, OrderState

_OVERLAP_MS = 120_000  # the history may be behind the stream; what is read twice is known by its id
_FIRST_LOOK_MS = 24 * 3600 * 1000  # how far back a bot without a mark looks
_MAX_PAGES = 100
_MAX_AT_ONCE = 4
_SURELY_LAST = 100  # fills: a page below the least that the venue is known to give is the last one
_NO_POSITION = "RESOURCE_NOT_FOUND"  # nothing but the venue's own word means that there is none
_REST = (OrderState.NEW, OrderState.PARTIALLY_FILLED)


@dataclass(slots=True)
class _Gathering:
    """A report that is being gathered."""

    request_id: int
    from_ms: int
    mark_ms: int
    as_of_ns: int
    missing: set[str]
    orders: list[VenueOrder] = field(default_factory=list)
    fills: dict[str, VenueFill] = field(default_factory=dict)
    positions: tuple[VenuePosition, ...] = ()
    balances: tuple[Balance, ...] = ()
    trouble: str = ""


class ReportGatherer:
    """Asks for the parts, and puts the report when the last has come."""

    def __init__(
        self,
        leg: str,
        instrument: Instrument,
        records: OrderRecords,
        calls: Calls,
        wire: BackpackWire,
        put: Callable[[InboxItem], None],
        utc_ns: Callable[[], int],
        with_lent: bool,
    ) -> None:
        self._leg, self._instrument, self._records = leg, instrument, records
        self._calls, self._wire, self._put, self._utc_ns = calls, wire, put, utc_ns
        self._with_lent = with_lent
        self._running: dict[int, _Gathering] = {}

    def request(self, request_id: int, since: str | None) -> None:
        """Begin a report; of too many at once the oldest is given up."""
        while len(self._running) >= _MAX_AT_ONCE:
            oldest = next(iter(self._running.values()))
            oldest.trouble = oldest.trouble or "a newer question came before its answer"
            self._finish(oldest)
        as_of_ns = self._utc_ns()
        mark_ms = _mark_ms(since)
        if mark_ms is None:
            mark_ms = as_of_ns // MS - _FIRST_LOOK_MS
        missing = {"orders", "fills", "balances"} | (set() if self._is_spot else {"position"})
        gathering = _Gathering(request_id, max(0, mark_ms - _OVERLAP_MS), mark_ms, as_of_ns, missing)
        self._running[request_id] = gathering
        symbol = self._instrument.venue_symbol
        self._ask(gathering, "orders", partial(self._wire.open_orders, symbol), self._on_orders)

    @property
    def _is_spot(self) -> bool:
        return self._instrument.kind == "spot"

    def _ask(
        self, gathering: _Gathering, part: str, build: Build, take: Callable[[_Gathering, Reply], bool | None]
    ) -> None:
        self._calls.send(Lane.READ, build, partial(self._on_reply, gathering, part, take))

    def _on_reply(
        self, gathering: _Gathering, part: str, take: Callable[[_Gathering, Reply], bool | None], reply: Reply
    ) -> None:
        """Take a part in; a part that says False has more to come."""
        if self._running.get(gathering.request_id) is not gathering:
            return
        flat = part == "position" and reply.problem is not None and reply.problem.code == _NO_POSITION
        if reply.trouble and not flat:
            self._fail(gathering, f"{part}: {reply.trouble}")
            return
        try:
            done = True if flat else take(gathering, reply)
        except ValueError as exc:
            self._fail(gathering, f"{part}: the answer cannot be read ({exc})")
            return
        if done is not False:
            gathering.missing.discard(part)
        if not gathering.missing:
            self._finish(gathering)

    def _fail(self, gathering: _Gathering, reason: str) -> None:
        gathering.trouble = reason
        self._finish(gathering)

    # Parts

    def _on_orders(self, gathering: _Gathering, reply: Reply) -> None:
        gathering.orders = [order for order in orders_of(reply.payload) if self._is_here(order.symbol)]
        symbol = self._instrument.venue_symbol
        self._ask_fills(gathering, 0)
        if not self._is_spot:
            self._ask(gathering, "position", partial(self._wire.position, symbol), self._on_position)
        use_capital = self._is_spot and not self._with_lent
        build = self._wire.capital if use_capital else self._wire.collateral
        self._ask(gathering, "balances", build, self._on_capital if use_capital else self._on_collateral)

    def _is_here(self, symbol: str) -> bool:
        return symbol == self._instrument.venue_symbol

    def _ask_fills(self, gathering: _Gathering, offset: int) -> None:
        build = partial(self._wire.fills, self._instrument.venue_symbol, gathering.from_ms, offset)
        self._ask(gathering, "fills", build, partial(self._on_fills, offset))

    def _on_fills(self, offset: int, gathering: _Gathering, reply: Reply) -> bool:
        page = fills_of(reply.payload)
        for fill in page:
            if self._is_here(fill.symbol):
                gathering.fills.setdefault(fill.trade_id, fill)
        if len(page) < _SURELY_LAST:  # one that is only shorter than asked for may be what the venue gives at the most
            return True
        if offset + len(page) >= _MAX_PAGES * FILLS_PER_PAGE:
            raise ValueError(f"more than {offset} fills since the mark")
        self._ask_fills(gathering, offset + len(page))
        return False

    def _on_position(self, gathering: _Gathering, reply: Reply) -> None:
        held = next((each for each in positions_of(reply.payload) if self._is_here(each.symbol)), None)
        if held is not None:
            lots = self._instrument.to_lots(held.size)
            facts = (held.entry_price, held.unrealised, held.liquidation_price)
            gathering.positions = (VenuePosition(self._leg, lots, *facts),)

    def _on_capital(self, gathering: _Gathering, reply: Reply) -> None:
        gathering.balances = tuple(capital_of(reply.payload))

    def _on_collateral(self, gathering: _Gathering, reply: Reply) -> None:
        margin_asset = None if self._is_spot else self._instrument.quote
        gathering.balances = tuple(collateral_of(reply.payload, margin_asset))

    # The whole

    def _finish(self, gathering: _Gathering) -> None:
        del self._running[gathering.request_id]
        complete = not gathering.trouble
        fills = list(gathering.fills.values())[::-1]  # the history begins with the newest, also of one moment
        fills.sort(key=lambda fill: fill.venue_ns)
        mark_ms = max([gathering.mark_ms, *(fill.venue_ns // MS for fill in fills)])
        report = VenueReport(
            leg=self._leg,
            request_id=gathering.request_id,
            complete=complete,
            open_orders=tuple(self._order(order) for order in gathering.orders),
            fills=tuple(self._fill(fill) for fill in fills),
            positions=gathering.positions,
            balances=gathering.balances,
            mark=str(mark_ms) if complete else None,
            as_of_ns=gathering.as_of_ns,
            reason=gathering.trouble,
        )
        self._put(report)

    def _order(self, order: VenueOrder) -> Order:
        instrument = self._instrument
        self._records.match(order.order_id, order.client_id)  # from now on it can be cancelled by the venue's id
        return Order(
            client_order_id=self._records.name_of(order.order_id, order.client_id),
            leg=self._leg,
            side=order.side,
            price_ticks=0 if order.price is None else instrument.to_ticks(order.price),
            size_lots=instrument.to_lots(order.size),
            venue_order_id=order.order_id,
            filled_lots=instrument.to_lots(order.filled),
            state=order.state if order.state in _REST else OrderState.NEW,
            post_only=order.post_only,
            reduce_only=order.reduce_only,
            time_in_force=order.time_in_force,
            sent_ns=order.created_ns,
        )

    def _fill(self, fill: VenueFill) -> Fill:
        return Fill(
            trade_id=fill.trade_id,
            client_order_id=self._records.name_of(fill.order_id, fill.client_id),
            leg=self._leg,
            side=fill.side,
            price_ticks=self._instrument.to_ticks(fill.price),
            size_lots=self._instrument.to_lots(fill.size),
            liquidity="maker" if fill.is_maker else "taker",
            fee=fill.fee,
            fee_asset=fill.fee_asset,
            venue_ns=fill.venue_ns // MS * MS,
            venue_order_id=fill.order_id or None,
        )


def _mark_ms(since: Any) -> int | None:
    """Return the venue time in a mark, None for one of another venue."""
    if isinstance(since, str) and since.isdecimal() and len(since) <= 15:
        return int(since)
    return None
