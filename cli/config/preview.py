"""The command `config preview`: what a config would do now, without doing it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from cli.completion import bots_or_files
from cli.config.bots import bot_file
from cli.figures import amount
from cli.shared import MAX_LINE, App, as_json, everywhere, pass_app
from cli.tags import shown_each, tag_option
from cli.working import working
from core.registry.config_manager import load_file
from utils.exit_statuses import DONE
from utils.input_validation import printable


@click.command("preview")
@click.argument("which", required=False, metavar="[NAME|FILE]", shell_complete=bots_or_files)
@tag_option
@as_json
@everywhere
@pass_app
def preview(app: App, which: str | None, tags: tuple[str, ...], json_wanted: bool) -> int:
    """Show what a bot would do now on the paper feed, starting flat: its first orders and what it could come to.

    Nothing is sent and nothing of the bot is touched; of a live venue only the public prices are read.
    """
    shown_each(
        app.home,
        which,
        tags,
        json_wanted,
        lambda name: _preview_of(app, name),
        lambda name: _show(_preview_of(app, name)),
    )
    return DONE


def _preview_of(app: App, which: str) -> dict[str, Any]:
    path = Path(which) if which.endswith(".json") else bot_file(app.home, which).path
    with working("working it out"):
        return app.services.preview(app.home, load_file(path, app.home, os.environ))


def _show(found: Mapping[str, Any]) -> None:
    from cli.render import console, rows_view

    click.echo(f"{found['name']}: {found['strategy']} on {found['exchange']}, {found['symbol']}, mid {found['mid']}")
    if found["orders"]:
        rows = [_order_row(order, _is_group(found)) for order in found["orders"]]
        console().print(rows_view(("side", "price", "size", "value", "from mid"), rows))
    else:
        gates = ", ".join(found["gates"])
        click.echo(f"it would place no order now{f' (gates: {gates})' if gates else ''}")
    for line in _said(found):
        click.echo(printable(line, MAX_LINE))


def _is_group(found: Mapping[str, Any]) -> bool:
    return len({order["symbol"] for order in found["orders"]}) > 1


def _order_row(order: Mapping[str, Any], is_group: bool) -> tuple[str, ...]:
    side = f"{order['side']}{' (reduce only)' if order['reduce_only'] else ''}"
    side = f"{side} {order['symbol']}" if is_group else side
    return side, order["price"], order["size"], amount(order["value"]), f"{order['from_mid_bps']:+.1f} bps"


def _said(found: Mapping[str, Any]) -> Iterator[str]:
    if (hedge := found.get("hedge")) is not None:
        yield f"hedged with {hedge['symbol']} on {hedge['exchange']}; what follows is of the maker leg alone"
    if _is_group(found):
        yield f"what follows is of {found['symbol']} alone, the main instrument of the group"
    for word, full in found["full"].items():
        if full is None:
            yield f"full {word}: nothing to hold, or no limit to it"
            continue
        quote = found["quote"]
        yield f"full {word}: {full['size']} {found['base']}, worth {amount(full['value'])} {quote}"
        moves = ", ".join(f"{percent} %: {amount(loss)}" for percent, loss in full["loss_at_move_pct"].items())
        yield f"  loss at a move against it of {moves} {quote}"
        worst = "none" if full["worst_loss"] is None else f"{amount(full['worst_loss'])} {quote}"
        yield f"  worst case: {worst} ({full['worst_loss_because']})"
        if full["margin"] is not None:
            at = full["liquidation_price"]
            near = "never" if at is None else f"near {amount(at)}"
            yield f"  margin {amount(full['margin'])} {quote}, liquidation {near}"
        if full["shift_bps"] is not None:
            yield f"  its quotes lie {full['shift_bps']:+.1f} bps from where they are when it is flat"
    for key, value in found["strategy_says"].items():
        yield f"{key}: {value}"
