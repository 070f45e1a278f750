"""The venue's time, and which of its streams is silent."""

from __future__ import annotations

import pytest

from api.venue_clock import VenueClock, steady_utc

S, MS = 1_000_000_000, 1_000_000
START = 1_800_000_000 * S


class Times:
    """A clock of ours, and a venue's that is ahead."""

    def __init__(self, skew_ms: float = 3000) -> None:
        self.now_ns = START
        self.skew_ms = skew_ms
        self.clock = VenueClock(lambda: self.now_ns)

    def measure(self, out_ms: int, back_ms: int) -> None:
        sent_ns = self.now_ns
        self.now_ns += out_ms * MS
        venue_ms = self.now_ns / MS + self.skew_ms
        self.now_ns += back_ms * MS
        self.clock.note(venue_ms, sent_ns, self.now_ns)


def test_without_a_measurement_it_is_our_own_time() -> None:
    times = Times()
    assert (times.clock.utc_ms(), times.clock.offset_ms, times.clock.age) == (START // MS, 0.0, None)


@pytest.mark.parametrize("skew_ms", [3000.0, -3000.0])
def test_a_skew_is_corrected_to_half_the_round_trip(skew_ms: float) -> None:
    times = Times(skew_ms)
    times.measure(30, 10)
    assert times.clock.offset_ms == pytest.approx(skew_ms, abs=20)
    assert times.clock.utc_ms() == pytest.approx(times.now_ns / MS + skew_ms, abs=20)


def test_a_worse_round_trip_does_not_replace_a_better_fresh_one() -> None:
    times = Times()
    times.measure(5, 5)
    times.measure(400, 20)
    assert times.clock.offset_ms == pytest.approx(3000, abs=1)


def test_a_better_round_trip_replaces_a_worse_one() -> None:
    times = Times()
    times.measure(400, 20)
    times.measure(5, 5)
    assert times.clock.offset_ms == pytest.approx(3000, abs=1)


def test_an_old_measurement_gives_way_to_a_worse_one() -> None:
    times = Times()
    times.measure(5, 5)
    times.now_ns += 3600 * S
    times.measure(60, 20)
    assert times.clock.age == 0
    assert times.clock.offset_ms == pytest.approx(3020, abs=1)


def test_a_measurement_that_contradicts_the_kept_one_replaces_it() -> None:
    times = Times()
    times.measure(5, 5)
    times.skew_ms = -2000
    times.measure(200, 200)
    assert times.clock.offset_ms == pytest.approx(-2000, abs=1)


def test_a_measurement_across_a_step_of_our_clock_is_ignored() -> None:
    times = Times()
    times.clock.note(START / MS, START, START - S)
    assert times.clock.age is None


def test_a_date_header_counts_with_its_whole_seconds() -> None:
    times = Times()
    times.clock.note(START / MS + 3000, START, START + 10 * MS, resolution_ms=1000)
    times.measure(5, 5)
    assert times.clock.offset_ms == pytest.approx(3000, abs=1)


def test_forgetting_makes_room_for_any_measurement() -> None:
    times = Times()
    times.measure(5, 5)
    times.clock.forget()
    times.measure(400, 0)
    assert times.clock.age == 0
    assert times.clock.offset_ms == pytest.approx(3200, abs=1)


def test_how_far_the_venue_is_ahead_is_not_known_before_it_was_measured() -> None:
    times = Times()
    assert times.clock.ahead_of_ms(START) is None
    times.measure(10, 10)
    assert times.clock.ahead_of_ms(times.now_ns) == pytest.approx(3000, abs=1)
    assert times.clock.ahead_of_ms(times.now_ns + 500 * MS) == pytest.approx(2500, abs=1)


def test_a_steady_clock_goes_on_where_ours_is_set() -> None:
    ours = {"utc": START, "monotonic": 7 * S}
    steady = steady_utc(lambda: ours["utc"], lambda: ours["monotonic"])
    ours = {"utc": START + 60 * S, "monotonic": 8 * S}
    assert steady() == START + S
