"""Bytes to messages: frames as websocket-client reads them, put together within a size. No socket here."""

from __future__ import annotations

import struct

from websocket import ABNF, WebSocketException, frame_buffer

FRAME_BYTES = 64  # what a frame costs us beside its payload: empty ones are counted too


class NeedMore(Exception):
    """The bytes so far end within a frame."""


class ConnectionEnded(Exception):
    """A websocket cannot go on, for the reason in words."""


class _BoundedFrames(frame_buffer):
    """The library's reader, which would otherwise read a payload of any announced length into memory."""

    def __init__(self, take: MessageReader) -> None:
        super().__init__(take.take_bytes, skip_utf8_validation=True)
        self._reader = take

    def recv_length(self) -> None:
        super().recv_length()
        self._reader.check_size(self.length or 0)


class MessageReader:
    """Takes bytes as they come, gives whole messages and control frames."""

    def __init__(self, max_message_bytes: int) -> None:
        self._max_bytes = max_message_bytes
        self._bytes = bytearray()
        self._frames = _BoundedFrames(self)
        self._parts: list[bytes] = []  # of a message in several frames
        self._parts_opcode: int | None = None
        self._parts_bytes = 0

    def feed(self, data: bytes) -> None:
        """Take bytes from the socket."""
        self._bytes += data

    def next(self) -> tuple[int, bytes]:
        """Return the next message or control frame: opcode and payload. Raises NeedMore, ConnectionEnded."""
        while True:
            frame = self._frame()
            payload = frame.data if isinstance(frame.data, bytes) else bytes(frame.data, "latin-1")
            if frame.opcode in (ABNF.OPCODE_PING, ABNF.OPCODE_PONG, ABNF.OPCODE_CLOSE):
                if not frame.fin or len(payload) > 125:
                    raise ConnectionEnded("the venue sent a control frame that is too long")
                return frame.opcode, payload
            whole = self._joined(frame.opcode, bool(frame.fin), payload)
            if whole is not None:
                return whole

    def take_bytes(self, count: int) -> bytes:
        """Give the library what it asks for, or less. Raises NeedMore when there is nothing."""
        if not self._bytes:
            raise NeedMore
        taken = bytes(self._bytes[:count])
        del self._bytes[:count]
        return taken

    def check_size(self, coming: int) -> None:
        """Refuse a frame before its payload is read. Raises ConnectionEnded."""
        if self._parts_bytes + coming > self._max_bytes:
            raise ConnectionEnded(f"the venue sent a message of more than {self._max_bytes} bytes")

    def _frame(self) -> ABNF:
        try:
            return self._frames.recv_frame()
        except WebSocketException as error:
            raise ConnectionEnded(f"the venue sent a frame that is not valid ({error})") from error

    def _joined(self, opcode: int, is_last: bool, payload: bytes) -> tuple[int, bytes] | None:
        is_first = opcode != ABNF.OPCODE_CONT
        if is_first == (self._parts_opcode is not None):
            raise ConnectionEnded("the venue sent the frames of a message out of order")
        if is_first and is_last:
            return opcode, payload
        self._parts_opcode = opcode if is_first else self._parts_opcode
        self._parts.append(payload)
        self._parts_bytes += len(payload) + FRAME_BYTES
        if not is_last or self._parts_opcode is None:
            self.check_size(0)
            return None
        whole = self._parts_opcode, b"".join(self._parts)
        self._parts, self._parts_opcode, self._parts_bytes = [], None, 0
        return whole


def frame_of(payload: str | bytes, opcode: int) -> bytes:
    """Return a masked frame, as a client sends it."""
    return ABNF.create_frame(payload, opcode).format()


def close_words(payload: bytes) -> str:
    """Return what a close frame says."""
    if len(payload) < 2:
        return "the venue closed the connection without a code"
    code = struct.unpack("!H", payload[:2])[0]
    reason = "".join(each for each in payload[2:].decode(errors="replace") if each.isprintable())
    return f"the venue closed the connection: {code} {reason}".rstrip()
