"""The documentation agrees with the code, as far as a machine can tell."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

from utils.version import __version__

ROOT = Path(__file__).resolve().parents[2]
HIDDEN = (".venv", ".git", ".demo", "var", "reports", ".hypothesis", ".pytest_cache", ".mypy_cache", ".ruff_cache")
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
CODE_PATH = re.compile(r"`((?:core|api|cli|config|data|docs|strategies|tests|utils)/[\w./-]*\w|run\.py|Makefile)`")
# Files and folders of a home that may be missing.
YOURS = {"config/daemon.json", "config/daemon_config.json", "config/bases", "config/bases/calm.json"}
TEST_NAME = re.compile(r"`(test_\w+)`")
FENCE = re.compile(r"^(```|~~~).*?^\1", re.DOTALL | re.MULTILINE)


def pages() -> list[Path]:
    rooms = [path for path in ROOT.iterdir() if path.is_dir() and path.name not in HIDDEN]  # .venv alone takes a second
    found = [*ROOT.glob("*.md"), *(page for room in rooms for page in room.rglob("*.md"))]
    return sorted(found)


PAGES = pages()
IDS = [str(path.relative_to(ROOT)) for path in PAGES]


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ +(.+)$", FENCE.sub("", page.read_text()), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", title.replace("`", "").lower()) for title in titles)
    return {title.strip().replace(" ", "-") for title in plain}


@cache
def known_tests() -> tuple[str, set[str]]:
    """Return the text of all files with tests, and their names."""
    files = list((ROOT / "tests").rglob("test_*.py"))
    return "\n".join(path.read_text() for path in files), {path.stem for path in files}


def broken_links(page: Path) -> Iterator[str]:
    for target in LINK.findall(FENCE.sub("", page.read_text())):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path) if path else page
        if not file.exists() or (anchor and file.suffix == ".md" and anchor not in anchors(file)):
            yield target


def load(script: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"docs_{script}", ROOT / "docs" / f"{script}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look for it there
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_link_leads_somewhere(page: Path) -> None:
    assert list(broken_links(page)) == []


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    named = {name.rstrip("/") for name in CODE_PATH.findall(page.read_text())}
    assert [name for name in sorted(named - YOURS) if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_test_that_a_page_names_exists(page: Path) -> None:
    known, stems = known_tests()
    named = set(TEST_NAME.findall(page.read_text()))
    assert [name for name in sorted(named) if f"def {name}(" not in known and name not in stems] == []


def test_the_reference_is_what_the_schemas_and_the_state_table_say() -> None:
    made = load("make_reference").reference()
    assert (ROOT / "docs" / "reference.md").read_text() == made, "run: python docs/make_reference.py"


def test_the_readmes_picture_loads_nothing_from_elsewhere() -> None:
    picture = (ROOT / "docs" / "img" / "status.svg").read_text()
    outside = re.findall(r"https?://(?!www\.w3\.org|www\.textualize\.io)[^\"')\s]+", picture)
    assert "<svg" in picture
    assert "RUNNING" in picture
    assert outside == []


def test_version_project_file_and_changelog_agree() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    newest = re.search(r"^## (\d+\.\d+\.\d+) - \d{4}-\d{2}-\d{2}$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None
    assert newest[1] == project == __version__


@pytest.mark.parametrize("door", ["run.py", "core/daemon_manager.py"])
def test_both_doors_print_the_version(door: str) -> None:
    done = subprocess.run([sys.executable, str(ROOT / door), "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"makerd {__version__}\n"


def test_broken_links_and_missing_anchors_are_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A title\n[a](page.md#a-title) [b](gone.md) [c](#nowhere) ![d](x.svg)\n```\n[e](no)\n```\n")
    assert list(broken_links(page)) == ["gone.md", "#nowhere", "x.svg"]
