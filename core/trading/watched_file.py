"""A file that somebody else writes, for a strategy that may not read one: looked at now and then, read when changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from core.market.model_file import FileText
from core.trading.clock import seconds

_MOST_BYTES = 65_536


class WatchedFile:
    """The text of a file, None while it cannot be read; a file that is too large counts as unreadable."""

    def __init__(self, path: Path, refresh_s: float) -> None:
        self._path, self._refresh_ns = path, seconds(refresh_s)
        self._due_ns: int | None = None
        self._seen: tuple[int, int] | None = None  # time of the last change, size
        self._version = 0
        self.text: FileText | None = None

    def look(self, now_ns: int) -> FileText | None:
        """Return the newest text, looked for when it is time."""
        if self._due_ns is None or now_ns >= self._due_ns:
            self._due_ns = now_ns + self._refresh_ns
            try:
                self._read()
            except (OSError, ValueError):  # not there, not ours to read, or no text: as if it were not there
                self._seen = self.text = None
        return self.text

    def _read(self) -> None:
        status = self._path.stat()
        seen = (status.st_mtime_ns, status.st_size)
        if seen == self._seen:
            return
        if not self._path.is_file() or status.st_size > _MOST_BYTES:
            raise ValueError("not a small file")
        with self._path.open("rb") as file:
            text = file.read(_MOST_BYTES).decode(errors="replace")
        self._seen, self._version = seen, self._version + 1
        self.text = FileText(self._version, text)


WatchedFiles = Mapping[str, WatchedFile]  # by the key of the config that names one


def watched_files(keys: Iterable[str], strategy_config: Mapping[str, Any], folder: Path) -> WatchedFiles:
    """Return the files that keys name, looked at each `params_refresh_s`; relative paths are of `folder`."""
    named = {key: strategy_config[key] for key in keys if strategy_config.get(key) is not None}
    return {key: WatchedFile(folder / name, float(strategy_config["params_refresh_s"])) for key, name in named.items()}
