"""The shipped strategies on five minutes each of real markets, through the door that a user has: `run_backtest`.

Of a recording that is longer the later, busier half is played. The templates are those that are shipped but for the
sizes and distances of the table.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Any, ClassVar

import numpy as np
import pytest

import api.replay_venue
from api.base_client import Inbox, InboxItem
from api.event_file import CLEAR, TRADE
from core.backtest.data import data_of
from core.backtest.run import run_backtest
from core.market.book import OrderBook
from core.market.events import BookUpdate
from core.market.order import Order, Side
from tests.long_data import COINM, FACTS, ROOT, SPOT_BTC, SPOT_ETH, USDM, with_sidecar
from utils.home import Home

pytestmark = pytest.mark.long_data

LATER = {"from": "2024-08-08T23:59:15", "to": "2024-08-09T00:04:15"}
EARLIER = {"from": "2024-08-08T23:55:00", "to": "2024-08-09T00:00:00"}  # of the recording that ends at midnight


@dataclass(frozen=True)
class Case:
    """A template on a market, and the keys in which that market differs from the one that the template is for."""

    template: str
    recording: str
    keys: Mapping[str, Any]
    max_position: float

    @property
    def span(self) -> Mapping[str, str]:
        return EARLIER if self.recording == USDM else LATER


# Layers far enough apart that no sweep takes a whole side, orders small enough beside `max_position` that a market that
# goes one way for some minutes does not fill it.
CASES = [
    Case("market_maker", SPOT_BTC, {"layer_step_ticks": 500}, 0.05),
    Case("market_maker", SPOT_ETH, {"order_size": 0.02, "spread_pct": 0.02}, 2),
    Case("perp_market_maker", USDM, {"layer_step_ticks": 50, "order_size": 0.005}, 0.12),
    Case("perp_market_maker", COINM, {"layer_step_ticks": 100, "spread_pct": 0.02, "order_size": 0.005}, 0.12),
    Case("avellaneda_stoikov", USDM, {"layer_spacing_pct": 0.01, "order_size": 0.005}, 0.12),
    Case("avellaneda_stoikov", COINM, {"layer_spacing_pct": 0.02, "order_size": 0.005}, 0.12),
]
MONEY = ("net_pnl", "spread_pnl", "inventory_pnl", "fees", "funding", "position")


class Ear:
    """An inbox that remembers the newest book it was told."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self.book: OrderBook | None = None

    def put(self, item: InboxItem) -> None:
        if isinstance(item, BookUpdate):
            self.book = item.book
        self._inbox.put(item)


class Watched(api.replay_venue.ReplayVenue):
    """The venue of a backtest, which notes orders that are sent through what its bot was shown, or rest crossed."""

    found: ClassVar[list[str]] = []
    sent: ClassVar[int] = 0

    def open(self, inbox: Inbox, leg: str) -> None:
        self._ear: Any = Ear(inbox)
        super().open(self._ear, leg)

    def submit(self, orders: Sequence[Order]) -> None:
        for order in orders:
            if order.post_only:
                self._look(order)
        super().submit(orders)

    def _look(self, order: Order) -> None:
        type(self).sent += 1
        book = self._ear.book
        if order.side is Side.BUY and order.price_ticks >= book.best_ask_ticks:
            self.found.append(f"a bid of {order.price_ticks} at an ask of {book.best_ask_ticks}")
        if order.side is Side.SELL and order.price_ticks <= book.best_bid_ticks:
            self.found.append(f"an ask of {order.price_ticks} at a bid of {book.best_bid_ticks}")

    def poll(self, now_ns: int) -> int | None:
        due_ns = super().poll(now_ns)
        bid, ask = self.resting()
        if bid is not None and ask is not None and bid >= ask:
            self.found.append(f"our bid of {bid} and our ask of {ask}")
        return due_ns


@dataclass(frozen=True)
class Played:
    """What came out of a case."""

    facts: Mapping[str, Any]
    fills: Sequence[Mapping[str, str]]
    crossing: Sequence[str]
    sent: int
    last_mid: Decimal


@pytest.fixture(scope="module")
def data_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home(tmp_path_factory.mktemp("long"))
    home.make_folders()
    return home


@pytest.fixture(scope="module", params=CASES, ids=lambda case: f"{case.template}-{case.recording}")
def played(request: pytest.FixtureRequest, data_home: Home) -> Iterator[Played]:
    case: Case = request.param
    span = {"files": [str(with_sidecar(case.recording, data_home.root))], **case.span}
    fills = data_home.root / "fills.csv"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(api.replay_venue, "CLIENT", Watched)
        patch.setattr(Watched, "found", [])
        patch.setattr(Watched, "sent", 0)
        facts = run_backtest(data_home, config_of(case), case.template, span | {"fills": str(fills)}, None)
        found, sent = Watched.found, Watched.sent
    with fills.open(newline="") as file:
        yield Played(facts, list(csv.DictReader(file)), found, sent, last_mid(data_home, case, span))


def config_of(case: Case) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads((ROOT / f"config/templates/paper_{case.template}.json").read_text())
    plain["strategy_config"] |= {"symbol": FACTS[case.recording]["symbol"], **case.keys}
    plain["risk_config"]["max_position"] = case.max_position
    return plain


def last_mid(home: Home, case: Case, span: Mapping[str, Any]) -> Decimal:
    """Return the mid at the end of the span, from nothing but the last size at each price."""
    rows = data_of(home, span).rows
    begin = int(np.flatnonzero(rows["kind"] == CLEAR)[-1])
    levels = rows[begin + 1 :]
    levels = levels[levels["kind"] != TRADE][::-1]
    _, newest = np.unique(levels["side"].astype(np.int64) * levels["price_ticks"], return_index=True)
    there = levels[newest]
    there = there[there["size_lots"] > 0]
    bid = there["price_ticks"][there["side"] > 0].max()
    ask = there["price_ticks"][there["side"] < 0].min()
    return Decimal(int(bid) + int(ask)) / 2 * Decimal(FACTS[case.recording]["tick_size"])


def test_no_quote_ever_crosses(played: Played) -> None:
    assert played.sent > 300
    assert played.crossing == []
    resting = [row for row in played.fills if row["liquidity"] == "maker"]
    assert len(resting) > 0.95 * len(played.fills)  # the others are orders that reduce at once


def test_quotes_rest_on_both_sides_for_more_than_95_percent_of_the_time(played: Played) -> None:
    assert played.facts["ended"] is None
    assert played.facts["span_s"] > 299
    assert played.facts["quote_uptime_pct"] > 95


def test_what_the_account_is_worth_is_cash_and_position_to_the_last_digit(played: Played) -> None:
    facts = {key: Decimal(played.facts[key]) for key in MONEY}
    with localcontext() as context:
        context.prec = 60
        cash = position = fees = Decimal(0)
        for row in played.fills:
            signed = Decimal(row["size"]) * (1 if row["side"] == "buy" else -1)
            assert row["fee_asset"] == "USDT"
            cash -= signed * Decimal(row["price"])
            position += signed
            fees += Decimal(row["fee"])
        assert len(played.fills) > 50
        assert (facts["position"], facts["fees"]) == (position, fees)
        assert facts["net_pnl"] == cash - fees + position * played.last_mid + facts["funding"]
        parts = facts["spread_pnl"] + facts["inventory_pnl"] - facts["fees"] + facts["funding"]
        assert facts["net_pnl"] == parts
