"""The menu: by numbers through a pipe, by arrow keys on a real pseudo-terminal, and under Ctrl-C."""

from __future__ import annotations

import os
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.commands import cli
from cli.menu import Menu, choose_by_number
from cli.shared import App
from tests.console_parts import Daemon, Services, config, row, write_config
from tests.terminal_parts import CTRL_C, DOWN, ENTER, Terminal
from utils.home import Home

ROOT = Path(__file__).resolve().parents[2]


def by_numbers(home: Home, *answers: str, **env: str) -> Any:
    command = [sys.executable, str(ROOT / "run.py"), "--cli", "--home", str(home.root)]
    text = "".join(f"{answer}\n" for answer in answers)
    environ = {**os.environ, **env}
    return subprocess.run(command, input=text, env=environ, check=False, capture_output=True, text=True, timeout=60)


def on_terminal(home: Home, **env: str) -> Terminal:
    return Terminal("run.py", "--cli", "--home", str(home.root), **env)


@pytest.fixture
def terminal(home: Home) -> Iterator[Terminal]:
    write_config(home, config())
    made = on_terminal(home)
    yield made
    made.close()


def test_without_a_terminal_the_menu_asks_for_numbers(home: Home) -> None:
    write_config(home, config())
    done = by_numbers(home, "1", "status", "6")
    assert (done.returncode, done.stderr) == (0, "")
    assert "  6) Quit" in done.stdout
    assert done.stdout.count("sol-mm") == 3  # in the list also with its file


def test_an_answer_that_is_none_is_asked_again(home: Home) -> None:
    done = by_numbers(home, "7", "", "\x1b[A", "-1", "quit")
    assert done.returncode == 0
    assert "'7' is none of 1 to 6" in done.stdout
    assert "\x1b" not in done.stdout


def test_the_end_of_the_input_leaves_the_menu(home: Home) -> None:
    assert by_numbers(home).returncode == 0


def test_a_failed_command_does_not_end_the_menu(home: Home) -> None:
    done = by_numbers(home, "3", "2", "1", "6")  # stop nothing, start nothing, list
    assert done.returncode == 0
    assert "the daemon is not running" in done.stdout
    assert "makerd: " in done.stderr
    assert "paper" in done.stdout


def test_arrow_keys_choose_and_quit_leaves_with_the_terminal_as_it_was(terminal: Terminal) -> None:
    terminal.wait_for("Quit")
    terminal.type(ENTER)
    terminal.wait_for("sol-mm")
    terminal.wait_for("Quit")
    terminal.type(DOWN * 3 + ENTER)
    terminal.wait_for("makerd stopped")
    terminal.wait_for("Quit")
    terminal.type(DOWN * 5 + ENTER)
    assert terminal.process.wait(20) == 0
    assert termios.tcgetattr(terminal.slave) == terminal.before


def test_one_ctrl_c_is_survived_and_a_second_one_leaves(terminal: Terminal) -> None:
    terminal.wait_for("Quit")
    terminal.type(CTRL_C)
    terminal.wait_for("another Ctrl-C leaves the menu")
    terminal.wait_for("Quit")
    terminal.type(ENTER)  # anything else starts the count anew
    terminal.wait_for("sol-mm")
    terminal.wait_for("Quit")
    terminal.type(CTRL_C)
    terminal.wait_for("another Ctrl-C leaves the menu")
    terminal.wait_for("Quit")
    terminal.type(CTRL_C)
    assert terminal.process.wait(20) == 0
    assert "Traceback" not in terminal.seen


def test_ctrl_c_ends_following_a_log_and_comes_back_to_the_menu(terminal: Terminal, home: Home) -> None:
    home.make_folders()
    (home.log / "sol-mm.log").write_text('{"event": "quoted"}\n')
    terminal.wait_for("Quit")
    terminal.type(DOWN * 4 + ENTER)
    terminal.wait_for("the daemon")
    terminal.type(ENTER)
    terminal.wait_for("follow it")
    terminal.type(DOWN + ENTER)
    terminal.wait_for("quoted")
    terminal.type(CTRL_C)
    terminal.wait_for("Quit")
    assert terminal.process.poll() is None


def test_a_dumb_terminal_gets_numbers(home: Home) -> None:
    terminal = on_terminal(home, TERM="dumb")
    try:
        terminal.wait_for("1-6: ")
        terminal.type("6\n")
        assert terminal.process.wait(20) == 0
    finally:
        terminal.close()


# What the choices do


class Script:
    """Answers the menu's questions in order, and keeps what was offered."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.offered: list[list[str]] = []

    def __call__(self, title: str, choices: Any) -> str:
        self.offered.append([value for value, _ in choices])
        return self.answers.pop(0)


def play(home: Home, services: Services, *answers: str) -> Script:
    script = Script(*answers, "quit")
    assert Menu(App(services, commands=cli), script).run() == 0
    return script


def test_start_starts_the_daemon_when_it_is_down(home: Home, services: Services) -> None:
    play(home, services, "start")
    assert services.started == [()]


def test_a_halted_bot_is_reset_only_after_a_yes(daemon: Daemon, services: Services) -> None:
    daemon.bots = [row(name="a", state="HALTED")]
    daemon.answers["bot"] = {"bots": []}
    play(daemon.home, services, "start", "a", "")
    assert [args for verb, args in daemon.asked if verb == "bot"] == []
    play(daemon.home, services, "start", "a", "yes")
    assert [args for verb, args in daemon.asked if verb == "bot"] == [{"action": "reset", "names": ["a"]}]


def test_start_offers_the_bots_at_rest(daemon: Daemon, services: Services) -> None:
    daemon.bots = [row(name="a", state="STOPPED"), row(name="b", state="FATAL"), row(name="c")]
    daemon.answers["bot"] = {"bots": []}
    script = play(daemon.home, services, "start", "a", "start", "b", "start", "")
    assert script.offered[1] == ["a", "b", ""]
    asked = [args for verb, args in daemon.asked if verb == "bot"]
    assert asked == [{"action": "start", "names": ["a"]}, {"action": "start", "names": ["b"]}]


def test_start_says_when_there_is_nothing_to_start(
    daemon: Daemon, services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    play(daemon.home, services, "start")
    assert "every bot is started" in capsys.readouterr().out


def test_stop_stops_one_bot_or_after_a_question_everything(daemon: Daemon, services: Services) -> None:
    daemon.answers |= {"bot": {"bots": []}, "stop": {"bots": []}}
    play(daemon.home, services, "stop", "sol-mm", "stop", "*", "", "stop", "")
    assert [verb for verb, _ in daemon.asked if verb != "status"] == ["bot"]
    play(daemon.home, services, "stop", "*", "yes")
    assert [verb for verb, _ in daemon.asked][-1] == "stop"


def test_a_daemon_that_refuses_is_told_and_the_menu_goes_on(
    daemon: Daemon, services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.answers["status"] = "not now"
    play(daemon.home, services, "start", "stop", "logs")
    assert capsys.readouterr().err == "makerd: not now\n" * 3


def test_a_number_or_the_word_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter(["2", "STOP", "b"])
    monkeypatch.setattr("builtins.input", lambda _: next(answers))
    choices = [("a", "Start"), ("b", "Stop")]
    assert [choose_by_number("?", choices) for _ in range(3)] == ["b", "b", "b"]
