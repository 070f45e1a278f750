"""Hostile clients over real sockets: nothing let in, nothing crashed, everybody else is served."""

from __future__ import annotations

import json
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.web.web_parts import Daemon, Reader, Site, bot_row, monitor

Both = tuple[Site, Daemon]
SCRIPT = "<script>alert(1)</script>"
SECRET = "root:x:0:0"


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Both]:
    (tmp_path / "passwd").write_text(SECRET)
    with monitor(tmp_path, bot_row(), bot_row("two")) as found:
        found[0].join()
        yield found


def _raw(site: Site, head: bytes, patience_s: float = 20.0) -> bytes:
    """Send bytes as they are; return all that comes back until the server hangs up or is silent."""
    with socket.create_connection(("127.0.0.1", site.port), timeout=patience_s) as line:
        parts = []
        try:
            line.sendall(head)
            while chunk := line.recv(65536):
                parts.append(chunk)
        except ConnectionError:  # it hung up on what was still to come
            pass
        return b"".join(parts)


def _get(site: Site, path: str) -> bytes:
    return _raw(site, f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())


def _is_served(site: Site) -> None:
    assert site.get("/healthz").status == 200
    assert site.get("/api/v1/fleet").status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/static/../../passwd",
        "/static/%2e%2e/%2e%2e/passwd",
        "/static/..%2f..%2fpasswd",
        "/static/....//....//passwd",
        "/static//etc/passwd",
        "/static/%00",
        "/api/v1/bots/..%2f..%2fpasswd/config",
        "/api/v1/bots/../passwd/logs",
        "/api/v1/bots/%2fetc%2fpasswd/logs",
        "/api/v1/bots/passwd%00/history",
        "/api/v1/bots/..%5c..%5cpasswd/orders",
        "/api/v1/stream?bot=../passwd",
        "//etc/passwd",
        "/../../../../etc/passwd",
        "http://evil.example/etc/passwd",
    ],
)
def test_no_path_leads_out_of_the_house(both: Both, path: str) -> None:
    site, _ = both
    answer = _get(site, path)
    assert SECRET.encode() not in answer
    assert answer.split(b" ")[1] in (b"400", b"404", b"401", b"308"), answer[:200]
    _is_served(site)


@pytest.mark.parametrize(
    "name", [SCRIPT, "{{7*7}}", "${7*7}", "{%print(1)%}", "'\"><img src=x onerror=alert(1)>", "\r\nX: y"]
)
def test_what_a_request_says_comes_back_as_text_or_not_at_all(both: Both, name: str) -> None:
    site, _ = both
    for path in (f"/api/v1/bots/{quote(name, safe='')}", f"/api/v1/stream?bot={quote(name, safe='')}"):
        answer = site.get(path)
        assert answer.status == 404
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X"] is None
        assert "49" not in answer.json["error"] or "7*7" in answer.json["error"]
    body = {"name": name, "template": name, "values": {}}
    assert site.post("/api/v1/registry/create", body).status in (400, 404)


def test_names_and_reasons_of_bots_stay_text(both: Both) -> None:
    site, daemon = both
    daemon.bots = [bot_row("x", symbol=SCRIPT, reason=f"</script>{SCRIPT}\u2028", strategy="{{config}}")]
    site.until(lambda: "x" in site.parts.feed.picture.rows)
    answer = site.get("/api/v1/fleet")
    assert answer.json["bots"][0]["symbol"] == SCRIPT
    assert answer.headers["Content-Type"] == "application/json"
    reader = Reader(site)
    assert reader.next("fleet")["bots"][0]["strategy"] == "{{config}}"
    reader.close()


RELOAD = b"POST /api/v1/reload HTTP/1.1\r\n"
ROOT = b"GET / HTTP/1.1\r\n"
HOST = b"Connection: close\r\nHost: localhost\r\n"


@pytest.mark.parametrize(
    ("head", "statuses"),
    [
        (RELOAD + HOST + b"Content-Length: 99999999\r\n\r\n" + b"x" * 300_000, (b"413", b"")),
        (RELOAD + HOST + b"Content-Length: -5\r\n\r\n", (b"400",)),
        (RELOAD + HOST + b"Content-Length: 1e9\r\n\r\n", (b"400",)),
        (ROOT + HOST + b"A: " + b"x" * 200_000 + b"\r\n\r\n", (b"431", b"")),
        (b"GET /" + b"y" * 200_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", (b"431", b"")),
        # RFC 9112 6.3: the chunks count, the length is ignored; nothing is left over that could be a second request
        (ROOT + HOST + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n", (b"200",)),
        (ROOT + HOST + b"Transfer-Encoding: gzip\r\n\r\n", (b"400", b"501")),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n", (b"400", b"")),
        (ROOT + b"Connection: close\r\n\r\n", (b"400", b"421")),
        (ROOT + HOST + b"Host: evil.example\r\n\r\n", (b"400", b"421")),
    ],
    ids=range(10),
)
def test_a_request_out_of_shape_is_refused_in_good_order(both: Both, head: bytes, statuses: tuple[bytes, ...]) -> None:
    site, _ = both
    answer = _raw(site, head)
    assert [*answer.split(b" "), b"", b""][1] in statuses, answer[:200]
    _is_served(site)


def test_a_large_chunked_body_is_refused_while_it_comes(both: Both) -> None:
    site, _ = both
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    head = b"POST /login HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection(("127.0.0.1", site.port), timeout=20) as line:
        try:
            line.sendall(head + chunk * 64)
            answer = line.recv(65536)
        except ConnectionError:
            answer = b"HTTP/1.1 413 "
    assert answer.split(b" ")[1] == b"413"
    _is_served(site)


def test_a_deeply_nested_body_is_refused(both: Both) -> None:
    site, daemon = both
    for path in ("/api/v1/registry/validate", "/api/v1/flatten", "/login"):
        answer = site.ask("POST", path, b"[" * 100_000, {"Content-Type": "application/json"})
        assert answer.status in (400, 401)
        nested = b'{"values": ' + b'{"a":' * 20_000 + b"1" + b"}" * 20_000 + b"}"
        assert site.ask("POST", path, nested, {"Content-Type": "application/json"}).status in (400, 401, 415)
    assert daemon.commands() == []


def test_clients_that_ask_too_slowly_are_dropped_and_hold_nobody_up(both: Both) -> None:
    site, _ = both
    site.server.slow_s = 0.5
    with ExitStack() as stack:
        lines = [
            stack.enter_context(socket.create_connection(("127.0.0.1", site.port), timeout=30)) for _ in range(100)
        ]
        for line in lines:
            line.sendall(b"GET /api/v1/fleet HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        began_s = time.monotonic()
        while time.monotonic() - began_s < 1.0:
            _is_served(site)
        for line in lines[:10]:
            try:
                line.sendall(b"y")  # one more byte does not help
                assert line.recv(100) == b""
            except ConnectionError:
                continue


def test_a_reader_that_does_not_read_is_dropped(both: Both) -> None:
    site, daemon = both
    site.server.slow_s = 1.0
    filler = "x" * 20_000
    with socket.create_connection(("127.0.0.1", site.port), timeout=30) as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.sendall(f"GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\nCookie: {site.cookie}\r\n\r\n".encode())
        site.until(lambda: site.parts.feed.hub.count == 1)
        for turn in range(200):
            daemon.bots = [bot_row(f"bot-{n}", restarts=turn, reason=f"{turn}{filler}") for n in range(40)]
            if site.parts.feed.hub.count == 0:
                break
            time.sleep(0.1)
        site.until(lambda: site.parts.feed.hub.count == 0, 30)
    _is_served(site)


def test_a_thousand_streams_neither_crash_nor_block_it(both: Both) -> None:
    site, _ = both
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard if hard != resource.RLIM_INFINITY else 8192, hard))
    ask = f"GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\nCookie: {site.cookie}\r\n\r\n".encode()
    try:
        with ExitStack() as stack:
            lines = []
            for _ in range(1000):
                line = stack.enter_context(socket.create_connection(("127.0.0.1", site.port), timeout=60))
                line.sendall(ask)
                lines.append(line)
            heads = [line.recv(12) for line in lines]
            assert heads.count(b"HTTP/1.1 200") == site.settings.max_streams
            assert heads.count(b"HTTP/1.1 503") == 1000 - site.settings.max_streams
            _is_served(site)
            assert site.post("/api/v1/bots/two/command", {"action": "pause"}).status == 200
        site.until(lambda: site.parts.feed.hub.count == 0)
        reader = Reader(site)
        assert reader.response.status == 200
        reader.close()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_more_commands_than_the_daemon_takes_are_told_to_wait(both: Both) -> None:
    site, daemon = both
    for _ in range(8):
        assert site.parts.commands.acquire(blocking=False)
    answer = site.post("/api/v1/reload", {})
    assert answer.status == 503 and daemon.commands() == []
    assert json.loads(answer.body)["next"]
    for _ in range(8):
        site.parts.commands.release()


def test_a_stream_that_nobody_reads_gives_its_place_back(both: Both) -> None:
    site, _ = both
    for _ in range(3):
        assert site.ask("HEAD", "/api/v1/stream").status == 200
    site.until(lambda: site.parts.feed.hub.count == 0)


def test_a_flood_of_log_lines_drops_no_reader(both: Both) -> None:
    site, _ = both
    reader = Reader(site, "?bot=two")
    reader.next("fleet")
    path = site.settings.home.log / "two.log"
    path.write_text("")
    watch = site.parts.feed.after_turn[0].__self__
    site.until(lambda: "two" in watch._logs)
    with open(path, "a") as log:
        log.writelines(json.dumps({"ts": "t", "level": "INFO", "event": f"line {n}"}) + "\n" for n in range(900))
    texts = []
    while not texts or texts[-1] != "line 899":
        texts.append(reader.next("log")["text"])
    assert len(texts) == 900
    reader.close()
