"""A backtest of a bot beside another market: the mid of the moment, never a later one, and the fills of paper."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from api.event_file import EventSpan, Rows
from api.paper_client import PaperClient
from core.backtest.fills_csv import fills_text
from core.backtest.run import Backtest, run_backtest
from core.bot_config import BotConfig
from core.market.client_ids import ClientOrderIds
from core.market.commands import Command
from core.market.events import Event, Timer
from core.process.build import build_bot
from core.trading.clock import SimulatedClock, seconds
from strategies.base import Strategy, View
from tests.backtest.backtest_parts import EXCHANGE, RISK, STRATEGY, config_of
from tests.backtest.legs_parts import MS, Truth, made_spans
from tests.backtest.legs_parts import config_of as legs_config
from tests.backtest.made_events import MARKET, START_NS, made_rows, save
from utils.errors import ConfigError
from utils.home import Home

ELSEWHERE = {"exchange": "paper:b", "symbol": "SYN-PERP", "feed": "replay:beside.events"}
BUSY = {"touch_prob": 0.4}


def beside(config: BotConfig, **keys: Any) -> BotConfig:
    return replace(config, reference_config={**ELSEWHERE, **keys})


def quoter(**keys: Any) -> BotConfig:
    """Return a market maker that quotes round the other market."""
    return beside(config_of(BUSY, {"price_source": "external", **keys}))


def spans(own: Rows, other: Rows) -> tuple[EventSpan, EventSpan]:
    """Return two markets over the time that the first one has."""
    end_ns = int(own["local_ns"][-1])
    return tuple(  # type: ignore[return-value]
        EventSpan(MARKET, rows[rows["local_ns"] <= end_ns], 0, START_NS, end_ns) for rows in (own, other)
    )


def paused(rows: Rows, at_s: float, for_s: float) -> Rows:
    """Return a market that says nothing for a while, then goes on as it was."""
    later = rows.copy()
    later["local_ns"][rows["local_ns"] >= START_NS + seconds(at_s)] += seconds(for_s)
    return later


class Looker(Strategy):
    """Notes at each decision when it was, when the other market's price was heard, and what it is while fresh."""

    hears_prints = False

    def __init__(self) -> None:
        super().__init__(None)
        self.seen: list[tuple[int, int, Decimal | None, Decimal | None]] = []

    @classmethod
    def params_from(cls, strategy_config: Mapping[str, Any]) -> None:
        """Return nothing."""

    def on_event(self, event: Event, view: View) -> list[Command]:
        if isinstance(event, Timer):
            price = view.external
            assert price is not None
            heard_ns = view.utc_ns - (event.now_ns - price.local_ns)
            self.seen.append((view.utc_ns, heard_ns, price.mid, price.at(event.now_ns)))
        return []


def looked(own: Rows, other: Rows, engine: str = "python") -> Looker:
    strategy = Looker()
    mine, theirs = spans(own, other)
    Backtest(beside(config_of({})), [mine], strategy, engine, beside=theirs).run()
    return strategy


@pytest.mark.parametrize("engine", ["python", "compiled"])
def test_each_decision_sees_the_mid_of_the_other_market_as_it_was_when_it_was_heard(engine: str) -> None:
    own, other = made_rows(31, 1200), made_rows(32, 2000)
    truth, seen = Truth(other), looked(own, other, engine).seen
    assert len(seen) > 15
    for at_ns, heard_ns, mid, fresh in seen:
        assert at_ns - 100 * MS <= heard_ns <= at_ns
        assert mid == fresh == Decimal(truth.half_ticks(heard_ns)) / 2 * MARKET.tick_size
    assert len({mid for _, _, mid, _ in seen}) > 5


def test_a_market_that_falls_silent_is_no_price_once_it_is_too_old_and_comes_back() -> None:
    own, other = made_rows(33, 4000), paused(made_rows(34, 6000), 3, 8)
    seen = looked(own, other).seen
    ages_s = {(at_ns - START_NS) / 1e9: fresh for at_ns, _, _, fresh in seen}
    assert all(fresh is not None for at_s, fresh in ages_s.items() if at_s < 7.5 or at_s > 11.3)
    assert all(fresh is None for at_s, fresh in ages_s.items() if 8.1 < at_s < 10.9)
    assert {True, False} == {fresh is None for fresh in ages_s.values()}


def played(config: BotConfig, own: Rows, other: Rows, engine: str = "python") -> Any:
    mine, theirs = spans(own, other)
    return Backtest(config, [mine], engine=engine, beside=theirs).run()


def text_of(result: Any) -> str:
    return result.fills_text()


def test_it_quotes_round_the_other_market_with_both_engines_alike() -> None:
    own, other = made_rows(35, 2500), made_rows(36, 4000)
    results = [played(quoter(), own, other, engine) for engine in ("python", "compiled")]
    alone = Backtest(config_of(BUSY), spans(own, other)[:1], engine="python").run()
    assert text_of(results[0]) == text_of(results[1]) != text_of(alone)
    assert len(results[0].only.record.fills) > 10


def test_a_market_like_its_own_changes_nothing_but_the_moment_at_which_it_is_seen() -> None:
    own = made_rows(37, 2500)
    config = replace(quoter(), exchange_config={**EXCHANGE, **BUSY, "book_interval_ms": 100})
    mine, theirs = spans(own, own)
    round_its_own = Backtest(
        replace(config, strategy_config={**STRATEGY, "price_source": "mid"}), [mine], beside=theirs
    )
    assert text_of(played(config, own, own)) == text_of(round_its_own.run())


def test_quotes_are_off_while_the_two_markets_are_apart() -> None:
    own, other = made_rows(38, 2500), made_rows(39, 4000).copy()
    levels = other["price_ticks"] > 0
    other["price_ticks"][levels] += 500  # half as much again
    apart = replace(beside(config_of(BUSY)), risk_config={**RISK, "reference_deviation_bps": 100})
    assert played(apart, own, other).only.record.fills == []
    assert len(played(apart, own, own).only.record.fills) > 10


# As it is asked for


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path)
    made.make_folders()
    save(made_rows(40, 2500), made.data / "own.events")
    save(made_rows(41, 4000), made.data / "beside.events")
    return made


def plain(reference: dict[str, Any]) -> dict[str, Any]:
    return {
        "metadata": {"name": "tester", "exchange": "paper", "strategy": "market_maker"},
        "daemon_config": {},
        "exchange_config": {**EXCHANGE, **BUSY, "feed": "replay:own.events"},
        "strategy_config": {**STRATEGY, "symbol": "SYN-PERP", "price_source": "external"},
        "risk_config": RISK,
        "reference_config": reference,
    }


def test_its_events_are_those_of_a_leg_named_reference(home: Home) -> None:
    span = {"files": ["main=own.events", "reference=beside.events"], "engine": "python"}
    found = run_backtest(home, plain(ELSEWHERE), "made", span, None)
    assert found["symbol"] == "SYN-PERP"
    assert found["fills"] > 10


@pytest.mark.parametrize(
    ("files", "told"),
    [
        (["main=own.events"], r"there are no data for the leg reference \(SYN-PERP\): add --data reference=FILE"),
        (["own.events", "reference=beside.events"], "own.events is of SYN-PERP, as more than one leg is: say --data"),
        (["main=own.events", "other=beside.events"], "there is no leg 'other'; the config has main"),
    ],
)
def test_a_bot_with_a_reference_is_not_played_without_its_events(home: Home, files: list[str], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        run_backtest(home, plain(ELSEWHERE), "made", {"files": files, "engine": "python"}, None)


def test_events_that_begin_at_another_moment_are_refused() -> None:
    mine, theirs = spans(made_rows(42, 300), made_rows(43, 300))
    with pytest.raises(ConfigError, match="do not begin when those of the bot do"):
        Backtest(quoter(), [mine], beside=replace(theirs, from_ns=START_NS + 1))
    with pytest.raises(ConfigError, match="there are no data for the reference"):
        Backtest(quoter(), [mine])


def test_a_paper_bot_fed_with_the_same_events_books_the_same_fills(home: Home, tmp_path: Path) -> None:
    own, other = made_rows(40, 2500), made_rows(41, 4000)
    config = quoter()
    on_paper = replace(config, exchange_config={**config.exchange_config, "feed": "replay:own.events"})
    clock = SimulatedClock(seconds(1), START_NS)
    ids = {"main": ClientOrderIds("backtest", "tester", 1)}
    bot = build_bot(on_paper, tmp_path / "state", (str(home.data),), ids, clock)
    (client,) = bot.clients
    assert isinstance(client, PaperClient)
    end_ns = clock.now_ns() + int(own["local_ns"][-1]) - START_NS
    try:
        bot.loop.start(new_run=True)
        while True:
            due_ns = bot.loop.step()
            if clock.now_ns() >= end_ns:
                break
            if due_ns > clock.now_ns():
                clock.wait(client.run_ahead(min(due_ns, end_ns)), ())
        on_paper_fills = fills_text(bot.ledger.fills("main"), client.instrument)
    finally:
        bot.close()
    result = played(config, own, other)
    assert len(result.only.record.fills) > 10
    assert on_paper_fills == text_of(result)


def test_of_a_bot_with_two_legs_the_first_one_is_held_against_it() -> None:
    spot, perp = made_spans(44, 2500)
    limit = {"reference_deviation_bps": 100}
    hedged = replace(legs_config(BUSY, risk=limit), reference_config={**ELSEWHERE, "symbol": "SYN-USDT"})
    near = Backtest(hedged, (spot, perp), engine="python", beside=spot).run()
    rows = spot.rows.copy()
    rows["price_ticks"][rows["price_ticks"] > 0] += 500
    far = Backtest(hedged, (spot, perp), engine="python", beside=replace(spot, rows=rows)).run()
    assert near.summary["fills"] > 10
    assert far.summary["fills"] == 0
