"""Tables and colours for people, at home in 80 columns and silent about colours where nobody wants them."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, TextIO

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from cli.figures import amount, duration, net_pnl
from cli.health_check import bot_fault
from cli.shared import MAX_LINE, complaints_of, waits_for_its_run
from utils.input_validation import printable
from utils.terminal import is_terminal, wants_colour

NARROW = 80
NAME_WIDTH = 8  # at least
_AROUND = 6  # lines of a screen that are no bot's: how to end, headline (two when narrow), monitor, titles, one spare
_STATES = {"RUNNING": "green", "STARTING": "cyan", "STOPPED": "dim", "FATAL": "bold red", "HALTED": "bold magenta"}
_OTHER_STATE = "yellow"


def console(stream: TextIO | None = None) -> Console:
    """Return a console for stdout: as wide as the terminal, 80 columns (or COLUMNS) elsewhere."""
    target = stream or sys.stdout
    width = None if is_terminal(target) else _columns()
    environ = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    colour = wants_colour(target)
    return Console(
        file=target,
        width=width,
        force_terminal=None if colour else False,
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=False,
        _environ=environ,  # a size in there, as readline leaves one, would be believed before the terminal's own
    )


def _columns() -> int:
    given = os.environ.get("COLUMNS", "")
    return max(40, int(given)) if given.isdecimal() and len(given) < 5 else NARROW


def status_view(status: Mapping[str, Any], width: int) -> RenderableType:
    """Return the fleet as a headline, a table and the notes that explain it."""
    parts: list[RenderableType] = [_headline(status["daemon"]), *_monitor(status["daemon"])]
    if status["bots"]:
        parts.append(_fleet_table(status["bots"], width))
    else:
        parts.append(Text("no bots: `config create` makes one from a template", "dim"))
    parts += [note for bot in status["bots"] for note in _notes(bot)]
    parts += [Text(f"  {line}", "red") for line in complaints_of(status["invalid"])]
    return Group(*parts)


def _headline(daemon: Mapping[str, Any]) -> Text:
    state = str(daemon["state"])
    line = Text("makerd ") + Text(state, "green" if state == "running" else "yellow")
    if daemon.get("pid"):
        line.append(f", pid {daemon['pid']}, up {duration(daemon['uptime_s'])}")
    return line.append(f", version {_text(daemon.get('version'))}, home {_text(daemon.get('home'))}")


def _monitor(daemon: Mapping[str, Any]) -> list[RenderableType]:
    """Return where the daemon's monitor is, or why it is not; nothing when it is off."""
    web = daemon.get("web") or {}  # an older daemon says nothing of it
    if web.get("state") in (None, "off"):
        return []
    if web.get("url"):
        return [Text(f"monitor {_text(web['url'])}")]
    return [Text(f"monitor {_text(web['state'])}: {_text(web.get('reason') or 'it is starting')}", "yellow")]


def _fleet_table(bots: Sequence[Mapping[str, Any]], width: int) -> Table:
    rows = [_fleet_row(bot) for bot in bots]
    table = _table()
    # The name gets what the others leave: only it may be cut.
    widths = [max(len(title), *(len(cells[place]) for cells in rows)) + 1 for place, title in enumerate(_TITLES)]
    table.add_column("bot", no_wrap=True, overflow="ellipsis", max_width=max(NAME_WIDTH, width - sum(widths[1:])))
    for title in _TITLES[1:]:
        table.add_column(title, justify="right" if title in _NUMBERS else "left", no_wrap=True)
    for cells in rows:
        table.add_row(*cells)
    return table


_NUMBERS = ("position", "orders", "fills", "net PnL", "up")
_TITLES = ("bot", "state", "phase", "symbol", "mode", *_NUMBERS)


def _fleet_row(bot: Mapping[str, Any]) -> list[Text]:
    net = net_pnl(bot)
    living = bot["pid"] is not None
    if bot["kind"] == "job":
        return [*_fleet_head(bot), *[Text("-")] * 6, Text(duration(bot["uptime_s"]) if living else "-")]
    return [
        *_fleet_head(bot),
        Text(_text(bot["symbol"])),
        _mode_text(bot),
        Text(amount(bot["position"])),
        Text(str(bot["open_orders"])),
        Text(str(bot["fills"])),
        Text(amount(net), _gain_colour(net)),
        Text(duration(bot["uptime_s"]) if living else "-"),
    ]


def _fleet_head(bot: Mapping[str, Any]) -> list[Text]:
    state = str(bot["state"])
    return [
        Text(_text(bot["name"])),
        Text(state, _STATES.get(state, _OTHER_STATE)),
        Text(_text(bot["phase"] or "-"), "green" if bot["phase"] == "QUOTING" else ""),
    ]


def _mode_text(bot: Mapping[str, Any]) -> Text:
    """Return `paper`, `test` (live orders on a test net) or `live`."""
    if bot["mode"] != "live":
        return Text(_text(bot["mode"] or "-"))
    return Text("test") if bot["network"] == "test" else Text("live", "bold")


def _gain_colour(net: Decimal | None) -> str:
    return "" if not net else "green" if net > 0 else "red"


def _notes(bot: Mapping[str, Any]) -> Iterable[Text]:
    """Say why a bot does not quote, and how it last ended when that was not as asked."""
    name, last = _text(bot["name"]), bot.get("last_exit")
    if waits_for_its_run(bot):
        yield Text(f"  {name}: {_text(bot['reason'])}", "dim")
        return
    if bot["gates"]:
        step = f"; `bot resume {name}` opens it" if list(bot["gates"]) == ["paused"] else ""
        yield Text(f"  {name}: gates {', '.join(_text(gate) for gate in bot['gates'])}{step}", "yellow")
    elif stale := (bot.get("stats") or {}).get("reference_stale"):
        yield Text(f"  {name}: the price of its reference is stale: {_text(stale)}; its own mid is used", "yellow")
    if bot["state"] in ("FATAL", "HALTED", "BACKOFF", "SWEEPING") and (last or bot.get("reason")):
        reason = _text((last or {}).get("reason") or bot.get("reason"))
        settled = bot["state"] in ("FATAL", "HALTED")
        step = f"; look at `logs {name}`, then `bot reset {name}`" if settled else ""
        if bot["state"] == "SWEEPING":
            step = "; its orders are not confirmed to be gone yet"
        yield Text(f"  {name}: {reason}{step}", "red" if settled else "yellow")
    elif bot["restarts"] and last:
        yield Text(f"  {name}: {bot['restarts']} restarts, last: {_text(last.get('reason'))}", "dim")


_NOT_NEWS = frozenset({"kind", "wanted", "config_digest"})
_NOTHING: tuple[Any, ...] = (None, "", [], {}, False)


def bot_view(status: Mapping[str, Any], brief: bool = False) -> RenderableType:
    """Return one bot with everything that is known of it; `brief` leaves out what is empty or never changes."""
    table = _table(header=False)
    table.add_column("key", no_wrap=True, style="dim")
    table.add_column("value", overflow="fold")
    for bot in status["bots"]:
        for key, value in bot.items():
            if brief and (key in _NOT_NEWS or value in _NOTHING):
                continue
            table.add_row(key, Text("\n".join(_value_lines(value))))
    return Group(_headline(status["daemon"]), table)


def _value_lines(value: Any) -> list[str]:
    if value in (None, "", [], {}):
        return ["-"]
    if isinstance(value, list):
        return [line for item in value for line in _value_lines(item)]
    if isinstance(value, Mapping):
        plain = [f"{_text(k)}={_text(v)}" for k, v in _flat(value) if not isinstance(v, list)]
        return [" ".join(plain), *(f"  {_text(line)}" for v in value.values() if isinstance(v, list) for line in v)]
    return [_text(value)]


def _flat(value: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    """Yield what a mapping has, with what its mappings have under both names."""
    for key, member in value.items():
        if isinstance(member, Mapping):
            yield from ((f"{key}.{name}", one) for name, one in member.items())
        else:
            yield key, member


def rows_view(titles: Sequence[str], rows: Iterable[Sequence[Any]], whole: Sequence[str] = ()) -> Table:
    """Return a plain table; long values are folded, never cut, those of the columns `whole` last of all."""
    table = _table()
    for title in titles:
        table.add_column(title, overflow="fold", no_wrap=title in whole)
    for row in rows:
        table.add_row(*(Text(_text(value)) for value in row))
    return table


def fitted(status: Mapping[str, Any], height: int) -> tuple[dict[str, Any], int]:
    """Return a status with the bots that a screen has lines for, those with a fault first, and how many it has not.

    Where there is room for all, all keep their order.
    """
    room, bots = height - _AROUND - len(status["invalid"]), status["bots"]
    if sum(_lines_of(bot) for bot in bots) <= room:
        return dict(status), 0
    chosen = []
    for bot in sorted(bots, key=lambda one: bot_fault(one) is None):
        room -= _lines_of(bot)
        if room < 0:
            break
        chosen.append(bot)
    return {**status, "bots": chosen}, len(bots) - len(chosen)


def _lines_of(bot: Mapping[str, Any]) -> int:
    return 1 + sum(1 for _ in _notes(bot))


def watch(ask: Callable[[], Mapping[str, Any]], one: bool, every_s: float) -> None:
    """Show the status on a screen of its own until Ctrl-C, then once more below. Raises MakerdError when `ask` does.

    The screen is drawn anew each time, as large as the terminal is then: a resize leaves nothing behind.
    """
    from rich.live import Live

    target, last = console(), None
    try:
        with Live(console=target, auto_refresh=False, screen=True, vertical_overflow="crop") as live:
            while True:
                last = ask()
                live.update(_screen(last, one, target), refresh=True)
                time.sleep(every_s)
    finally:
        if last is not None:
            target.print(bot_view(last) if one else status_view(last, target.width))


def _screen(status: Mapping[str, Any], one: bool, target: Console) -> RenderableType:
    """Return what a watcher sees, as much as there is room for."""
    if one:
        return Group(Text("Ctrl-C ends it", "dim"), bot_view(status, brief=True))
    fits, more = fitted(status, target.height)
    head = f"Ctrl-C ends it{f'; {more} more bots have no room here' if more else ''}"
    return Group(Text(head, "dim"), status_view(fits, target.width))


def _table(header: bool = True) -> Table:
    return Table(box=None, show_header=header, header_style="bold", padding=(0, 1, 0, 0), pad_edge=False)


def _text(value: object) -> str:
    return printable(str(value), MAX_LINE)
