"""The command `bot`: single bots of the running daemon."""

from __future__ import annotations

import click

from cli.completion import bots
from cli.live import agree_to_live, live_option
from cli.settled import WORK_S, say_bots
from cli.shared import App, as_json, everywhere, pass_app
from cli.tags import meant, tag_option
from cli.working import working
from core.process.control import call


@click.group(no_args_is_help=True)
@everywhere
def bot() -> None:
    """Start, stop, pause, close or reset single bots of the running daemon."""


def _add_bot_command(action: str, text: str) -> None:
    @bot.command(action, help=text)
    @click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=bots)
    @tag_option
    @live_option
    @as_json
    @everywhere
    @pass_app
    def command(app: App, names: tuple[str, ...], tags: tuple[str, ...], live: bool, json_wanted: bool) -> int:
        if not names and not tags:
            raise click.UsageError("name a bot, or --tag")
        names = meant(app.home, names, tags)
        if action in ("start", "reset"):
            agree_to_live(app.home, names, live)
        with working(f"{action}: waiting for the bot"):
            answer = call(app.home, "bot", {"action": action, "names": list(names)}, WORK_S)
        return say_bots(answer, json_wanted)


_add_bot_command("start", "Start bots that are stopped.")
_add_bot_command("stop", "Stop bots and cancel their orders; the others go on.")
_add_bot_command("pause", "Take the quotes off the venue; the worker lives on and watches.")
_add_bot_command("resume", "Quote again after a pause.")
_add_bot_command("close", "Cancel everything, close the position, then stop. Spot inventory stays; see `flatten`.")
_add_bot_command("reset", "Clear a tripped risk limit or a FATAL state, then start the bots again.")
