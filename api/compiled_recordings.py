"""Recordings by name, and where the compiled form of each lies. Light: to see that there is one needs no numpy.

Compiled form, one `.npy` file of int64: a header of `HEADER` numbers (magic, version, depth, interval ns, pictures,
prints), then per picture `depth` bid prices, bid sizes, ask prices, ask sizes (ticks and lots, size 0: no such
level), then per print offset ns, price, size, aggressor (+1 buy, -1 sell). The file's name holds a digest of the
recording's content and of everything else that it depends on, so it never goes stale; all processes that map it share
its pages. Picture i is the book at the recorder's time i x interval after the book was complete.
"""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Sequence
from pathlib import Path

from api.market_facts import Market, load_market
from utils.errors import ConfigError

MAGIC, VERSION, HEADER = 0x6D616B657264, 1, 8
_OF_A_PRINT = 4  # numbers: the `PRINT_COLUMNS` of a feed, which needs numpy
_SUFFIX = ".csv.gz"
EVENTS = ".events"  # how an event file ends
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_ARRAY = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '<i8', 'fortran_order': False, 'shape': \(([0-9]+),\), \} *\n", re.DOTALL
)
_MAX_HEAD = 256
_EXAMPLE = (
    '{"symbol": "BTC-USDT", "venue_symbol": "BTCUSDT", "kind": "spot", "base": "BTC", "quote": "USDT", '
    '"tick_size": "0.01", "lot_size": "0.00001", "min_notional": "5", '
    '"initial_balances": {"BTC": "1", "USDT": "60000"}}'
)


def find_recording(name: str, data_dirs: Sequence[str]) -> Path:
    """Return the recording (its ending may be missing) or event file `name`, of the first folder that has it.

    Raises ConfigError.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(f"the recording {name!r} is not a plain file name")
    file_name = name if name.endswith((_SUFFIX, EVENTS)) else name + _SUFFIX
    for folder in data_dirs:
        path = Path(folder) / file_name
        if path.is_file():
            return path
    raise ConfigError(f"the recording {file_name!r} was not found in {' or '.join(map(str, data_dirs))}")


def market_of(recording: Path) -> Market:
    """Read the facts beside a recording. Raises ConfigError, which tells how to write them where there are none."""
    sidecar = recording.with_name(recording.name.removesuffix(_SUFFIX) + ".json")
    if not sidecar.exists():
        raise ConfigError(
            f"{recording}: what market it is of is not told: put {sidecar.name} beside it, for example {_EXAMPLE} with "
            "the market's own values (kind: spot, perp or future; see data/recordings/README.md); a file in a folder "
            "that is not yours can be linked into var/data"
        )
    return load_market(sidecar)


def compiled_path(recording: Path, market: Market, interval_ns: int, depth: int, cache: Path) -> Path:
    """Return where the compiled form of a recording lies. Raises ConfigError when the recording cannot be read."""
    digest = digest_with(recording, f"{VERSION} {interval_ns} {depth} {market.tick_size} {market.lot_size} ")
    return cache / f"{recording.name.removesuffix(_SUFFIX)}-{digest}.npy"


def digest_with(recording: Path, facts: str) -> str:
    """Return what tells one content, with facts of it, from another. Raises ConfigError when it cannot be read."""
    digest = hashlib.sha256(facts.encode())
    try:
        with recording.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    except OSError as exc:
        raise ConfigError(f"{recording}: cannot be read ({exc.strerror or exc})") from exc
    return digest.hexdigest()[:16]


def expected_length(pictures: int, prints: int, depth: int) -> int:
    """Return how many numbers a compiled recording has."""
    return HEADER + pictures * 4 * depth + prints * _OF_A_PRINT


def is_compiled(path: Path, interval_ns: int, depth: int) -> bool:
    """Tell whether a compiled file is whole, without numpy; one that was written otherwise than by us is none."""
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_HEAD)
            size = path.stat().st_size
    except OSError:
        return False
    array = _ARRAY.match(content)
    if array is None or len(content) < array.end() + 6 * 8:
        return False
    magic, version, file_depth, file_interval, pictures, prints = struct.unpack_from("<6q", content, array.end())
    same = (magic, version, file_depth, file_interval) == (MAGIC, VERSION, depth, interval_ns)
    expected = expected_length(pictures, prints, depth)
    return same and pictures > 0 and int(array[1]) == expected and size == array.end() + 8 * expected
