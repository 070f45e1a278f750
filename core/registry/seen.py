"""Files that a person edited beside our commands are taken into the history when they are next seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from core.registry.daemon_file import layered_daemon_file, load_daemon_document
from core.registry.document import shown_path
from core.registry.environment import Environment
from core.registry.history import BASES, DAEMON_FILE, Version, file_digest
from core.registry.one_file import config_of, document_at, is_valid_base
from core.registry.reading import config_files
from core.registry.store import ConfigStore, content_of
from utils.errors import ConfigError
from utils.home import Home


def take_in_edits(home: Home, environ: Mapping[str, str], store: ConfigStore | None = None) -> list[Version]:
    """Take every valid file whose content is not the newest version of a bot, base or daemon file into the history.

    An invalid one stays out: it is not accepted, and may hold a secret. Raises ConfigError, OSError.
    """
    store = store or ConfigStore(home)
    with store.reading() as history:
        newest = history.newest_digests()
    known = set(newest.values())
    fresh = [
        (path, content) for path, content in _contents(home.active, home.archived) if file_digest(content) not in known
    ]
    configs = [(config_of(home, environ, path, content), path, content) for path, content in fresh]
    seen = [(config.name, path, content) for config, path, content in configs if config]
    seen += [*_bases(home, environ, newest), *_daemon_file(home, environ, known)]
    return store.take_in(seen) if seen else []


def _bases(home: Home, environ: Mapping[str, str], newest: Mapping[str, str]) -> list[tuple[str, Path, bytes]]:
    found = [(f"{BASES}{path.name}", path, content) for path, content in _contents(home.bases)]
    fresh = [one for one in found if newest.get(one[0]) != file_digest(one[2])]  # two bases may say the same
    return [one for one in fresh if is_valid_base(home, environ, one[1], one[2])]


def _daemon_file(home: Home, environ: Mapping[str, str], known: set[str]) -> list[tuple[str, Path, bytes]]:
    try:
        content = content_of(home.daemon_file)
    except ConfigError:
        return []
    if content is None or file_digest(content) in known or not is_valid_daemon_file(home, environ, content):
        return []
    return [(DAEMON_FILE, home.daemon_file, content)]


def is_valid_daemon_file(home: Home, environ: Mapping[str, str], content: bytes) -> bool:
    """Tell whether a text is a valid daemon file, by itself."""
    environment = Environment(environ, home.env_file, shown_path(home.env_file, home))
    document = layered_daemon_file(document_at(home.daemon_file, content, home), environment)
    return not load_daemon_document(document, environment).complaints


def _contents(*folders: Path) -> Iterator[tuple[Path, bytes]]:
    for folder in folders:
        try:
            files = config_files(folder)
        except OSError:
            continue
        for path in files:
            try:
                content = content_of(path)
            except ConfigError:  # a link, a folder, a pipe: the validator tells of it
                continue
            if content is not None:
                yield path, content
