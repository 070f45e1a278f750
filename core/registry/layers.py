"""What a config says, layer upon layer: its file, its base, the environment; then come the schema's defaults.

A flag of a direct run counts before all of them: it is in the place of the file.
"""

from __future__ import annotations

from core.registry.bases import Bases, extended
from core.registry.document import Document, read_document
from core.registry.environment import Environment
from core.registry.environment_keys import supplied
from core.registry.naming import name_of, schema_of
from core.registry.versions import is_known, upgraded
from utils.home import Home


def bases_of(home: Home) -> Bases:
    """Return the bases of a home; each is read when a config asks for it, and once."""
    return Bases(home.bases, lambda path: upgraded(read_document(path, home, home.root)))


def layered(document: Document, environment: Environment, bases: Bases) -> Document:
    """Return a document in today's version, with its base and with what only the environment says."""
    if document.tree is None or not is_known(document.tree):
        return upgraded(document)
    document = extended(upgraded(document), bases, environment)
    return supplied(document, schema_of(document, environment), environment, name_of(document, environment) or "")
