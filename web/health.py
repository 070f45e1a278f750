"""/healthz, /readyz and /metrics, for whatever watches the monitor."""

from __future__ import annotations

from flask import Blueprint, Response, current_app

from utils.errors import MakerdError
from web.answers import answer, error
from web.parts import parts

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
def healthz() -> Response:
    """Tell that the monitor itself lives."""
    return answer({"ok": True})


@blueprint.get("/readyz")
def readyz() -> Response:
    """Tell whether what it shows is fresh."""
    stale = parts(current_app).feed.stale()
    return answer({"ok": True}) if stale is None else answer({"ok": False, "reason": "the daemon does not answer"}, 503)


@blueprint.get("/metrics")
def metrics() -> Response:
    """Tell the daemon's figures in Prometheus' text format."""
    own = parts(current_app)
    try:
        figures = own.figures.now()
    except MakerdError as exc:
        return error(503, str(exc))
    return Response(own.services.metrics_text(figures), content_type="text/plain; version=0.0.4; charset=utf-8")
