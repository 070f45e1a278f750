"""What a sweep has found out so far: a file of JSON lines, each synced before it counts.

The first line says of which config and data the results are. A line that was torn by the end of its writer is cut off.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from utils.errors import ConfigError
from utils.files import fsync_folder, open_locked

FORMAT = 1
_HEAD = b'{"makerd_sweep"'


class SweepResults:
    """The open file; it is locked, so that a second sweep does not write to it."""

    def __init__(self, fd: int, rows: dict[str, dict[str, Any]]) -> None:
        self._fd = fd
        self._rows = rows

    @classmethod
    @contextmanager
    def open(cls, path: Path, digest: str, fresh: bool = False) -> Iterator[SweepResults]:
        """Open or begin a file; `fresh`: forget what is in it. Raises ConfigError, OSError."""
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = open_locked(path)
        if fd is None:
            raise ConfigError(f"another sweep writes to {path}; let it end, or choose another --results")
        try:
            rows = _read(fd, path, digest, fresh)
            if not rows:
                os.ftruncate(fd, 0)
            os.lseek(fd, 0, os.SEEK_END)
            results = cls(fd, rows)
            if not rows:
                results._append({"makerd_sweep": FORMAT, "digest": digest})
                fsync_folder(path.parent)
            yield results
        finally:
            os.close(fd)

    def find(self, chosen: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the row of a set, None when there is none."""
        return self._rows.get(_key(chosen))

    def add(self, chosen: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
        """Add what came out of a set, durably. Raises OSError. An error is for this time only: it is tried again."""
        row = {"set": dict(chosen), **answer}
        self._rows[_key(chosen)] = row
        if "error" not in answer:
            self._append(row)

    def _append(self, row: Mapping[str, Any]) -> None:
        view = memoryview(json.dumps(row).encode() + b"\n")
        while view:
            view = view[os.write(self._fd, view) :]
        os.fsync(self._fd)


def _key(chosen: Mapping[str, Any]) -> str:
    return json.dumps(chosen, sort_keys=True)


def _read(fd: int, path: Path, digest: str, fresh: bool) -> dict[str, dict[str, Any]]:
    """Return the rows of a file and cut off what is no whole line. Raises ConfigError for a file of something else."""
    content = os.pread(fd, os.fstat(fd).st_size, 0)
    if not content.startswith(_HEAD[: len(content)]):
        raise ConfigError(f"{path} is no file of results; choose another --results")
    whole = content[: content.rfind(b"\n") + 1]
    if fresh or not whole:
        return {}
    rows = _rows(whole, path, digest)
    os.ftruncate(fd, len(whole))
    return rows


def _rows(content: bytes, path: Path, digest: str) -> dict[str, dict[str, Any]]:
    try:
        head, *rows = [json.loads(line) for line in content.splitlines()]
        found = {_key(row["set"]): row for row in rows}
        if head["makerd_sweep"] == FORMAT and head["digest"] == digest:
            return found
    except (ValueError, KeyError, TypeError) as exc:
        raise ConfigError(f"{path} is damaged ({exc}); choose another --results, or add --fresh") from exc
    raise ConfigError(f"{path} is of another config, data, span or version; choose another --results, or add --fresh")
