"""What the menu offers: one table for the fleet, one for a bot, one for its config. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

AT_REST = frozenset({"STOPPED", "FATAL", "HALTED"})
ANY = frozenset({"STARTING", "RUNNING", "STOPPING", "BACKOFF", "SWEEPING"}) | AT_REST
AWAY = "AWAY"  # it only lies in the archive: no state of the supervisor
ALIVE = frozenset({"STARTING", "RUNNING", "BACKOFF"})
BACK = "back"
_ANYWHERE = ("active", "archived", "gone")


@dataclass(frozen=True, slots=True)
class Bot:
    """What the menu knows of a bot; `reason` is why it is where it is."""

    name: str
    state: str = "STOPPED"
    where: str = "active"  # or archived; gone: it has no file any more
    about: str = ""
    reason: str = ""
    is_job: bool = False
    paused: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a menu: a command to run, in which `{bot}` is its name, or something of the menu's own."""

    key: str
    text: str
    command: tuple[str, ...] = ()
    states: frozenset[str] = ANY | {AWAY}
    daemon: bool | None = None  # needs it running, or down
    trades: bool = False  # not for jobs
    paused: bool | None = None
    where: tuple[str, ...] = _ANYWHERE
    question: str = ""  # a yes is needed
    typed: str = ""  # this word is needed
    reloads: bool = False  # a running daemon has to be told
    shows: bool = False  # prints something to be read before the menu comes again
    screen: bool = False  # goes on until Ctrl-C, so needs somebody who can press it


_STOP = "Stop every bot, cancel all orders, and end the daemon?"
_FLATTEN = "Every order is cancelled and every position closed at the market; spot inventory stays."
FLEET: Sequence[Entry] = (
    Entry("begin", "Start the daemon with all bots", ("start", "--daemon"), daemon=False),
    Entry("watch", "Watch the fleet live", ("status", "--watch"), daemon=True, screen=True),
    Entry("bots", "Bots: look, steer, configure"),
    Entry("create", "New bot"),
    Entry("status", "Status of the fleet", ("status",), shows=True),
    Entry("list", "List the configs", ("config", "list"), shows=True),
    Entry("validate", "Validate the configs", ("config", "validate"), shows=True),
    Entry("reload", "Reload changed configs", ("reload",), daemon=True),
    Entry("report", "Report: profit by day", ("report",), shows=True),
    Entry("events", "Events: what happened, and who asked", ("events",), shows=True),
    Entry("logs", "Log of the daemon"),
    Entry("monitor", "Monitor in the browser"),
    Entry("keys", "Keys of the venues"),
    Entry("doctor", "Doctor: is everything in order here?", ("doctor",), shows=True),
    Entry("restart", "Restart the daemon", ("restart",), daemon=True, question="Restart every bot and the daemon?"),
    Entry("stop", "Stop everything", ("stop",), daemon=True, question=_STOP),
    Entry("flatten", "Flatten everything (kill switch)", ("flatten", "--all"), question=_FLATTEN, typed="FLATTEN"),
    Entry("quit", "Quit"),
)
_ACTIVE, _BOTH = ("active",), ("active", "archived")
_RESET = "{bot} is {state}: {reason}. Clear that and start it?"
_CLOSE = "Cancel all orders of {bot}, close its position, and stop it?"
_FLATTEN_BOT = "All orders of {bot} are cancelled and its position closed at the market; spot inventory stays."
_KILL = ("flatten", "{bot}")
BOT: Sequence[Entry] = (
    Entry("begin", "Start the daemon with this bot alone", ("start", "--daemon", "{bot}"), daemon=False, where=_ACTIVE),
    Entry("start", "Start", ("bot", "start", "{bot}"), frozenset({"STOPPED"}), True),
    Entry("reset", "Reset and start", ("bot", "reset", "{bot}"), AT_REST - {"STOPPED"}, True, question=_RESET),
    Entry("watch", "Watch it live", ("status", "{bot}", "--watch"), ANY, True, screen=True),
    Entry("status", "All that is known of it", ("status", "{bot}"), ANY, shows=True),
    Entry("pause", "Pause: no quotes until resumed", ("bot", "pause", "{bot}"), ALIVE, True, True, paused=False),
    Entry("resume", "Resume quoting", ("bot", "resume", "{bot}"), ALIVE, True, True, paused=True),
    Entry(
        "stop",
        "Stop: cancel its orders; what it holds stays, unless its on_stop closes it",
        ("bot", "stop", "{bot}"),
        ANY - AT_REST,
        True,
    ),
    Entry("close", "Close its position, then stop", ("bot", "close", "{bot}"), ALIVE, True, True, question=_CLOSE),
    Entry("restart", "Restart", ("restart", "{bot}"), ALIVE, True),
    Entry("logs", "Log"),
    Entry("events", "Events", ("events", "--bot", "{bot}"), shows=True),
    Entry("report", "Report: profit by day", ("report", "{bot}"), trades=True, shows=True),
    Entry("fills", "Last fills", ("report", "{bot}", "--fills", "20"), trades=True, shows=True),
    Entry("export", "All fills into a CSV file", trades=True),
    Entry("config", "Config: look, change, go back, archive", where=_BOTH),
    Entry("flatten", "Flatten (kill switch)", _KILL, ANY, trades=True, question=_FLATTEN_BOT, typed="{bot}"),
    Entry(BACK, "Back"),
)
_ARCHIVE = "Put {bot} into the archive? A running one stops at the next reload."
CONFIG: Sequence[Entry] = (
    Entry("explain", "Every value, and where it comes from", ("config", "explain", "{bot}"), where=_ACTIVE, shows=True),
    Entry("show", "The file as it is written", ("config", "show", "{bot}"), where=_BOTH, shows=True),
    Entry("validate", "Validate", ("config", "validate", "{bot}"), where=_ACTIVE, shows=True),
    Entry(
        "preview",
        "Preview: what it would place now",
        ("config", "preview", "{bot}"),
        where=_ACTIVE,
        trades=True,
        shows=True,
    ),
    Entry("set", "Set a key", reloads=True, where=_BOTH),
    Entry("edit", "Edit in $EDITOR", ("config", "edit", "{bot}"), reloads=True, where=_BOTH),
    Entry("diff", "What the last change was", ("config", "diff", "{bot}"), where=_BOTH, shows=True),
    Entry("history", "History", ("config", "history", "{bot}"), where=_BOTH, shows=True),
    Entry("rollback", "Go back to a version", reloads=True, where=_BOTH),
    Entry("archive", "Archive", ("config", "archive", "{bot}"), where=_ACTIVE, question=_ARCHIVE, reloads=True),
    Entry("restore", "Restore from the archive", ("config", "restore", "{bot}"), where=("archived",), reloads=True),
    Entry(BACK, "Back"),
)
LOGS: Sequence[Entry] = (
    Entry("last", "The last lines", ("logs", "{bot}"), shows=True),
    Entry("follow", "Follow it", ("logs", "{bot}", "-f"), screen=True),
    Entry("warnings", "Warnings and errors", ("logs", "{bot}", "--level", "WARNING"), shows=True),
    Entry("since", "Since some time ago"),
    Entry("component", "Of one component"),
    Entry(BACK, "Back"),
)


def offered(entries: Sequence[Entry], bot: Bot, daemon_runs: bool, has_screen: bool = True) -> list[Entry]:
    """Return what makes sense for a bot now; `bot` is anything where a table is about no bot."""
    return [one for one in entries if _fits(one, bot, daemon_runs) and (has_screen or not one.screen)]


def _fits(one: Entry, bot: Bot, daemon_runs: bool) -> bool:
    return (
        bot.where in one.where
        and bot.state in one.states
        and one.daemon in (None, daemon_runs)
        and one.paused in (None, bot.paused)
        and not (one.trades and bot.is_job)
    )


def filled(text: str, bot: Bot) -> str:
    """Return a text of a table with what it says of a bot."""
    return text.format(bot=bot.name, state=bot.state, reason=bot.reason or "nobody knows why")


def bot_of(row: Mapping[str, Any], where: str) -> Bot:
    """Return a bot of the status, and where its file is."""
    words = [row["state"], row["phase"] if row["state"] == "RUNNING" else "", "PAUSED" if row["paused"] else ""]
    state = " ".join(str(word) for word in dict.fromkeys(words) if word)
    told = dict.fromkeys(str(row[key]) for key in ("strategy", "symbol", "exchange", "mode") if row.get(key))
    reason = str(row.get("reason") or (row.get("last_exit") or {}).get("reason") or "")
    is_job, paused = row["kind"] == "job", bool(row["paused"])
    return Bot(str(row["name"]), str(row["state"]), where, ", ".join((state, *told)), reason, is_job, paused)


def runs(status: Mapping[str, Any]) -> bool:
    """Tell whether a daemon is there, if only one that does not answer yet or any more."""
    return bool(status["daemon"]["state"] != "stopped")


def fleet_entries(status: Mapping[str, Any]) -> Sequence[Entry]:
    """Return the entries of the fleet; where there is no bot yet, making one comes first and starting is left out."""
    if status["bots"] or runs(status):
        return FLEET
    first = [one for one in FLEET if one.key == "create"]
    return [*first, *(one for one in FLEET if one.key not in ("create", "begin"))]


def headline(status: Mapping[str, Any]) -> str:
    """Return the fleet in one line."""
    bots, daemon = status["bots"], status["daemon"]
    count = "no bot yet" if not bots else "1 bot" if len(bots) == 1 else f"{len(bots)} bots"
    invalid = f", {len(status['invalid'])} not valid" if status["invalid"] else ""
    if daemon["state"] != "running":
        is_there = "does not run" if daemon["state"] == "stopped" else f"is {daemon['state']}"
        return f"makerd: the daemon {is_there}; {count}{invalid}"
    words = [str((row["phase"] if row["state"] == "RUNNING" else None) or row["state"]) for row in bots]
    counted = ", ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(words))
    return f"makerd: {count}{': ' + counted if counted else ''}{invalid}"
