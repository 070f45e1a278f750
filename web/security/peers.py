"""Whose the other end of a loopback connection is: without a password only the monitor's own user and root get in.

Another user of this host reaches the port, too; the kernel tells whose each socket is.
"""

from __future__ import annotations

import ipaddress
import os
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from pathlib import Path

TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
KEEP_S = 5.0  # the answer about one connection; its port is not given away again so soon
MOST = 1024
Read = Callable[[], Iterable[str]]


def _read() -> Iterable[str]:
    for table in TABLES:
        try:
            yield from table.read_text().splitlines()[1:]
        except OSError:
            continue


def _words(address: str, port: int) -> set[str]:
    """Return an end of a connection as the kernel writes it, by both of its tables."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    packed = [ip.packed, b"\0" * 10 + b"\xff\xff" + ip.packed] if ip.version == 4 else [ip.packed]
    order = sys.byteorder
    return {
        "".join(f"{int.from_bytes(one[at : at + 4], order):08X}" for at in range(0, len(one), 4)) + f":{port:04X}"
        for one in packed
    }


def owner_in(lines: Iterable[str], address: str, port: int, server_port: int) -> int | None:
    """Return the uid of the socket that is connected from an address and port to ours, None when there is none."""
    try:
        wanted = _words(address, port)
    except ValueError:
        return None
    for line in lines:
        parts = line.split()
        if len(parts) > 7 and parts[1] in wanted and parts[2].endswith(f":{server_port:04X}"):
            return int(parts[7])
    return None


class Peers:
    """Tells whether connections are of our own user or root."""

    def __init__(self, read: Read = _read, uid: int | None = None) -> None:
        self._read = read
        self._ours = {0, os.getuid() if uid is None else uid}
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[str, int], tuple[float, bool]] = OrderedDict()

    def is_ours(self, address: str, port: int, server_port: int) -> bool:
        """Tell whether a connection comes from a process of ours."""
        now_s = time.monotonic()
        with self._lock:
            known = self._known.get((address, port))
            if known is not None and now_s - known[0] < KEEP_S:
                return known[1]
            answer = owner_in(self._read(), address, port, server_port) in self._ours
            self._known[address, port] = (now_s, answer)
            self._known.move_to_end((address, port))
            while len(self._known) > MOST:
                self._known.popitem(last=False)
            return answer
