"""What `${NAME}` is looked up in: the process environment, then `.env`."""

from __future__ import annotations

import codecs
import functools
import io
from collections.abc import Iterator, Mapping
from pathlib import Path

from dotenv.parser import parse_stream

from core.registry.complaints import Complaint
from core.registry.reading import TooOpen, read_regular
from utils.env import SUPPLIES

MAX_BYTES = 256 * 1024
OTHERS = 0o077


class Environment(Mapping[str, str]):
    """Names and values, the process environment before `.env`; prints as a count, never as values.

    `complaints` says why `.env` was refused; then only the process environment counts.
    """

    def __init__(self, environ: Mapping[str, str], env_file: Path, shown: str = "") -> None:
        self.shown = shown or str(env_file)
        self.complaints: tuple[Complaint, ...] = ()
        self._process = environ
        self._file: dict[str, str] = {}
        try:
            self._read(env_file)
        except FileNotFoundError:
            pass

    def _read(self, env_file: Path) -> None:
        try:
            content = read_regular(env_file, MAX_BYTES + 1, refused_mode=OTHERS)
        except FileNotFoundError:
            raise
        except TooOpen as exc:
            expected = f"a file that only its owner can read: chmod 600 {self.shown}"
            self._refuse(None, f"{exc.strerror}, readable by other users", expected)
        except OSError as exc:
            self._refuse(None, f"no readable file ({exc.strerror})", "lines of the form NAME=value")
        else:
            self._parse(content)

    def _parse(self, content: bytes) -> None:
        if len(content) > MAX_BYTES:
            return self._refuse(None, f"more than {MAX_BYTES // 1024} KiB", f"at most {MAX_BYTES // 1024} KiB")
        content = content.removeprefix(codecs.BOM_UTF8)  # the codec for that would be loaded by every worker anew
        try:
            bindings = list(parse_stream(io.StringIO(content.decode())))
        except UnicodeDecodeError as exc:
            return self._refuse(content.count(b"\n", 0, exc.start) + 1, "bytes that are no text", "text in UTF-8")
        for binding in bindings:
            if binding.error:
                # The line itself may hold a secret and is not repeated.
                self._refuse(binding.original.line, "a line that cannot be read", "NAME=value")
        if not self.complaints:
            self._file = {one.key: one.value for one in bindings if one.key is not None and one.value is not None}
        return None

    def _refuse(self, line: int | None, found: str, expected: str) -> None:
        self.complaints += (Complaint(self.shown, line, None, "", found, expected),)

    def __getitem__(self, name: str) -> str:
        return self._process.get(name) or self._file[name] if name in self._file else self._process[name]

    def __iter__(self) -> Iterator[str]:
        return iter({**self._file, **self._process})

    def __len__(self) -> int:
        return len({**self._file, **self._process})

    def __repr__(self) -> str:
        return f"Environment({len(self)} names)"

    @functools.cached_property
    def supplied_names(self) -> tuple[str, ...]:
        """Return the names, not empty, that supply a key of a config by themselves."""
        return tuple(sorted(name for name in self if name.startswith(SUPPLIES) and self.get(name)))

    @property
    def file_names(self) -> tuple[str, ...]:
        """Return the names in `.env`."""
        return tuple(self._file)

    def origin(self, name: str) -> str:
        """Return where a name's value comes from: `env NAME` or `.env NAME`."""
        return f".env {name}" if name in self._file and not self._process.get(name) else f"env {name}"
