"""Where a request comes from and where it thinks it is going. Pure."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit


def name_of_host(host: str) -> str:
    """Return the name in a Host header, in small letters and without its port."""
    host = host.strip().lower()
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0].rstrip(".")


def host_is_ours(host: str, allowed: Collection[str]) -> bool:
    """Tell whether a Host header names us: a foreign name that leads here (DNS rebinding) does not."""
    return name_of_host(host) in allowed


def is_foreign(origin: str | None, fetch_site: str | None, host: str) -> bool:
    """Tell whether a browser says that a request was caused by another site."""
    if fetch_site and fetch_site not in ("same-origin", "none"):
        return True
    if not origin:
        return False
    return urlsplit(origin).netloc.lower() != host.strip().lower()
