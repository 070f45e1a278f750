"""The child that tells a person: a real process, real hooks, a real web server on this host."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.process.notify import is_allowed, run_hook
from tests.process.alert_parts import Webhook, hook, lines
from tests.process.fleet_parts import is_living
from tests.registry_parts import make_home, put_env
from utils.home import CHECKOUT, Home

EVENT = {"kind": "stuck", "alert": "stuck", "bot": "a", "reason": "no heartbeat", "seq": 3, "suppressed": 2}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_home(tmp_path)


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    made = Webhook()
    yield made
    made.close()


def notify(home: Home, hook: Any = None, url: str | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the child with one event in its pipe."""
    reader, writer = os.pipe()
    os.write(writer, json.dumps({"hook": hook, "webhook_url": url, "event": EVENT}).encode())
    os.close(writer)
    try:
        return subprocess.run(
            [sys.executable, "-m", "core.process.notify", str(home.root), str(reader)],
            cwd=CHECKOUT, env={**os.environ, **environ}, pass_fds=(reader,), capture_output=True, text=True,
            timeout=60, check=False,
        )  # fmt: skip
    finally:
        os.close(reader)


def test_the_hook_gets_the_event_with_its_origin_and_a_line_for_people(home: Home, tmp_path: Path) -> None:
    done = notify(home, hook(tmp_path, f'cat >> {tmp_path}/got; echo "$1" >&2'))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "given\n")
    (got,) = lines(tmp_path / "got")
    assert {**got, **EVENT} == got
    assert got["home"] == str(home.root)
    assert got["text"].endswith("stuck: bot a: no heartbeat (2 more like it were left out before)")


def test_the_hook_sees_no_secret_of_the_environment(home: Home, tmp_path: Path) -> None:
    notify(home, hook(tmp_path, f"env > {tmp_path}/env"), API_SECRET="swordfish")
    env = (tmp_path / "env").read_text()
    assert "swordfish" not in env
    assert f"MAKERD_HOME={home.root}" in env


@pytest.mark.parametrize(
    ("script", "said"), [("exit 3", "the hook ended with 3"), ("kill -9 $$", "the hook ended with -9")]
)
def test_a_hook_that_fails_is_one_line(home: Home, tmp_path: Path, script: str, said: str) -> None:
    done = notify(home, hook(tmp_path, script))
    assert (done.returncode, done.stdout) == (1, f"alert stuck of a: {said}\n")


def test_a_hook_that_is_gone_is_one_line(home: Home) -> None:
    done = notify(home, ["/nowhere/hook"])
    assert done.stdout == "alert stuck of a: the hook could not be run: No such file or directory\n"


def test_a_hook_that_reads_nothing_is_no_trouble(home: Home) -> None:
    assert notify(home, ["true"]).returncode == 0


def test_a_hook_that_hangs_is_killed_with_its_children(home: Home, tmp_path: Path) -> None:
    command = hook(tmp_path, f"sleep 300 & echo $! > {tmp_path}/child; sleep 300")
    (said,) = run_hook(command, EVENT, home, limit_s=1.0)
    assert "did not end within 1 s" in said
    child = int((tmp_path / "child").read_text())
    deadline = time.monotonic() + 10
    while is_living(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not is_living(child)


# ---------------------------------------------------------------- the webhook


def test_the_webhook_gets_the_event_at_the_address_of_its_variable(home: Home, webhook: Webhook) -> None:
    put_env(home, f"HOOK={webhook.url('/token')}\n")
    done = notify(home, url="${HOOK}")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    ((path, got),) = webhook.got
    assert (path, got["kind"], got["seq"]) == ("/token", "stuck", 3)


def test_a_webhook_that_stumbles_is_asked_once_more(home: Home, webhook: Webhook) -> None:
    webhook.statuses = [503, 200]
    assert notify(home, url="${HOOK}", HOOK=webhook.url("/x")).returncode == 0
    assert len(webhook.got) == 2


def test_a_webhook_that_says_no_is_not_asked_again(home: Home, webhook: Webhook) -> None:
    webhook.statuses = [404]
    done = notify(home, url="${HOOK}", HOOK=webhook.url("/swordfish"))
    assert done.stdout == "alert stuck of a: the webhook answered 404\n"
    assert len(webhook.got) == 1


def test_a_redirect_is_not_followed(home: Home, webhook: Webhook) -> None:
    webhook.statuses = [302]
    assert "answered 302" in notify(home, url="${HOOK}", HOOK=webhook.url("/x")).stdout
    assert [path for path, _ in webhook.got] == ["/x"]


def test_no_message_shows_the_webhooks_address(home: Home) -> None:
    for url in ("http://127.0.0.1:9/swordfish", "http://203.0.113.1/swordfish", "swordfish", "ftp://swordfish/"):
        done = notify(home, url="${HOOK}", HOOK=url)
        assert done.returncode == 1
        assert "swordfish" not in done.stdout + done.stderr
        assert "webhook" in done.stdout


def test_a_webhook_without_its_variable_still_lets_the_hook_run(home: Home, tmp_path: Path) -> None:
    done = notify(home, hook(tmp_path, f"cat > {tmp_path}/got"), "${NOT_SET_ANYWHERE}")
    assert done.stdout == "alert stuck of a: the webhook's variable is not set\n"
    assert len(lines(tmp_path / "got")) == 1


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://example.invalid/x", True),
        ("http://127.0.0.1:8000/x", True),
        ("http://[::1]/x", True),
        ("http://localhost/x", True),
        ("http://example.invalid/x", False),
        ("https://", False),
        ("file:///etc/passwd", False),
        ("http://localhost.example.invalid/", False),
        ("http://[", False),
        ("", False),
    ],
)
def test_only_addresses_that_nobody_on_the_way_can_read_are_allowed(url: str, allowed: bool) -> None:
    assert is_allowed(url) is allowed
