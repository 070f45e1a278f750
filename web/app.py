"""The app factory of the monitor."""

from __future__ import annotations

import logging
import time
from pathlib import Path

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix

from utils.errors import ConfigError
from utils.version import __version__
from web import health, login, pages, stream
from web.answers import error, http_error
from web.api import bots, fleet, history, logs, registry, registry_writes, venues
from web.feed import Feed, utc_text
from web.figures import Figures
from web.hub import Hub
from web.openapi import COOKIE
from web.parts import KEY, Parts, parts
from web.registry.view import RegistryView
from web.security import guard
from web.security.audit import Audit
from web.security.sessions import Sessions
from web.services import Services
from web.settings import MAX_BODY, WebSettings, allowed_hosts, unsafe
from web.watch import Watch

API = "/api/v1"
log = logging.getLogger("makerd.web")


def create_app(settings: WebSettings, services: Services, feed: Feed | None = None) -> Flask:
    """Return the monitor's app; its feed is not started yet. Raises ConfigError for unsafe settings."""
    if problem := unsafe(settings):
        raise ConfigError(problem)
    here = Path(__file__).parent
    app = Flask("web", root_path=str(here), static_folder="static", template_folder="templates")
    app.config.update(MAX_CONTENT_LENGTH=MAX_BODY, MAX_FORM_MEMORY_SIZE=MAX_BODY, TRAP_HTTP_EXCEPTIONS=False)
    app.extensions[KEY] = _parts(settings, services, feed)
    guard.install(app)
    app.register_error_handler(HTTPException, http_error)
    app.register_error_handler(RecursionError, _too_deep)
    app.register_error_handler(Exception, _failed)
    for room in (fleet, bots, history, logs, registry, registry_writes, venues, stream):
        app.register_blueprint(room.blueprint, url_prefix=API)
    app.register_blueprint(health.blueprint)
    app.register_blueprint(login.blueprint)
    _add_pages(app)
    if settings.proxies:
        count = settings.proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, count, count, count, count, count)  # type: ignore[method-assign]
    return app


def _parts(settings: WebSettings, services: Services, feed: Feed | None) -> Parts:
    home = settings.home
    home.make_folders()
    feed = feed or Feed(home, Hub(settings.max_streams))
    feed.after_turn.append(Watch(home, feed.hub).turn)
    return Parts(
        settings,
        services,
        feed,
        Sessions(home.state / "web_sessions.json", settings.binding),
        Audit(lambda row: services.write_audit(home, row), lambda: utc_text(time.time())),
        RegistryView(home),
        Figures(home),
        allowed_hosts(settings),
        f"{COOKIE}_{home.identity()[:8]}",
    )


def _add_pages(app: Flask) -> None:
    """Add the pages, and what every template may use."""
    app.register_blueprint(pages.blueprint)

    @app.context_processor
    def _context() -> dict[str, object]:
        caller = g.caller
        may_leave = parts(app).settings.needs_login and not caller.by_token
        told = {"role": caller.role, "user": caller.user, "may_leave": may_leave, "version": __version__}
        return {"csrf_token": guard.csrf_token(), **told}


def _too_deep(_exc: RecursionError) -> Response:
    return error(400, "the body is nested too deeply")


def _failed(exc: Exception) -> Response:
    log.error("request_failed", extra={"fields": {"path": request.path[:200]}}, exc_info=exc)
    return error(500, "the monitor failed on this request", "look into var/log/daemon.web.log")
