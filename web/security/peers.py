"""Whose the other end of a loopback connection is: without a password only the monitor's own user and root get in.

Another user of this host reaches the port, too; the kernel tells whose each socket is.
"""

from __future__ import annotations

import ipaddress
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
KEEP_S = 5.0  # how long an answer holds; a port is not given away again so soon
Read = Callable[[], Iterable[str]]


def _read() -> Iterable[str]:
    for table in TABLES:
        try:
            yield from table.read_text().splitlines()[1:]
        except OSError:
            continue


def words_of(address: str, port: int) -> set[str]:
    """Return an end of a connection as the kernel writes it, by both of its tables. Raises ValueError."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    packed = [ip.packed, b"\0" * 10 + b"\xff\xff" + ip.packed] if ip.version == 4 else [ip.packed]
    return {f"{_word(one)}:{port:04X}" for one in packed}


def _word(packed: bytes) -> str:
    return "".join(f"{int.from_bytes(packed[at : at + 4], sys.byteorder):08X}" for at in range(0, len(packed), 4))


def owners_in(lines: Iterable[str], server_port: int) -> dict[str, int]:
    """Return the uid of each end that is connected to a port of ours, by how the kernel writes that end."""
    mark, found = f":{server_port:04X} ", {}
    for line in lines:
        if mark not in line:
            continue  # most
        parts = line.split()
        if len(parts) > 7 and parts[2].endswith(mark[:-1]) and parts[7].isdigit():
            found[parts[1]] = int(parts[7])
    return found


class Peers:
    """Tells whether connections are of our own user or root. However many come at once, the tables are read once."""

    def __init__(self, read: Read = _read, uid: int | None = None) -> None:
        self._read = read
        self._ours = {0, os.getuid() if uid is None else uid}
        self._lock = threading.Lock()
        self._owners: dict[str, int] = {}
        self._read_s = 0.0

    def is_ours(self, address: str, port: int, server_port: int) -> bool:
        """Tell whether a connection comes from a process of ours."""
        try:
            words = words_of(address, port)
        except ValueError:
            return False
        with self._lock:
            now_s = time.monotonic()
            if now_s - self._read_s > KEEP_S or words.isdisjoint(self._owners):
                self._owners, self._read_s = owners_in(self._read(), server_port), now_s
            found = {self._owners[word] for word in words if word in self._owners}
        return bool(found) and found <= self._ours
