"""What a text means that is, or is to be, the file of one bot; without its neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.bot_config import BotConfig
from core.registry.document import Document, shown_path
from core.registry.environment import Environment
from core.registry.json_text import read_json_text
from core.registry.layers import Bases, layered
from core.registry.loader import load_document
from utils.home import Home


def document_at(path: Path, content: bytes, home: Home) -> Document:
    """Return the document that a content at a path is."""
    return Document(shown_path(path, home), str(path.absolute()), read_json_text(content))


def whole(document: Document, environment: Environment, home: Home) -> Document:
    """Return a document with all that counts for its config beside its own file: base, version, environment."""
    return layered(document, environment, Bases(home))


def tree_of(home: Home, environ: Mapping[str, str], path: Path, content: bytes) -> Any:
    """Return what a text says, references unresolved and nothing validated; None when it is not JSON."""
    environment = Environment(environ, home.env_file, shown_path(home.env_file, home))
    return whole(document_at(path, content, home), environment, home).tree


def config_of(home: Home, environ: Mapping[str, str], path: Path, content: bytes) -> BotConfig | None:
    """Return the config that a text means, None when it is not valid."""
    environment = Environment(environ, home.env_file, shown_path(home.env_file, home))
    return load_document(whole(document_at(path, content, home), environment, home), environment).config
