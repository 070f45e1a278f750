"""Names and tags of a command -> the bots that are meant."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from core.registry.selection import selected
from utils.errors import ConfigError


@dataclass(frozen=True)
class Bot:
    """What has a name and tags."""

    name: str
    tags: tuple[str, ...] = ()


A, B, C, D = Bot("a", ("btc", "spot")), Bot("b", ("btc", "perp")), Bot("c", ("sol", "spot")), Bot("d")
FLEET = (A, B, C, D)


@pytest.mark.parametrize(
    ("names", "tags", "meant"),
    [
        ((), (), [A, B, C, D]),
        (("c", "a"), (), [A, C]),
        ((), ("btc",), [A, B]),
        ((), ("btc", "spot"), [A]),
        ((), ("sol,perp",), [B, C]),
        ((), ("sol,btc", "spot"), [A, C]),
        (("d",), ("sol",), [C, D]),
    ],
)
def test_names_pick_and_tags_narrow(names: tuple[str, ...], tags: tuple[str, ...], meant: list[Bot]) -> None:
    assert selected(FLEET, names, tags) == meant


@pytest.mark.parametrize(
    ("names", "tags", "word"),
    [
        (("x",), (), "no bot has the name x"),
        ((), ("bct",), "no bot has the tag bct; did you mean btc?"),
        ((), ("sol", "perp"), "no bot carries all of these tags: sol, perp"),
        (("a",), ("sol", "perp"), "no bot carries all"),
        ((), ("",), "no bot has the tag"),
    ],
)
def test_a_word_that_picks_nothing_is_refused(names: tuple[str, ...], tags: tuple[str, ...], word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        selected(FLEET, names, tags)


def test_an_empty_fleet_without_a_word_is_no_mistake() -> None:
    assert selected((), (), ()) == []
