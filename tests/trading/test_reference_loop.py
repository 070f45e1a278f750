"""A loop beside another venue's market: what it hears, how long that counts, and that it never needs it."""

from __future__ import annotations

import logging
import tempfile
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.base_client import Inbox, InboxItem
from api.market_reader import MarketReader
from core.bot_config import Leg
from core.market.book import OrderBook
from core.market.commands import Command
from core.market.events import BookUpdate, Event, LinkDown, Timer
from core.market.instrument import Instrument
from core.trading.clock import seconds
from core.trading.reference import Reference
from strategies.base import View
from tests.market_parts import book
from tests.trading.scripted_venue import PERP, SPOT, ScriptedVenue
from tests.trading.workbench import Bench, Wisher
from utils.errors import VenueUnreachable

BESIDE = Leg("reference", "there", "nobody", "SOL-USDC")
MAX_AGE_S = 5.0
RISK = {"reference_deviation_bps": 20, "max_position": 100}


class Market:
    """Another market, in the hands of a test; prices are in ticks of a cent."""

    def __init__(self, instrument: Instrument | None = SPOT) -> None:
        self.instrument = instrument
        self.problem = ""
        self.said: list[InboxItem] = []
        self.is_closed = False
        self._inbox = Inbox()

    def tell(self, bid_ticks: int, ask_ticks: int) -> None:
        self.said.append(BookUpdate("reference", book(bid_ticks, ask_ticks)))

    def fileno(self) -> int:
        return self._inbox.fileno()

    def poll(self, now_ns: int) -> int | None:
        return None

    def heard(self) -> list[InboxItem]:
        said, self.said = self.said, []
        return said

    def close(self) -> None:
        self.is_closed = True
        self._inbox.close()


class Looker(Wisher):
    """Notes at each decision when it was, and what price of the other market it could use."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[int, Decimal | None]] = []

    def on_event(self, event: Event, view: View) -> list[Command]:
        if isinstance(event, Timer):
            assert view.now_ns == event.now_ns
            assert view.external is not None
            price = view.external.at(view.now_ns)
            assert price is None or view.now_ns - view.external.local_ns <= view.external.max_age_ns
            self.seen.append((event.now_ns, price))
        return super().on_event(event, view)


class BesideBench(Bench):
    """One bot with a reference."""

    def __init__(
        self, folder: Path, market: Any, conversion: str | None = None, venue: ScriptedVenue | None = None, **keys: Any
    ) -> None:
        self.market, self.conversion = market, conversion
        super().__init__(folder, venue, **({"interval_s": 60.0} | keys))

    def begin(self, *how: Any, **more: Any) -> None:
        self.strategy = self.looker = Looker()
        super().begin(*how, **more)
        factor = None if self.conversion is None else Decimal(self.conversion)
        self.loop._bot.reference = Reference(BESIDE, self.market, seconds(MAX_AGE_S), factor)

    @property
    def prices(self) -> list[Decimal | None]:
        """Return what the decisions so far could go by."""
        return [price for _, price in self.looker.seen]

    @property
    def stats(self) -> dict[str, Any]:
        stats: dict[str, Any] = self.loop.snapshot()["stats"]
        return stats


def test_a_price_that_comes_or_goes_makes_a_decision_at_once(tmp_path: Path) -> None:
    market = Market()
    bench = BesideBench(tmp_path, market)
    bench.run(1)
    market.tell(10_009, 10_011)
    bench.run(MAX_AGE_S + 1)
    began_ns = bench.looker.seen[0][0]
    assert bench.prices == [None, Decimal("100.1"), None]
    assert [round((at_ns - began_ns) / 1e9, 1) for at_ns, _ in bench.looker.seen] == [0.0, 1.0, 6.0]


def test_the_status_says_what_is_heard_and_why_not(tmp_path: Path) -> None:
    market = Market()
    bench = BesideBench(tmp_path, market)
    bench.run(0.2)
    assert (bench.stats["reference_mid"], bench.stats["reference_age_s"]) == (None, None)
    assert bench.stats["reference_stale"] == "nothing was heard of it yet"
    market.tell(10_009, 10_011)
    bench.run(1)
    assert (bench.stats["reference_mid"], bench.stats["reference_stale"]) == ("100.1", "")
    assert 0.9 <= bench.stats["reference_age_s"] <= 1.1
    market.problem = "VenueUnreachable: down"
    bench.run(6)
    assert bench.stats["reference_stale"].endswith("s old (VenueUnreachable: down)")
    assert bench.phase == "QUOTING" and len(bench.resting) == 2


def test_the_log_of_decisions_tells_the_price_that_could_be_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "makerd.strategy")
    market = Market()
    bench = BesideBench(tmp_path, market, decision_log="all")
    bench.run(1)
    market.tell(10_009, 10_011)
    bench.run(MAX_AGE_S + 1)
    told = [vars(record)["fields"] for record in caplog.records if record.message == "decision"]
    assert [one["reference"] for one in told] == [None, "100.10", None]


def test_a_move_of_the_other_market_is_answered_as_one_of_our_own_is(tmp_path: Path) -> None:
    market = Market()
    bench = BesideBench(tmp_path, market, requote_bps=5)
    market.tell(10_009, 10_011)
    bench.run(1)
    for step in (1, 2, 20):  # 1 and 2 bps, then 20
        market.tell(10_009 + step, 10_011 + step)
        bench.run(0.5)
    assert bench.prices[-2:] == [Decimal("100.1"), Decimal("100.3")]


@pytest.mark.parametrize("picture", [OrderBook((), ()), book(10_011, 10_009), OrderBook(book(1, 2).bids, ())])
def test_a_book_without_a_price_is_no_word(tmp_path: Path, picture: OrderBook) -> None:
    market = Market()
    bench = BesideBench(tmp_path, market)
    market.said.append(BookUpdate("reference", picture))
    market.said.append(LinkDown("reference", "gone"))
    bench.run(1)
    assert set(bench.prices) == {None}


def test_quotes_are_off_while_the_other_market_is_elsewhere_or_silent(tmp_path: Path) -> None:
    market, venue = Market(PERP), ScriptedVenue(PERP)
    bench = BesideBench(tmp_path, market, venue=venue, risk=RISK)
    bench.run(1)
    assert (bench.gates, bench.resting) == (["reference_unknown"], {})
    found = []
    for mid in (10_010, 10_030, 9_990):
        market.tell(mid - 1, mid + 1)
        bench.run(1)
        found.append((bench.gates, len(bench.resting)))
    assert found == [([], 2), (["reference_deviation"], 0), ([], 2)]
    bench.run(3.5)
    assert (bench.gates, len(bench.resting)) == ([], 2)
    bench.run(1.5)
    assert (bench.gates, bench.resting) == (["reference_unknown"], {})


def test_while_our_book_is_still_the_other_market_alone_shuts_the_gate_and_so_does_its_silence(tmp_path: Path) -> None:
    market, venue = Market(PERP), ScriptedVenue(PERP)
    bench = BesideBench(tmp_path, market, venue=venue, interval_s=600.0, risk={**RISK, "max_book_age_s": 60})
    found = []
    for mid in (10_000, 10_030, 10_000):
        market.tell(mid - 1, mid + 1)
        bench.run(1)
        bench.feed = None
        found.append((bench.gates, len(bench.resting)))
    assert found == [([], 2), (["reference_deviation"], 0), ([], 2)]
    bench.run(3.5)
    assert (bench.gates, len(bench.resting)) == ([], 2)
    bench.run(2)
    assert (bench.gates, bench.resting) == (["reference_unknown"], {})


def test_prices_in_another_asset_are_used_with_a_conversion_only(tmp_path: Path) -> None:
    for name, conversion, wanted in (("one", None, None), ("two", "0.9", Decimal("90.09"))):
        market = Market(replace(SPOT, quote="EUR"))
        (tmp_path / name).mkdir()
        bench = BesideBench(tmp_path / name, market, conversion)
        market.tell(10_009, 10_011)
        bench.run(1)
        assert bench.prices[-1] == wanted
        told = "it is SOL in EUR, ours SOL in USDC: reference_config.conversion is needed"
        assert bench.stats["reference_stale"] == ("" if wanted else told)
        bench.die()


def test_a_market_that_cannot_be_opened_keeps_nobody_from_quoting(tmp_path: Path) -> None:
    def fails() -> Any:
        raise VenueUnreachable("down")

    bench = BesideBench(tmp_path, MarketReader(fails, "reference", waits=False))
    bench.run(30)
    assert (bench.phase, len(bench.resting)) == ("QUOTING", 2)
    assert bench.stats["reference_stale"] == "nothing was heard of it yet (VenueUnreachable: down)"
    bench.stop()
    assert bench.loop.finished is not None and bench.loop.finished.clean


def test_a_loop_that_closes_closes_it_and_its_word_ends_a_wait(tmp_path: Path) -> None:
    market = Market()
    bench = BesideBench(tmp_path, market)
    assert market.fileno() in bench.loop.filenos()
    bench.die()
    assert market.is_closed


STEPS = st.lists(
    st.tuples(st.floats(0.05, 7.0), st.sampled_from(["hear", "hear", "silence", "own"]), st.integers(9_000, 11_000)),
    min_size=1,
    max_size=15,
)


@settings(max_examples=30)
@given(STEPS)
def test_no_decision_ever_goes_by_a_price_that_is_too_old_and_each_goes_by_the_newest(
    steps: list[tuple[float, str, int]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        market = Market()
        bench = BesideBench(Path(folder), market, interval_s=0.7, requote_bps=3)
        newest: list[tuple[int, int]] = []  # when it was told, and the mid in ticks
        for pause_s, what, mid in steps:
            if what == "hear":
                market.tell(mid - 1, mid + 1)
                newest.append((bench.clock.now_ns(), mid))
            elif what == "own":
                bench.feed = (mid - 1, mid + 1)
            bench.run(pause_s)
        for at_ns, price in bench.looker.seen:
            before = [one for one in newest if one[0] <= at_ns]
            expected = before[-1] if before and at_ns - before[-1][0] <= seconds(MAX_AGE_S) else None
            assert price == (None if expected is None else Decimal(expected[1]) / 100)
        bench.die()
