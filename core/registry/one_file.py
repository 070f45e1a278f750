"""What a text means that is, or is to be, the file of one bot; without its neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.bot_config import BotConfig
from core.registry.document import Document, Loaded, shown_path
from core.registry.environment import Environment
from core.registry.json_text import read_json_text
from core.registry.layers import Bases, layered, upgraded
from core.registry.loader import base_complaints, load_document
from utils.home import Home


def document_at(path: Path, content: bytes, home: Home) -> Document:
    """Return the document that a content at a path is."""
    return Document(shown_path(path, home), str(path.absolute()), read_json_text(content))


def tree_of(home: Home, environ: Mapping[str, str], path: Path, content: bytes) -> Any:
    """Return what a text says, references unresolved and nothing validated; None when it is not JSON."""
    environment = Environment(environ, home.env_file, shown_path(home.env_file, home))
    return layered(document_at(path, content, home), environment, Bases(home)).tree


def loaded_from(home: Home, environ: Mapping[str, str], path: Path, content: bytes) -> Loaded:
    """Return the config that a text means, or all that is wrong with it by itself."""
    environment = Environment(environ, home.env_file, shown_path(home.env_file, home))
    return load_document(layered(document_at(path, content, home), environment, Bases(home)), environment)


def config_of(home: Home, environ: Mapping[str, str], path: Path, content: bytes) -> BotConfig | None:
    """Return the config that a text means, None when it is not valid."""
    return loaded_from(home, environ, path, content).config


def is_valid_base(home: Home, environ: Mapping[str, str], path: Path, content: bytes) -> bool:
    """Tell whether a text is a sound base by itself; then it holds no secret, whoever extends it."""
    environment = Environment(environ, home.env_file, shown_path(home.env_file, home))
    return not base_complaints(upgraded(document_at(path, content, home)), environment)
