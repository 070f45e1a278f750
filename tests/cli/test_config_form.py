"""Questions on a real pseudo-terminal: making a bot by answering them, and agreeing to a change."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from core.registry.schema import known_strategies
from core.registry.store import ConfigStore
from tests.console_parts import config, write_config
from tests.terminal_parts import CTRL_C, DOWN, ENTER, Terminal
from utils.home import CHECKOUT, Home

DOOR = "core/daemon_manager.py"


@contextmanager
def asked(home: Home, *arguments: str, **env: str) -> Iterator[Terminal]:
    made = Terminal(DOOR, "--home", str(home.root), "config", *arguments, **env)
    try:
        yield made
    finally:
        made.close()


def written(home: Home, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((home.active / f"{name}.json").read_bytes())
    return found


def test_from_nothing_only_what_has_no_default_is_asked_with_unit_range_and_help(home: Home) -> None:
    with asked(home, "create") as terminal:
        terminal.wait_for("From which template?")
        terminal.type("\x1b[A" + ENTER)  # the last one: none
        terminal.wait_for("The bot's name in commands")
        terminal.answer("metadata.name:", "my-bot" + ENTER)
        terminal.answer("On which exchange?", DOWN + ENTER)  # paper
        terminal.answer("Which strategy?", DOWN * known_strategies().index("market_maker") + ENTER)
        terminal.wait_for("What is traded, in our spelling")
        terminal.answer("strategy_config.symbol:", "SOL-USDC" + ENTER)
        terminal.wait_for("expected exactly one of the two")
        terminal.answer("strategy_config.order_size:", "-1" + ENTER)
        terminal.wait_for("found -1, expected a number above 0 and of at most 1000000000000000.0 (base) or null")
        terminal.answer("strategy_config.order_size:", "0.5" + ENTER)
        terminal.answer("Write ", "y" + ENTER)
        terminal.wait_for("my-bot: version 1")
        assert terminal.process.wait(20) == 0
    made = written(home, "my-bot")
    assert made["metadata"] == {"name": "my-bot", "exchange": "paper", "strategy": "market_maker", "schema_version": 1}
    assert made["strategy_config"] == {"symbol": "SOL-USDC", "order_size": 0.5}


def test_a_template_leaves_only_the_name_to_be_asked(home: Home) -> None:
    with asked(home, "create", "--template", "paper_market_maker") as terminal:
        terminal.answer("metadata.name:", "my bot" + ENTER)
        terminal.wait_for("a bot's name has 1 to 64")
        terminal.type("\x15" + "my-bot" + ENTER)
        terminal.answer("Write ", "n" + ENTER)
        terminal.wait_for("nothing was written")
        assert terminal.process.wait(20) == 1
    assert list(home.active.iterdir()) == []


def test_ctrl_c_in_the_questions_writes_nothing(home: Home) -> None:
    with asked(home, "create") as terminal:
        terminal.answer("From which template?", CTRL_C)
        assert terminal.process.wait(20) == 1
    assert list(home.active.iterdir()) == []


def test_an_invalid_edit_is_opened_again_and_then_agreed_to(home: Home, tmp_path: Path) -> None:
    write_config(home, config())
    script = tmp_path / "editor.py"
    script.write_text(
        "import pathlib, sys\n"
        "path = pathlib.Path(sys.argv[1])\n"
        "text = path.read_text()\n"
        "path.write_text(text.replace('75', '-5') if '75' in text else text.replace('-5', '80'))\n"
    )
    with asked(home, "edit", "sol-mm", VISUAL=f"{sys.executable} {script}") as terminal:
        terminal.wait_for("found -5")
        terminal.answer("Edit it again?", "y" + ENTER)
        terminal.wait_for("strategy_config.order_size_quote: live")
        terminal.answer("Replace the file?", "y" + ENTER)
        terminal.wait_for("sol-mm: version 2")
        assert terminal.process.wait(20) == 0
    assert written(home, "a")["strategy_config"]["order_size_quote"] == 80


def test_a_no_leaves_the_file_as_it_is(home: Home) -> None:
    write_config(home, config())
    with asked(home, "set", "sol-mm", "layers=5") as terminal:
        terminal.answer("Write this?", "n" + ENTER)
        assert terminal.process.wait(20) == 1
    assert "layers" not in written(home, "a")["strategy_config"]


def test_commands_at_the_same_moment_are_all_done_or_told_to_try_again(home: Home) -> None:
    write_config(home, config())
    command = [sys.executable, str(CHECKOUT / DOOR), "--home", str(home.root), "config", "set", "sol-mm", "--yes"]
    running = [
        subprocess.Popen([*command, f"layers={n}"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for n in range(4, 8)
    ]
    said = [one.communicate(timeout=120) for one in running]
    done = [one.returncode == 0 for one in running]
    assert any(done)
    assert all("was changed meanwhile" in err for ok, (_, err) in zip(done, said, strict=True) if not ok)
    with ConfigStore(home).reading() as history:
        kept = history.versions("sol-mm")
    assert len(kept) == 1 + sum(done)
    assert kept[-1].text == (home.active / "a.json").read_bytes()
