"""A config as the checks see it: its defaults filled in, and what is complained of already."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from core.bot_config import REFERENCE_SECTION
from core.registry.complaints import JsonPath, Problem
from core.registry.wording import shown
from utils.input_validation import margin_kind

Section = Mapping[str, Any]
VENUE_SECTIONS = ("exchange_config", "hedge_exchange_config")
# (exchange, symbol) -> spot, perp or future; None when it cannot be told.
KindOf = Callable[[str, str], str | None]


def kind_by_symbol(exchange: str, symbol: str) -> str | None:
    """Return the kind of an instrument as far as its name tells; a worker asks the venue."""
    return margin_kind(symbol)


@dataclass(frozen=True, slots=True)
class Draft:
    """A config with its defaults filled in, and the paths that are complained of already."""

    sections: Mapping[str, Section]
    bad: frozenset[JsonPath]
    kind_of: KindOf = kind_by_symbol
    live_required: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # without them a venue takes no orders
    empty: frozenset[JsonPath] = frozenset()  # secrets whose variable is not set, and may be missing

    @property
    def metadata(self) -> Section:
        """Return the section of that name."""
        return self.sections["metadata"]

    @property
    def exchange(self) -> Section:
        """Return the venue's section."""
        return self.sections["exchange_config"]

    @property
    def strategy(self) -> Section:
        """Return the strategy's section."""
        return self.sections["strategy_config"]

    @property
    def risk(self) -> Section:
        """Return the limits."""
        return self.sections["risk_config"]

    @property
    def hedge(self) -> Section:
        """Return the section of the hedge leg's venue, empty where there is none."""
        return self.sections.get("hedge_exchange_config", {})

    @property
    def reference(self) -> Section:
        """Return the section of the market beside the bot's own; its exchange is null where there is none."""
        return self.sections.get(REFERENCE_SECTION, {})

    @property
    def is_leveraged(self) -> bool:
        """Tell whether the bot trades a perpetual or future, as far as that can be told."""
        exchange, symbol = self.metadata.get("exchange"), self.strategy.get("symbol")
        if not (isinstance(exchange, str) and isinstance(symbol, str)) or not self.sound("strategy_config", "symbol"):
            return False
        return self.kind_of(exchange, symbol) in ("perp", "future")

    def number(self, section: str, key: str) -> float | None:
        """Return a number that nothing is wrong with, None when there is none."""
        value = self.sections.get(section, {}).get(key)
        if not isinstance(value, int | float) or isinstance(value, bool):
            return None
        return float(value) if self.sound(section, key) else None

    def sound(self, section: str, *keys: str) -> bool:
        """Tell whether nothing is wrong yet with these keys of a section."""
        if not self.bad:
            return True
        touched = {(section,), *((section, key) for key in keys)}
        return not any(path[:2] in touched for path in self.bad)


def check_order(draft: Draft, name: str, low: str, high: str) -> Iterator[Problem]:
    """One key of a section cannot exceed another."""
    small, large = draft.number(name, low), draft.number(name, high)
    if small is not None and large is not None and small > large:
        section = draft.sections[name]
        yield Problem((name, low), shown(section[low]), f"at most {high}, which is {shown(section[high])}")
