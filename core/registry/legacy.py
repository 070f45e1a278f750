"""The one file that held all bots before each had its own: what each of its keys is today. Pure.

    {"daemon": {"max_restarts": 3, "parallel_starts": 4},
     "bots": [{"name": "sol", "exchange": "paper", "strategy": "market_maker", "symbol": "SOL-USDC", "spread": 0.2}]}

A bot is a list member or a member of an object by its name. Its keys stand in the sections of today or flat, under
today's names or those of version 0 (`versions.py`). What stands above the bots is of the daemon file, or of every bot
that does not say it itself. A key is never guessed: one that is none of ours is dropped, and told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from core.registry.complaints import JsonPath
from core.registry.old_names import RENAMED_IN_1
from core.registry.schema import DocumentSchema, load_schema, schema_for

LISTS = ("bots", "strategies")
GLOBAL = ("daemon", "global", "settings")  # objects whose keys are as good as outside of them
# how a section may be called, and what a flat key may be called; today's names come first
SECTIONS = ("metadata", "daemon_config", "exchange_config", "strategy_config", "risk_config", "job_config")
_SECTION_NAMES = {
    **{name: name for name in SECTIONS},
    "parameters": "strategy_config",
    "params": "strategy_config",
    "config": "strategy_config",
    "strategy": "strategy_config",  # these two where they are objects
    "exchange": "exchange_config",
    "risk": "risk_config",
    "daemon": "daemon_config",
}
_KEY_NAMES = {
    "id": "name",
    "venue": "exchange",
    "strategy_name": "strategy",
    "type": "strategy",
    "pair": "symbol",
    "enabled": "autostart",
}
_ORDER = ("metadata", "strategy_config", "job_config", "risk_config", "daemon_config", "exchange_config")
_EACH_ITS_OWN = ("name", "schema_version", "version")  # above the bots they are of this file alone
# why a key is dropped; the first three are mistakes
UNKNOWN, TWICE, NO_BOT = "no key of a config is called that", "it is given twice", "it is no object with keys of a bot"
OUTVOTED, OF_THE_FILE = "every bot says it itself", "it was of this file alone"
NO_BOTS, EMPTY = "there are no bots", "it was empty"
MISTAKES = (UNKNOWN, TWICE, NO_BOT)


class Pair(NamedTuple):
    """One key of the file: where it stands, and what it says; a section where it stands in one."""

    old: JsonPath
    section: str | None
    key: str
    value: Any


@dataclass(slots=True)
class Part:
    """A document of today, and where each of its keys stood: new path -> old path."""

    at: JsonPath
    tree: dict[str, Any] = field(default_factory=dict)
    renamed: dict[JsonPath, JsonPath] = field(default_factory=dict)
    dropped: list[tuple[JsonPath, str]] = field(default_factory=list)

    def put(self, new: JsonPath, pair: Pair) -> None:
        """Put a key in its place, or drop it where there is one already."""
        section, key = new
        there = self.tree.setdefault(str(section), {})
        if not isinstance(there, dict) or key in there:
            self.dropped.append((pair.old, TWICE))
        else:
            there[key] = pair.value
            self.renamed[new] = pair.old

    def put_whole(self, section: str, pair: Pair) -> None:
        """Put what stands in the place of a section, or is an empty one, there, or drop it where there is one."""
        if section in self.tree:
            self.dropped.append((pair.old, TWICE if pair.value != {} else EMPTY))
        else:
            self.tree[section] = {} if pair.value == {} else pair.value  # never the caller's own
            self.renamed[section,] = pair.old


@dataclass(frozen=True, slots=True)
class Legacy:
    """What the file holds: bots, the daemon file, and what became of the keys above the bots."""

    bots: tuple[Part, ...]
    daemon: Part
    dropped: tuple[tuple[JsonPath, str], ...]
    no_lists: tuple[JsonPath, ...] = ()  # where bots are expected and something else stands


def read_legacy(tree: Mapping[str, Any]) -> Legacy:
    """Return what every key of the file is today."""
    shared = [pair for pair in _pairs(tree, (), GLOBAL) if pair.old[0] not in LISTS]
    daemon = Part(())
    others = [pair for pair in shared if not _is_of_daemon_file(pair, daemon)]
    defaults = [pair for pair in others if pair.key and pair.key not in _EACH_ITS_OWN]
    bots = [_bot(at, entry, name, defaults) for at, entry, name in _entries(tree)]
    taken = {old for bot in bots for old in bot.renamed.values()}
    known = {old for bot in bots for old, why in bot.dropped if why == OUTVOTED}
    dropped = [(pair.old, OF_THE_FILE) for pair in others if pair not in defaults]
    left = [pair.old for pair in defaults if pair.old not in taken]
    dropped += [(old, OUTVOTED if old in known else UNKNOWN if bots else NO_BOTS) for old in left]
    no_lists = tuple((name,) for name in LISTS if not isinstance(tree.get(name, []), list | dict))
    for bot in bots:
        bot.dropped = [(old, why) for old, why in bot.dropped if why != OUTVOTED]
    return Legacy(tuple(bots), daemon, (*dropped, *daemon.dropped), no_lists)


def _entries(tree: Mapping[str, Any]) -> Iterator[tuple[JsonPath, Any, str]]:
    for which in LISTS:
        given = tree.get(which)
        if isinstance(given, dict):
            yield from (((which, name), entry, name) for name, entry in given.items())
        elif isinstance(given, list):
            yield from (((which, place), entry, f"bot-{place + 1}") for place, entry in enumerate(given))


def _pairs(entry: Mapping[str, Any], at: JsonPath, transparent: tuple[str, ...] = ()) -> Iterator[Pair]:
    """Yield every key of an object that holds sections and flat keys."""
    for key, value in entry.items():
        path = (*at, key)
        if key in transparent and isinstance(value, dict) and value:
            yield from _pairs(value, path)
        elif key in _SECTION_NAMES and isinstance(value, dict):
            section = _SECTION_NAMES[key]
            yield from (Pair((*path, inner), section, inner, member) for inner, member in value.items())
            if not value:
                yield Pair(path, section, "", value)
        else:
            yield Pair(path, None, _KEY_NAMES.get(key, key), value)


# ---------------------------------------------------------------- the daemon file


def _is_of_daemon_file(pair: Pair, daemon: Part) -> bool:
    """Put a key that is of the daemon file there; tell whether it was one."""
    sections = load_schema("daemon_file")["properties"]
    if pair.section not in (None, "daemon_config"):
        return False
    if pair.key in sections and pair.section is None:
        for key, value in pair.value.items() if isinstance(pair.value, dict) else ():
            daemon.put((pair.key, key), Pair((*pair.old, key), pair.key, key, value))
        if not isinstance(pair.value, dict) or not pair.value:
            daemon.put_whole(pair.key, pair)
        return True
    owners = [name for name, section in sections.items() if pair.key in section["properties"]]
    if len(owners) != 1 or pair.key in _keys_of_bots():
        return False
    daemon.put((owners[0], pair.key), pair)
    return True


def _keys_of_bots() -> frozenset[str]:
    """Return the keys above the bots that are of every bot although the daemon file has such a key, too."""
    return frozenset({*load_schema("daemon")["properties"], "interval_s"})


# ---------------------------------------------------------------- a bot


def _bot(at: JsonPath, entry: Any, name: str, defaults: list[Pair]) -> Part:
    part = Part(at)
    if not isinstance(entry, dict) or not entry:
        part.dropped.append((at, NO_BOT))
        return part
    pairs = list(_pairs(entry, at))
    schema = _schema_of([*pairs, *defaults])
    for pair in pairs:
        _place(pair, schema, part)
    _name(part, name)
    own = set(part.renamed)
    for pair in defaults:
        section = _section_of(pair, schema)
        if section and (section, pair.key) in own:
            part.dropped.append((pair.old, OUTVOTED))
        elif section:
            part.put((section, pair.key), pair)
    for needed in ("daemon_config", *(() if schema.root == "job" else ("exchange_config", "strategy_config"))):
        part.tree.setdefault(needed, {})
    return part


def _schema_of(pairs: list[Pair]) -> DocumentSchema:
    said: dict[str, Any] = {}
    for pair in pairs:
        if pair.section in (None, "metadata", "job_config"):
            said.setdefault(pair.key, pair.value)
    job = said.get("job") if said.get("kind") == "job" else said.get("strategy")
    exchange = said.get("exchange")
    texts = (one if isinstance(one, str) else None for one in (exchange, job))
    return schema_for(str(said.get("kind")), *texts)


def _place(pair: Pair, schema: DocumentSchema, part: Part) -> None:
    if pair.section and not pair.key:
        part.put_whole(pair.section, pair)
    elif pair.key == "kind" and pair.section is None:
        part.tree["kind"], part.renamed["kind",] = pair.value, pair.old
    elif section := _section_of(pair, schema):
        part.put((section, pair.key), pair)
        if pair.section:
            part.renamed.setdefault((section,), pair.old[:-1])
    else:
        part.dropped.append((pair.old, UNKNOWN))


def _section_of(pair: Pair, schema: DocumentSchema) -> str | None:
    """Return the section that a key is of: the one it stands in, else the first that knows it."""
    if pair.section:
        return pair.section
    for section in _ORDER:
        if pair.key in schema.keys(section) or pair.key in RENAMED_IN_1.get(section, {}):
            return section
    return None


def _name(part: Part, name: str) -> None:
    metadata = part.tree.setdefault("metadata", {})
    metadata.setdefault("name", name)
    metadata.setdefault("schema_version", 0)
    part.tree = {key: part.tree[key] for key in ("kind", *SECTIONS) if key in part.tree}
