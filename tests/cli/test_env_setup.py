"""The first setup on a real pseudo-terminal: keys are checked, hidden, and written for their owner alone."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from api.client_registry import client_class
from core.registry.environment import Environment
from core.registry.key_names import key_parts, variable_of
from core.registry.schema import known_exchanges
from tests.terminal_parts import CTRL_C, DOWN, ENTER, Terminal
from utils.home import CHECKOUT, Home

SEED = b"makerd test seed".ljust(32, b".")
SECRET = base64.b64encode(SEED).decode()
PUBLIC = base64.b64encode(
    Ed25519PrivateKey.from_private_bytes(SEED).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
).decode()


@contextmanager
def setup(home: Home) -> Iterator[Terminal]:
    made = Terminal("setup_env.py", "--home", str(home.root))
    try:
        yield made
    finally:
        made.close()


def choose(terminal: Terminal, place: int) -> None:
    terminal.answer("Keys of which venues?", DOWN * place + " " + ENTER)


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.fixture(scope="module")
def pem() -> str:
    key = generate_private_key(65537, 2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def test_a_key_is_checked_hidden_and_written_for_its_owner_alone(home: Home) -> None:
    with setup(home) as terminal:
        choose(terminal, 0)
        terminal.answer("BACKPACK_API_KEY:", PUBLIC + ENTER)
        terminal.answer("BACKPACK_API_SECRET:", "bm90IGEga2V5" + ENTER)
        terminal.wait_for("BACKPACK_API_SECRET has 9 bytes, expected 32 in base64")
        terminal.answer("BACKPACK_API_KEY:", PUBLIC + ENTER)
        terminal.answer("BACKPACK_API_SECRET:", SECRET + ENTER)
        terminal.wait_for("BACKPACK_API_KEY: new")
        terminal.answer("Write them?", ENTER)
        terminal.answer("Try the key of backpack at the venue now?", "n" + ENTER)
        assert terminal.process.wait(20) == 0
        assert SECRET not in terminal.everything
        assert PUBLIC not in terminal.everything
    assert mode_of(home.env_file) == 0o600
    found = Environment({}, home.env_file)
    assert dict(found) == {"BACKPACK_API_KEY": PUBLIC, "BACKPACK_API_SECRET": SECRET}


def test_what_is_there_is_replaced_only_after_a_yes_and_no_value_is_shown(home: Home) -> None:
    before = f"# mine\nBACKPACK_API_KEY={PUBLIC}\nBACKPACK_API_SECRET=oldsecret\nOTHER=1\n"
    home.env_file.write_text(before)
    home.env_file.chmod(0o644)
    for answer, status in (("n", 1), ("y", 0)):
        with setup(home) as terminal:
            choose(terminal, 0)
            terminal.answer("BACKPACK_API_KEY:", PUBLIC + ENTER)
            terminal.answer("BACKPACK_API_SECRET:", SECRET + ENTER)
            terminal.wait_for("BACKPACK_API_KEY: stays")
            terminal.wait_for("BACKPACK_API_SECRET: changes")
            terminal.answer("Replace 1 of them?", answer + ENTER)
            if answer == "y":
                terminal.answer("Try the key", ENTER)
            assert terminal.process.wait(20) == status
            assert "oldsecret" not in terminal.everything
        expected = before if answer == "n" else before.replace("oldsecret", SECRET)
        assert home.env_file.read_text() == expected
    assert mode_of(home.env_file) == 0o600


def test_a_private_key_can_come_from_a_file(home: Home, tmp_path: Path, pem: str) -> None:
    (tmp_path / "key.pem").write_text(pem)
    with setup(home) as terminal:
        choose(terminal, 1)
        terminal.answer("THALEX_KEY_ID:", "K123" + ENTER)
        terminal.answer("THALEX_PRIVATE_KEY:", "@/no/such/file" + ENTER)
        terminal.wait_for("the file cannot be read")
        terminal.answer("THALEX_PRIVATE_KEY:", f"@{tmp_path}/key.pem" + ENTER)
        terminal.answer("Write them?", ENTER)
        terminal.answer("Try the key", ENTER)
        assert terminal.process.wait(20) == 0
    assert Environment({}, home.env_file)["THALEX_PRIVATE_KEY"] == pem.strip()


def test_an_empty_answer_and_ctrl_c_write_nothing(home: Home) -> None:
    with setup(home) as terminal:
        choose(terminal, 0)
        terminal.answer("BACKPACK_API_KEY:", ENTER)
        terminal.wait_for("nothing was written")
        assert terminal.process.wait(20) == 0
    with setup(home) as terminal:
        choose(terminal, 0)
        terminal.answer("BACKPACK_API_KEY:", CTRL_C)
        assert terminal.process.wait(20) == 1
    assert not home.env_file.exists()


def test_without_a_terminal_it_says_what_to_do_instead(home: Home) -> None:
    command = [sys.executable, str(CHECKOUT / "setup_env.py"), "--home", str(home.root)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "copy .env.example to .env" in done.stderr


def test_a_venue_that_cannot_be_reached_is_told(home: Home) -> None:
    templates = home.root / "config" / "templates"
    templates.mkdir(parents=True)
    plain = json.loads((CHECKOUT / "config" / "templates" / "backpack_market_maker.json").read_text())
    plain["exchange_config"] |= {"base_url": "http://127.0.0.1:1", "ws_url": "ws://127.0.0.1:1"}
    (templates / "backpack_market_maker.json").write_text(json.dumps(plain))
    with setup(home) as terminal:
        choose(terminal, 0)
        terminal.answer("BACKPACK_API_KEY:", PUBLIC + ENTER)
        terminal.answer("BACKPACK_API_SECRET:", SECRET + ENTER)
        terminal.answer("Write them?", ENTER)
        terminal.answer("Try the key", "y" + ENTER)
        terminal.wait_for("backpack: ", seconds=60)
        assert terminal.process.wait(60) == 1
        assert SECRET not in terminal.everything


# ---------------------------------------------------------------- the form of keys


@pytest.mark.parametrize(
    ("key", "secret", "problems"),
    [
        (PUBLIC, SECRET, {}),
        (PUBLIC, base64.b64encode(SEED + base64.b64decode(PUBLIC)).decode(), {}),
        ("no base64!", SECRET, {"api_key": "is not base64"}),
        (PUBLIC, "short", {"api_secret": "is not base64"}),
        ("YWJj", "YWJj", {"api_key": "has 3 bytes", "api_secret": "has 3 bytes"}),
        (base64.b64encode(SEED).decode(), SECRET, {"api_secret": "does not belong to api_key"}),
    ],
)
def test_the_form_of_a_backpack_key(key: str, secret: str, problems: dict[str, str]) -> None:
    found = client_class("backpack").key_problems({"api_key": key, "api_secret": secret})
    assert {part: text[: len(problems.get(part, text))] for part, text in found.items()} == problems
    assert not any(secret in text for text in found.values())


def test_the_form_of_a_thalex_key(pem: str) -> None:
    problems = client_class("thalex").key_problems
    assert problems({"key_id": "K1", "private_key": pem}) == {}
    assert problems({"key_id": "K1", "private_key": pem.replace("\n", "\\n")}) == {}
    found = problems({"key_id": "K 1", "private_key": pem[:200]})
    assert found["key_id"] == "is empty or has spaces"
    assert found["private_key"].startswith("cannot be read")


def test_the_variables_are_those_of_the_templates() -> None:
    templates = [path.read_text() for path in (CHECKOUT / "config" / "templates").glob("*.json")]
    example = (CHECKOUT / ".env.example").read_text()
    for venue in known_exchanges():
        for part in key_parts(venue):
            name = variable_of(venue, part)
            assert any(f"${{{name}:-}}" in text for text in templates)
            assert f"#{name}=" in example


def test_the_setup_runs_from_any_folder() -> None:
    command = [sys.executable, str(CHECKOUT / "setup_env.py"), "--help"]
    done = subprocess.run(command, cwd="/", env=dict(os.environ), capture_output=True, text=True, check=True)
    assert "Write the keys of the venues into .env" in done.stdout
