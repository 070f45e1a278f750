"""What is thrown at the registry, and what must hold whatever it is: a bounded, printable answer without a secret."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from core.registry.complaints import MAX_COMPLAINTS, Problem
from core.registry.document import Document, Loaded
from core.registry.environment import Environment
from core.registry.json_text import read_json_text, scan_json_text
from core.registry.layers import Bases, layered
from core.registry.legacy import read_legacy
from core.registry.loader import load_document
from core.registry.migration import migrate, report
from tests.config_strategies import SECTIONS, valid_configs
from utils.env import BrokenReference, MissingVariables, interpolate, parts_of, references, whole_reference
from utils.errors import ConfigError
from utils.home import Home

SECRET = "hunter2"
CORPUS = Path(__file__).resolve().parents[1] / "registry_corpus"
ENVIRON = {"KEY": SECRET, "A": "1", "EMPTY": "", "MAKERD__EXCHANGE_CONFIG__API_SECRET": SECRET, "BAD": "\udcff"}
ENVIRONMENT = Environment(ENVIRON, Path("/nonexistent/.env"))
NO_BASES = Bases(Home(Path("/nonexistent")))

# ---------------------------------------------------------------- inputs

_PIECES = [
    "${",
    "}",
    "$",
    "$${",
    ":-",
    ":?",
    "KEY",
    "A",
    "EMPTY",
    "BAD",
    "UNSET",
    "${A}",
    "${KEY}",
    "{",
    "\n",
    "\x00",
    "é",
    " ",
]
REFERENCES = st.lists(st.sampled_from(_PIECES) | st.text(max_size=3), max_size=12).map("".join)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), REFERENCES,
    st.sampled_from(["paper", "thalex", "market_maker", "SOL-USDC", "job", "bot", "${KEY}", 10**400, -0.0, 1e308]),
)  # fmt: skip
_WORDS = sorted(
    {"metadata", *SECTIONS, "job_config", "kind", "name", "exchange", "strategy", "symbol", "layers", "api_key"}
    | {"order_size", "spread_pct", "layer_mode", "layer_spreads_pct", "initial_balances", "schema_version", "extends"}
    | {"tags", "max_loss", "bots", "strategies", "daemon", "logs", "$ref", "mode", "maker_fee_bps", "nice"}
)
_KEYS = st.sampled_from(_WORDS) | st.text(max_size=4)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=5),
    max_leaves=25,
)
_CORPUS_TEXTS = [
    re.sub(r"(?m)^(===|>|env|\.env|base).*$|§\d ?", "", block).encode()
    for path in sorted(CORPUS.glob("*.txt"))
    for block in path.read_text().split("\n=== ")
]


_BYTES = [b'"', b"{", b"}", b"[", b",", b"1e999", b"\\u"]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Return the bytes of a file that was sound, or bad in another way, with a few of them changed."""
    sound = valid_configs().map(lambda tree: json.dumps(tree, indent=1).encode())
    content = bytearray(draw(sound | st.sampled_from(_CORPUS_TEXTS)))
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, len(content)))
        cut = draw(st.integers(0, 3))
        content[at : at + cut] = draw(
            st.binary(max_size=3) | st.sampled_from([b'"', b"{", b"}", b"[", b",", b"1e999", b"\\u"])
        )
    return bytes(content)


@st.composite
def misshapen(draw: st.DrawFn) -> Any:
    """Return a valid config with some of its parts replaced by anything."""
    tree = dict(draw(valid_configs()))
    for _ in range(draw(st.integers(1, 3))):
        section = draw(st.sampled_from(sorted(tree)))
        if draw(st.booleans()) and isinstance(tree[section], dict):
            tree[section] = {**tree[section], draw(st.sampled_from(_WORDS)): draw(TREES)}
        else:
            tree[section] = draw(TREES)
    return tree


# ---------------------------------------------------------------- what must hold


def loads(content: bytes) -> Loaded:
    """Load a file as the registry does."""
    document = layered(Document("x.json", "x.json", read_json_text(content)), ENVIRONMENT, NO_BASES)
    return load_document(document, ENVIRONMENT)


def holds_for_a_file(content: bytes) -> None:
    """A file is a bot or is told what is wrong with it, in a bounded number of lines that point into it."""
    loaded = loads(content)
    assert (loaded.config is None) == bool(loaded.complaints)
    assert len(loaded.complaints) <= MAX_COMPLAINTS + 1
    lines = content.count(b"\n") + 1
    for complaint in loaded.complaints:
        said = str(complaint)
        assert said.isprintable()
        assert len(said) < 5000
        assert complaint.line is None or 1 <= complaint.line <= lines
        assert SECRET not in said or SECRET.encode() in content
    if loaded.config is not None:
        plain = json.dumps(loaded.config.to_plain())
        assert SECRET not in plain or SECRET.encode() in content


def holds_for_a_tree(tree: Any) -> None:
    """The same for what is JSON."""
    holds_for_a_file(json.dumps(tree, allow_nan=True).encode("utf-8", "surrogatepass"))


def holds_for_a_text(content: bytes) -> None:
    """The quick reader and the scanner say the same of every text."""
    read = read_json_text(content)
    assert all(isinstance(problem, Problem) for problem in read.problems)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        assert read.value is None
        return
    scanned = scan_json_text(text)
    assert repr(read.value) == repr(scanned.value)
    assert (read.problems, read.value_places) == (scanned.problems, scanned.value_places)


def holds_for_a_reference(text: str) -> None:
    """A text is interpolated, or its reference is broken, or it names what is missing; nothing is read twice."""
    try:
        parts = list(parts_of(text))
    except BrokenReference:
        assert "${" in text
        return
    literal = "".join(part for part in parts if isinstance(part, str))
    whole = whole_reference(text)
    assert whole is None or references(text) == (whole.name,)
    try:
        result = interpolate({"a": [text]}, {**ENVIRON, "A": "${KEY}"})["a"][0]
    except MissingVariables as exc:
        assert exc.names
        assert SECRET not in str(exc)
    else:
        assert "KEY" in references(text) or SECRET not in result or SECRET in text  # what A holds is no reference
        assert references(text) or result == literal


def holds_for_a_legacy_file(tree: Any) -> None:
    """Any tree is taken apart or refused; no secret is in the report."""
    try:
        done = migrate(tree)
    except ConfigError:
        return
    before = json.dumps(tree, sort_keys=True)
    read_legacy(tree)
    assert json.dumps(tree, sort_keys=True) == before
    assert all(line.isprintable() for line in report(done))
    for bot in done.bots:
        holds_for_a_tree(bot.tree)


Target = tuple[st.SearchStrategy[Any], Callable[[Any], None]]
TARGETS: dict[str, Target] = {
    "bytes of a file": (damaged(), holds_for_a_file),
    "shape of a file": (misshapen(), holds_for_a_tree),
    "any tree": (TREES, holds_for_a_tree),
    "bytes of a text": (damaged() | st.binary(max_size=100), holds_for_a_text),
    "references": (REFERENCES, holds_for_a_reference),
    "legacy file": (st.dictionaries(st.sampled_from(_WORDS), TREES, max_size=6), holds_for_a_legacy_file),
}
