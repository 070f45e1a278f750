"""The process of the monitor: `run.py --web` in the foreground, or a child of the daemon.

    python -m core.monitor HOME PARENT_PID WEB     # WEB: the section `web` of the daemon file as JSON
    python -m core.monitor HOME foreground GIVEN   # GIVEN: host and port as JSON, null for those of the daemon file

The child says one line of JSON on its standard output: {"url"}, or {"error", "final"} when it cannot serve; `final`: a
later try would fail just as well.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.bot_config import BotConfig
from core.event_log import EventFile
from core.fleet_config import FleetConfig, WebConfig
from core.log_files import tail_lines
from core.logger import setup_worker_logging
from core.process.child_setup import PR_SET_PDEATHSIG, prctl, redirect_output, set_title
from core.process.priority import go_first
from core.registry.daemon_file import layered_daemon_file, load_daemon_document, read_daemon_file
from core.registry.environment import Environment
from utils.errors import ConfigError, MakerdError
from utils.exit_statuses import CONFIG, DONE, REFUSED
from utils.home import Home
from utils.web_names import PASSWORD, TOKEN, VIEWER
from web.app import create_app
from web.parts import Parts
from web.server import Server, make_server
from web.settings import WebSettings, unsafe
from web.today import Today

if TYPE_CHECKING:
    from core.process.launcher import SupervisorHandle

LOG = "daemon.web"  # no bot's name has a dot
AUDIT = "audit.jsonl"
LOOK_S = 2.0
VENUES_S = 20.0
log = logging.getLogger("makerd.web")


class Rooms:
    """What `web` does not import itself."""

    def __init__(self, home: Home, config: FleetConfig) -> None:
        self._audit = EventFile(home.log / AUDIT)
        self._audit.follow(config)

    def tail(self, path: Path, n: int, keep: Callable[[str], bool], since: str = "") -> list[str]:
        """Return the last `n` accepted lines of a log."""
        return tail_lines(path, n, keep, since)

    def metrics_text(self, figures: Mapping[str, Any]) -> str:
        """Return the answer to the verb `metrics` in Prometheus' text format."""
        from core.metrics_text import render

        return render(figures)

    def write_audit(self, home: Home, row: dict[str, Any]) -> bool:
        """Append a row to the audit trail; False when it is lost."""
        return self._audit.write(row)

    def venue_complaints(self, home: Home, configs: Sequence[BotConfig]) -> dict[str, list[str]]:
        """Return what the venues have against configs, by the bot's name."""
        from core.process.venue_checks import venue_complaints

        return venue_complaints(configs, home.data_dirs, time.monotonic() + VENUES_S)

    def start_flatten(self, home: Home, names: Sequence[str], sell_base: bool) -> SupervisorHandle:
        """Start a supervisor that closes what the bots of a home hold, and then ends. Raises MakerdError."""
        from core.process.launcher import start_supervisor

        return start_supervisor(home, home.active, home.run, "flatten", tied=True, names=names, sell_base=sell_base)


def fleet_config(home: Home) -> FleetConfig:
    """Return the daemon file's config. Raises ConfigError."""
    environment = Environment(os.environ, home.env_file)
    loaded = load_daemon_document(layered_daemon_file(read_daemon_file(home), environment), environment)
    if loaded.config is None:
        raise ConfigError("; ".join(str(complaint) for complaint in loaded.complaints))
    return loaded.config


def settings_of(home: Home, web: WebConfig) -> WebSettings:
    """Return what the monitor is told. Raises ConfigError when `.env` was refused, for its passwords may be there."""
    environment = Environment(os.environ, home.env_file)
    if environment.complaints:
        raise ConfigError(str(environment.complaints[0]))
    operator, viewer, token = (environment.get(name, "") for name in (PASSWORD, VIEWER, TOKEN))
    return WebSettings(home, web.host, web.port, web.hosts, operator, viewer, token, web.proxies)


def open_server(home: Home, web: WebConfig, config: FleetConfig) -> tuple[Server, WebSettings]:
    """Return a server that listens, and what it was told. Raises ConfigError, MakerdError when the port is taken."""
    settings = settings_of(home, web)
    app = create_app(settings, Rooms(home, config))
    try:
        server = make_server(app, settings)
    except (OSError, ValueError) as exc:
        why = getattr(exc, "strerror", None) or str(exc)
        raise MakerdError(f"cannot listen on {web.host} port {web.port}: {why}; choose another web.port") from exc
    return server, settings


def url_of(server: Server, host: str) -> str:
    """Return the address for a browser on this host."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host and host[0] != "[" else host)
    return f"http://{shown}:{server.effective_port}/"


class PasswordWatch:
    """Lets passwords that change in `.env` count at once; when they leave the monitor open to all, it ends."""

    def __init__(self, own: Parts, web: WebConfig, leave: Callable[[], None]) -> None:
        self._own, self._web, self._leave = own, web, leave
        self._seen = self._look()

    def _look(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self._own.settings.home.env_file)
        except OSError:
            return None
        return found.st_ctime_ns, found.st_size

    def run(self, ended: threading.Event) -> None:
        """Look every two seconds until the end."""
        while not ended.wait(LOOK_S):
            if (look := self._look()) != self._seen:
                self._seen = look
                self._take()

    def _take(self) -> None:
        try:
            settings = settings_of(self._own.settings.home, self._web)
        except ConfigError as exc:  # perhaps somebody is still at it: the old ones hold
            log.error("passwords_not_read", extra={"fields": {"reason": str(exc)}})
            return
        if problem := unsafe(settings):
            log.error("passwords_not_safe", extra={"fields": {"reason": problem}})
            self._leave()
            return
        self._own.take(settings)
        log.info("passwords_read")


def serve(server: Server, web: WebConfig, say: Callable[[], None]) -> None:
    """Serve until TERM or INT; `say` is called once they are heard."""
    own, ended = server.application_parts, threading.Event()
    feed = own.feed

    def leave() -> None:
        feed.hub.close()
        server.leave()

    watch = PasswordWatch(own, web, leave)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: leave())
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    say()
    feed.start()
    for name, run in (("passwords", watch.run), ("today", Today(own.settings.home, feed).run)):
        threading.Thread(target=run, args=(ended,), name=name, daemon=True).start()
    server.serve()
    ended.set()
    feed.stop()


def _foreground(home: Home, given: Mapping[str, Any]) -> int:
    """Serve on this terminal until Ctrl-C. Raises MakerdError, OSError."""
    config = fleet_config(home)
    web = WebConfig(**{**asdict(config.web), **{key: value for key, value in given.items() if value is not None}})
    home.make_folders()
    server, settings = open_server(home, web, config)
    setup_worker_logging(home.log / f"{LOG}.log", LOG, _secrets(settings))
    text = f"monitor: {url_of(server, web.host)} (Ctrl-C ends it; the bots go on)"
    serve(server, web, lambda: print(text, flush=True))
    return DONE


def _secrets(settings: WebSettings) -> list[str]:
    return [text for text in (settings.password_hash, settings.viewer_hash, settings.token) if text]


def main(arguments: Sequence[str]) -> int:
    """Be the daemon's child, or serve on the terminal that this was called from."""
    home, given = Home(Path(arguments[0])), json.loads(arguments[2])
    if arguments[1] != "foreground":
        return _child(home, int(arguments[1]), WebConfig(**{**given, "hosts": tuple(given["hosts"])}))
    try:
        return _foreground(home, given)
    except MakerdError as exc:
        print(f"makerd: {exc}", file=sys.stderr)
    except OSError as exc:
        print(f"makerd: {exc.filename or home.root}: {exc.strerror}", file=sys.stderr)
    return REFUSED


def _child(home: Home, parent_pid: int, web: WebConfig) -> int:
    prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent_pid:
        return DONE
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    os.setpgid(0, 0)
    set_title("makerd: monitor")
    go_first(children=True)
    try:
        server, settings = open_server(home, web, fleet_config(home))
    except MakerdError as exc:
        final = isinstance(exc, ConfigError)
        print(json.dumps({"error": str(exc), "final": final}), flush=True)
        return CONFIG if final else REFUSED
    setup_worker_logging(home.log / f"{LOG}.log", LOG, _secrets(settings))

    def say() -> None:
        print(json.dumps({"url": url_of(server, web.host)}), flush=True)
        redirect_output(home.log / f"{LOG}.out")

    serve(server, web, say)
    logging.shutdown()
    return DONE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
