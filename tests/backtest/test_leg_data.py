"""Which file is of which leg, and the time that all of them have."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.backtest.leg_data import spans_of
from core.bot_config import Leg
from tests.backtest.legs_parts import MS, PERP, SPOT
from tests.backtest.made_events import START_NS, made_rows, save
from utils.errors import ConfigError
from utils.home import Home
from utils.moments import moment_text

MAKER, HEDGE = Leg("maker", "paper:a", "acc", "SYN-USDT"), Leg("hedge", "paper:b", "acc", "SYN-PERP")
LEGS = (MAKER, HEDGE)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path)
    made.make_folders()
    spot, perp = made_rows(1, 300), made_rows(2, 300)
    for name in ("local_ns", "venue_ns"):
        perp[name] += 90 * MS
    save(spot, made.data / "spot.events", SPOT)
    save(perp, made.data / "perp.events", PERP)
    return made


def spans(home: Home, *files: str, legs: tuple[Leg, ...] = LEGS, **span: str) -> list[tuple[str, int, int]]:
    found = spans_of(home, legs, {"files": files, **span})
    return [(one.market.symbol, one.first_ns, one.last_ns) for one in found]


def test_files_are_of_the_legs_that_they_name_or_whose_market_they_are_of(home: Home) -> None:
    named = spans(home, "hedge=perp.events", "maker=spot.events")
    assert [symbol for symbol, _, _ in named] == ["SYN-USDT", "SYN-PERP"]
    assert named == spans(home, "perp.events", "spot.events") == spans(home, "spot.events", "hedge=perp.events")


def test_all_legs_have_the_span_that_each_of_them_has(home: Home) -> None:
    (_, *first), (_, *second) = spans(home, "spot.events", "perp.events")
    assert first == second
    assert first[0] == START_NS + 90 * MS
    made = spans_of(home, LEGS, {"files": ["spot.events", "perp.events"]})
    for one in made:
        times = one.rows["local_ns"][one.begin :]
        assert one.first_ns <= times[0] and times[-1] <= one.last_ns
        assert one.events == len(times)
    assert any(one.rows["local_ns"][-1] == one.last_ns for one in made)


def test_a_span_that_is_asked_for_cuts_all_legs(home: Home) -> None:
    begin, end = START_NS + 300 * MS, START_NS + 700 * MS
    found = spans(home, "spot.events", "perp.events", **{"from": moment_text(begin), "to": moment_text(end)})
    assert [one[1:] for one in found] == [(begin, end - 1)] * 2


def test_a_bot_with_one_leg_may_name_it(home: Home) -> None:
    (leg,) = (Leg("main", "paper", "acc", "SYN-PERP"),)
    assert spans(home, "main=perp.events", legs=(leg,)) == spans(home, "perp.events", legs=(leg,))
    with pytest.raises(ConfigError, match="there is no leg 'maker'; the config has main"):
        spans(home, "maker=perp.events", legs=(leg,))


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["taker=perp.events", "maker=spot.events"], r"no leg 'taker'; the config has maker \(SYN-USDT\), hedge"),
        (["spot.events"], r"no data for the leg hedge \(SYN-PERP\): add --data hedge=FILE"),
        (
            ["maker=spot.events", "hedge=spot.events"],
            "data of the leg hedge are of SYN-USDT, the config trades SYN-PERP",
        ),
        (["maker=nowhere.events"], "there is no file nowhere.events"),
        (["spot.events", "spot.events", "perp.events"], r"spot.events begins before .*spot.events ends"),
    ],
)
def test_data_that_do_not_fit_the_legs_are_refused(home: Home, files: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        spans(home, *files)


def test_a_market_that_no_leg_trades_or_two_do_is_refused(home: Home) -> None:
    with pytest.raises(ConfigError, match=r"perp\.events is of SYN-PERP, which no leg trades"):
        spans(home, "perp.events", legs=(MAKER, Leg("hedge", "paper:b", "acc", "SYN-USD")))
    twice = (Leg("left", "paper:a", "acc", "SYN-PERP"), Leg("right", "paper:b", "acc", "SYN-PERP"))
    with pytest.raises(ConfigError, match=r"say --data left=perp\.events or right=perp\.events"):
        spans(home, "perp.events", legs=twice)
    both = spans(home, "left=perp.events", "right=perp.events", legs=twice)
    assert [symbol for symbol, _, _ in both] == ["SYN-PERP"] * 2


def test_data_without_a_common_time_are_refused_with_the_span_of_each(home: Home) -> None:
    rows = made_rows(3, 100)
    for name in ("local_ns", "venue_ns"):
        rows[name] += 3600 * 1000 * MS
    save(rows, home.data / "later.events", PERP)
    with pytest.raises(ConfigError, match=r"no time of which all legs have events: maker 2023-.* to .*, hedge 2023-"):
        spans(home, "spot.events", "later.events")
    with pytest.raises(ConfigError, match="no time within --from and --to of which"):
        spans(home, "spot.events", "perp.events", to=moment_text(START_NS))


def test_a_leg_without_an_event_in_the_span_is_refused(home: Home) -> None:
    rows = made_rows(3, 200)
    gap = rows["local_ns"] > START_NS + 200 * MS
    rows["local_ns"][gap] += 60_000 * MS
    save(rows, home.data / "gap.events", PERP)
    with pytest.raises(ConfigError, match="there are no events of the leg hedge from"):
        spans(home, "spot.events", "gap.events", **{"from": moment_text(START_NS + 600 * MS)})
