"""Which bots a command means: by name, by tag, or all."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Protocol, TypeVar

from core.registry.wording import nearest_of
from utils.errors import ConfigError
from utils.input_validation import printable


class Tagged(Protocol):
    """What can be selected: a BotConfig, for instance."""

    @property
    def name(self) -> str:
        """Return the name by which it is called."""

    @property
    def tags(self) -> Collection[str]:
        """Return the words by which it is picked with others."""


One = TypeVar("One", bound=Tagged)


def selected(configs: Iterable[One], names: Sequence[str] = (), tags: Sequence[str] = ()) -> list[One]:
    """Return the configs of these names, and those that carry every one of these tags; all without either.

    A tag may be several with commas between them: one of them is enough. Raises ConfigError for a name that nobody
    has and for tags that nobody carries together.
    """
    every = list(configs)
    if not names and not tags:
        return every
    _refuse_unknown("name", names, [one.name for one in every])
    _refuse_unknown(
        "tag", [tag for choice in tags for tag in choice.split(",")], [tag for one in every for tag in one.tags]
    )
    found = [one for one in every if one.name in names or carries(one.tags, tags)]
    if tags and not any(carries(one.tags, tags) for one in found):
        raise ConfigError(f"no bot carries all of these tags: {', '.join(tags)}")
    return found


def carries(own: Collection[str], tags: Sequence[str]) -> bool:
    """Tell whether a bot with its own tags is meant by others: by every one, of those with commas by one of them."""
    return bool(tags) and all(not set(tag.split(",")).isdisjoint(own) for tag in tags)


def _refuse_unknown(what: str, given: Iterable[str], known: Sequence[str]) -> None:
    unknown = sorted(set(given) - set(known))
    if unknown:
        near = nearest_of(unknown[0], sorted(set(known)))
        hint = f"; did you mean {near}?" if near else ""
        raise ConfigError(f"no bot has the {what} {', '.join(printable(one) for one in unknown)}{hint}")
