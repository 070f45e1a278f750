"""Keys and proxies of live bots: they are used, and seen nowhere, however a bot ends."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

from core.process.network_names import NAMES
from tests.process.live_fleet import SECRET_KEYS, SYMBOLS, VENUES, Crew, LiveFleet
from tests.process.tls_proxy import TlsProxy

pytestmark = pytest.mark.timeout(300)  # some waits are long on a busy machine
HOST = "venue.test"
LEAST = 8  # shorter pieces of a key occur by chance
CREW: dict[tuple[str, str], dict[str, Any]] = {
    (name, venue): {} for name in ("wrong-key", "revoked", "crashed") for venue in SYMBOLS
}


@pytest.fixture
def proxy(live: LiveFleet, tmp_path: Path) -> Iterator[TlsProxy]:
    port = urlsplit(live.sim.hello["base_url"]).port
    assert port is not None
    for name in NAMES:  # whatever leads this machine itself to the world
        live.fleet.environ.pop(name, None)
    made = TlsProxy(tmp_path, HOST, port)
    yield made
    made.close()


def behind_tls(live: LiveFleet) -> dict[str, str]:
    """Return the simulator's addresses as they are behind the proxy."""
    addresses = {key: urlsplit(live.sim.hello[key]) for key in ("base_url", "ws_url")}
    return {key: one._replace(scheme=one.scheme + "s", netloc=HOST).geturl() for key, one in addresses.items()}


def pieces(keys: dict[str, str], venue: str) -> list[bytes]:
    """Return what of an account's keys nobody may see: each line, as a key file has several."""
    lines = [line for key in SECRET_KEYS[venue] for line in keys[key].replace("\\n", "\n").splitlines()]
    return [line.encode() for line in lines if len(line) >= LEAST and not line.startswith("-----")]


def assert_seen_nowhere(live: LiveFleet, name: str, forbidden: list[bytes]) -> None:
    """Look at every file of the home, at the status and at the command lines; the daemon runs."""
    assert forbidden
    fleet = live.fleet
    said = json.dumps(fleet.status()) + fleet.run("status").stdout + fleet.run("config", "explain", name).stdout
    for pid in fleet.remember():
        with contextlib.suppress(psutil.Error):  # it has ended meanwhile
            said += " ".join(psutil.Process(pid).cmdline())
    assert [one for one in forbidden if one in said.encode()] == []
    zygote = Path(f"/proc/{fleet.zygote_pid()}/environ").read_bytes()
    assert [one for one in forbidden if one in zygote] == []
    files = [path for path in fleet.home.root.rglob("*") if path.is_file() and path != fleet.home.env_file]
    found = {str(path): one for path in files for one in forbidden if one in path.read_bytes()}
    assert found == {}


@pytest.mark.parametrize(("venue", "where"), [("backpack", "environment"), ("thalex", ".env")])
def test_workers_and_sweepers_go_through_the_proxy_and_its_password_is_seen_nowhere(
    live: LiveFleet, proxy: TlsProxy, where: str
) -> None:
    live.add("one", **behind_tls(live))
    if where == ".env":
        live.give_secrets(environ=proxy.environ)
        live.fleet.start("--live")
    else:
        live.fleet.start("--live", **proxy.environ)
    live.fleet.quoting("one", seconds=60)
    assert proxy.tunnels > 0
    before = {order["order_id"] for order in live.open_orders()}
    pid = live.fleet.bot("one")["pid"]
    os.kill(pid, signal.SIGKILL)
    live.fleet.until(lambda: live.fleet.bot("one")["pid"] not in (None, pid), 60)
    assert not before & {order["order_id"] for order in live.open_orders()}
    live.fleet.quoting("one", seconds=60)
    assert proxy.refused == 0
    assert_seen_nowhere(live, "one", proxy.forbidden)


@VENUES
def test_a_proxy_that_refuses_the_password_is_told_without_it(live: LiveFleet, proxy: TlsProxy) -> None:
    live.add("one", **behind_tls(live))
    wrong = proxy.environ["HTTPS_PROXY"].replace("tr0ub4dor", "wr0ngwr0ng")
    live.fleet.start("--live", **{**proxy.environ, "HTTPS_PROXY": wrong})
    row = live.fleet.until(lambda: (row := live.fleet.bot("one"))["last_exit"] and row, 60)
    assert row["last_exit"]["status"] == 75
    assert "407" in row["last_exit"]["reason"]
    assert_seen_nowhere(live, "one", [*proxy.forbidden, b"wr0ngwr0ng"])


@VENUES
def test_a_wrong_key_is_seen_nowhere(live_crew: Crew, venue: str) -> None:
    live = live_crew["wrong-key", venue]
    wrong = live.give_wrong_secret()
    live.start()
    live.comes_to(live.label, "FATAL")
    assert_seen_nowhere(live, live.label, pieces(live.keys, venue) + pieces(wrong, venue))


@VENUES
def test_a_key_that_is_revoked_while_its_bot_is_swept_is_seen_nowhere(live_crew: Crew, venue: str) -> None:
    live = live_crew["revoked", venue]
    live.start()
    live.fleet.quoting(live.label, seconds=60)
    wrong = live.give_wrong_secret()
    os.kill(live.fleet.bot(live.label)["pid"], signal.SIGKILL)
    live.fleet.until(lambda: live.told(live.label, "alert"), 60)
    assert_seen_nowhere(live, live.label, pieces(live.keys, venue) + pieces(wrong, venue))


@VENUES
def test_a_key_of_a_crashed_bot_is_seen_nowhere(live_crew: Crew, venue: str) -> None:
    live = live_crew["crashed", venue]
    live.start()
    live.fleet.quoting(live.label, seconds=60)
    for number in (signal.SIGABRT, signal.SIGKILL):
        pid = live.fleet.bot(live.label)["pid"]
        os.kill(pid, signal.SIGUSR2)  # the stacks are dumped
        os.kill(pid, number)
        live.fleet.until(lambda pid=pid: live.fleet.bot(live.label)["pid"] not in (None, pid), 60)
        live.fleet.quoting(live.label, seconds=60)
        assert_seen_nowhere(live, live.label, pieces(live.keys, venue))
    live.stop()
