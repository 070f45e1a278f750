"""A matching engine for tests."""

from __future__ import annotations

from decimal import Decimal
from random import Random
from typing import Any

from hypothesis import strategies as st

from core.market.book import Level
from core.market.fill_rules import MatchingRules
from core.market.instrument import Instrument
from core.market.matched import Arrival
from core.market.matching import MatchingEngine
from core.market.order import Fill, Order, Side
from core.market.sim_account import SimAccount

BIDS = (Level(9999, 1000), Level(9998, 2000))
ASKS = (Level(10001, 1000), Level(10002, 2000), Level(10003, 4000))
NOW = 1_800_000_000_000_000_000


class Draws:
    """A generator that says what it was told to and counts."""

    def __init__(self, *numbers: float) -> None:
        self.numbers = list(numbers)
        self.count = 0

    def __call__(self) -> float:
        self.count += 1
        return self.numbers.pop(0) if self.numbers else 0.999


def rest(venue: MatchingEngine, side: Side, price: int, lots: int, name: str = "a", **changes: Any) -> Arrival:
    arrival = venue.submit(Order(name, "main", side, price, lots, **changes), NOW)
    assert arrival.accepted, arrival.reason
    return arrival


def take(venue: MatchingEngine, side: Side, price: int, lots: int, name: str = "t", tif: str = "GTC") -> Arrival:
    return venue.submit(Order(name, "main", side, price, lots, post_only=False, time_in_force=tif), NOW)


def sizes(fills: tuple[Fill, ...]) -> list[tuple[str, int, int]]:
    return [(fill.client_order_id, fill.price_ticks, fill.size_lots) for fill in fills]


PERP = Instrument(
    "SOL-PERP", "SOL-PERP", "perp", "SOL", "USDC", Decimal("0.01"), Decimal("0.001"), min_notional=Decimal(5)
)


actions = st.lists(
    st.one_of(
        st.tuples(st.just("rest"), st.sampled_from(list(Side)), st.integers(9980, 10020), st.integers(1, 3000)),
        st.tuples(st.just("take"), st.sampled_from(list(Side)), st.integers(9980, 10020), st.integers(1, 3000)),
        st.tuples(st.just("print"), st.sampled_from(list(Side)), st.integers(9950, 10050), st.integers(1, 3000)),
        st.tuples(st.just("book"), st.sampled_from(list(Side)), st.integers(9990, 10010), st.integers(1, 3000)),
        st.tuples(st.just("cancel"), st.sampled_from(list(Side)), st.integers(0, 40), st.just(1)),
    ),
    max_size=40,
)


def play(
    steps: list[tuple[str, Side, int, int]], instrument: Instrument, seed: int
) -> tuple[MatchingEngine, list[Fill]]:
    balances = {"USDC": Decimal(1000)} | ({"SOL": Decimal(10)} if instrument.kind == "spot" else {})
    venue = MatchingEngine(SimAccount(instrument, balances), MatchingRules(touch_prob=0.5), Random(seed).random)
    venue.on_book(BIDS, ASKS, NOW)
    fills: list[Fill] = []
    for number, (what, side, price, lots) in enumerate(steps):
        if what == "print":
            found = venue.on_print(price, lots, side, NOW).fills
            assert sum(fill.size_lots for fill in found) <= lots
        elif what == "book":
            found = venue.on_book((Level(price - 1, lots),), (Level(price + 1, lots),), NOW).fills
        elif what == "cancel":
            venue.cancel(f"n{price}")
            found = ()
        else:
            order = Order(f"n{number}", "main", side, price, lots, post_only=what == "rest")
            found = venue.submit(order, NOW).fills
        fills += found
    return venue, fills
