"""How often a person is told of the same thing; time is a number."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from core.process.alert_limiter import MAX_SUBJECTS, AlertLimiter

S = 1_000_000_000


def test_the_first_one_is_told_the_next_ones_are_counted() -> None:
    limiter = AlertLimiter()
    said = [limiter.offer("halt", "a", second * S, 60 * S) for second in (0, 1, 59, 60, 61, 125)]
    assert said == [0, None, None, 2, None, 1]
    assert limiter.suppressed == 3


def test_kinds_and_bots_do_not_silence_each_other() -> None:
    limiter = AlertLimiter()
    assert [limiter.offer(*key, 0, 60 * S) for key in (("halt", "a"), ("halt", "b"), ("stuck", "a"))] == [0, 0, 0]


def test_without_an_interval_everything_is_told() -> None:
    limiter = AlertLimiter()
    assert [limiter.offer("halt", "a", 0, 0) for _ in range(3)] == [0, 0, 0]


def test_what_is_remembered_has_a_bound_and_the_oldest_is_forgotten_first() -> None:
    limiter = AlertLimiter()
    for number in range(MAX_SUBJECTS + 1):
        limiter.offer("halt", str(number), number, 10**12)
    assert limiter.offer("halt", "0", MAX_SUBJECTS, 10**12) == 0  # forgotten
    assert limiter.offer("halt", str(MAX_SUBJECTS), MAX_SUBJECTS, 10**12) is None


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 50)), max_size=80), st.integers(1, 60))
def test_nothing_is_told_twice_within_the_interval_and_nothing_is_miscounted(
    story: list[tuple[str, int]], interval: int
) -> None:
    limiter, now, told, left_out = AlertLimiter(), 0, dict[str, int](), dict.fromkeys("ab", 0)
    for subject, pause in story:
        now += pause
        said = limiter.offer("halt", subject, now, interval)
        if said is None:
            assert now - told[subject] < interval
            left_out[subject] += 1
        else:
            assert subject not in told or now - told[subject] >= interval
            assert said == left_out[subject]
            told[subject], left_out[subject] = now, 0
