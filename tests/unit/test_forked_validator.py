"""The validator as commands ask it: the daemon's answer, and a child that cannot take the command along."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from core.process import forked_validator
from core.process.forked_validator import ask_forked
from tests.registry_parts import config_with, make_home, put
from utils.home import CHECKOUT, Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_home(tmp_path)


def use(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, source: str) -> None:
    """Have the child run another main."""
    (tmp_path / "other_validator.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(forked_validator, "VALIDATOR", "other_validator")
    monkeypatch.delitem(sys.modules, "other_validator", raising=False)


def test_it_says_the_same_as_the_child_of_the_daemon(home: Home) -> None:
    put(home, "a.json", config_with())
    put(home, "b.json", {"metadata": {"name": "b"}})
    arguments = ["--home", str(home.root), "--configs", str(home.active)]
    command = [sys.executable, "-m", forked_validator.VALIDATOR, *arguments]
    spawned = subprocess.run(command, cwd=CHECKOUT, capture_output=True, timeout=100, check=True)
    assert json.loads(ask_forked(arguments, 100).answer) == json.loads(spawned.stdout)


def test_a_child_that_hangs_is_ended_after_its_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use(monkeypatch, tmp_path, "import time\ndef main(arguments):\n    time.sleep(600)\n")
    before = psutil.Process().children()
    assert not ask_forked([], 0.5).in_time
    assert psutil.Process().children() == before


def test_a_child_that_takes_all_memory_dies_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use(
        monkeypatch,
        tmp_path,
        "from core.process.validator import limit_this_process\n"
        "def main(arguments):\n    limit_this_process()\n    return len(bytearray(8 * 1024**3))\n",
    )
    said = ask_forked([], 60.0)
    assert (said.answer, said.in_time) == (b"", True)
    assert said.against.startswith("MemoryError")


@pytest.mark.parametrize("end", ["raise SystemExit(3)", "raise KeyboardInterrupt", "os.kill(os.getpid(), 9)"])
def test_no_end_of_the_child_goes_on_as_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, end: str) -> None:
    use(monkeypatch, tmp_path, f"import os\ndef main(arguments):\n    {end}\n")
    before = os.getpid()
    said = ask_forked([], 60.0)
    assert os.getpid() == before
    assert (said.answer, said.in_time) == (b"", True)


def test_the_child_prints_nothing_of_the_command_and_leaves_no_process(
    home: Home, capfd: pytest.CaptureFixture[str]
) -> None:
    script = (
        "import sys; sys.stdout.write('once\\n')\n"
        "from core.process.forked_validator import ask_forked\n"
        f"said = ask_forked(['--home', {str(home.root)!r}], 60.0)\n"
        "assert said.in_time and said.answer.startswith(b'{'), said\n"
        "import os\n"
        "try:\n    os.waitpid(-1, 0)\nexcept ChildProcessError:\n    print('alone')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("once\nalone\n", "")
