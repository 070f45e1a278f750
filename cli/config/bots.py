"""Which files a person means: by a bot's name, by a tag, among the active and the archived configs."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.offline import configs_in, legacy_bots
from cli.shared import unknown_name
from core.registry.history import BASES, DAEMON_FILE
from core.registry.one_file import tree_of
from core.registry.reading import config_files
from core.registry.selection import carries
from core.registry.store import ConfigStore, content_of
from utils.errors import ConfigError
from utils.home import Home


@dataclass(frozen=True, slots=True)
class BotFile:
    """A bot's file, and what is in it now."""

    bot: str
    path: Path
    content: bytes
    readable: bool = True  # False: it does not say whose it is; `bot` is who it was, or how it is called
    is_there: bool = True  # False: it is the daemon file that nobody has written yet

    @property
    def old(self) -> bytes | None:
        """Return what a change of it starts from."""
        return self.content if self.is_there else None

    def shown(self, home: Home) -> str:
        """Return the file as people write it."""
        return self.path.relative_to(home.root).as_posix()


def bot_files(home: Home, folders: Sequence[Path] = ()) -> list[BotFile]:
    """Return the files that say whose they are, the active ones first."""
    found = []
    for folder in folders or (home.active, home.archived):
        for one in configs_in(folder, home):
            path = home.root / one.file
            if path.parent != folder:
                continue  # one file of several bots is none of ours to write
            content = content_of(path) if one.name and not path.is_symlink() else None
            found += [BotFile(one.name, path, content)] if content is not None else []
    return found


def file_to_write(home: Home, name: str) -> BotFile:
    """Return the file of a bot as `bot_file` does; a daemon file that is missing begins empty. Raises ConfigError."""
    is_daemon_file = name == DAEMON_FILE or Path(name).absolute() == home.daemon_file
    if is_daemon_file and content_of(home.daemon_file) is None:
        return BotFile(DAEMON_FILE, home.daemon_file, b"{}\n", is_there=False)
    return bot_file(home, name)


def bot_file(home: Home, name: str, folders: Sequence[Path] = ()) -> BotFile:
    """Return the file of a bot, by its name or by a path; also a broken one that was its or is called like it.

    Where all folders are looked into, the daemon file and the bases are among them, called `config/daemon.json` and
    `config/bases/NAME.json`. Raises ConfigError.
    """
    given = Path(name).absolute()
    if not folders and (found_base := _base_file(home, name)):
        return found_base
    if not folders and (name == DAEMON_FILE or given == home.daemon_file):
        if (content := content_of(home.daemon_file)) is None:
            raise ConfigError(f"there is no {DAEMON_FILE}: the daemon goes by the defaults")
        return BotFile(DAEMON_FILE, home.daemon_file, content)
    found = bot_files(home, folders)
    for one in found:
        if one.bot == name or (given.suffix == ".json" and one.path == given):
            return one
    places = tuple(folders) or (home.active, home.archived)
    for path in (given, *_former(home, name), *(folder / f"{name}.json" for folder in places)):
        if path.parent in places and path.suffix == ".json" and (content := content_of(path)) is not None:
            return BotFile(name if path != given else path.stem, path, content, readable=False)
    _refuse_legacy(home, [one.name for one in legacy_bots(home)], [name])
    raise unknown_name(name, [one.bot for one in found], "bot")


def _base_file(home: Home, name: str) -> BotFile | None:
    """Return the base that is meant, by its name in the history or its path; None for what is called otherwise."""
    given = home.root / name if name.startswith(BASES) else Path(name).absolute()
    if given.parent != home.bases or given.suffix != ".json":
        return None
    if (content := content_of(given)) is None:
        known = [f"{BASES}{path.name}" for path in config_files(home.bases)] if home.bases.is_dir() else []
        raise unknown_name(name, known, "base")
    return BotFile(f"{BASES}{given.name}", given, content)


def _refuse_legacy(home: Home, held: Collection[str], wanted: Sequence[str]) -> None:
    """Raise ConfigError for a bot that has no file of its own."""
    meant = [name for name in wanted if name in held]
    if meant:
        file = home.legacy_file.relative_to(home.root).as_posix()
        raise ConfigError(f"{', '.join(meant)}: in {file}, which commands do not write; run `config migrate` first")


def _former(home: Home, name: str) -> list[Path]:
    """Return the file that a bot had when it could last be read."""
    with ConfigStore(home).reading() as history:
        newest = history.newest(name)
    return [home.root / newest.file] if newest else []


def chosen(home: Home, names: Sequence[str], tags: Sequence[str], tagged_in: Path | None = None) -> list[BotFile]:
    """Return the files of named bots, and those of a folder (the active ones) that carry every one of some tags.

    A tag may be several with commas between them: one of them is enough. Raises ConfigError for an unknown name, and
    for tags that nobody carries together.
    """
    files = [bot_file(home, name, (home.active, home.archived)) for name in dict.fromkeys(names)]
    folder = tagged_in or home.active
    tagged = [one for one in bot_files(home, (folder,)) if carries(tags_of(home, one.path, one.content), tags)]
    if tags and folder == home.active:
        held = [one.name for one in legacy_bots(home) if carries(one.tags, tags)]
        _refuse_legacy(home, held, held)
    if tags and not tagged:
        raise ConfigError(f"no {folder.name} bot carries all of these tags: {', '.join(tags)}")
    return [*files, *(one for one in tagged if one.bot not in names)]


def new_file(folder: Path, name: str) -> Path:
    """Return where a bot's new file goes. Raises ConfigError when something is there."""
    path = folder / f"{name}.json"
    if path.exists() or path.is_symlink():
        raise ConfigError(f"{path} is there already")
    return path


def tags_of(home: Home, path: Path, content: bytes) -> frozenset[str]:
    """Return the tags of the bot that a text is of (`metadata.tags`), none when it is no config."""
    tags = _metadata(tree_of(home, os.environ, path, content)).get("tags")
    return frozenset(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else frozenset()


def name_in(content: bytes) -> str | None:
    """Return the name that a text gives its bot, None when it gives none."""
    try:
        tree = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None
    name = _metadata(tree).get("name")
    return name if isinstance(name, str) else None


def _metadata(tree: Any) -> Mapping[str, Any]:
    metadata = tree.get("metadata") if isinstance(tree, Mapping) else None
    return metadata if isinstance(metadata, Mapping) else {}
