"""What the monitor is told at its start, and when it refuses to start that way."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from utils.home import Home

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8420
MAX_BODY = 256 * 1024  # bytes of a request
SHORTEST_TOKEN = 24  # characters
LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True, slots=True)
class WebSettings:
    """Everything that the monitor is configured by; hashes as `password_hash` makes them, "" where there is none."""

    home: Home
    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    hosts: tuple[str, ...] = ()  # further names that the Host header may say
    password_hash: str = ""
    viewer_hash: str = ""
    token: str = ""
    proxies: int = 0  # trusted proxies in front of it, whose X-Forwarded-* headers are believed
    max_streams: int = 128

    @property
    def needs_login(self) -> bool:
        """Tell whether somebody has to say who he is."""
        return bool(self.password_hash or self.viewer_hash or self.token)

    @property
    def binding(self) -> str:
        """Return what sessions hang on."""
        return "\n".join((self.password_hash, self.viewer_hash))


def is_loopback(host: str) -> bool:
    """Tell whether only this host reaches an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def unsafe(settings: WebSettings) -> str:
    """Return why the monitor must not be started like this, "" when it may."""
    if settings.token and len(settings.token) < SHORTEST_TOKEN:
        return f"MAKERD_WEB_TOKEN has at least {SHORTEST_TOKEN} characters"
    if settings.needs_login:
        return (
            ""
            if _operators(settings)
            else "there is a password for viewers but none for operators; make one with `run.py web-password`"
        )
    if not is_loopback(settings.host):
        return (
            f"{settings.host} can be reached from elsewhere and no password is set; "
            "make one with `run.py web-password`, or bind 127.0.0.1"
        )
    if settings.proxies:
        return "behind a proxy everybody seems to be local; set a password with `run.py web-password` first"
    return ""


def _operators(settings: WebSettings) -> bool:
    return bool(settings.password_hash or settings.token)


def allowed_hosts(settings: WebSettings) -> frozenset[str]:
    """Return the names that a Host header may say, without their port, in small letters."""
    own = {settings.host.lower()} if settings.host not in ("0.0.0.0", "::") else set()
    bracketed = {f"[{name}]" for name in own if ":" in name and not name.startswith("[")}
    return frozenset({*LOCAL_NAMES, *own, *bracketed, *(name.lower() for name in settings.hosts)})
