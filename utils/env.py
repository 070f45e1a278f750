"""`${NAME}` references in configs, and the wrapper that keeps a secret from being printed.

Forms: `${NAME}`, `${NAME:-default}` (the default when NAME is unset or empty), `${NAME:?message}` (the message is told
then), `$${` for a literal `${`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from utils.errors import ConfigError

_TOKEN = re.compile(
    r"(?P<escaped>\$\$\{)"
    r"|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^{}]*)|:\?(?P<message>[^{}]*))?\}"
    r"|(?P<broken>\$\{)"
)
MASK = "***"
SUPPLIES = "MAKERD__"  # begins the names that supply a key of a config (core/registry/environment_keys.py)


class MissingVariables(ConfigError):
    """A variable is not set."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        super().__init__(f"not set in .env or the environment: {', '.join(names)}")


class BrokenReference(ConfigError):
    """A reference is not of the form ${NAME}, ${NAME:-default} or ${NAME:?message}."""


@dataclass(frozen=True, slots=True)
class Reference:
    """One `${NAME}` in a text; `default` and `message` are None when there is none."""

    name: str
    default: str | None = None
    message: str | None = None  # said when the variable is unset or empty

    def look_up(self, environ: Mapping[str, str]) -> str | None:
        """Return the value, None when the variable is not set (with a message: or empty) and has no default."""
        value = environ.get(self.name)
        if value or self.message is not None:
            return value or None
        return value if self.default is None else self.default


def _reference(match: re.Match[str]) -> Reference:
    return Reference(match["name"], match["default"], match["message"])


def parts_of(text: str) -> Iterator[str | Reference]:
    """Yield the literal pieces and the references of `text`, in order. Raises BrokenReference."""
    end = 0
    for match in _TOKEN.finditer(text):
        if match["broken"]:
            raise BrokenReference()
        yield text[end : match.start()]
        yield "${" if match["escaped"] else _reference(match)
        end = match.end()
    yield text[end:]


def references(text: str) -> tuple[str, ...]:
    """Return the names that `text` refers to, each once, in order. Raises BrokenReference."""
    return tuple(dict.fromkeys(part.name for part in parts_of(text) if isinstance(part, Reference)))


def whole_reference(text: str) -> Reference | None:
    """Return the reference that `text` consists of, None when there is more or less in it."""
    match = _TOKEN.fullmatch(text)
    return _reference(match) if match and match["name"] else None


def interpolate(value: Any, environ: Mapping[str, str]) -> Any:
    """Return a JSON value with every reference in its texts replaced; keys stay as they are.

    Raises MissingVariables naming all that are not set, and BrokenReference.
    """
    missing: dict[str, None] = {}
    result = _replaced(value, environ, missing)
    if missing:
        raise MissingVariables(tuple(missing))
    return result


def _replaced(value: Any, environ: Mapping[str, str], missing: dict[str, None]) -> Any:
    if isinstance(value, str):
        return "".join(_text_of(part, environ, missing) for part in parts_of(value))
    if isinstance(value, Mapping):
        return {key: _replaced(member, environ, missing) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_replaced(member, environ, missing) for member in value]
    return value


def _text_of(part: str | Reference, environ: Mapping[str, str], missing: dict[str, None]) -> str:
    if isinstance(part, str):
        return part
    found = part.look_up(environ)
    if found is None:
        missing[f"{part.name} ({part.message})" if part.message else part.name] = None
    return found or ""


class Secret:
    """A text that prints as ***; `reveal` is the only way to it. It cannot be pickled or written as JSON."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself, for the request that needs it."""
        return self._text

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        import hmac  # and with it OpenSSL, which no command needs

        return hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash(self._text)

    def __bool__(self) -> bool:
        return bool(self._text)

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret stays in the process that read it")
