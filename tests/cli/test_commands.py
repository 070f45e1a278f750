"""The doors: usage, errors, where they may be run from, and on what."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from cli.shared import guarded
from core.process.control import DaemonDown
from tests.cli.door_parts import DOOR, ROOT, Run, door
from tests.console_parts import Services, config, write_config
from utils.errors import MakerdError
from utils.home import Home
from utils.version import __version__


def test_usage_errors_are_2_and_help_is_0(run: Run) -> None:
    assert run("bogus").exit_code == 2
    assert run("bot", "start").exit_code == 2
    assert run("--help").exit_code == 0
    assert run("status", "--help").exit_code == 0


def test_a_traceback_is_shown_only_when_asked_for(run: Run, services: Services) -> None:
    services.refusal = MakerdError("no")
    assert run("start", "--daemon").stderr == "makerd: no\n"
    for arguments in (("--debug", "start", "--daemon"), ("start", "--daemon", "--debug")):
        assert "Traceback" in run(*arguments).stderr


def test_a_bug_is_one_line_too(run: Run, services: Services) -> None:
    services.refusal = ZeroDivisionError("by zero")
    done = run("start", "--daemon")
    assert done.exit_code == 1
    assert done.stderr == "makerd: internal error: ZeroDivisionError: by zero; run it again with --debug to see where\n"


def test_a_folder_that_cannot_be_read_is_one_line(run: Run, services: Services) -> None:
    services.refusal = PermissionError(13, "Permission denied", "/somewhere")
    assert run("start", "--daemon").stderr.startswith("makerd: /somewhere: Permission denied; check")


def test_an_interrupted_command_is_not_a_success(services: Services, capsys: pytest.CaptureFixture[str]) -> None:
    from cli.commands import cli
    from cli.shared import App

    services.refusal = KeyboardInterrupt()  # type: ignore[assignment]
    assert guarded(cli, App(services), ["start", "--daemon"], "makerd") == 1
    assert capsys.readouterr().err.strip() == "interrupted"


@pytest.mark.parametrize("python", [(), ("-P",), ("-m", "core.daemon_manager")])
def test_the_door_works_by_path_from_any_folder_and_as_a_module(
    home: Home, tmp_path: Path, python: tuple[str, ...]
) -> None:
    write_config(home, config())
    done = door("status", "--json", python=python, cwd=ROOT if "-m" in python else tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["bots"][0]["name"] == "sol-mm"


def test_by_path_there_is_one_copy_of_everything_and_core_hides_no_standard_module(home: Home) -> None:
    script = (
        f"import runpy, sys; sys.argv[:] = ['x', 'bot', 'stop', 'a']; sys.path[0] = {str(DOOR.parent)!r}\n"
        f"try: runpy.run_path({str(DOOR)!r}, run_name='__main__')\n"
        "except SystemExit as exc: print(exc.code, 'logger' in sys.modules, "
        f"{str(DOOR.parent)!r} in sys.path)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=home.root, check=False, capture_output=True, text=True)
    assert done.stdout == "1 False False\n"
    assert done.stderr == f"makerd: {DaemonDown()}\n"


def test_the_home_of_the_option_comes_before_that_of_the_environment(home: Home, tmp_path: Path) -> None:
    other = tmp_path / "other"
    for arguments in (("--home", str(other), "status", "--json"), ("status", "--json", "--home", str(other))):
        assert json.loads(door(*arguments).stdout)["daemon"]["home"] == str(other)


def test_the_version_is_printed() -> None:
    assert door("--version").stdout == f"makerd {__version__}\n"


@pytest.mark.parametrize("file", ["core/daemon_manager.py", "run.py"])
def test_a_missing_dependency_is_one_line(file: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(ROOT / file)], cwd=tmp_path, check=False, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.startswith("makerd: module 'click' is missing in ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("file", ["core/daemon_manager.py", "run.py"])
@pytest.mark.parametrize(
    ("platform", "version", "why"),
    [
        ("darwin", "(3, 12, 1)", "makerd runs on Linux only (this is darwin); use a Linux container"),
        ("linux", "(3, 10, 2)", "makerd needs Python 3.11, 3.12 or 3.13 (this is 3.10)"),
        ("linux", "(3, 14, 0)", "makerd needs Python 3.11, 3.12 or 3.13 (this is 3.14)"),
    ],
)
def test_another_system_is_refused_in_one_line(file: str, platform: str, version: str, why: str) -> None:
    script = (
        "import runpy, sys\n"
        f"sys.platform, sys.version_info = {platform!r}, {version}\n"
        f"sys.modules['click'] = None\n"
        f"runpy.run_path({str(ROOT / file)!r}, run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(why)
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("file", ["core/daemon_manager.py", "run.py", "utils/system.py"])
def test_what_runs_before_the_refusal_can_be_read_by_an_old_python(file: str) -> None:
    import ast

    ast.parse((ROOT / file).read_text(), feature_version=(3, 5))
