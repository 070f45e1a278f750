"""Which file a bot's name means: one of those in the folders of configs, never a path that somebody gives."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from werkzeug.exceptions import NotFound

from core.registry.naming import section_of
from core.registry.one_file import tree_of
from core.registry.reading import config_files
from core.registry.store import content_of
from utils.errors import ConfigError
from utils.home import Home
from utils.input_validation import bot_name_problem, printable


@dataclass(frozen=True, slots=True)
class BotFile:
    """A file, the bot that it names, and what it says; `name` is how the file is called when it names none."""

    name: str
    path: Path
    content: bytes
    tree: Any

    def said(self, section: str, key: str) -> Any:
        """Return what it says at a key, None where it says nothing."""
        return section_of(self.tree, section).get(key)


def bot_files(home: Home, folder: Path) -> list[BotFile]:
    """Return the files of a folder in the order of their names; none where there is no folder."""
    try:
        paths = config_files(folder)
    except OSError:
        return []
    return [found for path in paths if (found := _read(home, path)) is not None]


def _read(home: Home, path: Path) -> BotFile | None:
    try:
        content = content_of(path)
    except ConfigError:  # a link, a pipe: the validator tells of it
        return None
    if content is None:
        return None
    tree = tree_of(home, os.environ, path, content)
    name = section_of(tree, "metadata").get("name")
    return BotFile(name if isinstance(name, str) else path.stem, path, content, tree)


def find(home: Home, name: str, folders: Sequence[Path]) -> BotFile | None:
    """Return the file of a bot, None when there is none; the one that is called like it is looked at first."""
    if bot_name_problem(name):
        return None
    for folder in folders:
        first = _read(home, folder / f"{name}.json")
        if first is not None and first.name == name:
            return first
    return next((one for folder in folders for one in bot_files(home, folder) if one.name == name), None)


def known_file(home: Home, name: str) -> BotFile:
    """Return the file of a bot, active or archived. Raises NotFound."""
    found = find(home, name, (home.active, home.archived))
    if found is None:
        raise NotFound(f"there is no config of a bot named {printable(name, 64)}")
    return found


def free_path(folder: Path, name: str) -> Path:
    """Return where a bot's new file goes. Raises ConfigError when something is there."""
    path = folder / f"{name}.json"
    if path.exists() or path.is_symlink():
        raise ConfigError(f"{path.name} is there already")
    return path
