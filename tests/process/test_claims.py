"""Claims and locks between real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from core.process.claims import Claim, Claims, ClaimTaken, claims_folder
from core.process.identity import identity_of, is_alive, signal_exactly
from core.process.launcher import stop_by_signal
from core.process.pid_file import NAME, PidFile, holder
from utils.files import open_locked
from utils.home import CHECKOUT, Home

HOLD = """
import sys
from core.process.claims import Claim, Claims
claims = Claims()
claims.take([Claim(key, key, shared) for key in sys.argv[2:] for shared in [sys.argv[1] == "shared"]], "other", "/h")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MAKERD_CLAIMS_DIR", str(tmp_path / "claims"))
    return tmp_path / "claims"


def hold(*keys: str, how: str = "alone") -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, how, *keys],
        cwd=CHECKOUT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    return child


def end(child: subprocess.Popen[str]) -> None:
    child.kill()
    child.communicate()


def test_a_claim_held_by_another_process_is_refused_naming_its_bot_and_pid(folder: Path) -> None:
    child = hold("a")
    try:
        with pytest.raises(ClaimTaken, match=f"'other' .pid {child.pid}") as caught:
            Claims().take([Claim("a", "BTC-USDT on paper")], "mine", "/h")
        assert caught.value.holder is not None
        assert caught.value.holder.identity == identity_of(child.pid)
    finally:
        end(child)


def test_a_claim_goes_with_its_process_however_it_dies(folder: Path) -> None:
    child = hold("a")
    end(child)
    claims = Claims()
    claims.take([Claim("a", "a")], "mine", "/h")
    claims.release()


def test_all_or_none_of_several_claims_are_taken(folder: Path) -> None:
    child = hold("b")
    try:
        with pytest.raises(ClaimTaken):
            Claims().take([Claim("a", "a"), Claim("b", "b"), Claim("c", "c")], "mine", "/h")
        other = hold("a", "c")
        end(other)
    finally:
        end(child)


def test_two_that_both_share_a_symbol_are_let_in_and_one_that_does_not_is_refused(folder: Path) -> None:
    child = hold("a", how="shared")
    try:
        claims = Claims()
        claims.take([Claim("a", "a", shared=True)], "mine", "/h")
        claims.release()
        with pytest.raises(ClaimTaken):
            Claims().take([Claim("a", "a", shared=False)], "mine", "/h")
    finally:
        end(child)


def test_a_lock_file_that_was_replaced_is_not_mistaken_for_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    first = open_locked(path)
    assert first is not None
    path.unlink()
    second = open_locked(path)
    assert second is not None
    assert os.fstat(second).st_ino == path.stat().st_ino
    os.close(first)
    os.close(second)


def test_claims_live_outside_any_home_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MAKERD_CLAIMS_DIR", raising=False)
    monkeypatch.setenv("MAKERD_HOME", "/elsewhere")
    assert "elsewhere" not in str(claims_folder())


def test_a_second_daemon_is_told_the_pid_of_the_first(tmp_path: Path) -> None:
    first = PidFile(tmp_path)
    assert first.acquire()
    assert not PidFile(tmp_path).acquire()
    found = holder(tmp_path)
    assert found is not None
    assert found.pid == os.getpid()
    first.release()
    assert holder(tmp_path) is None


@pytest.mark.parametrize("content", ["", "garbage", '{"pid": 1, "start_ticks": 1, "boot_id": "x"}'])
def test_a_stale_pid_file_is_recognised_and_replaced(tmp_path: Path, content: str) -> None:
    (tmp_path / NAME).write_text(content)
    assert holder(tmp_path) is None
    mine = PidFile(tmp_path)
    assert mine.acquire()
    mine.release()


def test_a_signal_reaches_exactly_that_process_and_never_one_that_reused_its_pid() -> None:
    child = subprocess.Popen(["sleep", "60"])
    try:
        who = identity_of(child.pid)
        assert who is not None
        for stranger in (replace(who, start_ticks=who.start_ticks - 1), replace(who, boot_id="before the reboot")):
            assert not is_alive(stranger)
            assert not signal_exactly(stranger, signal.SIGKILL)
        assert is_alive(who)
        assert signal_exactly(who, signal.SIGKILL)
        child.wait(5)
        assert not is_alive(who)
        assert not signal_exactly(who, signal.SIGKILL)
    finally:
        child.kill()
        child.wait()


def test_a_pid_file_that_nobody_locks_names_nobody_even_when_its_pid_lives(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.make_folders()
    child = subprocess.Popen(["sleep", "60"])
    try:
        who = identity_of(child.pid)
        assert who is not None
        (home.run / NAME).write_text(json.dumps(who.to_plain()))
        assert not stop_by_signal(home, 1)
        assert is_alive(who)
    finally:
        child.kill()
        child.wait()
