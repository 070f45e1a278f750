"""`run.py web-password` and `run.py --web`, as a person uses them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from utils.home import CHECKOUT
from web.security.passwords import is_password

WORD = "a long enough word"


def _run(home: Path, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(CHECKOUT / "run.py"), "--home", str(home), *arguments]
    return subprocess.run(command, input=given, capture_output=True, text=True, timeout=60, check=False)


def _env(home: Path) -> dict[str, str]:
    lines = (home / ".env").read_text().splitlines()
    return {name: value.strip('"') for name, _, value in (line.partition("=") for line in lines)}


def test_a_password_is_kept_as_a_hash_beside_what_was_there(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("KEY=value\n")
    (tmp_path / ".env").chmod(0o600)
    done = _run(tmp_path, "web-password", "--stdin", given=WORD + "\n")
    assert done.returncode == 0 and WORD not in done.stdout
    kept = _env(tmp_path)
    assert kept["KEY"] == "value" and is_password(kept["MAKERD_WEB_PASSWORD_HASH"], WORD)
    assert os.stat(tmp_path / ".env").st_mode & 0o777 == 0o600
    assert _run(tmp_path, "web-password", "--remove").returncode == 0
    assert _env(tmp_path)["MAKERD_WEB_PASSWORD_HASH"] == ""


@pytest.mark.parametrize("word", ["", "short", "x" * 2000])
def test_a_password_out_of_bounds_is_refused(tmp_path: Path, word: str) -> None:
    done = _run(tmp_path, "web-password", "--viewer", "--stdin", given=word + "\n")
    assert done.returncode == 1 and "characters" in done.stderr
    assert not (tmp_path / ".env").exists()


def test_a_token_is_shown_once_and_written(tmp_path: Path) -> None:
    done = _run(tmp_path, "web-password", "--token")
    assert done.stdout.splitlines()[0] == _env(tmp_path)["MAKERD_WEB_TOKEN"]


def test_the_monitor_runs_without_a_daemon_and_says_where(tmp_path: Path) -> None:
    command = [sys.executable, str(CHECKOUT / "run.py"), "--home", str(tmp_path), "--web", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        try:
            assert process.stdout.readline().startswith("monitor: http://127.0.0.1:")
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        assert "no daemon runs" in process.stderr.read()


def test_the_monitor_does_not_open_to_others_without_a_password(tmp_path: Path) -> None:
    done = _run(tmp_path, "--web", "--host", "0.0.0.0", "--port", "0")
    assert done.returncode == 1
    assert "run.py web-password" in done.stderr
