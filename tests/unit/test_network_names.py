"""What leads to a venue is taken over where a venue is spoken to, and told as secret as far as it is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from api.proxies import secrets_of_proxy
from core.bot_config import BotConfig, DaemonConfig, Leg
from core.logger import Redactor
from core.process.network_names import NAMES, take_network_names

PROXY = "http://bob:a%20b%2Fc%26d@proxy.example:3128"


def bot(exchange: str) -> BotConfig:
    leg = Leg("main", exchange, "a", "SOL-USDC")
    return BotConfig("bot", exchange, "market_maker", (leg,), DaemonConfig(), {}, {}, {}, {}, "", "")


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.setenv(name, "")  # so that it is put back afterwards
        monkeypatch.delenv(name)


def env_file(folder: Path, text: str = "") -> Path:
    path = folder / ".env"
    path.write_text(text)
    path.chmod(0o600)
    return path


def test_the_supervisors_environment_counts_before_the_file(tmp_path: Path) -> None:
    path = env_file(tmp_path, "HTTPS_PROXY=http://other:1\nSSL_CERT_FILE=/ca.pem\nOTHER=1\n")
    take_network_names(bot("backpack"), {"HTTPS_PROXY": PROXY, "no_proxy": "a.b", "PATH": "/nowhere"}, path)
    assert (os.environ["HTTPS_PROXY"], os.environ["SSL_CERT_FILE"]) == (PROXY, "/ca.pem")
    assert os.environ["no_proxy"] == "a.b"
    assert "OTHER" not in os.environ and os.environ["PATH"] != "/nowhere"


def test_a_bot_without_a_network_is_given_nothing(tmp_path: Path) -> None:
    assert take_network_names(bot("paper"), {"HTTPS_PROXY": PROXY}, env_file(tmp_path)) == []
    assert "HTTPS_PROXY" not in os.environ


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "http_proxy", "ALL_PROXY"])
def test_a_proxys_address_and_password_are_taken_out_of_every_text(tmp_path: Path, name: str) -> None:
    redactor = Redactor(take_network_names(bot("backpack"), {name: PROXY, "NO_PROXY": "seen"}, env_file(tmp_path)))
    shown = redactor.text(f"{PROXY} a%20b%2Fc%26d 'a b/c&d' Basic Ym9iOmEgYi9jJmQ= seen proxy.example:3128")
    assert shown == "*** *** '***' Basic *** seen proxy.example:3128"


@pytest.mark.parametrize("text", ["proxy.example:3128", "http://bob@proxy.example", "http://[::1", ""])
def test_a_proxy_without_a_password_hides_its_address_only(text: str) -> None:
    assert [one.reveal() for one in secrets_of_proxy(text)] == [text]
