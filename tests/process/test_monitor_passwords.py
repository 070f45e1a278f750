"""A real monitor, beside no daemon, whose passwords change in `.env` while it runs."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from utils.home import CHECKOUT
from web.security.passwords import password_hash

FIRST, SECOND = "a" * 30, "b" * 30


def _write(root: Path, *lines: str, mode: int = 0o600) -> None:
    draft = root / "draft"
    draft.write_text("\n".join(lines) + "\n")
    draft.chmod(mode)
    draft.rename(root / ".env")


@contextmanager
def _monitor(root: Path, **given: object) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "core.monitor", str(root), "foreground", json.dumps({"port": 0, **given})]
    with subprocess.Popen(
        command, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().split()[1].replace("0.0.0.0", "127.0.0.1")
        finally:
            process.terminate()
            process.wait(30)


def _status(url: str, token: str) -> int:
    request = urllib.request.Request(url + "api/v1/fleet", headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as exc:
        return exc.code


def _until_status(url: str, token: str, status: int) -> None:
    deadline_s = time.monotonic() + 30
    while _status(url, token) != status:
        assert time.monotonic() < deadline_s
        time.sleep(0.1)


def test_what_is_in_the_file_counts_within_seconds_and_half_a_file_does_not(tmp_path: Path) -> None:
    kept = f"MAKERD_WEB_PASSWORD_HASH={password_hash('for a person')}"
    _write(tmp_path, kept, f"MAKERD_WEB_TOKEN={FIRST}")
    with _monitor(tmp_path) as (_, url):
        assert (_status(url, FIRST), _status(url, SECOND)) == (200, 401)
        _write(tmp_path, kept, f"MAKERD_WEB_TOKEN={SECOND}")
        _until_status(url, SECOND, 200)
        assert _status(url, FIRST) == 401
        _write(tmp_path, mode=0o644)  # readable for others: refused as a whole
        log, deadline_s = tmp_path / "var" / "log" / "daemon.web.log", time.monotonic() + 30
        while "passwords_not_read" not in log.read_text():
            assert time.monotonic() < deadline_s
            time.sleep(0.1)
        assert _status(url, SECOND) == 200


def test_without_its_last_password_it_does_not_stay_open_to_others(tmp_path: Path) -> None:
    _write(tmp_path, f"MAKERD_WEB_TOKEN={FIRST}")
    with _monitor(tmp_path, host="0.0.0.0") as (process, url):
        assert _status(url, FIRST) == 200
        _write(tmp_path, "OTHER=1")
        assert process.wait(30) == 0
