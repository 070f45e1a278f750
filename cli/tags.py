"""`--tag`: one option for every command that takes names of bots, and what it means."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from cli.offline import configs_in
from cli.shared import App
from utils.errors import MakerdError
from utils.home import Home

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def tag_option(command: Decorated) -> Decorated:
    """Add `--tag`, which may be given several times."""
    text = "Also every active bot with this tag; all of several, one of those with commas between them."
    option = click.option("--tag", "tags", multiple=True, metavar="TAG", help=text, shell_complete=known_tags)
    decorated: Decorated = option(command)
    return decorated


def known_tags(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Offer the tags of active bots to the Tab key."""
    app = ctx.find_object(App)
    try:
        configs = configs_in(app.home.active, app.home) if app else []
    except (MakerdError, OSError):
        configs = []
    return sorted({tag for one in configs for tag in one.tags if tag.startswith(incomplete)})


def shown_each(
    home: Home,
    which: str | None,
    tags: Sequence[str],
    json_wanted: bool,
    plain: Callable[[str], Any],
    show: Callable[[str], None],
) -> None:
    """Answer for one config, or for those that tags mean: one below the other, in JSON as an object by name.

    Raises click.UsageError for neither or both, ConfigError for unknown tags.
    """
    if (which is None) == (not tags):
        raise click.UsageError("name a bot, or --tag")
    names = [which] if which is not None else list(meant(home, (), tags))
    if json_wanted:
        found = {name: plain(name) for name in names}
        click.echo(json.dumps(found if tags else found[names[0]]))
        return
    for name in names:
        if tags:
            click.echo(f"== {name}")
        show(name)


def meant(home: Home, names: Sequence[str], tags: Sequence[str]) -> tuple[str, ...]:
    """Return the names given and those that tags mean; none without either. Raises ConfigError for unknown tags.

    Whether a name is known is left to whoever is asked: a daemon may run a bot whose file is gone.
    """
    if not tags:
        return tuple(names)
    from core.registry.selection import selected

    tagged = selected([one for one in configs_in(home.active, home) if one.name], (), tags)
    return tuple(dict.fromkeys((*names, *(one.name for one in tagged))))
