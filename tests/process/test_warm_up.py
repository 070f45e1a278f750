"""What the zygote makes ready before it forks."""

from __future__ import annotations

import json
import ssl
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import certifi
import pytest

from api import dialing
from core.process import build
from core.registry.config_manager import load_plain
from utils.home import CHECKOUT, Home


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The certificates that contexts were made of."""
    found: list[str] = []
    real = ssl.create_default_context

    def make(*, cafile: str) -> ssl.SSLContext:
        found.append(cafile)
        return real(cafile=cafile)

    for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(ssl, "create_default_context", make)
    dialing._context_of.cache_clear()
    yield found
    dialing._context_of.cache_clear()


def plain(venue: str, tmp_path: Path) -> dict[str, object]:
    template = json.loads((CHECKOUT / "config" / "templates" / f"{venue}_market_maker.json").read_text())
    config = load_plain(template, "one", Home(tmp_path), {})
    return {"kind": venue, "config": config.to_plain(), "data_dirs": []}


def test_workers_of_a_venue_with_tls_inherit_one_context(
    made: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build.warm_up(plain("backpack", tmp_path))
    assert made == [certifi.where()]
    assert dialing.tls_context(None) is dialing.tls_context(None)
    assert made == [certifi.where()]  # nobody makes another one
    own = tmp_path / "own.pem"
    own.write_bytes(Path(certifi.where()).read_bytes())
    monkeypatch.setenv("SSL_CERT_FILE", str(own))
    dialing.tls_context(None)
    assert made == [certifi.where(), str(own)]  # but for a worker whose environment names other certificates


def test_a_bot_that_speaks_to_nobody_has_no_certificates(made: list[str], tmp_path: Path) -> None:
    build.warm_up(plain("paper", tmp_path) | {"data_dirs": list(Home(tmp_path).data_dirs)})
    assert made == []


def test_a_market_beside_a_bot_is_imported_and_neither_opened_nor_kept(made: list[str], tmp_path: Path) -> None:
    template = json.loads((CHECKOUT / "config" / "templates" / "paper_market_maker_synthetic.json").read_text())
    template["strategy_config"]["price_source"] = "external"
    template["risk_config"]["reference_deviation_bps"] = 20
    beside = {"exchange": "backpack", "base_url": "http://127.0.0.1:9", "ws_url": "ws://127.0.0.1:9/"}
    config = load_plain({**template, "reference_config": beside}, "one", Home(tmp_path), {})
    threads = threading.enumerate()
    build.warm_up({"kind": config.warm_kind, "config": config.to_plain(), "data_dirs": []})
    assert threading.enumerate() == threads  # whoever forks must have none
    assert "api.backpack_client" in sys.modules
    assert made == [certifi.where()]
