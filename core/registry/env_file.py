"""What `.env` is to become: names set in its text, every other line as it was. Pure."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping

from dotenv.parser import parse_stream

from utils.errors import ConfigError

_BARE = re.compile(r"[A-Za-z0-9_./+=:@,-]*")
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def names_in(text: str) -> dict[str, str]:
    """Return the names of an environment file with their values. Raises ConfigError naming a line that is none."""
    found = {}
    for binding in parse_stream(io.StringIO(text)):
        if binding.error:
            raise ConfigError(f"line {binding.original.line} of .env cannot be read; correct it first")
        if binding.key is not None:
            found[binding.key] = binding.value or ""
    return found


def with_names(text: str, values: Mapping[str, str]) -> str:
    """Return the text with names set: in place where they are, at the end where they are not. Raises ConfigError."""
    names_in(text)
    left, lines = dict(values), []
    for binding in parse_stream(io.StringIO(text)):
        written = binding.original.string
        if binding.key is not None and binding.key in values:
            lead = written[: len(written) - len(written.lstrip())]
            written = lead + (f"{_line(binding.key, values[binding.key])}\n" if binding.key in left else "")
            left.pop(binding.key, None)
        lines.append(written)
    whole = "".join(lines)
    if whole and not whole.endswith("\n"):
        whole += "\n"
    return whole + "".join(f"{_line(name, value)}\n" for name, value in left.items())


def _line(name: str, value: str) -> str:
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{name!r} cannot be the name of a variable")
    if _BARE.fullmatch(value):
        return f"{name}={value}"
    quoted = "".join(_ESCAPES.get(char, char) for char in value)
    return f'{name}="{quoted}"'
