"""Servers and transports that are closed after each test."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from api.http_transport import HttpTransport
from api.ws_transport import WsTransport
from tests.transport.raw_server import Peer, RawServer, make_certificate

Serve = Callable[[Peer], None]


@pytest.fixture
def server() -> Iterator[Callable[..., RawServer]]:
    made: list[RawServer] = []

    def make(serve: Serve, tls: ssl.SSLContext | None = None) -> RawServer:
        made.append(RawServer(serve, tls))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def http() -> Iterator[Callable[..., HttpTransport]]:
    made: list[HttpTransport] = []

    def make(url: str, *args: Any, **options: Any) -> HttpTransport:
        made.append(HttpTransport(url, lambda: None, *args, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def ws() -> Iterator[Callable[..., WsTransport]]:
    made: list[WsTransport] = []

    def make(url: str, **options: Any) -> WsTransport:
        options.setdefault("is_market_data", lambda text: text.startswith("book"))
        options.setdefault("first_backoff_s", 0.02)
        made.append(WsTransport(url, options.pop("wake", lambda: None), **options))
        made[-1].start()
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    return make_certificate(tmp_path_factory.mktemp("tls"))
