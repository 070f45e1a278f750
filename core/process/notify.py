"""One-shot child: tell a person about one event, by the hook command and the webhook, then end.

    python -m core.process.notify HOME FD      # FD: one JSON object {"hook", "webhook_url", "event"}

The webhook's address is read here and nowhere else, and no message shows it. What goes wrong is one line on stdout,
which is the daemon's `daemon.out`.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from core.process.notifiers import hook_environ
from core.registry.environment import Environment
from utils.env import whole_reference
from utils.exit_statuses import DONE, REFUSED
from utils.home import CHECKOUT, Home

WHOLE_S = 50  # the supervisor waits a minute
HOOK_S = 15.0
CONNECT_S, ANSWER_S = 5.0, 10.0
ATTEMPTS = 2
PAUSE_S = 1.0
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def main(arguments: Sequence[str]) -> int:
    """Tell what the pipe says; return 0 when everybody was told."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(WHOLE_S)
    home = Home(Path(arguments[0]))
    with os.fdopen(int(arguments[1]), "rb") as pipe:
        task = json.loads(pipe.read())
    event = described(task["event"], home)
    faults = []
    if task["hook"] is not None:
        faults += run_hook(task["hook"], event, home)
    if task["webhook_url"] is not None:
        faults += post(task["webhook_url"], event, home)
    for fault in faults:
        print(f"alert {event.get('alert')} of {event.get('bot') or 'the daemon'}: {fault}", flush=True)
    return REFUSED if faults else DONE


def described(event: Mapping[str, Any], home: Home) -> dict[str, Any]:
    """Return the event with where it comes from and a line for people (`text`, as chat webhooks expect it)."""
    host = socket.gethostname()
    who = f"bot {event['bot']}" if event.get("bot") else "the daemon"
    left_out = f" ({event['suppressed']} more like it were left out before)" if event.get("suppressed") else ""
    text = f"makerd on {host}: {event.get('alert')}: {who}: {event.get('reason') or event.get('kind')}{left_out}"
    return {**event, "host": host, "home": str(home.root), "text": text}


def run_hook(command: Sequence[str], event: Mapping[str, Any], home: Home, limit_s: float = HOOK_S) -> list[str]:
    """Run the hook with the event on its standard input; return what went wrong."""
    try:
        hook = subprocess.Popen(
            list(command), stdin=subprocess.PIPE, cwd=CHECKOUT, env=hook_environ(home.root), process_group=0
        )
    except OSError as exc:
        return [f"the hook could not be run: {exc.strerror}"]
    try:
        hook.communicate(json.dumps(event).encode() + b"\n", timeout=limit_s)
    except subprocess.TimeoutExpired:
        os.killpg(hook.pid, signal.SIGKILL)
        hook.wait()
        return [f"the hook did not end within {limit_s:.0f} s and was killed"]
    return [] if hook.returncode == 0 else [f"the hook ended with {hook.returncode}"]


def post(reference: str, event: Mapping[str, Any], home: Home) -> list[str]:
    """Send the event to the webhook; return what went wrong, never its address."""
    name = whole_reference(reference)
    environment = Environment(os.environ, home.env_file)
    url = name.look_up(environment) if name else None
    if not url:
        return ["the webhook's variable is not set"]
    if not is_allowed(url):
        return ["the webhook's address is neither https nor http of this host"]
    fault = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSE_S)
        fault, final = _post_once(url, event)
        if not fault or final:
            break
    return [fault] if fault else []


def is_allowed(url: str) -> bool:
    """Tell whether an address keeps what is sent to it between us and its host."""
    try:
        parts = urlsplit(url)
        local = parts.scheme == "http" and parts.hostname in LOOPBACK
        return bool(parts.hostname) and (parts.scheme == "https" or local)
    except ValueError:
        return False


def _post_once(url: str, event: Mapping[str, Any]) -> tuple[str, bool]:
    """Return what went wrong (empty: nothing) and whether to try again is of no use."""
    import requests

    try:
        answer = requests.post(url, json=event, timeout=(CONNECT_S, ANSWER_S), allow_redirects=False)
    except requests.RequestException as exc:
        return f"the webhook could not be reached: {type(exc).__name__}", False  # its text shows the address
    if answer.status_code >= 300:
        return f"the webhook answered {answer.status_code}", 300 <= answer.status_code < 500
    return "", True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
