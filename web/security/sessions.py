"""Sessions: a random id in a cookie, who it belongs to on our side. They outlive a restart of the monitor.

What lies on disk are digests of the ids: whoever reads the file cannot use them.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from utils.files import read_json, write_json_atomic

LIFETIME_S = 12 * 3600.0
MOST = 200  # the oldest goes first
log = logging.getLogger("makerd.web")


@dataclass(frozen=True, slots=True)
class Session:
    """Who a session belongs to, and until when (UTC seconds)."""

    role: str
    user: str
    until_s: float


def new_id() -> str:
    """Return a new session id."""
    return secrets.token_urlsafe(32)


class Sessions:
    """All sessions of one monitor. `binding`: what they hang on (the passwords); when it changes they end."""

    def __init__(self, path: Path, binding: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._binding = _digest(binding)
        kept = self._read()
        self._key = bytes.fromhex(str(kept["key"]))
        self._sessions = {str(digest): Session(**one) for digest, one in kept["sessions"].items()}
        self._write()

    def _read(self) -> Mapping[str, Any]:
        try:
            kept = read_json(self._path)
            if isinstance(kept, dict) and kept.get("binding") == self._binding and len(str(kept["key"])) == 64:
                [Session(**one) for one in kept["sessions"].values()]
                return kept
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            log.warning("sessions_forgotten", extra={"fields": {"file": self._path.name}})
        return {"key": secrets.token_hex(32), "sessions": {}}

    def _write(self) -> None:
        sessions = {digest: asdict(one) for digest, one in self._sessions.items()}
        try:
            write_json_atomic(self._path, {"binding": self._binding, "key": self._key.hex(), "sessions": sessions})
        except OSError as exc:  # they hold until the next start
            log.warning("sessions_not_kept", extra={"fields": {"reason": exc.strerror}})

    def bind(self, binding: str) -> None:
        """Let them hang on something else; when it is not the same, all end."""
        with self._lock:
            if self._binding != _digest(binding):
                self._binding, self._sessions = _digest(binding), {}
                self._write()

    def find(self, sid: str, now_s: float) -> Session | None:
        """Return the session of an id, None for one that is unknown or over."""
        found = self._sessions.get(_digest(sid)) if sid else None
        return found if found is not None and found.until_s > now_s else None

    def open(self, role: str, user: str, now_s: float) -> str:
        """Begin a session; return its id, which nobody has known before."""
        sid = new_id()
        with self._lock:
            living = {digest: one for digest, one in self._sessions.items() if one.until_s > now_s}
            living[_digest(sid)] = Session(role, user, now_s + LIFETIME_S)
            newest = sorted(living.items(), key=lambda item: item[1].until_s)[-MOST:]
            self._sessions = dict(newest)
            self._write()
        return sid

    def end(self, sid: str) -> None:
        """End a session."""
        with self._lock:
            if self._sessions.pop(_digest(sid), None) is not None:
                self._write()

    def csrf_token(self, sid: str) -> str:
        """Return the token that every change made in a session has to carry."""
        return hmac.new(self._key, b"csrf:" + sid.encode(), hashlib.sha256).hexdigest()

    def csrf_holds(self, sid: str, token: str) -> bool:
        """Tell whether a token belongs to a session id."""
        return bool(sid) and hmac.compare_digest(self.csrf_token(sid).encode(), token.encode())


def _digest(sid: str) -> str:
    return hashlib.sha256(sid.encode("utf-8", "replace")).hexdigest()
