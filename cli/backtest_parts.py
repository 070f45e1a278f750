"""What commands that play recorded events share: options, the config with its settings, a bar of how far it is."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from cli.direct_config import setting_of
from cli.shared import Decorated
from utils.errors import ConfigError
from utils.terminal import is_terminal

Done = Callable[[float], None]
_BEGIN = click.option(
    "--from", "begin", metavar="TIME", help="UTC, such as 2024-08-08T23:55:00; default: the first event."
)
_END = click.option("--to", "end", metavar="TIME", help="UTC, exclusive; default: behind the last event.")
_SETTINGS = click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="A strategy key, or section.key; repeatable."
)


def span_and_settings(command: Decorated) -> Decorated:
    """Add `--from`, `--to` and `--set`."""
    return _BEGIN(_END(_SETTINGS(command)))


def engine_option(text: str) -> Callable[[Decorated], Decorated]:
    """Return what adds `--engine` with a help of its own."""
    return click.option(
        "--engine", type=click.Choice(["auto", "compiled", "python"]), default="auto", show_default=True, help=text
    )


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
