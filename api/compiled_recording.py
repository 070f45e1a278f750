"""Where a recording and its compiled form lie, and whether that is there; without numpy, so that a check is quick.

What is in a compiled form is said in `api/replay_feed.py`.
"""

from __future__ import annotations

import hashlib
import os
import re
import struct
from collections.abc import Sequence
from pathlib import Path

from api.market_facts import Market, load_market
from utils.errors import ConfigError

MAGIC, VERSION, HEADER = 0x6D616B657264, 1, 8
PRINT_COLUMNS = 4  # as in api/feed.py
_SUFFIX, _EVENTS = ".csv.gz", ".events"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_NPY = b"\x93NUMPY\x01\x00"  # how the file of an array begins; the length of its description follows


def find_recording(name: str, data_dirs: Sequence[str]) -> Path:
    """Return the recording (its ending may be missing) or event file `name`, of the first folder that has it.

    Raises ConfigError.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(f"the recording {name!r} is not a plain file name")
    file_name = name if name.endswith((_SUFFIX, _EVENTS)) else name + _SUFFIX
    for folder in data_dirs:
        path = Path(folder) / file_name
        if path.is_file():
            return path
    raise ConfigError(f"the recording {file_name!r} was not found in {' or '.join(map(str, data_dirs))}")


def market_of(recording: Path) -> Market:
    """Read the facts beside a recording. Raises ConfigError."""
    return load_market(recording.with_name(recording.name.removesuffix(_SUFFIX) + ".json"))


def compiled_path(recording: Path, market: Market, interval_ns: int, depth: int, cache: Path) -> Path:
    """Return where the compiled form of a recording lies. Raises ConfigError when the recording cannot be read."""
    digest = hashlib.sha256(f"{VERSION} {interval_ns} {depth} {market.tick_size} {market.lot_size} ".encode())
    try:
        with recording.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    except OSError as exc:
        raise ConfigError(f"{recording}: cannot be read ({exc.strerror or exc})") from exc
    return cache / f"{recording.name.removesuffix(_SUFFIX)}-{digest.hexdigest()[:16]}.npy"


def is_compiled(path: Path, interval_ns: int, depth: int) -> bool:
    """Tell whether a whole compiled form lies at `path`."""
    try:
        with path.open("rb") as file:
            begin, length = file.read(len(_NPY)), file.read(2)
            offset = len(_NPY) + len(length) + int.from_bytes(length, "little")
            file.seek(offset)
            magic, version, *shape, pictures, prints = struct.unpack("<6q", file.read(48))
            size = os.fstat(file.fileno()).st_size
    except (OSError, struct.error):
        return False
    numbers = HEADER + pictures * 4 * depth + prints * PRINT_COLUMNS
    ours = (begin, magic, version, shape) == (_NPY, MAGIC, VERSION, [depth, interval_ns])
    return ours and pictures > 0 and size == offset + 8 * numbers
