"""Setting a key in the text of a config: everything else stays as a person wrote it. Pure.

Only for texts without complaints (`json_text.py`); one that is not sound raises ValueError.
"""

from __future__ import annotations

import json
import re
from typing import Any

from core.registry.complaints import JsonPath
from core.registry.json_text import JsonText, read_json_text

_INDENT = 2
_DECODER = json.JSONDecoder()


def with_value(content: bytes, path: tuple[str, ...], value: Any) -> bytes:
    """Return the text with the value of a key replaced, or the key added, with the objects that it lies in."""
    read = read_json_text(content)
    if read.problems or not isinstance(read.value, dict):
        raise ValueError("the text is not a JSON object without mistakes")
    text = content.decode("utf-8-sig")
    return _Text(text, read).with_value(path, value).encode()


def with_values(content: bytes, values: dict[tuple[str, ...], Any]) -> bytes:
    """Return the text with several keys set, one after the other."""
    for path, value in values.items():
        content = with_value(content, path, value)
    return content


class _Text:
    def __init__(self, text: str, read: JsonText) -> None:
        self._text = text
        self._read = read
        self._line_starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def with_value(self, path: tuple[str, ...], value: Any) -> str:
        """Replace where the key is; else add what is missing to the innermost object that there is."""
        if path in self._read.value_places:
            start = self._at(self._read.value_places[path])
            return self._spliced(start, self._end(start), self._written(value, self._indent_at(start)))
        known = next(path[:end] for end in range(len(path) - 1, -1, -1) if path[:end] in self._read.value_places)
        for key in reversed(path[len(known) + 1 :]):
            value = {key: value}
        return self._with_member(known, path[len(known)], value)

    def _with_member(self, owner: JsonPath, key: str, value: Any) -> str:
        start = self._at(self._read.value_places[owner])
        if self._text[start] != "{":
            raise ValueError(f"{'.'.join(map(str, owner))} is not an object")
        members = [self._at(place) for path, place in self._read.key_places.items() if path[:-1] == owner]
        if not members:
            indent = self._indent_at(start)
            line = self._member(key, value, indent + _INDENT)
            return self._spliced(start, self._end(start), f"{{\n{line}\n{' ' * indent}}}")
        last = max(members)
        colon = self._text.index(":", self._end(last))
        end = self._end(self._skip_space(colon + 1))
        is_first_of_line = not self._text[self._line_start(last) : last].strip()
        if not is_first_of_line:
            return self._spliced(end, end, f", {self._member(key, value, 0)}")
        return self._spliced(end, end, ",\n" + self._member(key, value, self._indent_at(last)))

    def _member(self, key: str, value: Any, indent: int) -> str:
        return f"{' ' * indent}{json.dumps(key)}: {self._written(value, indent)}"

    @staticmethod
    def _written(value: Any, indent: int) -> str:
        nested = isinstance(value, dict) and value
        text = json.dumps(value, indent=_INDENT if nested else None, ensure_ascii=False, allow_nan=False)
        return text.replace("\n", "\n" + " " * indent)

    def _spliced(self, start: int, end: int, new: str) -> str:
        return self._text[:start] + new + self._text[end:]

    def _at(self, place: tuple[int, int]) -> int:
        line, column = place
        return self._line_starts[line - 1] + column - 1

    def _end(self, start: int) -> int:
        return int(_DECODER.raw_decode(self._text, start)[1])

    def _skip_space(self, at: int) -> int:
        while self._text[at] in " \t\r\n":
            at += 1
        return at

    def _line_start(self, at: int) -> int:
        return self._text.rfind("\n", 0, at) + 1

    def _indent_at(self, at: int) -> int:
        line = self._text[self._line_start(at) : at]
        return len(line) - len(line.lstrip(" \t"))
