"""What the routes of one monitor share."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from flask import Flask

from web.security.peers import Peers
from web.security.rate_limit import LoginLimit

if TYPE_CHECKING:
    from web.feed import Feed
    from web.figures import Figures
    from web.registry.view import RegistryView
    from web.security.audit import Audit
    from web.security.sessions import Sessions
    from web.services import Services
    from web.settings import WebSettings

KEY = "makerd"
COMMANDS = 8  # commands that may wait for the daemon at the same time


@dataclass(slots=True)
class Parts:
    """The long-living objects of one monitor."""

    settings: WebSettings
    services: Services
    feed: Feed
    sessions: Sessions
    audit: Audit
    registry: RegistryView
    figures: Figures
    hosts: frozenset[str]
    cookie: str  # its name; cookies know no ports, so monitors of several homes need several
    peers: Peers = field(default_factory=Peers)
    logins: LoginLimit = field(default_factory=LoginLimit)
    commands: threading.BoundedSemaphore = field(default_factory=lambda: threading.BoundedSemaphore(COMMANDS))

    def take(self, settings: WebSettings) -> None:
        """Let other passwords count from now on; whoever came in by the old ones is out."""
        self.settings = settings
        self.sessions.bind(settings.binding)


def parts(app: Flask) -> Parts:
    """Return the parts of an app."""
    return cast(Parts, app.extensions[KEY])
