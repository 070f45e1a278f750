"""What all commands share: the home, the options that are everywhere, and how an error reaches the user."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, TypeVar

import click

from core.bot_config import BotConfig
from utils.errors import ConfigError, MakerdError
from utils.exit_statuses import COMMAND_USAGE, REFUSED
from utils.home import Home
from utils.input_validation import printable
from utils.system import missing_module

if TYPE_CHECKING:
    from core.history.bot_history import BotHistory
    from core.history.records import FillRow

MAX_LINE = 4000  # characters of one complaint
Keep = Callable[[str], bool]
Progress = Callable[[float], None]  # how much is done, 0 to 1
Decorated = TypeVar("Decorated", bound=Callable[..., Any])


class Supervised(Protocol):
    """A supervisor in the foreground."""

    @property
    def pid(self) -> int:
        """Return its pid."""

    def wait(self, timeout: float | None = None) -> int | None:
        """Return its exit status, None when it still lives after `timeout` seconds."""

    def terminate(self) -> None:
        """Ask it to stop its bots and end."""

    def final(self) -> dict[str, Any] | None:
        """Return its last status once it has ended."""


class Services(Protocol):
    """What commands need from rooms that `cli` does not import; the doors provide it."""

    def start_daemon(self, home: Home, names: Sequence[str]) -> dict[str, Any]:
        """Start the daemon in the background; return its ready record. Raises MakerdError."""

    def run_foreground(self, home: Home, names: Sequence[str]) -> int:
        """Run the supervisor in the foreground; return its exit status."""

    def start_direct(self, home: Home, config_dir: Path, run_dir: Path) -> Supervised:
        """Start a supervisor of its own for direct execution. Raises MakerdError."""

    def start_flatten(self, home: Home, names: Sequence[str], sell_base: bool) -> Supervised:
        """Start a supervisor that closes what the bots of a home hold. Raises MakerdError."""

    def daemon_pid(self, home: Home) -> int | None:
        """Return the pid that holds the lock of the home, None when nobody does."""

    def stop_by_signal(self, home: Home, timeout_s: float) -> bool:
        """End a daemon that does not answer, by a signal; False when it still lives after `timeout_s`."""

    def validate(
        self, home: Home, folder: Path | None = None, file: Path | None = None, beside: Sequence[Path] = ()
    ) -> dict[str, Any]:
        """Return the verdict of the validator child; `beside` are folders that no daemon reads. Raises MakerdError."""

    def venue_complaints(self, home: Home, configs: Sequence[BotConfig]) -> dict[str, list[str]]:
        """Return what the venues have against configs, by the bot's name."""

    def key_problems(self, exchange: str, parts: Mapping[str, str]) -> dict[str, str]:
        """Return what is wrong with the form of a venue's key, by its part."""

    def try_key(self, home: Home, exchange: str) -> tuple[str, list[str]]:
        """Return why a venue does not take the key of `.env`, "" when it does, and what else it says; reads only."""

    def preview(self, home: Home, config: BotConfig) -> dict[str, Any]:
        """Return what a config would do now on the paper feed, and what it could come to. Raises MakerdError."""

    def figures(self, home: Home, name: str) -> dict[str, Any] | None:
        """Return what the ledger of a bot says: position, PnL, fees, fills, volume; None when there is none."""

    def tail(self, path: Path, n: int, keep: Keep, since: str) -> Iterable[str]:
        """Return the last `n` accepted lines of a log; files that were finished before `since` are not read."""

    def follow(self, path: Path, n: int, keep: Keep, since: str) -> Iterable[str]:
        """Yield the last `n` accepted lines of a log and then each new one."""

    def rotate(self, folder: Path, name: str) -> list[str]:
        """Have log and captured output of a name go on in new files; return which were rotated."""

    def render_line(self, line: str, colour: bool) -> str:
        """Return a line of a log for people."""

    def backtest(
        self, home: Home, plain: Mapping[str, Any], source: str, span: Mapping[str, Any], progress: Progress | None
    ) -> dict[str, Any]:
        """Return the statistics of a config over `span` (files, from, to, engine). Raises MakerdError."""

    def sweep(self, home: Home, request: Mapping[str, Any], progress: Progress | None) -> dict[str, Any]:
        """Return what came out of a sweep: results (the file), rows, best_first, csv, html. Raises MakerdError."""

    def calibrate(
        self, home: Home, plain: Mapping[str, Any], source: str, request: Mapping[str, Any], progress: Progress | None
    ) -> dict[str, Any]:
        """Return what recorded events say about a config's market, its parameter file written. Raises MakerdError."""

    def train_regime(self, home: Home, request: Mapping[str, Any], progress: Progress | None) -> dict[str, Any]:
        """Return what came out of training a regime model, its file written. Raises MakerdError."""

    def history_page(
        self,
        bots: Sequence[BotHistory],
        from_utc_ns: int,
        to_utc_ns: int,
        fills: Sequence[FillRow],
        profits: Mapping[int, str],
    ) -> str:
        """Return the report of bots as one HTML page."""

    def convert(self, recording: Path, out: Path) -> int:
        """Write the event file of a recording; return its rows. Raises MakerdError."""

    def claims_folder(self, account_home: Path) -> Path:
        """Return where the claims of an account lie, made when it is ours."""

    def examine(self, home: Home) -> Iterator[dict[str, Any]]:
        """Yield what the doctor finds: `check`, `level` (ok, warn, fail), `text`, `todo`."""

    def metrics_text(self, figures: Mapping[str, Any]) -> str:
        """Return the answer to the verb `metrics` in Prometheus' text format."""

    def write_textfile(self, path: Path, text: str) -> None:
        """Replace a file that a node exporter may read at any moment. Raises OSError."""

    def run_monitor(self, home: Home, host: str | None, port: int | None) -> NoReturn:
        """Become the monitor, which serves until Ctrl-C."""

    def password_hash(self, password: str) -> str:
        """Return what is kept of a password of the monitor. Raises ConfigError for one that is too short."""


@dataclass
class App:
    """The object of a command's context."""

    services: Services
    home_given: str | None = None
    debug: bool = False
    commands: click.Command | None = None  # what the menu runs
    open_menu: Callable[[App], int] | None = None
    beside: Mapping[str, click.Command] = field(default_factory=dict)  # and those of the other doors, by name

    @property
    def home(self) -> Home:
        """Return the home that `--home` or the environment names."""
        return Home.find(self.home_given)

    def run_menu(self) -> int:
        """Open the menu of the door; return its exit status."""
        assert self.open_menu is not None  # the door sets it
        return self.open_menu(self)


pass_app = click.make_pass_decorator(App)


def _set_home(ctx: click.Context, _param: click.Parameter, value: str | None) -> None:
    app = ctx.find_object(App)
    if app is not None and value is not None:
        app.home_given = value


def _set_debug(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    app = ctx.find_object(App)
    if app is not None and value:
        app.debug = True


def everywhere(command: Decorated) -> Decorated:
    """Add `--home` and `--debug`, which may stand before or after a command's name."""
    home = click.option(
        "--home", metavar="DIR", expose_value=False, callback=_set_home, help="Where configs and state live."
    )
    debug = click.option(
        "--debug", is_flag=True, expose_value=False, callback=_set_debug, help="Show the traceback of an error."
    )
    return home(debug(command))


def as_json(command: Decorated) -> Decorated:
    """Add `--json`."""
    return click.option("--json", "json_wanted", is_flag=True, help="Answer in JSON.")(command)


def command_arguments(given: Sequence[str], name: str) -> list[str] | None:
    """Return the arguments of command `name`, whose general options may stand before it; None for another command."""
    place = 0
    while place < len(given) and given[place].partition("=")[0] in ("--home", "--debug"):
        place += 2 if given[place] == "--home" else 1
    return [*given[:place], *given[place + 1 :]] if given[place : place + 1] == [name] else None


def guarded(command: click.Command, app: App, arguments: Sequence[str], prog: str) -> int:
    """Run a command; return its exit status. Every error is one line on stderr, unless `--debug` asks for more.

    A reader of our output that went away is click's affair: it ends the process quietly, with status 1.
    """
    try:
        result = command.main(list(arguments), prog, standalone_mode=False, obj=app)
        return result if isinstance(result, int) else 0
    except click.exceptions.NoArgsIsHelpError as exc:
        exc.show()
        return _usage_status(command)
    except click.ClickException as exc:
        exc.show()
        return _usage_status(command) if isinstance(exc, click.UsageError) else exc.exit_code
    except click.Abort:
        click.echo("\ninterrupted" if sys.stderr.isatty() else "interrupted", err=True)  # behind what was typed
        return REFUSED
    except (MakerdError, OSError, ModuleNotFoundError) as exc:
        return _refused(exc, app, command)
    except Exception as exc:  # the outermost loop of a command: a bug of ours, told without a traceback
        return _refused(exc, app, command)


def _usage_status(command: click.Command) -> int:
    return int(getattr(command, "usage_status", COMMAND_USAGE))


def _refused(exc: Exception, app: App, command: click.Command) -> int:
    if app.debug:
        traceback.print_exc()
    click.echo(f"makerd: {explain_error(exc)}", err=True)
    complaints = complaints_of(getattr(exc, "invalid", ()))
    if len(complaints) > 1:
        click.echo("\n".join(complaints), err=True)
    statuses: Mapping[type[Exception], int] = getattr(command, "statuses", {})
    return next((status for kind, status in statuses.items() if isinstance(exc, kind)), REFUSED)


def explain_error(exc: Exception) -> str:
    """Return what happened and what to do."""
    if isinstance(exc, MakerdError):
        return str(exc)
    if isinstance(exc, ModuleNotFoundError):
        return missing_module(str(exc.name))
    if isinstance(exc, OSError):
        where = f"{exc.filename}: " if exc.filename else ""
        return f"{where}{exc.strerror or exc}; check that the path exists, is yours and that its disk has room"
    return f"internal error: {type(exc).__name__}: {exc}; run it again with --debug to see where"


def complaints_of(invalid: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the complaints of every file that starts no bot, as printable lines."""
    return [printable(str(line), MAX_LINE) for entry in invalid for line in entry["complaints"]]


def waits_for_its_run(row: Mapping[str, Any]) -> bool:
    """Tell whether a row of the status is of a job that ended well and is run again by the clock."""
    last = row["last_exit"] or {}
    return row["kind"] == "job" and row["state"] == "BACKOFF" and last.get("status") == 0


class DoorCommand(click.Command):
    """A command behind a door: `main` never raises but SystemExit."""

    def main(  # type: ignore[override]  # one signature for both of click's
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any
    ) -> Any:
        """Run a command and leave with its exit status; with `standalone_mode=False` do as click does."""
        if extra.get("standalone_mode") is False:
            return super().main(args, prog_name, **extra)
        raise SystemExit(guarded(self, extra["obj"], sys.argv[1:] if args is None else args, prog_name or "makerd"))


class Door(DoorCommand, click.Group):
    """The group of commands behind a door."""


def unknown_name(name: str, known: Sequence[str], what: str) -> ConfigError:
    """Return the error for a name that nobody knows, with the nearest ones."""
    import difflib

    near = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known[:20]) or 'none'}"
    return ConfigError(f"no {what} is named {name!r}; {hint}")
