"""Bad configs, written by hand, and all that must be said of each (tests/registry_corpus/README.md)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from core.registry.config_manager import load_folder
from core.registry.schema_files import known_strategies
from tests.registry_parts import make_home, put_env
from utils.home import Home

CORPUS = Path(__file__).resolve().parents[1] / "registry_corpus"
SOUND = {
    "i": '"name": "sol-mm", "exchange": "paper", "strategy": "market_maker"',
    "m": '"metadata": {"name": "sol-mm", "exchange": "paper", "strategy": "market_maker"}',
    "d": '"daemon_config": {}',
    "e": '"exchange_config": {"feed": "synthetic"}',
    "s": '"symbol": "SOL-USDC", "order_size": 1',
    "r": '"strategy_config": {"symbol": "SOL-USDC", "order_size": 1}',
}
_REPEATED = re.compile(r"⟦([^⟧]+)\*(\d+)⟧")
_BYTE = re.compile(rb"\xe2\x9f\xa6([0-9a-f]{2})\xe2\x9f\xa7")
_MARK = re.compile(rb"\xc2\xa7(\d) ?")


@dataclass
class Case:
    """One bad file: its content and surroundings, and what must be said of it."""

    title: str
    content: str = ""
    environ: dict[str, str] = field(default_factory=dict)
    env_file: str = ""
    bases: dict[str, str] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)


def cases() -> Iterator[Case]:
    """Yield every case of the corpus."""
    for path in sorted(CORPUS.glob("*.txt")):
        for block in re.split(r"(?m)^=== ", path.read_text())[1:]:
            title, _, rest = block.partition("\n")
            yield read_case(Case(f"{path.stem}: {title}"), rest.removesuffix("\n").split("\n"))


def read_case(case: Case, lines: list[str]) -> Case:
    """Take the lines of a case apart."""
    content = []
    for line in lines:
        key, _, rest = line.partition(": ")
        if line.startswith("> "):
            case.said.append(_REPEATED.sub(repeated, line[2:]))
        elif line.startswith("env: "):
            case.environ.update([_REPEATED.sub(repeated, rest).split("=", 1)])
        elif line.startswith(".env: "):
            case.env_file += rest + "\n"
        elif line.startswith("base "):
            case.bases[key[5:]] = rest
        else:
            content.append(line)
    case.content = "\n".join(content)
    return case


def repeated(match: re.Match[str]) -> str:
    """Return a text many times."""
    return match[1] * int(match[2])


def written(text: str) -> tuple[bytes, dict[str, str]]:
    """Return the bytes that a case stands for, and the line and column of each mark in them."""
    text = re.sub(r"@(\w)\b", lambda match: SOUND[match[1]], _REPEATED.sub(repeated, text))
    content = _BYTE.sub(lambda match: bytes.fromhex(match[1].decode()), text.encode())
    places: dict[str, str] = {}
    while match := _MARK.search(content):
        before = content[: match.start()].removeprefix(b"\xef\xbb\xbf")
        line_start = before.rfind(b"\n") + 1
        line, column = before.count(b"\n") + 1, len(before[line_start:].decode("utf-8", "replace")) + 1
        places[match[1].decode()] = f"{line}:{column}"
        content = content[: match.start()] + content[match.end() :]
    return content, places


CASES = list(cases())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_a_bad_file_is_told_all_that_is_wrong_with_it_and_where(case: Case, tmp_path: Path) -> None:
    home, places = laid_out(case, make_home(tmp_path))
    result = load_folder(home.active, home, case.environ)
    said = [str(one) for entry in result.invalid for one in entry.complaints]
    wanted = [full(line, places) for line in case.said]
    assert result.configs == ()
    assert len(said) == len(wanted), said
    for one, expected in zip(said, wanted, strict=True):
        assert one == expected or (expected.endswith("...") and one.startswith(expected[:-3]))
        assert one.isprintable()
        assert "hunter2" not in one


def laid_out(case: Case, home: Home) -> tuple[Home, dict[str, str]]:
    """Write what a case is of; return the home and where each mark stood, with its file."""
    content, marks = written(case.content)
    (home.active / "x.json").write_bytes(content)
    places = {mark: f"config/active/x.json:{place}" for mark, place in marks.items()}
    for name, text in case.bases.items():
        home.bases.mkdir(exist_ok=True)
        base, marks = written(text)
        (home.bases / f"{name}.json").write_bytes(base)
        places.update({mark: f"config/bases/{name}.json:{place}" for mark, place in marks.items()})
    if case.env_file:
        put_env(home, case.env_file)
    return home, places


def full(line: str, places: dict[str, str]) -> str:
    """Return a complaint with the place that its mark stands for."""
    where, _, rest = line.replace("{strategies}", ", ".join(known_strategies())).partition(" ")
    if where == "-":
        return f"config/active/x.json: {rest}"
    return f"{places[where[1:]] if where.startswith('§') else f'config/active/x.json:{where}'}: {rest}"


def test_the_corpus_is_large_and_no_case_is_there_twice() -> None:
    assert len({case.title for case in CASES}) == len(CASES) >= 150
    assert len({(case.content, str(case.environ), str(case.bases)) for case in CASES}) == len(CASES)
    assert all(case.said for case in CASES)
