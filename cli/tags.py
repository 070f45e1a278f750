"""`--tag`: one option for every command that takes names of bots, and what it means."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from cli.offline import configs_in
from utils.home import Home

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def tag_option(command: Decorated) -> Decorated:
    """Add `--tag`, which may be given several times."""
    text = "Also every active bot with this tag; all of several, one of those with commas between them."
    decorated: Decorated = click.option("--tag", "tags", multiple=True, metavar="TAG", help=text)(command)
    return decorated


def meant(home: Home, names: Sequence[str], tags: Sequence[str]) -> tuple[str, ...]:
    """Return the names given and those that tags mean; none without either. Raises ConfigError for unknown tags.

    Whether a name is known is left to whoever is asked: a daemon may run a bot whose file is gone.
    """
    if not tags:
        return tuple(names)
    from core.registry.selection import selected

    tagged = selected([one for one in configs_in(home.active, home) if one.name], (), tags)
    return tuple(dict.fromkeys((*names, *(one.name for one in tagged))))
