"""Messages between the supervisor and its children: one JSON object per packet of a Unix socket pair.

SOCK_SEQPACKET keeps packet boundaries, so garbage from one child cannot shift what follows.
"""

from __future__ import annotations

import array
import json
import socket
from typing import Any

MAX_PACKET = 128 * 1024
BEAT = b'{"t":"beat"'  # what a heartbeat begins with, as `send` writes it
READY_BEAT = b'{"t":"beat","ready":true'


class BadPacket(ValueError):
    """The other side sent something that is not a JSON object."""


def pair() -> tuple[socket.socket, socket.socket]:
    """Return two connected ends, the first one non-blocking (ours), the second blocking (the child's)."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    return ours, theirs


def send(end: socket.socket, message: dict[str, Any], fds: tuple[int, ...] = ()) -> bool:
    """Send one message without waiting longer than the socket does; False when it could not be sent now."""
    packet = json.dumps(message, separators=(",", ":")).encode()
    try:
        if fds:
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]
            end.sendmsg([packet], rights)
        else:
            end.send(packet)
    except BlockingIOError:
        return False
    return True


def receive(end: socket.socket) -> dict[str, Any] | None:
    """Return the next message, None at end of file. Raises BlockingIOError, BadPacket, ConnectionError."""
    message, fds = receive_with_fds(end, 0)
    assert not fds
    return message


def receive_packet(end: socket.socket, buffer: bytearray) -> bytes:
    """Return the next packet unread, empty at end of file. Raises BlockingIOError, ConnectionError."""
    size = end.recv_into(buffer)
    return bytes(memoryview(buffer)[:size])


def parse(packet: bytes) -> dict[str, Any]:
    """Return the message of a packet. Raises BadPacket."""
    try:
        message = json.loads(packet)
    except (ValueError, RecursionError) as exc:
        raise BadPacket(f"{len(packet)} bytes that are not JSON") from exc
    if not isinstance(message, dict):
        raise BadPacket("not a JSON object")
    return message


def receive_with_fds(end: socket.socket, max_fds: int) -> tuple[dict[str, Any] | None, list[int]]:
    """Return the next message and the descriptors that came with it."""
    space = socket.CMSG_SPACE(max_fds * 4) if max_fds else 0
    packet, ancillary, _flags, _address = end.recvmsg(MAX_PACKET, space)
    fds = array.array("i")
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(data[: len(data) - len(data) % 4])
    if not packet:
        return None, list(fds)
    return parse(packet), list(fds)
