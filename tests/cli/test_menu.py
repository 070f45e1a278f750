"""The menu: by numbers through a pipe, by arrow keys on a real pseudo-terminal, and under Ctrl-C."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.commands import cli
from cli.history_commands import export, report
from cli.menu.main import Menu
from cli.prompts import choose_by_number
from cli.shared import App
from tests.console_parts import Daemon, Services, config, row, write_config
from tests.terminal_parts import CTRL_C, DOWN, ENTER, UP, Terminal
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
    done = by_numbers(home, "4", "list", "quit")
    assert (done.returncode, done.stderr) == (0, "")
    assert " Quit" in done.stdout
    assert done.stdout.count("sol-mm") == 3  # in the list also with its file


def test_an_answer_that_is_none_is_asked_again(home: Home) -> None:
    done = by_numbers(home, "77", "", "\x1b[A", "-1", "quit")
    assert done.returncode == 0
    assert "'77' is none of 1 to " in done.stdout
    assert "\x1b" not in done.stdout


def test_the_end_of_the_input_leaves_the_menu(home: Home) -> None:
    assert by_numbers(home).returncode == 0


def test_a_bot_is_made_changed_and_put_away_without_a_terminal(home: Home) -> None:
    answers = ["create", "paper_market_maker", "my bot", "my-bot", "y", "n"]  # a wrong name is asked for again
    answers += ["bots", "my-bot", "config", "set", "spread_pct", "spread_pct=0.07", "y", "rollback", "1", "y"]
    answers += ["archive", "y", "restore", "archive", "n", "back", "back", "", "3", "quit"]
    done = by_numbers(home, *answers)
    assert done.returncode == 0
    assert "it is written KEY=VALUE" in done.stdout
    told = [
        "my-bot: version 1",
        "my-bot: version 2",
        "my-bot: version 3",
        "archived/my-bot.json",
        "nothing was changed",
    ]
    places = [done.stdout.index(one) for one in told]
    assert places == sorted(places)
    assert (home.active / "my-bot.json").exists()


def test_a_wider_limit_needs_its_word_in_the_menu(home: Home) -> None:
    write_config(home, config(risk_config={"max_loss": 10}))
    wider = ("set", "max_loss=20")
    done = by_numbers(
        home, "bots", "sol-mm", "config", *wider, "yes", *wider, "WIDER", "y", "back", "back", "", "2", "quit"
    )
    assert done.returncode == 0
    assert "a risk limit becomes wider; --allow-wider-risk agrees to it" in done.stderr
    assert json.loads((home.active / "a.json").read_text())["risk_config"] == {"max_loss": 20}


def test_keys_are_not_asked_for_where_they_would_be_seen(home: Home) -> None:
    done = by_numbers(home, "keys", "quit")
    assert "on a terminal only" in done.stderr
    assert done.returncode == 0


def test_arrow_keys_choose_and_quit_leaves_with_the_terminal_as_it_was(terminal: Terminal) -> None:
    terminal.wait_for("Quit")
    terminal.type(DOWN * 3 + ENTER)
    terminal.wait_for("makerd stopped")
    terminal.wait_for("Enter goes on")
    terminal.type(ENTER)
    terminal.wait_for("Quit")
    terminal.type(UP + ENTER)
    assert terminal.process.wait(20) == 0
    assert termios.tcgetattr(terminal.slave) == terminal.before


def test_one_ctrl_c_is_survived_and_a_second_one_leaves(terminal: Terminal) -> None:
    terminal.wait_for("Quit")
    terminal.type(CTRL_C)
    terminal.wait_for("another Ctrl-C leaves the menu")
    terminal.wait_for("Quit")
    terminal.type(DOWN * 3 + ENTER)  # anything else starts the count anew
    terminal.wait_for("Enter goes on")
    terminal.type(ENTER)
    terminal.wait_for("Quit")
    terminal.type(CTRL_C)
    terminal.wait_for("another Ctrl-C leaves the menu")
    terminal.wait_for("Quit")
    terminal.type(CTRL_C)
    assert terminal.process.wait(20) == 0
    assert "Traceback" not in terminal.seen


def test_ctrl_c_ends_following_a_log_and_comes_back_to_the_menu(terminal: Terminal, home: Home) -> None:
    home.make_folders()
    (home.log / "daemon.log").write_text('{"event": "quoted"}\n')
    terminal.wait_for("Quit")
    terminal.type(DOWN * 8 + ENTER)
    terminal.wait_for("The log of daemon")
    terminal.type(DOWN + ENTER)
    terminal.wait_for("quoted")
    terminal.type(CTRL_C)
    terminal.wait_for("Quit")
    assert terminal.process.poll() is None


@pytest.mark.parametrize("env", [{"TERM": "dumb"}, {"NO_COLOR": "1"}], ids=["dumb", "no colour"])
def test_a_dumb_terminal_and_one_without_colours_get_numbers(home: Home, env: dict[str, str]) -> None:
    terminal = on_terminal(home, **env)
    try:
        terminal.wait_for("Quit")
        terminal.type("create\n")
        terminal.wait_for("From which template?")
        terminal.wait_for("answer everything")
        terminal.type("paper_market_maker\n")
        terminal.answer("metadata.name:", "my-bot\n")
        terminal.answer("[y/N]:", "n\n")
        terminal.wait_for("nothing was written")
        terminal.answer("Quit", "quit\n")
        assert terminal.process.wait(20) == 0
        assert "\x1b" not in terminal.raw
    finally:
        terminal.close()


def test_the_live_table_takes_a_new_size_and_leaves_nothing_behind(daemon: Daemon) -> None:
    daemon.bots = [row(name=f"a-bot-with-a-long-name-{number}") for number in range(8)]
    terminal = on_terminal(daemon.home, LINES="24", COLUMNS="80")  # of a time before
    try:
        terminal.wait_for("Quit")
        terminal.type(ENTER)
        terminal.wait_for("Ctrl-C ends it")
        for columns, lines, fills, fit in ((80, 24, 41, 8), (120, 30, 42, 8), (80, 12, 43, 6)):
            terminal.resize(columns, lines)
            daemon.bots = [{**bot, "fills": fills} for bot in daemon.bots]
            terminal.wait_until(lambda shown, told=f" {fills} ", fit=fit: sum(told in line for line in shown) == fit)
            shown = [line for line in terminal.lines() if line]
            heads = [place for place, line in enumerate(shown) if "position orders fills" in line]
            assert len(heads) == 1
            rows = shown[heads[0] + 1 :]
            assert [line[:10] for line in rows] == ["a-bot-with"] * fit
            assert all(line.endswith("11s") for line in rows)  # nothing is wrapped
        terminal.type(CTRL_C)
        terminal.wait_for("Bots: look")  # no room for more
        assert terminal.process.poll() is None
    finally:
        terminal.close()


# What the choices do


class Script:
    """Answers the menu's questions in order, and keeps what was offered."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.offered: list[list[str]] = []
        self.asked: list[str] = []

    def choose(self, title: str, choices: Any) -> str:
        self.offered.append([value for value, _ in choices])
        answer = str(self.answers.pop(0))
        assert answer in self.offered[-1]
        return answer

    def is_sure(self, question: str, default: bool) -> bool:
        self.asked.append(question)
        return bool(self.answers.pop(0))

    def type_in(self, title: str, problem: Any) -> str:
        return str(self.answers.pop(0))

    def typed_word(self, text: str, word: str) -> bool:
        self.asked.append(f"{text} {word}")
        return bool(self.answers.pop(0) == word)

    def pause(self) -> None:
        pass


def play(home: Home, services: Services, *answers: Any) -> Script:
    script = Script(*answers, "quit")
    app = App(services, commands=cli, beside={"report": report, "export": export})
    assert Menu(app, script).run() == 0
    assert script.answers == []
    return script


def asked_of(daemon: Daemon) -> list[tuple[str, dict[str, Any]]]:
    return [(verb, args) for verb, args in daemon.asked if verb != "status"]


def test_the_daemon_is_started_with_all_bots_or_with_one(home: Home, services: Services) -> None:
    write_config(home, config())
    play(home, services, "begin", "bots", "sol-mm", "begin", "back", "")
    assert services.started == [(), ("sol-mm",)]


def test_a_halted_bot_is_reset_only_after_a_yes_to_the_reason(daemon: Daemon, services: Services) -> None:
    daemon.bots = [row(name="a", state="HALTED", reason="max_loss tripped")]
    daemon.answers["bot"] = {"bots": []}
    script = play(daemon.home, services, "bots", "a", "reset", False, "back", "")
    assert asked_of(daemon) == []
    assert "max_loss tripped" in script.asked[0]
    play(daemon.home, services, "bots", "a", "reset", True, "back", "")
    assert asked_of(daemon) == [("bot", {"action": "reset", "names": ["a"]})]


def test_a_bot_is_steered_by_the_commands_verbs(daemon: Daemon, services: Services) -> None:
    daemon.answers |= {"bot": {"bots": []}, "restart": {"bots": []}}
    steps = ("pause", "stop", "close", True, "restart", "back", "")
    play(daemon.home, services, "bots", "sol-mm", *steps)
    actions = [args.get("action", verb) for verb, args in asked_of(daemon)]
    assert actions == ["pause", "stop", "close", "restart"]


def test_flatten_needs_the_word(daemon: Daemon, services: Services) -> None:
    daemon.answers["flatten"] = {"bots": []}
    play(daemon.home, services, "flatten", "yes", "bots", "sol-mm", "flatten", "FLATTEN", "back", "")
    assert asked_of(daemon) == []
    play(daemon.home, services, "flatten", "FLATTEN")
    play(daemon.home, services, "bots", "sol-mm", "flatten", "sol-mm", "back", "")
    assert [args["names"] for verb, args in asked_of(daemon)] == [[], ["sol-mm"]]


def test_everything_is_stopped_after_a_yes(daemon: Daemon, services: Services) -> None:
    daemon.answers["stop"] = {"bots": []}
    play(daemon.home, services, "stop", False)
    assert asked_of(daemon) == []
    play(daemon.home, services, "stop", True)
    assert [verb for verb, _ in asked_of(daemon)][-1] == "stop"


def test_a_change_is_offered_to_a_running_daemon(daemon: Daemon, services: Services) -> None:
    write_config(daemon.home, config())
    daemon.answers["reload"] = {"bots": 1, "invalid": []}
    play(daemon.home, services, "bots", "sol-mm", "config", "archive", True, True, "restore", False, "back", "back", "")
    assert asked_of(daemon) == [("reload", {})]


def test_a_report_and_the_fills_are_those_of_the_other_door(
    daemon: Daemon, services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    play(daemon.home, services, "report", "bots", "sol-mm", "fills", "export", "", "back", "")
    told = capsys.readouterr()
    assert "no bot has a ledger yet" in told.out
    assert told.err.count("no bot with a ledger is named 'sol-mm'") == 2


def test_the_monitors_address_is_told(
    daemon: Daemon, services: Services, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = daemon.status()
    plain["daemon"]["web"] = {"state": "running", "url": "http://127.0.0.1:8420/", "reason": ""}
    daemon.answers["status"] = plain
    play(daemon.home, services, "monitor")
    assert "open http://127.0.0.1:8420/ in a browser" in capsys.readouterr().out


def test_a_daemon_that_refuses_is_told_and_can_still_be_stopped(
    daemon: Daemon, services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.answers["status"] = "not now"
    script = play(daemon.home, services, "bots")
    assert "makerd: not now\n" in capsys.readouterr().err
    assert {"stop", "flatten"} <= set(script.offered[0])


def test_a_bot_that_is_called_like_a_number_does_not_take_the_numbers_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builtins.input", lambda _: "2")
    assert choose_by_number("?", [("2", "the bot 2"), ("other", "other")]) == "other"


def test_a_number_or_the_word_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter(["2", "STOP", "b"])
    monkeypatch.setattr("builtins.input", lambda _: next(answers))
    choices = [("a", "Start"), ("b", "Stop")]
    assert [choose_by_number("?", choices) for _ in range(3)] == ["b", "b", "b"]
