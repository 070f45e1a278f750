"""Logs for tests: written, rotated, read."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from core.log_files import tail_lines
from core.rotating_file import RotatingFile


def record(text: str) -> logging.LogRecord:
    return logging.makeLogRecord({"name": "makerd.orders", "msg": text, "levelno": 20, "levelname": "INFO"})


def write(file: RotatingFile, *texts: str) -> None:
    for text in texts:
        file.handle(record(text))


def everything(folder: Path, log: str = "bot.log") -> list[str]:
    return tail_lines(folder / log, 10**6)


def make_rotated(folder: Path, stamp: str, text: str = "x\n", log: str = "bot.log") -> Path:
    path = folder / f"{log}.{stamp}"
    path.write_text(text)
    return path


@contextmanager
def opened_logs(folder: Path) -> Iterator[Callable[..., RotatingFile]]:
    """Give what opens logs in a folder; all are closed at the end."""
    opened: list[RotatingFile] = []

    def make(name: str = "bot.log", **options: Any) -> RotatingFile:
        opened.append(RotatingFile(folder / name, **options))
        return opened[-1]

    yield make
    for file in opened:
        file.close()
