"""What the Tab key offers: names of bots, templates, venues and strategies, where a command takes them.

A shell asks the door itself (click's protocol), so everything here is quick and raises nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

import click
from click.shell_completion import CompletionItem

from cli.offline import ConfigOnDisk, configs_in
from cli.shared import App
from utils.errors import MakerdError
from utils.home import Home

FILES = CompletionItem("", type="file")


def bots(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Offer the active bots."""
    return _matching((one.name for one in _configs(ctx, "active")), incomplete)


def logs(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Offer the bots and the daemon."""
    return _matching(["daemon", *(one.name for one in _configs(ctx, "active"))], incomplete)


def bots_or_files(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the active bots, and files when none begins like that."""
    found = bots(ctx, param, incomplete)
    return [CompletionItem(name) for name in found] or [FILES]


def any_bots(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Offer the active and the archived bots."""
    return _matching((one.name for folder in ("active", "archived") for one in _configs(ctx, folder)), incomplete)


def archived(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Offer the archived bots."""
    return _matching((one.name for one in _configs(ctx, "archived")), incomplete)


def templates(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Offer the templates."""
    home = _home(ctx)
    return _matching((path.stem for path in home.templates.glob("*.json")) if home else (), incomplete)


def exchanges(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Offer the venues."""
    from core.registry.schema_files import known_exchanges

    return _matching(known_exchanges(), incomplete)


def strategies(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Offer the strategies."""
    from core.registry.schema_files import known_strategies

    return _matching(known_strategies(), incomplete)


def _matching(words: Iterable[str], incomplete: str) -> list[str]:
    return sorted({word for word in words if word and word.startswith(incomplete)})


def _home(ctx: click.Context) -> Home | None:
    app = ctx.find_object(App)
    try:
        return app.home if app else None
    except (MakerdError, OSError):
        return None


def _configs(ctx: click.Context, folder: str) -> list[ConfigOnDisk]:
    home = _home(ctx)
    try:
        return configs_in(home.root / "config" / folder, home) if home else []
    except (MakerdError, OSError):
        return []
