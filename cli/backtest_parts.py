"""What the commands that play recorded events share: the config with its settings, and a bar of how far it is."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cli.direct_config import setting_of
from utils.errors import ConfigError
from utils.terminal import is_terminal

Done = Callable[[float], None]


def plain_with(path: Path, settings: Sequence[str]) -> dict[str, Any]:
    """Return a config's sections with settings put in. Raises ConfigError, click.UsageError."""
    try:
        plain = json.loads(path.read_bytes())
    except ValueError as exc:
        raise ConfigError(f"{path} is not JSON: {exc}") from exc
    if not isinstance(plain, dict):
        raise ConfigError(f"{path} is not a JSON object")
    for setting in settings:
        section, key, value = setting_of(setting)
        plain.setdefault(section, {})[key] = value
    return plain


@contextmanager
def progress_bar(wanted: bool) -> Iterator[Done | None]:
    """Show a bar on stderr while the body runs; nothing where nobody looks."""
    if not wanted or not is_terminal(sys.stderr):
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TimeRemainingColumn

    with Progress(
        BarColumn(), TaskProgressColumn(), TimeRemainingColumn(), console=Console(stderr=True), transient=True
    ) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda share: bar.update(task, completed=share)
