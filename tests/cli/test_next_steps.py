"""What a command says when it has nothing to show or is misspelt: never silence, always a next step."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import click
import pytest

from cli.commands import cli
from tests.cli.conftest import Run
from tests.console_parts import Daemon, config, row, write_config
from utils.home import CHECKOUT, Home

# What changes or starts something, or is text for another program: everything else lists, and answers in JSON.
NO_LIST = {
    "completion", "service", "config activate", "config archive", "config create", "config edit", "config export",
    "config import", "config migrate", "config restore", "config rollback", "config schema", "config set",
}  # fmt: skip


def commands(group: click.Group = cli, before: str = "") -> Iterator[tuple[str, click.Command]]:
    ctx = click.Context(group)
    for name in group.list_commands(ctx):
        found = group.get_command(ctx, name)
        assert found is not None
        if isinstance(found, click.Group):
            yield from commands(found, f"{before}{name} ")
        else:
            yield before + name, found


def test_every_command_that_lists_something_answers_in_json() -> None:
    without = {name for name, one in commands() if all("--json" not in param.opts for param in one.params)}
    assert without == NO_LIST


@pytest.mark.parametrize("command", [("logs", "sol-mm", "--level", "ERROR"), ("events", "--bot", "sol-mm")])
def test_nothing_to_show_is_said_and_is_no_failure(run: Run, home: Home, command: tuple[str, ...]) -> None:
    write_config(home, config())
    done = run(*command)
    assert (done.exit_code, done.stdout) == (0, "")
    assert "without options the last" in done.stderr


def test_a_misspelt_command_of_config_is_answered_with_the_nearest(run: Run) -> None:
    done = run("config", "histry")
    assert done.exit_code == 2
    assert "(Did you mean one of: 'history'" in done.stderr


def test_a_misspelt_command_of_the_second_door_is_too(home: Home) -> None:
    done = subprocess.run(
        [sys.executable, str(CHECKOUT / "run.py"), "reprot"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 64
    assert "'report'" in done.stderr


@pytest.mark.parametrize("command", ["explain", "validate"])
def test_an_unknown_bot_is_answered_with_the_nearest(run: Run, home: Home, command: str) -> None:
    write_config(home, config())
    assert "did you mean 'sol-mm'?" in run("config", command, "sol-m").stderr
    assert "there are: sol-mm" in run("config", command, "zzz").stderr


def test_a_paused_bot_is_shown_with_what_resumes_it(run: Run, daemon: Daemon) -> None:
    daemon.bots = [row(phase="PAUSED", gates=["paused"])]
    assert "`bot resume sol-mm`" in run("status").stdout
