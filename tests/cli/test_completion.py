"""The Tab key: in a real bash with the words that it hands over, and typed on a terminal in each shell."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.completion_scripts import SHELLS, script_for
from tests.cli.conftest import Run
from tests.cli.shells import SHELLS as OTHERS
from tests.console_parts import config, write_config
from tests.terminal_parts import Terminal
from utils.home import CHECKOUT, Home

DOOR, PYTHON, CTRL_U = "core/daemon_manager.py", sys.executable, "\x15"
_TAB = """
compopt() { :; }  # only for a Tab that was typed
tab() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); $FUNCTION; printf '%s\\n' "${COMPREPLY[@]}"; }
"""


@pytest.fixture(autouse=True)
def bots(home: Home) -> None:
    who = {"name": "sol-mm", "exchange": "paper", "strategy": "market_maker", "tags": ["calm"]}
    write_config(home, config(metadata=who))
    home.archived.mkdir(parents=True)
    (home.archived / "old.json").write_text((home.active / "a.json").read_text().replace("sol-mm", "old-mm"))


def tab(home: Home, function: str, *words: str) -> list[str]:
    """Return what bash would offer for the last word."""
    script = script_for("bash") + _TAB + 'tab "$@"\n'
    environ = {**os.environ, "FUNCTION": function, "MAKERD_HOME": str(home.root)}
    done = subprocess.run(
        ["bash", "--norc", "-c", script, "bash", *words],
        cwd=CHECKOUT, env=environ, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("makerd", "sta"), ["start", "status"]),
        (("makerd", "config", "ro"), ["rollback"]),
        (("makerd", "bot", "pause", ""), ["sol-mm"]),
        (("makerd", "stop", "--h"), ["--home", "--help"]),
        (("makerd", "status", "--tag", ""), ["calm"]),
        (("makerd", "logs", ""), ["daemon", "sol-mm"]),
        (("makerd", "config", "restore", ""), ["old-mm"]),
        (("makerd", "config", "show", ""), ["old-mm", "sol-mm"]),
        (("makerd", "config", "create", "x", "--template", "paper_market_maker_"), ["paper_market_maker_synthetic"]),
        (("makerd", "--home", "/nowhere", "bot", "pause", ""), []),
    ],
)
def test_the_first_door_completes_commands_bots_tags_and_templates(
    home: Home, words: tuple[str, ...], offered: list[str]
) -> None:
    assert tab(home, "_makerd", *words) == offered


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("makerd-run", "s"), ["smoke", "sweep"]),
        (("makerd-run", "report", ""), ["sol-mm"]),
        (("makerd-run", "--exchange", "pa"), ["paper"]),
        (("makerd-run", "--strategy", "grid_strategy", "--grid-n"), ["--grid-num"]),
    ],
)
def test_the_second_door_completes_commands_and_the_flags_of_what_is_chosen(
    home: Home, words: tuple[str, ...], offered: list[str]
) -> None:
    assert tab(home, "_makerd_run", *words) == offered


def test_python_before_a_door_is_seen_through_and_other_scripts_are_never_run(home: Home, tmp_path: Path) -> None:
    assert tab(home, "_makerd_python", "python", "-P", DOOR, "bot", "stop", "s") == ["sol-mm"]
    assert tab(home, "_makerd_python", "python", "run.py", "con") == ["convert"]
    other = tmp_path / "run.py"
    other.write_text(f"open({str(tmp_path / 'was-run')!r}, 'w')")
    assert tab(home, "_makerd_python", "python", str(other), "con") == []
    assert not (tmp_path / "was-run").exists()


ASKED = f"{PYTHON} {CHECKOUT / DOOR} completion"
IN_SHELLS = {
    "bash": (["bash", "--norc", "-i"], f'eval "$({ASKED} bash)"'),
    "zsh": (["zsh", "-f", "-i"], f'autoload -U compinit && compinit -u -D && eval "$({ASKED} zsh)"'),
    "fish": (["fish", "--no-config", "-i"], f"{ASKED} fish | source"),
}
DRIVEN = ["bash", *(pytest.param(shell, marks=pytest.mark.shell(shell)) for shell in OTHERS)]


@pytest.fixture
def shell(request: pytest.FixtureRequest, home: Home, tmp_path: Path) -> Iterator[Terminal]:
    """A shell on a terminal that has taken in its script, as it would at its start."""
    command, take_in = IN_SHELLS[request.param]
    own = {"PS1": "ready$ ", "MAKERD_HOME": str(home.root), "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    terminal = Terminal(command=command, **own)
    try:
        terminal.type(f'{take_in}; echo taken-"in"\n')
        terminal.wait_until(lambda shown: "taken-in" in shown, 60)
        yield terminal
    finally:
        terminal.close()


def offers(terminal: Terminal, typed: str, *words: str) -> None:
    """Type something with a Tab at its end, see the words, take the line back and see that it is gone."""
    terminal.type(f"{typed}\t")
    terminal.wait_until(lambda shown: all(word in _below(shown, typed) for word in words))
    terminal.type(f'{CTRL_U}echo after-"{words[0]}"\r')
    terminal.wait_until(lambda shown: f"after-{words[0]}" in shown)


def _below(shown: list[str], typed: str) -> str:
    """Return what stands on the screen from the last line on that begins with what was typed."""
    at = [place for place, line in enumerate(shown) if typed.rstrip() in line]
    return "\n".join(shown[at[-1] :]) if at else ""


@pytest.mark.parametrize("shell", DRIVEN, indirect=True)
def test_a_tab_typed_on_a_terminal_completes_the_name_of_a_bot(shell: Terminal) -> None:
    shell.type("makerd config validate so\t")
    shell.wait_until(lambda shown: any(line.endswith("makerd config validate sol-mm") for line in shown))
    shell.type("\r")
    shell.wait_until(lambda shown: any(line.startswith("sol-mm: valid") for line in shown))


@pytest.mark.parametrize("shell", [one for one in DRIVEN if one != "bash"], indirect=True)
def test_tabs_offer_commands_templates_and_files_in_other_shells_too(shell: Terminal) -> None:
    offers(shell, "makerd config ro", "rollback")
    offers(shell, "makerd-run --exchange pa", "paper")
    offers(shell, "makerd logs ", "daemon", "sol-mm")
    offers(shell, "makerd config create x --template paper_market_maker_", "paper_market_maker_synthetic")
    offers(shell, "makerd config validate ./config/temp", "./config/templates/")


@pytest.mark.parametrize("shell", SHELLS)
def test_each_script_says_where_it_goes(run: Run, shell: str) -> None:
    done = run("completion", shell)
    assert done.exit_code == 0
    assert f"completion {shell}" in done.stdout
    assert "$$" not in done.stdout


def test_without_a_name_the_shell_is_looked_up_or_asked_for(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELL", "/usr/bin/fish")
    assert run("completion").stdout == script_for("fish")
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    done = run("completion")
    assert done.exit_code == 2
    assert "which shell? bash, zsh, fish" in done.stderr
