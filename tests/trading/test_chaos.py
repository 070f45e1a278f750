"""Whatever a venue and a host do: limits hold at every moment, in the end each fill is booked once and orders match."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.market.events import FillEvent
from core.market.instrument import Instrument
from core.market.order import Order, OrderEvent, Side
from core.trading.trading_loop import LoopExit, SpotRule
from tests.trading.scripted_venue import ANSWER, LOSE, LOSE_ANSWER, PERP, SPOT, ScriptedVenue
from tests.trading.workbench import BOTH_SIX, Bench

LIMIT_LOTS = 45
ACTIONS = (
    "submit answers are lost",
    "submits are lost",
    "submits work",
    "cancel answers are lost",
    "cancels are lost",
    "cancels work",
    "fill",
    "silent fill",
    "repeat fill",
    "late arrival",
    "incomplete reports",
    "unanswered reports",
    "link down",
    "link up",
    "move",
    "kill",
    "ledger fails",
    "ledger works",
    "pause",
    "resume",
    "change",
    "handover",
)
AMENDING = (*ACTIONS, "amend answers are lost", "amends are lost", "amends work", "late amend", "move", "resize")
RISK = {"max_position": LIMIT_LOTS / 10}
LATE_NS = 3 * 10**9  # the venue takes nothing that was sent longer ago


class Chaos:
    """One bot and everything that goes wrong for it."""

    def __init__(
        self, folder: Path, instrument: Instrument = SPOT, stop_timeout_s: float = 5.0, amends: bool = False
    ) -> None:
        venue = ScriptedVenue(instrument, late_arrival_s=3)
        venue.script.tells_filled = amends  # else a silent fill of an order that is cancelled is not known so soon
        self.keys = {"amend_orders": amends}
        self.bench = Bench(folder, venue, risk=RISK, stop_timeout_s=stop_timeout_s, **self.keys)
        self.bench.strategy.wanted = BOTH_SIX
        self.shift = self.sizes = 0
        self.amend_sent_ns: dict[int, int] = {}
        self.broken = False

    def check_limit(self) -> None:
        """The position with every resting order filled stays inside the limit, both ways."""
        venue = self.bench.venue
        held = sum(fill.side.sign * fill.size_lots for fill in venue.fills)
        for side in Side:
            resting = sum(order.remaining_lots for order in venue.open_orders.values() if order.side is side)
            late = sum(order.size_lots for order in venue.unsent if order.side is side)
            late += sum(
                max(0, amend.size_lots - venue.open_orders[key].size_lots)
                for key, amend in {amend.client_order_id: amend for amend in venue.late_amends}.items()
                if key in venue.open_orders and venue.open_orders[key].side is side
            )
            assert held * side.sign + resting + late <= LIMIT_LOTS

    def run(self, duration_s: float) -> None:
        for _ in range(round(duration_s / 0.1)):
            self.bench.run(0.1)
            self.expire_late()
            self.check_limit()
            if self.bench.loop.finished is not None:
                self.succeed(self.bench.loop.finished)

    def succeed(self, ended: LoopExit) -> None:
        """Begin the next life; what was handed over is all that can still fill."""
        if ended.handover:
            assert set(self.bench.venue.open_orders) <= set(ended.left_orders)
            assert self.bench.venue.unsent == []
            assert {order.client_order_id for order in self.bench.ledger.open_orders()} == set(ended.left_orders)
        self.bench.die()
        self.bench.begin()

    def expire_late(self) -> None:
        """After the acceptance window the venue takes no late order any more."""
        utc_ns = self.bench.clock.utc_ns()
        venue = self.bench.venue
        venue.unsent = [order for order in venue.unsent if utc_ns - order.sent_ns < LATE_NS]
        seen = {id(amend): self.amend_sent_ns.get(id(amend), utc_ns - 10**8) for amend in venue.late_amends}
        self.amend_sent_ns = seen
        venue.late_amends = [amend for amend in venue.late_amends if utc_ns - seen[id(amend)] < LATE_NS]

    def do(self, action: str, number: int) -> None:
        venue, script = self.bench.venue, self.bench.venue.script
        modes = {"answers are lost": LOSE_ANSWER, "are lost": LOSE, "work": ANSWER}
        for words, mode in modes.items():
            if action in (f"submit {words}", f"submits {words}"):
                script.submit = mode
            elif action in (f"cancel {words}", f"cancels {words}"):
                script.cancel = mode
            elif action in (f"amend {words}", f"amends {words}"):
                script.amend = mode
        if action in ("fill", "silent fill") and venue.open_orders:
            key = sorted(venue.open_orders)[number % len(venue.open_orders)]
            venue.fill(key, min(1 + number % 7, venue.open_orders[key].remaining_lots), stream=action == "fill")
        elif action == "repeat fill" and venue.fills:
            venue.inbox.put(FillEvent("main", venue.fills[number % len(venue.fills)]))
        elif action == "late arrival" and venue.unsent:
            venue.rest(venue.unsent.pop(number % len(venue.unsent)), tell=bool(number % 2))
        elif action == "late amend" and venue.late_amends:
            venue.change(venue.late_amends.pop(number % len(venue.late_amends)), tell=bool(number % 2))
        elif action == "incomplete reports":
            script.reports.extend(["incomplete"] * (1 + number % 3))
        elif action == "unanswered reports":
            script.reports.extend(["none"] * (1 + number % 2))
        elif action == "link down":
            venue.link_down()
        elif action == "link up":
            venue.link_up()
        elif action == "move":
            self.shift += number % 41 - 20
            self.wish()
        elif action == "resize":
            self.sizes = number
            self.wish()
        elif action == "kill":
            self.bench.die()
            self.bench.begin()
            self.broken = False
        elif action == "pause":
            self.bench.loop.pause()
        elif action == "resume":
            self.bench.loop.resume()
        elif action == "change":
            keys = {"interval_s": 0.5 + number % 3, "ack_timeout_s": 2.0, "price_tolerance_pct": 0.1 * (number % 4)}
            keys |= self.keys
            self.bench.loop.apply_change(self.bench.loop.prepare_change(keys, RISK, 5.0))
        elif action == "handover":
            self.bench.loop.begin_handover("upgrade", number % 5, lambda orders: None)
        elif action in ("ledger fails", "ledger works"):
            self.bench.ledger._connection.execute(f"PRAGMA query_only = {int(action == 'ledger fails')}")

    def wish(self) -> None:
        """Want what was wanted at first, moved; and with other sizes, some larger and some smaller, up to the limit."""
        lots = [1 + self.sizes * factor % 30 for factor in (7, 11, 13)] if self.sizes else [10] * 3
        self.bench.strategy.wanted = tuple(
            replace(quote, price_ticks=quote.price_ticks + self.shift, size_lots=lots[quote.level])
            for quote in BOTH_SIX
        )

    def heal(self) -> None:
        for action in ("submits work", "cancels work", "amends work", "ledger works", "link up"):
            self.do(action, 0)
        self.bench.venue.script.reports.clear()
        self.run(10)  # an end that is under way may be followed by another life
        self.do("resume", 0)
        self.run(45)

    def check_end(self) -> None:
        bench = self.bench
        assert bench.phase == "QUOTING"
        booked = [fill.trade_id for fill in bench.ledger.fills("main")]
        assert sorted(booked) == sorted(fill.trade_id for fill in bench.venue.fills)
        assert bench.ledger.replay("main") == bench.ledger.position("main")
        ours = {o.client_order_id: (o.price_ticks, o.size_lots) for o in bench.ledger.open_orders()}
        assert ours == {key: (o.price_ticks, o.size_lots) for key, o in bench.venue.open_orders.items()}
        slots = [order.slot for order in bench.venue.open_orders.values()]
        assert len(slots) == len(set(slots))
        bench.stop()
        assert bench.loop.finished is not None
        assert (bench.loop.finished.clean, bench.venue.open_orders) == (True, {})


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(ACTIONS), st.integers(0, 1000), st.sampled_from([0.0, 0.1, 0.7, 2.5, 11.0])),
        max_size=25,
    )
)
def test_limits_hold_throughout_and_the_books_agree_in_the_end(actions: list[tuple[str, int, float]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        chaos = Chaos(Path(folder))
        chaos.run(1)
        for action, number, pause_s in actions:
            chaos.do(action, number)
            chaos.run(pause_s)
        chaos.heal()
        chaos.check_end()
        chaos.bench.die()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(AMENDING), st.integers(0, 1000), st.sampled_from([0.0, 0.1, 0.7, 2.5, 11.0])),
        max_size=25,
    )
)
def test_limits_hold_throughout_whatever_becomes_of_amendments(actions: list[tuple[str, int, float]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        chaos = Chaos(Path(folder), amends=True)
        chaos.run(1)
        for action, number, pause_s in actions:
            chaos.do(action, number)
            chaos.run(pause_s)
        chaos.heal()
        chaos.check_end()
        chaos.bench.die()


def fills_some(venue: ScriptedVenue) -> None:
    """From now on an immediate order fills by a few lots where it arrives, and its rest expires."""
    rest = venue.rest

    def taking(order: Order, tell: bool = True) -> None:
        rest(order, tell)
        if order.time_in_force == "IOC":
            venue.fill(order.client_order_id, min(4, order.size_lots), stream=tell, price_ticks=10_000)
            if venue.open_orders.pop(order.client_order_id, None) and tell:
                venue.tell(order.client_order_id, OrderEvent.EXPIRED)

    venue.rest = taking  # type: ignore[method-assign]


def held(venue: ScriptedVenue) -> int:
    return sum(fill.side.sign * fill.size_lots for fill in venue.fills)


CLOSING = tuple(action for action in ACTIONS if action not in ("kill", "handover", "fill", "silent fill"))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 1000), st.sampled_from([0.1, 0.7, 2.5])), max_size=8),
    st.lists(
        st.tuples(st.sampled_from(CLOSING), st.integers(0, 1000), st.sampled_from([0.0, 0.1, 0.7, 5.0])), max_size=12
    ),
)
def test_a_close_gets_flat_and_never_past_it(
    before: list[tuple[str, int, float]], during: list[tuple[str, int, float]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        chaos = Chaos(Path(folder), PERP, stop_timeout_s=60.0)  # longer than unanswered reports can last
        venue = chaos.bench.venue
        chaos.run(1)
        for action, number, pause_s in before:
            chaos.do(action, number)
            chaos.run(pause_s)
        chaos.heal()
        fills_some(venue)
        begin = sign = held(venue)
        chaos.bench.loop.begin_close("flatten", SpotRule.LEAVE)
        for action, number, pause_s in during:
            if chaos.bench.loop.finished is None:
                chaos.do(action, number)
                chaos.bench.run(pause_s)
                assert held(venue) * sign >= 0 and abs(held(venue)) <= abs(begin)
        for action in ("submits work", "cancels work", "ledger works", "link up"):
            chaos.do(action, 0)
        venue.script.reports.clear()
        ended = chaos.bench.end(180)
        assert (ended.status, ended.clean, ended.closed) == (0, True, True)
        assert (held(venue), venue.open_orders) == (0, {})
        booked = [fill.trade_id for fill in chaos.bench.ledger.fills("main")]
        assert sorted(booked) == sorted(fill.trade_id for fill in venue.fills)
        chaos.bench.die()


def test_the_check_itself_sees_a_limit_that_is_broken() -> None:
    with tempfile.TemporaryDirectory() as folder:
        chaos = Chaos(Path(folder))
        chaos.run(1)
        order = next(iter(chaos.bench.venue.open_orders.values()))
        for number in range(4):
            chaos.bench.venue.rest(replace(order, client_order_id=f"more{number}"), tell=False)
        with pytest.raises(AssertionError):
            chaos.check_limit()
