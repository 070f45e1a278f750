"""Who placed an order can be read off its id."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.market.client_ids import MAX_FENCE, SEQUENCES, ClientOrderIds, NumberIds, bot_part, fence_of

names = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_", min_size=1, max_size=20)


@given(names, st.integers(0, MAX_FENCE), st.integers(1, 20))
def test_ids_of_one_incarnation_are_unique_owned_and_of_one_form(bot: str, fence: int, count: int) -> None:
    ids = ClientOrderIds("home", bot, fence)
    made = [ids.next() for _ in range(count)]
    assert len(set(made)) == count
    assert all(len(made_id) == 22 and made_id.isalnum() and made_id.islower() for made_id in made)
    assert all(ids.owns(made_id) and fence_of(made_id) == fence for made_id in made)
    assert made == sorted(made)


@given(names, names, st.integers(0, MAX_FENCE))
def test_another_bot_does_not_own_them(one: str, other: str, fence: int) -> None:
    made = ClientOrderIds("home", one, fence).next()
    assert ClientOrderIds("home", other, fence).owns(made) is (one == other)


def test_bot_of_the_same_name_in_another_home_does_not_own_them() -> None:
    assert not ClientOrderIds("other-home", "sol-mm", 1).owns(ClientOrderIds("home", "sol-mm", 1).next())


def test_later_incarnation_owns_the_ids_of_an_earlier_one_and_repeats_none() -> None:
    earlier, later = ClientOrderIds("home", "sol-mm", 1), ClientOrderIds("home", "sol-mm", 2)
    before = {earlier.next() for _ in range(100)}
    assert all(later.owns(made) for made in before)
    assert before.isdisjoint({later.next() for _ in range(100)})


@pytest.mark.parametrize("foreign", ["", "mk", "web_12345", "x" * 22])
def test_foreign_id_is_not_owned(foreign: str) -> None:
    assert not ClientOrderIds("home", "sol-mm", 1).owns(foreign)


def test_id_of_another_length_is_not_owned() -> None:
    ids = ClientOrderIds("home", "sol-mm", 1)
    made = ids.next()
    assert not ids.owns(made + "0")
    assert not ids.owns(made[:-1])


def test_fence_beyond_its_digits_is_refused_instead_of_wrapping() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        ClientOrderIds("home", "sol-mm", MAX_FENCE + 1).next()


def test_sequence_beyond_its_digits_is_refused_instead_of_wrapping() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        ClientOrderIds("home", "sol-mm", 1, sequence=32**7 - 1).next()


def test_home_and_name_do_not_run_together() -> None:
    assert bot_part("ab", "c") != bot_part("a", "bc")


def test_zero_is_no_name_of_an_order() -> None:
    first, wrapping = (NumberIds(0, start, start, lambda _until: None) for start in (0, SEQUENCES - 1))
    assert [first.to_wire(first.next()) for _ in range(2)] == [1, 2]
    assert [wrapping.to_wire(wrapping.next()) for _ in range(2)] == [SEQUENCES - 1, 1]
    assert NumberIds(1, 0, 0, lambda _until: None).next() == "n1.0"
