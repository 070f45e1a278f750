"""Without a password the monitor serves its own user and root, not whoever else is on the host."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.web.web_parts import bot_row, monitor
from web.security.peers import Peers, _read, owners_in, words_of

OURS = "   0: 0100007F:C350 0100007F:20E4 01 00000000:00000000 00:00000000 00000000  1000        0 1 1 0 20 4 30 10 -1"
MAPPED = (
    "   1: 0000000000000000FFFF00000100007F:C351 0000000000000000FFFF00000100007F:20E4 01 "
    "00000000:00000000 00:00000000 00000000  1001        0 1 1 0 20 4 30 10 -1"
)
LINES = ["", "junk", OURS, MAPPED]


def test_the_kernel_tells_whose_a_connection_is() -> None:
    owners = owners_in(LINES, 8420)
    assert {owners[word] for word in words_of("127.0.0.1", 50000) & owners.keys()} == {1000}
    assert {owners[word] for word in words_of("127.0.0.1", 50001) & owners.keys()} == {1001}
    assert owners_in(LINES, 8421) == {}


def test_only_our_user_and_root_are_ours() -> None:
    peers = Peers(lambda: LINES, uid=1000)
    assert peers.is_ours("127.0.0.1", 50000, 8420)
    assert not peers.is_ours("127.0.0.1", 50001, 8420)
    assert not peers.is_ours("127.0.0.1", 50002, 8420)
    assert not peers.is_ours("not an address", 50000, 8420)


def test_many_connections_at_once_are_looked_up_together() -> None:
    reads = []
    peers = Peers(lambda: reads.append(1) or LINES, uid=1000)
    for _ in range(100):
        assert peers.is_ours("127.0.0.1", 50000, 8420)
    assert len(reads) == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_real_connection_of_ours_is_found(host: str) -> None:
    with socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET) as server:
        port = server.getsockname()[1]
        with socket.create_connection((host, port)) as client:
            assert Peers(_read).is_ours(host, client.getsockname()[1], port)


def test_somebody_else_on_this_host_gets_nothing(tmp_path: Path) -> None:
    with monitor(tmp_path, bot_row()) as (site, daemon):
        site.join()
        site.parts.peers = Peers(list, uid=4711)
        answer = site.get("/api/v1/fleet")
        assert answer.status == 403 and "web-password" in answer.json["next"]
        assert site.post("/api/v1/reload", {}).status == 403
        assert site.get("/healthz").status == 200
        assert daemon.commands() == []
