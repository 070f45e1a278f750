"""What the browser loads: light, ours or as it was published, and without a way to run somebody else's text."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

STATIC = Path(__file__).parents[2] / "web" / "static"
TEMPLATES = STATIC.parent / "templates"
SCRIPTS = sorted((STATIC / "js").glob("*.js"))
PAGE_WEIGHT = 300_000  # bytes of the fleet page, all it loads together, not compressed


def _loaded_by(script: Path, found: set[Path]) -> set[Path]:
    if script not in found:
        found.add(script)
        for name in re.findall(r'from "\./([a-z_]+\.js)"', script.read_text()):
            _loaded_by(script.parent / name, found)
    return found


def _asked_for(template: str) -> set[Path]:
    text = "".join((TEMPLATES / name).read_text() for name in ("base.html", "kill_dialog.html", template))
    return {STATIC / name for name in re.findall(r"filename='([^']+)'", text)}


def test_the_fleet_page_weighs_less_than_300_kb() -> None:
    files = _asked_for("fleet.html")
    modules = {found for script in files if script.suffix == ".js" for found in _loaded_by(script, set())}
    markup = [TEMPLATES / name for name in ("base.html", "kill_dialog.html", "fleet.html")]
    weight = sum(path.stat().st_size for path in {*files, *modules, *markup})
    assert weight < PAGE_WEIGHT / 3  # the rest is for the figures of 200 bots


def test_no_script_makes_markup_out_of_text() -> None:
    ways = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|DOMParser|setHTML")
    assert {path.name: ways.findall(path.read_text()) for path in SCRIPTS if ways.search(path.read_text())} == {}


def test_no_template_holds_a_script_or_a_style_of_its_own() -> None:
    ways = re.compile(r"<script>|<style|\sstyle=|\son[a-z]+=|javascript:|\|\s*safe")
    found = {path.name: ways.findall(path.read_text()) for path in TEMPLATES.glob("*.html")}
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


def test_nothing_is_loaded_from_elsewhere() -> None:
    texts = [*TEMPLATES.glob("*.html"), *(STATIC / "css").glob("*.css"), *SCRIPTS]
    away = re.compile(r"https?://(?!www\.w3\.org/2000/svg)|src=\"//|@import")
    assert {path.name for path in texts if away.search(path.read_text())} == set()


def test_foreign_files_are_as_they_were_published() -> None:
    readme = (STATIC / "vendor" / "README").read_text()
    told = dict(reversed(line.split()[1:]) for line in readme.splitlines() if line.strip().startswith("sha256"))
    files = {path.name: path for path in (STATIC / "vendor").iterdir() if path.suffix in (".js", ".css")}
    assert {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()} == told


def test_every_module_that_is_imported_is_there_and_every_one_there_is_used() -> None:
    text = "".join(path.read_text() for path in TEMPLATES.glob("*.html"))
    entries = {STATIC / name for name in re.findall(r"filename='(js/[^']+)'", text)}
    used: set[Path] = set()
    for entry in entries:
        _loaded_by(entry, used)
    assert used == set(SCRIPTS)
