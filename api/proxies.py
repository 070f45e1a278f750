"""Which proxy leads to a venue. Credentials of a proxy are read here and shown nowhere."""

from __future__ import annotations

import ipaddress
from base64 import b64encode
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies_environment

from utils.env import Secret
from utils.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a URL leads, and whether by TLS."""

    host: str
    port: int
    tls: bool
    path: str  # with the query; "" when the URL has none

    @property
    def name(self) -> str:
        """Return `host:port`, for a message or a CONNECT."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def authority(self) -> str:
        """Return what a Host header says: the port only where it is not the usual one."""
        return self.name.rpartition(":")[0] if self.port == (443 if self.tls else 80) else self.name


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy; `authorization` is the value of its Proxy-Authorization header."""

    host: str
    port: int
    authorization: Secret | None

    @property
    def name(self) -> str:
        """Return `host:port`."""
        return f"{self.host}:{self.port}"


def endpoint_of(url: str) -> Endpoint:
    """Return where an http, https, ws or wss URL leads. Raises ConfigError."""
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError:
        parts, port, host = urlsplit(""), None, None
    if parts.scheme not in ("http", "https", "ws", "wss") or not host or parts.username is not None:
        raise ConfigError("a venue's address was not of the form https://HOST[:PORT][/PATH]; correct base_url, ws_url")
    tls = parts.scheme in ("https", "wss")
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    return Endpoint(host, port or (443 if tls else 80), tls, path)


def proxy_for(endpoint: Endpoint, explicit: Secret | str | None = None) -> Proxy | None:
    """Return the proxy to use: the explicit one, else the environment's, but none to this machine itself.

    Raises ConfigError for one that is not of the form http://[USER:PASSWORD@]HOST:PORT.
    """
    if explicit:
        return _parsed(explicit.reveal() if isinstance(explicit, Secret) else explicit, "the setting `proxy`")
    if is_loopback(endpoint.host):
        return None
    found = getproxies_environment()
    if _is_exempt(endpoint, found.get("no", "")):
        return None
    text = found.get("https" if endpoint.tls else "http") or found.get("all")
    return _parsed(text, "the proxy of the environment") if text else None


def secrets_of_proxy(text: str) -> list[Secret]:
    """Return what must be shown nowhere of a proxy's address: itself, its password and what is sent of them."""
    try:
        parts = urlsplit(_with_scheme(text))
        user, password = parts.username, parts.password
    except ValueError:
        user = password = None
    found = [text]
    if password:
        found += [password, unquote(password), _pair(user, password)]
    return [Secret(one) for one in dict.fromkeys(found)]


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine."""
    address = _address(host)
    return address.is_loopback if address else host == "localhost" or host.endswith(".localhost")


def _is_exempt(endpoint: Endpoint, no_proxy: str) -> bool:
    """Tell whether NO_PROXY names a host: `*`, the end of its name (with or without port), its address or network."""
    address = _address(endpoint.host)
    if address and any(address in network for network in _networks(no_proxy)):
        return True
    entries = [entry.strip().lower().removeprefix("*").lstrip(".") for entry in no_proxy.split(",") if entry.strip()]
    return any(_ends_with(name, entry) for entry in entries for name in (endpoint.host, endpoint.name))


def _ends_with(name: str, entry: str) -> bool:
    return not entry or name == entry or name.endswith("." + entry)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _networks(no_proxy: str) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    networks = []
    for entry in no_proxy.split(","):
        try:
            networks.append(ipaddress.ip_network(entry.strip(), strict=False))
        except ValueError:
            pass  # a name
    return networks


def _parsed(text: str, where: str) -> Proxy:
    try:
        parts = urlsplit(_with_scheme(text))
        host, port = parts.hostname, parts.port or 80
    except ValueError:
        host = None
    # The text itself may hold a password: it is not named, nor is the error that would carry it.
    if not host or parts.scheme != "http":
        raise ConfigError(f"{where} was not of the form http://[USER:PASSWORD@]HOST:PORT") from None
    if parts.username is None:
        return Proxy(host, port, None)
    return Proxy(host, port, Secret(f"Basic {_pair(parts.username, parts.password)}"))


def _with_scheme(text: str) -> str:
    return text.strip() if "://" in text else f"http://{text.strip()}"


def _pair(user: str | None, password: str | None) -> str:
    """Return user and password as a header carries them."""
    return b64encode(f"{unquote(user or '')}:{unquote(password or '')}".encode()).decode()
