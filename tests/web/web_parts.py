"""A monitor over real sockets, and a daemon's control socket that answers what a test says."""

from __future__ import annotations

import copy
import http.client
import json
import selectors
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from core.metrics_text import render
from core.process.control import ControlServer, Request
from tests.console_parts import ROW
from utils.home import Home
from web.app import create_app
from web.server import make_server
from web.settings import WebSettings

BOT: dict[str, Any] = {**ROW, "config_digest": "9f2c"}
DAEMON = {"state": "running", "pid": 4242, "uptime_s": 12.5, "loop_age_s": 0.1, "version": "0.1.0", "home": "x"}


def bot_row(name: str = "sol-mm", **changes: Any) -> dict[str, Any]:
    """Return a row of the daemon's status."""
    return {**copy.deepcopy(BOT), "name": name, **changes}


class Daemon:
    """A control socket in a thread; `bots` is what its status says, `asked` what it was asked."""

    def __init__(self, home: Home, *bots: dict[str, Any]) -> None:
        self.bots = list(bots)
        self.invalid: list[dict[str, Any]] = []
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.refusal = ""
        home.make_folders()
        self._selector = selectors.DefaultSelector()
        self._server = ControlServer(home.run, self._selector, self._handle)
        self._ended = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._ended:
            for key, mask in self._selector.select(0.02):
                key.data(mask)
        self._server.close()
        self._selector.close()

    def _handle(self, request: Request) -> None:
        self.asked.append((request.verb, request.args))
        if request.verb == "status":
            request.answer({"daemon": DAEMON, "bots": self.bots, "invalid": self.invalid})
        elif self.refusal:
            request.refuse(self.refusal)
        else:
            request.answer({"bots": [{"name": name} for name in request.args.get("names") or []]})

    def commands(self) -> list[tuple[str, dict[str, Any]]]:
        """Return what it was asked beside its status."""
        return [one for one in self.asked if one[0] != "status"]

    def end(self) -> None:
        """Be gone."""
        self._ended = True
        self._thread.join(5)


class _Closed:
    def wait(self, _timeout: float | None = None) -> int:
        return 0

    def final(self) -> dict[str, Any]:
        return {"bots": [bot_row(state="STOPPED", closed=True)]}


class Rooms:
    """The services of the monitor, without a daemon's child around them."""

    def __init__(self) -> None:
        self.audited: list[dict[str, Any]] = []
        self.closed: list[tuple[Any, bool]] = []

    def tail(self, path: Path, n: int, keep: Callable[[str], bool], since: str = "") -> list[str]:
        """Return the last lines of a log."""
        from core.log_files import tail_lines

        return tail_lines(path, n, keep, since)

    def metrics_text(self, figures: Any) -> str:
        """Return the figures in Prometheus' format."""
        return render(figures)

    def write_audit(self, _home: Home, row: dict[str, Any]) -> bool:
        """Keep a row of the audit trail."""
        self.audited.append(row)
        return True

    def venue_complaints(self, _home: Home, _configs: Any) -> dict[str, list[str]]:
        """No venue is asked here."""
        return {}

    def start_flatten(self, _home: Home, names: Any, sell_base: bool) -> Any:
        """Stand for a supervisor that has closed everything."""
        self.closed.append((names, sell_base))
        return _Closed()


class Answer:
    """What came back."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.body)


class Site:
    """A monitor that serves on a port of its own."""

    def __init__(self, home: Home, **settings: Any) -> None:
        self.rooms = Rooms()
        self.settings = WebSettings(home=home, port=0, **settings)
        self.app = create_app(self.settings, self.rooms)
        self.parts = self.app.extensions["makerd"]
        self.server = make_server(self.app, self.settings)
        self.port = int(self.server.effective_port)
        self.cookie = ""
        self.csrf = ""
        self.parts.feed.start()
        self._thread = threading.Thread(target=self.server.serve, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Serve no more."""
        self.parts.feed.stop()
        self.server.leave()
        self._thread.join(15)
        assert not self._thread.is_alive()

    def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
        """Send one request with the cookie and token of this site's user; a dict goes as JSON."""
        told = {"Host": f"127.0.0.1:{self.port}"}
        if self.cookie:
            told["Cookie"] = self.cookie
        if self.csrf and method not in ("GET", "HEAD"):
            told["X-CSRF-Token"] = self.csrf
        if isinstance(body, dict | list):
            body, told["Content-Type"] = json.dumps(body), "application/json"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, {**told, **(headers or {})})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        """Ask for something."""
        return self.ask("GET", path, headers=headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        """Ask for a change."""
        return self.ask("POST", path, body, headers)

    def join(self) -> Site:
        """Take up a session, as the first page of a browser does."""
        answer = self.get("/api/v1/session") if not self.settings.needs_login else self.get("/healthz")
        self.take_cookie(answer)
        if answer.status == 200 and "csrf_token" in (answer.json or {}):
            self.csrf = answer.json["csrf_token"]
        else:
            self.csrf = self.parts.sessions.csrf_token(self.cookie.partition("=")[2])
        return self

    def take_cookie(self, answer: Answer) -> None:
        """Keep the cookie of an answer."""
        if text := answer.headers.get("Set-Cookie"):
            self.cookie = text.partition(";")[0]

    def log_in(self, password: str) -> Answer:
        """Log in; later requests belong to the new session."""
        self.join()
        answer = self.post("/login", {"password": password})
        if answer.status == 303:
            self.take_cookie(answer)
            self.csrf = self.get("/api/v1/session").json["csrf_token"]
        return answer

    def until(self, what: Callable[[], Any], seconds: float = 20.0) -> Any:
        """Poll until `what` is true."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if found := what():
                return found
            time.sleep(0.02)
        raise AssertionError(f"not within {seconds} s")


class Reader:
    """One open stream."""

    def __init__(self, site: Site, query: str = "") -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=20)
        self.connection.request("GET", "/api/v1/stream" + query, headers={"Cookie": site.cookie} if site.cookie else {})
        self.response = self.connection.getresponse()

    def events(self) -> Iterator[tuple[str, Any]]:
        """Yield (event, data); pings are left out."""
        event = ""
        while line := self.response.readline():
            text = line.decode().rstrip("\n")
            if text.startswith("event: "):
                event = text[7:]
            elif text.startswith("data: "):
                yield event, json.loads(text[6:])

    def next(self, event: str) -> Any:
        """Return the data of the next event of a kind."""
        return next(data for name, data in self.events() if name == event)

    def close(self) -> None:
        """Leave."""
        self.connection.close()
        self.response.close()


@contextmanager
def monitor(root: Path, *bots: dict[str, Any], **settings: Any) -> Iterator[tuple[Site, Daemon]]:
    """Run a monitor beside a daemon that knows these bots."""
    home = Home(root)
    daemon = Daemon(home, *(bots or (bot_row(),)))
    site = Site(home, **settings)
    try:
        site.until(lambda: site.parts.feed.picture.rows)
        yield site, daemon
    finally:
        site.end()
        daemon.end()
