"""Takes secrets out of what a process writes, by value, in every shape they turn up in."""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from enum import Enum
from typing import Any
from urllib.parse import quote, quote_plus, urlsplit

HIDDEN = "***"
MAX_TEXT = 32 * 1024  # characters of one text; a traceback of a deep recursion would fill the file by itself
MAX_ITEMS = 200
MAX_DEPTH = 8
_NUMBERS = (int, float)
_MAPPINGS = (dict, Mapping)  # the abstract one is slow to ask
_NESTED = (dict, list, tuple, set, frozenset, Mapping)
_SHORT = 4  # a secret shorter than this is replaced as a whole word only


class Redactor:
    """Replaces secret values by `***`, also where they were quoted, escaped or encoded on their way."""

    def __init__(self, secrets: Iterable[object] = ()) -> None:
        forms = {form for secret in secrets for form in _forms(_revealed(secret))}
        self._forms = sorted(forms, key=len)[::-1]
        parts = [re.escape(f) if len(f) >= _SHORT else rf"\b{re.escape(f)}\b" for f in self._forms]
        self._pattern = re.compile("|".join(parts)) if parts else None

    def text(self, text: str) -> str:
        """Return `text` without the secrets."""
        return self._pattern.sub(HIDDEN, text) if self._pattern else text

    def begun(self, text: str) -> int:
        """Return how many characters at the end of `text` may be the beginning of a secret that goes on."""
        longest = min(len(text), len(self._forms[0]) - 1) if self._forms else 0
        return next((n for n in range(longest, 0, -1) if self._goes_on(text[-n:])), 0)

    def cut(self, text: str, at: int) -> int:
        """Return `at`, or where the secret begins that would be cut in two there."""
        found = self._pattern.finditer(text) if self._pattern else ()
        return next((match.start() for match in found if match.start() < at < match.end()), at)

    def _goes_on(self, end: str) -> bool:
        return any(len(form) > len(end) and form.startswith(end) for form in self._forms)

    def plain(self, value: object, depth: int = 0) -> Any:
        """Return `value` as bounded JSON-able data without the secrets; never raises."""
        if type(value) is str:  # most of them are, and each line of a log comes here
            return clip(self.text(value))
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, _NUMBERS) and not isinstance(value, Enum):
            return self._number(value)
        if isinstance(value, _NESTED):
            return self._nested(value, depth)
        return clip(self.text(_text_of(value)))

    def _number(self, value: int | float) -> Any:
        hidden = self._pattern is not None and self._pattern.fullmatch(str(value))
        if hidden or (isinstance(value, float) and not math.isfinite(value)):
            return HIDDEN if hidden else str(value)
        return value

    def _nested(self, value: Mapping[Any, Any] | Iterable[Any], depth: int) -> Any:
        if depth >= MAX_DEPTH:
            return "..."
        if isinstance(value, _MAPPINGS):
            items = list(value.items())[:MAX_ITEMS]
            return {clip(self.text(_text_of(k))): self.plain(v, depth + 1) for k, v in items}
        ordered = sorted(value, key=_text_of) if isinstance(value, set | frozenset) else list(value)
        return [self.plain(item, depth + 1) for item in ordered[:MAX_ITEMS]]


def _revealed(secret: object) -> str:
    reveal = getattr(secret, "reveal", None)
    return str(reveal() if callable(reveal) else secret)


def _forms(secret: str) -> set[str]:
    """Return the shapes in which a secret turns up in messages: as it is, quoted, escaped, encoded, line by line."""
    forms = {secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1], repr(secret)[1:-1]}
    forms.add(json.dumps(secret, ensure_ascii=False)[1:-1])
    if len(secret) >= 8:
        forms.add(base64.b64encode(secret.encode("utf-8", "surrogateescape")).decode())
    forms.update(line for line in secret.splitlines() if len(line) >= 8)  # a key file shown line by line
    try:
        forms.add(urlsplit(secret).password or "" if "://" in secret else "")
    except ValueError:
        pass  # not a URL after all
    return {form for form in forms if form.strip()}


def _text_of(value: object) -> str:
    try:
        if isinstance(value, Enum):
            return str(value.value)
        if isinstance(value, Decimal):
            return format(value, "f")
        if isinstance(value, BaseException):
            return f"{type(value).__name__}: {value}"
        return str(value)
    except Exception as exc:  # somebody's __str__; the line is worth more than the value
        return f"<{type(value).__name__}: {type(exc).__name__}>"


def clip(text: str) -> str:
    """Return `text`, with its middle cut out when it is too long."""
    if len(text) <= MAX_TEXT:
        return text
    half = MAX_TEXT // 2
    return f"{text[:half]}... ({len(text) - 2 * half} characters cut) ...{text[-half:]}"
