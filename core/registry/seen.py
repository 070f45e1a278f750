"""Files that a person edited beside our commands are taken into the history when they are next seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from core.registry.document import Document, shown_path
from core.registry.environment import Environment
from core.registry.history import Version, file_digest
from core.registry.json_text import read_json_text
from core.registry.loader import load_document
from core.registry.reading import config_files
from core.registry.store import ConfigStore, content_of
from utils.errors import ConfigError
from utils.home import Home


def take_in_edits(home: Home, environ: Mapping[str, str], store: ConfigStore | None = None) -> list[Version]:
    """Take every valid file whose content is not the newest version of a bot into the history.

    An invalid one stays out: it is not accepted, and may hold a secret. Raises ConfigError, OSError.
    """
    store = store or ConfigStore(home)
    with store.reading() as history:
        known = set(history.newest_digests().values())
    environment = Environment(environ, home.env_file)
    fresh = [(path, content) for path, content in _contents(home) if file_digest(content) not in known]
    named = [(_valid_name(path, content, home, environment), path, content) for path, content in fresh]
    seen = [(name, path, content) for name, path, content in named if name]
    return store.take_in(seen) if seen else []


def _contents(home: Home) -> Iterator[tuple[Path, bytes]]:
    for folder in (home.active, home.archived):
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


def _valid_name(path: Path, content: bytes, home: Home, environment: Environment) -> str | None:
    document = Document(shown_path(path, home), str(path), read_json_text(content))
    config = load_document(document, environment).config
    return config.name if config else None
