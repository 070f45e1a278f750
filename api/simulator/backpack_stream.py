"""Backpack's stream half: who subscribed to what, and what the exchange's events become on the wire.

One socket for public and private streams. A subscription is not acknowledged; what cannot be served is answered by a
frame with an `error` object.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from api.simulator import backpack_frames as frames
from api.simulator.backpack_auth import Refusal
from api.simulator.backpack_books import INTERVALS_MS, DepthStream, TopStream
from api.simulator.backpack_shapes import Json
from api.simulator.exchange_types import BookDelta, DeafListener, MarketPrint, SimFill, SimOrder
from api.wire_json import dumps, loads

if TYPE_CHECKING:
    from api.simulator.backpack_state import Desk
    from api.simulator.sockets import SimSocket

ORDERS, POSITIONS = "account.orderUpdate", "account.positionUpdate"
_SILENT = ("account.rfqUpdate", "liquidation")  # exist, but nothing ever happens on them here
_SLOW_NS = 10**9  # between two messages of ticker and markPrice
_TEXT_TIMES_EVERY = 4
# Numbers of refusals: only 4006 was ever seen in a published client, the others are ours.
_BAD_FRAME, _BAD_SIGNATURE, _UNSIGNED = 4000, 4001, 4002


class StreamHub(DeafListener):
    """Hears the exchange and speaks to the sockets; all of it synchronous."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._by_stream: dict[str, set[SimSocket]] = {}
        self._depths: dict[str, list[DepthStream]] = {}
        self._tops: dict[str, TopStream] = {}
        self._lots: dict[tuple[str, str], int] = {}  # positions as last told, by account and symbol
        self._orders_told = 0
        self._slow_due_ns = 0
        for symbol in desk.exchange.markets:
            self._depths[symbol] = [
                DepthStream(desk, symbol, each, self._publish, self._heard) for each in INTERVALS_MS
            ]
            self._tops[symbol] = TopStream(desk, symbol, self._publish, self._heard)
        self._public = set(self._public_names())

    def _public_names(self) -> Iterable[str]:
        for symbol in self._desk.exchange.markets:
            yield from (stream.name for stream in self._depths[symbol])
            yield from (f"{kind}.{symbol}" for kind in ("bookTicker", "trade", "ticker", "markPrice"))
        yield from _SILENT

    # -- what a socket says -----------------------------------------------------------------------------------------
    def on_frame(self, socket: SimSocket, text: str) -> None:
        """Take a frame of a client and answer what is wrong with it."""
        try:
            frame = loads(text)
            method, streams = _read_frame(frame)
        except ValueError as exc:
            self._desk.violation("bad_frame")
            socket.send(dumps(frames.error(_BAD_FRAME, f"Invalid request: {exc}")))
            return
        if method == "UNSUBSCRIBE":
            for stream in streams:
                self._by_stream.get(stream, set()).discard(socket)
            return
        account = self._signer(socket, frame, streams)
        for stream in streams:
            self._subscribe(socket, stream, account)

    def _signer(self, socket: SimSocket, frame: Mapping[str, Any], streams: list[str]) -> str | None:
        """Return whose private streams a frame may have; None when it is not signed well (the socket is told)."""
        if not any(stream.startswith("account.") for stream in streams):
            return None
        parts = frame.get("signature")
        if not isinstance(parts, list) or len(parts) != 4 or not all(isinstance(part, str) for part in parts):
            socket.send(dumps(frames.error(_UNSIGNED, "Missing or malformed signature")))
            self._desk.violation("bad_signature")
            return None
        key, signature, timestamp, window = parts
        try:
            return self._desk.keys.authenticate(key, signature, "subscribe", [], timestamp, window, self._desk.now_ms())
        except Refusal as refused:
            self._desk.violation(refused.violation)
            socket.send(dumps(frames.error(_BAD_SIGNATURE, refused.message)))
            return None

    def _subscribe(self, socket: SimSocket, stream: str, account: str | None) -> None:
        private = stream.startswith("account.")
        if private and account is None:
            return
        if not (self._is_private(stream) if private else stream in self._public):
            self._desk.violation("unknown_stream")
            socket.send(dumps(frames.error(frames.INVALID_STREAM, "Invalid stream")))
            return
        if private:
            socket.account = account
        self._by_stream.setdefault(stream, set()).add(socket)
        if private and stream.startswith(POSITIONS):
            self._describe_positions(socket, stream)

    def _is_private(self, stream: str) -> bool:
        if stream in (ORDERS, POSITIONS, *_SILENT):
            return True
        kind, _, symbol = stream.rpartition(".")
        return kind in (ORDERS, POSITIONS, *_SILENT) and symbol in self._desk.exchange.markets

    def forget(self, socket: SimSocket) -> None:
        """Drop a socket from every stream."""
        for sockets in self._by_stream.values():
            sockets.discard(socket)

    # -- sending ----------------------------------------------------------------------------------------------------
    def _heard(self, stream: str) -> bool:
        return bool(self._by_stream.get(stream))

    def _publish(self, stream: str, data: Json) -> None:
        sockets = self._by_stream.get(stream)
        if sockets:
            self._send(sockets, stream, data, None)

    def _tell(self, account: str, kind: str, data: Json, times: int = 1) -> None:
        """Send a private message to an account's sockets, on the stream of all markets and that of its own."""
        for stream in (kind, f"{kind}.{data['s']}"):
            sockets = [socket for socket in self._by_stream.get(stream, ()) if socket.account == account]
            for _ in range(times if sockets else 0):
                self._send(sockets, stream, data, account)

    def _send(self, sockets: Iterable[SimSocket], stream: str, data: Json, account: str | None) -> None:
        faults = self._desk.faults
        if faults.take("unknown_field", account, stream) is not None:
            data = frames.with_unknown_field(data)
        if account is not None and faults.take("unknown_enum", account, stream) is not None:
            data = frames.with_unknown_word(data)
        text = dumps(frames.envelope(stream, data))
        delay = None if account is None else faults.take("delay", account, stream, explicit=True)
        for socket in list(sockets):
            if delay is None:
                socket.send(text)
            else:
                asyncio.get_running_loop().call_later(delay["seconds"], socket.send, text)

    # -- what happens on the exchange -------------------------------------------------------------------------------
    def on_order(self, order: SimOrder, what: str) -> None:
        """Tell an order event; fills are told by `on_fill`, and a rejected order never was one."""
        if what in frames.EVENTS and what != "fill":
            self._tell_order(order, frames.order_update(order, self._desk.instrument(order.symbol), what, self._now()))

    def on_fill(self, fill: SimFill, order: SimOrder) -> None:
        """Tell a fill; the fault duplicate_fill tells it twice."""
        data = frames.order_fill(fill, order, self._desk.instrument(order.symbol), self._now())
        twice = self._desk.faults.take("duplicate_fill", order.account, ORDERS) is not None
        self._tell_order(order, data, 2 if twice else 1)

    def _tell_order(self, order: SimOrder, data: Json, times: int = 1) -> None:
        self._orders_told += 1
        as_text = self._orders_told % _TEXT_TIMES_EVERY == 0
        self._tell(order.account, ORDERS, frames.long_times_as_text(data) if as_text else data, times)

    def on_position(self, account: str, symbol: str) -> None:
        """Tell a position as it is now."""
        data, lots = self._position(account, symbol)
        event = frames.position_event(self._lots.get((account, symbol), 0), lots)
        self._lots[account, symbol] = lots
        self._tell(account, POSITIONS, {"e": event, **data})

    def _describe_positions(self, socket: SimSocket, stream: str) -> None:
        """Send the open positions, without `e`, as the first messages of a subscription."""
        for symbol in self._desk.exchange.markets:
            if stream in (POSITIONS, f"{POSITIONS}.{symbol}") and socket.account is not None:
                data, lots = self._position(socket.account, symbol)
                if lots:
                    self._send([socket], stream, data, socket.account)

    def _position(self, account: str, symbol: str) -> tuple[Json, int]:
        exchange, instrument = self._desk.exchange, self._desk.instrument(symbol)
        lots, entry = exchange.position(account, symbol)
        held = exchange.accounts[account].positions.get(symbol)
        realised = held.realised_pnl if held is not None else instrument.tick_size * 0
        return frames.position(instrument, lots, entry, exchange.mark(symbol), realised, self._now()), lots

    def on_book(self, delta: BookDelta) -> None:
        """Hand a step of the book to the depth streams of its market."""
        now_ns = self._desk.played_ns
        for stream in self._depths[delta.symbol]:
            stream.add(delta)
            stream.flush(now_ns)
        self._tops[delta.symbol].flush()

    def on_print(self, print_: MarketPrint) -> None:
        """Remember a trade and tell it."""
        self._desk.tape(print_.symbol).add(print_)
        instrument = self._desk.instrument(print_.symbol)
        self._publish(f"trade.{print_.symbol}", frames.trade(instrument, print_, self._now()))

    def tick(self) -> None:
        """Send what waited for its time."""
        now_ns = self._desk.played_ns
        for symbol, streams in self._depths.items():
            for stream in streams:
                stream.flush(now_ns)
            self._tops[symbol].flush()
        if now_ns >= self._slow_due_ns:
            self._slow_due_ns = now_ns + _SLOW_NS
            self._slow()

    def _slow(self) -> None:
        for symbol in self._desk.exchange.markets:
            if self._by_stream.get(f"ticker.{symbol}") and (day := self._desk.tape(symbol).day()) is not None:
                self._publish(f"ticker.{symbol}", frames.ticker(symbol, day, self._now()))
            mark = self._desk.exchange.mark(symbol)
            self._publish(f"markPrice.{symbol}", frames.mark_price(self._desk.instrument(symbol), mark, self._now()))

    def _now(self) -> int:
        return self._desk.now_us()


def _read_frame(frame: object) -> tuple[str, list[str]]:
    if not isinstance(frame, dict):
        raise ValueError("expected an object")
    method, streams = frame.get("method"), frame.get("params")
    if method not in ("SUBSCRIBE", "UNSUBSCRIBE"):
        raise ValueError(f"unknown method {method!r}")
    if not isinstance(streams, list) or not all(isinstance(stream, str) for stream in streams):
        raise ValueError("params must be a list of stream names")
    return str(method), streams
