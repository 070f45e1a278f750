"""Values that are made quickly are frozen dataclasses like any other."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, asdict, dataclass, field, fields, replace

import pytest

from core.market.order import Order, Side
from utils.quick_values import quickly_made


@quickly_made
@dataclass(frozen=True, slots=True)
class Pair:
    left: int
    right: str = "r"


@dataclass(frozen=True, slots=True)
class Plain:
    left: int
    right: str = "r"


def test_it_is_made_by_position_by_name_and_with_defaults() -> None:
    assert Pair(1) == Pair(left=1, right="r") == Pair(1, "r") != Pair(2)
    assert repr(Pair(1)) == "Pair(left=1, right='r')"
    assert type(Pair(1)) is Pair
    assert [field.name for field in fields(Pair)] == ["left", "right"]


def test_it_is_frozen_and_has_no_room_for_more() -> None:
    pair = Pair(1)
    with pytest.raises(FrozenInstanceError):
        pair.left = 2  # type: ignore[misc]
    with pytest.raises((FrozenInstanceError, TypeError)):
        pair.other = 2  # type: ignore[attr-defined]
    assert not hasattr(pair, "__dict__")


@pytest.mark.parametrize("call", [lambda kind: kind(), lambda kind: kind(1, "a", 3), lambda kind: kind(1, wrong=2)])
def test_what_a_plain_one_refuses_is_refused(call) -> None:  # type: ignore[no-untyped-def]
    for kind in (Plain, Pair):
        with pytest.raises(TypeError):
            call(kind)


def test_it_can_be_hashed_replaced_copied_and_pickled() -> None:
    order = Order("a", "main", Side.BUY, 10, 2)
    for other in (copy.copy(order), copy.deepcopy(order), pickle.loads(pickle.dumps(order)), replace(order)):
        assert (other, hash(other), type(other)) == (order, hash(order), Order)
    assert replace(order, size_lots=3).size_lots == 3
    assert asdict(Pair(1)) == {"left": 1, "right": "r"}


def test_a_dataclass_that_needs_more_than_values_is_refused() -> None:
    @dataclass(frozen=True, slots=True)
    class Listed:
        values: list[int] = field(default_factory=list)

    with pytest.raises(TypeError, match="Listed"):
        quickly_made(Listed)
