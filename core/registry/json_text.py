"""JSON text -> values, with the place of every key and value: bounded, nothing lenient.

The standard reader forgets positions, takes the last of two equal keys and accepts NaN; a config must not. It is quick,
though: a text that it reads without any doubt is scanned only when somebody asks where something is written.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any, NoReturn

from core.registry.complaints import JsonPath, Problem

MAX_BYTES = 256 * 1024
MAX_DEPTH = 32
MAX_NUMBER_LENGTH = 64
_SPACE = re.compile(r"[ \t\n\r]*")
# Possessive, so that a text without an end is noticed in one go.
_STRING = re.compile(r'"((?:[^"\\\x00-\x1f]++|\\.)*+)"')
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?P<fraction>\.[0-9]+)?(?P<exponent>[eE][+-]?[0-9]+)?")
_WORD = re.compile(r"[A-Za-z+-]+")
Places = dict[JsonPath, tuple[int, int]]
_WORDS: dict[str, Any] = {"true": True, "false": False, "null": None}


class JsonText:
    """A read text: its value (None when it is not JSON), where its parts are written, and what is wrong.

    Places are looked for when somebody asks: a valid config never needs them.
    """

    __slots__ = ("_key_places", "_text", "_value_places", "problems", "value")

    def __init__(
        self,
        value: Any = None,
        problems: Iterable[Problem] = (),
        value_places: Places | None = None,
        key_places: Places | None = None,
        text: str | None = None,
    ) -> None:
        self.value = value
        self.problems = list(problems)
        self._text = text
        self._value_places = {} if value_places is None else value_places
        self._key_places = {} if key_places is None else key_places

    @property
    def value_places(self) -> Places:
        """Return the line and column of every value by its path."""
        self._look()
        return self._value_places

    @property
    def key_places(self) -> Places:
        """Return the line and column of every key by its path."""
        self._look()
        return self._key_places

    def moved(self, value: Any, renamed: Mapping[JsonPath, JsonPath]) -> JsonText:
        """Return a text of another value whose keys are called otherwise (new path -> old), with the same places."""
        back = {old: new for new, old in renamed.items()}

        def now(path: JsonPath) -> JsonPath:
            for end in range(len(path), 0, -1):
                if path[:end] in back:
                    return (*back[path[:end]], *path[end:])
            return path

        values = {now(path): place for path, place in self.value_places.items()}
        keys = {now(path): place for path, place in self.key_places.items()}
        return JsonText(value, self.problems, values, keys)

    def _look(self) -> None:
        if self._text is not None:
            scanned = _Scanner(self._text).read()
            self._text, self._value_places, self._key_places = None, scanned.value_places, scanned.key_places


def read_json_text(content: bytes) -> JsonText:
    """Read a whole file's bytes. A text that is not JSON gives one problem, lesser faults one each."""
    if len(content) > MAX_BYTES:
        expected = f"at most {MAX_BYTES // 1024} KiB"
        return JsonText(problems=[Problem((), f"a file of more than {MAX_BYTES // 1024} KiB", expected)])
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        return JsonText(problems=[_not_utf8(content, exc.start)])
    try:
        return JsonText(_read_plain(text), text=text)
    except ValueError:
        return scan_json_text(text)


def scan_json_text(text: str) -> JsonText:
    """Read a text with the place of everything in it."""
    return _Scanner(text).read()


def _read_plain(text: str) -> Any:
    """Return the value of a text without any fault. Raises ValueError for all others, and for a few sound ones."""
    if "\\u" in text or text.count("[") + text.count("{") > MAX_DEPTH:
        raise ValueError
    return json.loads(
        text, object_pairs_hook=_unique, parse_constant=_no_number, parse_int=_short_int, parse_float=_finite
    )


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError
    return members


def _no_number(word: str) -> NoReturn:
    raise ValueError


def _short_int(digits: str) -> int:
    if len(digits) > MAX_NUMBER_LENGTH:
        raise ValueError
    return int(digits)


def _finite(digits: str) -> float:
    number = float(digits)
    if len(digits) > MAX_NUMBER_LENGTH or not isfinite(number):
        raise ValueError
    return number


def _not_utf8(content: bytes, at: int) -> Problem:
    line_start = content.rfind(b"\n", 0, at) + 1
    column = len(content[line_start:at].decode("utf-8", "replace")) + 1
    place = (content.count(b"\n", 0, at) + 1, column)
    return Problem((), f"the byte 0x{content[at]:02x}", "text in UTF-8", place=place)


class _NotJson(Exception):
    """Reading cannot go on."""


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._line_starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self._result = JsonText()

    def read(self) -> JsonText:
        """Read the one value that the text must consist of."""
        try:
            self._result.value, end = self._value(self._skip(0), ())
            end = self._skip(end)
            if end < len(self._text):
                self._fail(end, (), "nothing after the last brace")
        except _NotJson:
            self._result.value = None
        return self._result

    def _place(self, offset: int) -> tuple[int, int]:
        line = bisect_right(self._line_starts, offset)
        return line, offset - self._line_starts[line - 1] + 1

    def _skip(self, offset: int) -> int:
        match = _SPACE.match(self._text, offset)
        return match.end() if match else offset

    def _note(self, offset: int, path: JsonPath, found: str, expected: str) -> None:
        self._result.problems.append(Problem(path, found, expected, place=self._place(offset)))

    def _fail(self, offset: int, path: JsonPath, expected: str) -> NoReturn:
        # One character at most is shown: an unquoted secret must not be repeated.
        found = json.dumps(self._text[offset]) if offset < len(self._text) else "the end of the file"
        self._note(offset, path, found, expected)
        raise _NotJson

    def _value(self, at: int, path: JsonPath) -> tuple[Any, int]:
        self._result.value_places[path] = self._place(at)
        char = self._text[at : at + 1]
        if char in ("{", "["):
            if len(path) >= MAX_DEPTH:
                self._fail(at, path, f"at most {MAX_DEPTH} levels of nesting")
            return self._object(at + 1, path) if char == "{" else self._array(at + 1, path)
        if char == '"':
            return self._string(at, path)
        return self._number(at, path) if char.isdigit() or char == "-" else self._word(at, path)

    def _object(self, at: int, path: JsonPath) -> tuple[dict[str, Any], int]:
        members: dict[str, Any] = {}
        at = self._skip(at)
        if self._text[at : at + 1] == "}":
            return members, at + 1
        while True:
            key, end = self._key(at, path, members)
            at = self._skip(end)
            if self._text[at : at + 1] != ":":
                self._fail(at, (*path, key), "a colon after the key")
            members[key], at = self._value(self._skip(at + 1), (*path, key))
            at, is_last = self._separator(at, (*path, key), "}")
            if is_last:
                return members, at

    def _key(self, at: int, path: JsonPath, members: dict[str, Any]) -> tuple[str, int]:
        if self._text[at : at + 1] != '"':
            self._fail(at, path, "a key in double quotes (none after a last comma; JSON has no comments)")
        key, end = self._string(at, path)
        if key in members:
            first = self._result.key_places[(*path, key)][0]
            self._note(at, (*path, key), "the key a second time", f"each key once (first on line {first})")
        else:
            self._result.key_places[(*path, key)] = self._place(at)
        return key, end

    def _array(self, at: int, path: JsonPath) -> tuple[list[Any], int]:
        members: list[Any] = []
        at = self._skip(at)
        if self._text[at : at + 1] == "]":
            return members, at + 1
        while True:
            inner = (*path, len(members))
            value, at = self._value(self._skip(at), inner)
            members.append(value)
            at, is_last = self._separator(at, inner, "]")
            if is_last:
                return members, at

    def _separator(self, at: int, path: JsonPath, closing: str) -> tuple[int, bool]:
        at = self._skip(at)
        char = self._text[at : at + 1]
        if char not in (",", closing) or not char:
            self._fail(at, path, f"a comma or {closing}")
        return (at + 1, True) if char == closing else (self._skip(at + 1), False)

    def _string(self, at: int, path: JsonPath) -> tuple[str, int]:
        match = _STRING.match(self._text, at)
        if match is None:
            self._fail(at, path, "a text that ends with a double quote on its own line")
        text = match[1]
        if "\\" in text:
            try:
                text = json.loads(match[0])
            except ValueError:
                self._fail(at, path, "only the escapes that JSON knows")
            if any("\ud800" <= char <= "\udfff" for char in text):
                self._note(at, path, "half of a surrogate pair", "text that UTF-8 can hold")
                text = text.encode("utf-8", "replace").decode()
        return text, match.end()

    def _number(self, at: int, path: JsonPath) -> tuple[int | float | None, int]:
        match = _NUMBER.match(self._text, at)
        if match is None:
            return self._word(at, path)
        digits, end = match[0], match.end()
        if len(digits) > MAX_NUMBER_LENGTH:
            self._note(at, path, f"a number of {len(digits)} characters", f"at most {MAX_NUMBER_LENGTH}")
            return None, end
        if match["fraction"] is None and match["exponent"] is None:
            return int(digits), end
        number = float(digits)
        if not isfinite(number):
            self._note(at, path, digits, "a number that is not too large for a double")
            return None, end
        return number, end

    def _word(self, at: int, path: JsonPath) -> tuple[Any, int]:
        match = _WORD.match(self._text, at)
        word = match[0] if match else ""
        if word in _WORDS:
            return _WORDS[word], at + len(word)
        if word.lstrip("+-").lower() in ("nan", "infinity", "inf"):
            self._note(at, path, word[:12], "a finite number")
            return None, at + len(word)
        self._fail(at, path, "a value (texts need double quotes; JSON has no comments)")
        raise AssertionError  # _fail raised
