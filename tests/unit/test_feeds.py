from __future__ import annotations

import os
import subprocess
import sys
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.compiled_recordings import compiled_path, find_recording, is_compiled, market_of
from api.feed import Feed, Picture, Print
from api.market_facts import load_market, market_from_text
from api.recording import RecordingError
from api.replay_feed import ReplayFeed, open_replay
from api.synthetic_feed import SyntheticFeed
from api.synthetic_markets import MARKETS, START_PRICES
from core.market.order import Side
from tests.made_recording import calm_market
from utils.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "data" / "recordings"
SPOT = "slice60s_binance_spot_btcusdt_20240808"
MS, SECOND = 1_000_000, 10**9
DAY = 86_400 * SECOND


def replay(tmp_path: Path, name: str = SPOT, interval_ms: int = 100, depth: int = 10) -> ReplayFeed:
    recording = find_recording(name, [str(tmp_path), str(SHIPPED)])
    return open_replay(recording, market_of(recording), interval_ms * MS, depth, tmp_path / "cache")


def synthetic(seed: int = 1, symbol: str = "SOL-USDC", volatility_bps: float = 1.0) -> SyntheticFeed:
    return SyntheticFeed(MARKETS[symbol], START_PRICES[symbol], seed, 100 * MS, 10, volatility_bps, 2.0)


def events(feed: Feed, start_ns: int, end_ns: int) -> list[Picture | Print]:
    """Return the picture in force at the start and every event up to the end."""
    found: list[Picture | Print] = [feed.seek(start_ns)]
    while (event := feed.next(end_ns)) is not None:
        found.append(event)
    return found


def test_replay_has_every_print_and_a_picture_per_interval(tmp_path: Path) -> None:
    found = events(replay(tmp_path), 0, 59_699 * MS)
    assert sum(isinstance(event, Picture) for event in found) == 597
    assert sum(isinstance(event, Print) for event in found) == 1380  # one came before the book was complete
    times = [event.at_ns for event in found]
    assert times == sorted(times)


def test_replay_pictures_are_the_rebuilt_book_of_that_moment(tmp_path: Path) -> None:
    calm_market(2).save(tmp_path, "calm")
    found = [event for event in events(replay(tmp_path, "calm"), 0, 1900 * MS) if isinstance(event, Picture)]
    assert [picture.number for picture in found] == list(range(20))
    assert [level.price_ticks for level in found[0].bids] == [10000, 9999, 9998, 9990]
    # depth messages arrive exactly at the pictures' times: what has arrived by then is in the picture
    assert [picture.bids[3].size_lots for picture in found[:4]] == [1000, 2000, 1000, 2000]


def test_replay_keeps_prints_with_price_size_and_aggressor(tmp_path: Path) -> None:
    calm_market(1).save(tmp_path, "calm")
    prints = [event for event in events(replay(tmp_path, "calm"), 0, 999 * MS) if isinstance(event, Print)]
    assert prints == [Print(430 * MS, 10000, 500, Side.SELL), Print(830 * MS, 10002, 500, Side.BUY)]


def test_picture_comes_before_a_print_of_the_same_moment(tmp_path: Path) -> None:
    writer = calm_market(1)
    writer.trade(1000, "sell", "100.00", "0.500")
    writer.depth(1000, [("bid", "99.90", "7.000")])
    writer.save(tmp_path, "calm")
    feed = replay(tmp_path, "calm")
    feed.seek(999 * MS)
    picture, tape = feed.next(1000 * MS), feed.next(1000 * MS)
    assert isinstance(picture, Picture) and isinstance(tape, Print)
    assert picture.bids[3].size_lots == 7000


def test_replay_loops_for_ever_with_growing_numbers(tmp_path: Path) -> None:
    calm_market(1).save(tmp_path, "calm")
    feed = replay(tmp_path, "calm")
    first, later = events(feed, 0, 999 * MS), events(feed, 1000 * SECOND, 1000 * SECOND + 999 * MS)
    assert [event[1:] for event in first if isinstance(event, Print)] == [
        event[1:] for event in later if isinstance(event, Print)
    ]
    assert isinstance(later[0], Picture) and later[0].number == 10_000


def test_second_opening_uses_the_compiled_file(tmp_path: Path) -> None:
    recording = calm_market(1).save(tmp_path, "calm")
    replay(tmp_path, "calm")
    compiled = compiled_path(recording, market_of(recording), 100 * MS, 10, tmp_path / "cache")
    before = compiled.stat().st_ino
    replay(tmp_path, "calm")
    assert compiled.stat().st_ino == before


def test_changed_recording_interval_or_depth_gets_a_file_of_its_own(tmp_path: Path) -> None:
    calm_market(1).save(tmp_path, "calm")
    replay(tmp_path, "calm")
    replay(tmp_path, "calm", interval_ms=50)
    replay(tmp_path, "calm", depth=2)
    calm_market(2).save(tmp_path, "calm")
    replay(tmp_path, "calm")
    assert len(list((tmp_path / "cache").glob("*.npy"))) == 4


@pytest.mark.parametrize("kept", [0, 10, 200, 1000])
def test_torn_compiled_file_is_compiled_again(tmp_path: Path, kept: int) -> None:
    recording = calm_market(1).save(tmp_path, "calm")
    replay(tmp_path, "calm")
    compiled = compiled_path(recording, market_of(recording), 100 * MS, 10, tmp_path / "cache")
    compiled.write_bytes(compiled.read_bytes()[:kept])
    assert len(events(replay(tmp_path, "calm"), 0, 999 * MS)) == 12


@pytest.mark.parametrize("damage", ["none", "torn", "longer", "other depth", "other type", "empty", "gone"])
def test_a_compiled_file_is_told_from_a_damaged_one_without_reading_it_whole(tmp_path: Path, damage: str) -> None:
    recording = calm_market(1).save(tmp_path, "calm")
    replay(tmp_path, "calm")
    compiled = compiled_path(recording, market_of(recording), 100 * MS, 10, tmp_path / "cache")
    content = compiled.read_bytes()
    damaged = {
        "torn": content[:-8],
        "longer": content + bytes(8),
        "other type": content.replace(b"<i8", b"<f8"),
        "empty": b"",
    }
    compiled.write_bytes(damaged.get(damage, content))
    if damage == "gone":
        compiled.unlink()
    depth = 9 if damage == "other depth" else 10
    assert is_compiled(compiled, 100 * MS, depth) == (damage == "none")


def test_validating_a_compiled_recording_and_a_made_up_market_loads_no_numpy(tmp_path: Path) -> None:
    calm_market(1).save(tmp_path, "calm")
    replay(tmp_path, "calm")
    script = (
        "import sys; from api.client_registry import config_complaints as ask\n"
        f"dirs = [{str(tmp_path)!r}]\n"
        "found = [ask('paper', 'paper', {'feed': feed}, 'SOL-USDC', dirs) for feed in ('synthetic', 'replay:calm')]\n"
        "sys.exit(1 if any(found) or 'numpy' in sys.modules else 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], check=False, cwd=ROOT, env={**os.environ})
    assert done.returncode == 0


def test_compiled_file_is_mapped_and_not_copied(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from api.compiled_recordings import *; from api.replay_feed import *\n"
        f"r = find_recording({SPOT!r}, [{str(SHIPPED)!r}]); p = Path({str(tmp_path)!r}) / 'cache'\n"
        "feed = open_replay(r, market_of(r), 10**8, 10, p); feed.seek(0)\n"
        "while feed.next(60 * 10**9): pass\n"
        "lines = [l for l in open('/proc/self/maps') if str(p) in l]\n"
        "sys.exit(0 if lines and all(' r--' in l for l in lines) else 1)"
    )
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", script], check=False, cwd=ROOT, env=environ)
    assert done.returncode == 0


def test_unwritable_cache_is_one_clear_error(tmp_path: Path) -> None:
    recording = calm_market(1).save(tmp_path, "calm")
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(ConfigError, match="compiled recording cannot be written"):
        open_replay(recording, market_of(recording), 100 * MS, 10, tmp_path / "cache")


def test_silence_of_hours_is_refused_and_nothing_is_left_behind(tmp_path: Path) -> None:
    writer = calm_market(1)
    writer.depth(3 * 3600 * 1000, [("bid", "99.90", "1.000")])
    recording = writer.save(tmp_path, "silent")
    with pytest.raises(RecordingError, match="silence"):
        open_replay(recording, market_of(recording), 100 * MS, 10, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_recording_is_found_in_the_first_folder_that_has_it(tmp_path: Path) -> None:
    own = calm_market(1).save(tmp_path / "own", SPOT)
    assert find_recording(f"{SPOT}.csv.gz", [str(tmp_path / "own"), str(SHIPPED)]) == own
    assert find_recording(SPOT, [str(tmp_path), str(SHIPPED)]).parent == SHIPPED


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "", ".hidden", "a/b", "none_such"])
def test_recording_that_is_no_plain_known_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError):
        find_recording(name, [str(tmp_path)])


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ('"kind": "swap"', "kind"),
        ('"tick_size": "0"', "tick_size"),
        ('"lot_size": "NaN"', "lot_size"),
        ('"min_notional": -1', "min_notional"),
        ('"initial_balances": {"SOL": "many"}', "initial_balances"),
        ('"initial_balances": 5', "initial_balances"),
        ('"max_leverage": 0', "max_leverage"),
        ('"symbol": ""', "symbol"),
    ],
)
def test_sidecar_with_a_wrong_fact_names_it(tmp_path: Path, change: str, named: str) -> None:
    calm_market(1).save(tmp_path, "calm")
    sidecar = tmp_path / "calm.json"
    sidecar.write_text(sidecar.read_text()[:-1] + f", {change}}}")
    with pytest.raises(ConfigError, match=f"calm.json.*{named}"):
        load_market(sidecar)


@pytest.mark.parametrize("content", [None, "{", "[]"])
def test_missing_or_broken_sidecar_is_one_clear_error(tmp_path: Path, content: str | None) -> None:
    recording = calm_market(1).save(tmp_path, "calm")
    sidecar = tmp_path / "calm.json"
    sidecar.unlink() if content is None else sidecar.write_text(content)
    with pytest.raises(ConfigError, match=r"calm\.json"):
        market_of(recording)


@given(start=st.integers(0, 200 * SECOND), ahead=st.integers(0, 5 * SECOND))
def test_entering_a_feed_anywhere_shows_what_playing_it_would(start: int, ahead: int) -> None:
    played = synthetic()
    found = events(played, max(0, start - SECOND), start + ahead)
    before = [event for event in found if event.at_ns <= start]
    after = [event for event in found if event.at_ns > start]
    entered = events(synthetic(), start, start + ahead)
    assert entered[1:] == after
    assert entered[0] == [event for event in before if isinstance(event, Picture)][-1]


def test_synthetic_market_is_the_same_for_the_same_seed_only() -> None:
    week = 7 * DAY
    assert events(synthetic(3), week, week + SECOND) == events(synthetic(3), week, week + SECOND)
    assert events(synthetic(3), week, week + SECOND) != events(synthetic(4), week, week + SECOND)
    assert synthetic(3, "ETH-USDC").seek(week).bids != synthetic(3, "ETH-USDT").seek(week).bids


def test_synthetic_price_does_not_jump_between_blocks() -> None:
    feed = synthetic()
    mids = []
    for block in range(1, 20):
        boundary = 1024 * SECOND * block
        pair = [feed.seek(boundary - 1), feed.seek(boundary)]
        mids.append([(picture.bids[0].price_ticks + picture.asks[0].price_ticks) / 2 for picture in pair])
    # 0.32 bps is one standard deviation of a step of 100 ms; a tick of 0.01 at 150 is 0.7 bps.
    assert max(abs(after / before - 1) for before, after in mids) < 3e-4


def test_synthetic_price_stays_sensible_for_a_year_and_moves() -> None:
    feed = synthetic()
    prices = [feed.seek(day * DAY + 12_345 * SECOND).bids[0].price_ticks for day in range(365)]
    assert 15_000 * 0.98 < min(prices) < 14_990 and 15_010 < max(prices) < 15_000 * 1.02


def test_synthetic_volatility_is_what_was_asked_for() -> None:
    mids = []
    feed = synthetic(symbol="BTC-USDT", volatility_bps=2.0)
    for event in events(feed, 0, 1000 * SECOND):
        if isinstance(event, Picture):
            mids.append((event.bids[0].price_ticks + event.asks[0].price_ticks) / 2)
    seconds = mids[::10]
    moves = [(after / before - 1) * 10_000 for before, after in pairwise(seconds)]
    deviation = (sum(move * move for move in moves) / len(moves)) ** 0.5
    assert 1.8 < deviation < 2.2


def test_synthetic_trades_come_at_the_rate_asked_for_and_at_the_best_prices_or_behind() -> None:
    feed, book, count = synthetic(), None, 0
    for event in events(feed, 0, 1000 * SECOND):
        if isinstance(event, Picture):
            book = event
            continue
        count += 1
        assert book is not None
        outside = (
            event.price_ticks >= book.asks[0].price_ticks
            if event.aggressor is Side.BUY
            else event.price_ticks <= book.bids[0].price_ticks
        )
        assert outside and event.size_lots > 0
    assert 1850 < count < 2150


@pytest.mark.parametrize("symbol", sorted(MARKETS))
def test_every_synthetic_market_shows_a_full_book_that_is_not_crossed(symbol: str) -> None:
    feed = synthetic(symbol=symbol)
    for event in events(feed, 5 * DAY, 5 * DAY + 60 * SECOND):
        if isinstance(event, Picture):
            assert len(event.bids) == len(event.asks) == 10
            assert event.bids[0].price_ticks < event.asks[0].price_ticks
            assert all(level.size_lots > 0 for level in (*event.bids, *event.asks))
            assert [level.price_ticks for level in event.bids] == sorted(
                {level.price_ticks for level in event.bids}, reverse=True
            )


def test_extreme_volatility_never_makes_a_price_that_is_not_positive() -> None:
    feed = synthetic(volatility_bps=500.0)
    for day in range(50):
        assert feed.seek(day * DAY).bids[-1].price_ticks > 0


def test_markets_of_the_demo_are_listed() -> None:
    assert {"BTC-USDT", "ETH-USDT", "SOL-USDC", "SOL-USDT", "BTC-PERP", "ETH-PERP", "SOL-PERP"} <= set(MARKETS)
    assert all(market.quote == "USDC" for market in MARKETS.values() if market.kind == "perp")
    assert all(price > Decimal(0) for price in START_PRICES.values())


def test_a_made_up_future_follows_its_perpetual_at_a_constant_basis() -> None:
    def mids(symbol: str) -> list[float]:
        found = events(synthetic(symbol=symbol), 0, 20 * SECOND)
        return [(e.bids[0].price_ticks + e.asks[0].price_ticks) / 2 for e in found if isinstance(e, Picture)]

    perp, future = mids("BTC-PERP"), mids("BTC-27DEC30")
    assert len(set(perp)) > 10
    assert all(abs(there / here - 60_150 / 60_000) < 1e-5 for here, there in zip(perp, future, strict=True))


def test_a_made_up_future_knows_its_end_and_a_market_without_one_says_nothing_of_it() -> None:
    market = MARKETS["BTC-27DEC30"]
    assert market.instrument(Decimal(0), Decimal(0)).expiry_utc_ns == 1_924_588_800 * SECOND
    assert market_from_text(market.to_text(), Path("here")) == market
    assert "expiry" not in MARKETS["BTC-PERP"].to_text()
