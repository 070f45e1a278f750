"""The whole life of a bot, from the menu on a terminal of 80 columns, with a real daemon."""

from __future__ import annotations

from pathlib import Path

from tests.process.fleet_parts import Fleet
from tests.terminal_parts import CTRL_C, DOWN, ENTER, UP, Terminal

POINTER = " » "


class Person:
    """Sits before the menu: finds lines by their text and moves the arrow there."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal

    def pick(self, text: str) -> None:
        """Choose the line that begins like that."""
        self.terminal.wait_until(lambda shown: bool(_pointers(shown)) and _place(shown, text) is not None)
        shown = self.terminal.lines()
        place, pointer = _place(shown, text), _pointers(shown)[-1]
        assert place is not None
        self.terminal.type((DOWN if place > pointer else UP) * abs(place - pointer) + ENTER)
        self.terminal.wait_until(lambda shown: not _pointers(shown))

    def read(self, text: str) -> None:
        """See a text, and go on."""
        self.terminal.wait_for(text)
        self.terminal.answer("Enter goes on", ENTER)


def _pointers(shown: list[str]) -> list[int]:
    return [place for place, line in enumerate(shown) if line.startswith(POINTER)]


def _place(shown: list[str], text: str) -> int | None:
    found = [place for place, line in enumerate(shown) if line[len(POINTER) :].startswith(text)]
    return found[-1] if found else None


def test_the_whole_life_of_a_bot_from_the_menu(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path).with_compiled_recordings()
    environ = {**fleet.environ, "EDITOR": "false"}
    terminal = Terminal("run.py", "--cli", columns=80, lines=24, **environ)
    person = Person(terminal)
    try:
        person.pick("New bot")
        person.pick("paper_market_maker")
        terminal.answer("metadata.name:", "my-bot" + ENTER)
        terminal.answer("Write ", "y" + ENTER)
        terminal.answer("Start it now, with my-bot alone?", "y" + ENTER)
        terminal.wait_for("makerd is running", 60)
        fleet.quoting("my-bot", seconds=60)
        person.pick("Watch the fleet live")
        terminal.wait_for("QUOTING")
        terminal.type(CTRL_C)
        person.pick("Bots")
        person.pick("my-bot")
        person.pick("Pause")
        terminal.wait_for("(paused)")
        person.pick("Resume")
        person.pick("Config")
        person.pick("Set a key")
        terminal.answer("KEY=VALUE", "spread_pct=0.02" + ENTER)
        terminal.answer("Write this?", "y" + ENTER)
        terminal.answer("Reload now", "y" + ENTER)
        terminal.wait_for("read again: 1 valid config")
        person.pick("History")
        person.read("create")
        person.pick("Back")
        person.pick("Report")
        person.read("realised")
        person.pick("Close its position")
        terminal.answer("close its position, and stop it?", "y" + ENTER)
        terminal.wait_for("my-bot STOPPED")
        person.pick("Start")
        terminal.wait_for("my-bot RUNNING")
        person.pick("Flatten")
        terminal.answer("Type my-bot to agree", "my-bot" + ENTER)
        terminal.wait_for("my-bot closed", 60)
        person.pick("Config")
        person.pick("Archive")
        terminal.answer("into the archive?", "y" + ENTER)
        terminal.answer("Reload now", "y" + ENTER)
        terminal.wait_for("read again: 0 valid configs")
        person.pick("Back")
        person.pick("Back")
        person.pick("Back")
        person.pick("Stop everything")
        terminal.answer("end the daemon?", "y" + ENTER)
        terminal.wait_for("no order is left", 60)
        person.pick("Quit")
        assert terminal.process.wait(20) == 0
        assert "Traceback" not in terminal.everything
    finally:
        terminal.close()
        fleet.end()
    assert (fleet.home.archived / "my-bot.json").exists()
