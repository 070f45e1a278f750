"""The last lines that a bot wrote, for its `last_exit`."""

from __future__ import annotations

import os
from pathlib import Path

LINES = 10
BYTES = 16 * 1024


def log_tail(path: Path, lines: int = LINES) -> list[str]:
    """Return the last lines of a file, reading only its end; nothing when it cannot be read."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - BYTES))
            content = file.read()
    except OSError:
        return []
    text = content.decode(errors="replace").splitlines()
    return text[1:][-lines:] if size > BYTES else text[-lines:]
