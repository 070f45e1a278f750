"""Whatever the venues do, there is one hedge at a time, no fill counts twice, and in the end all is in balance."""

from __future__ import annotations

import tempfile
from decimal import Decimal
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.market.order import Order, Side
from tests.trading.hedge_bench import HANG, NOTHING, HedgeBench

LOT = Decimal("0.01")
FILLS = st.tuples(st.just("fill"), st.sampled_from(list(Side)), st.integers(1, 60), st.booleans())
ANSWERS = st.tuples(st.just("answer"), st.sampled_from(["fill", NOTHING, HANG, "reject: no", 1, 2]))
MOVES = st.lists(
    FILLS
    | ANSWERS
    | st.tuples(st.just("wait"), st.integers(1, 15))
    | st.tuples(st.sampled_from(["again", "restart", "pause", "resume", "deaf", "hearing", "end"])),
    max_size=14,
)


class Watched(HedgeBench):
    """A bench that looks at every order that is sent to the hedge leg."""

    def begin(self, fresh: bool = False) -> None:
        super().begin(fresh)
        hedge, submit = self.hedge, type(self.hedge).submit

        def watched(orders: list[Order]) -> None:
            out = [order for order in hedge.open_orders.values() if order.time_in_force == "IOC"]
            assert not out, "a second hedge while one is out"
            assert len(orders) == 1
            submit(hedge, orders)

        hedge.submit = watched  # type: ignore[method-assign,assignment]

    def play(self, move: tuple[object, ...]) -> None:
        what, *more = move
        if what == "fill":
            side, lots, told = more
            slot = f"{side.value}.0"  # type: ignore[attr-defined]
            if slot in self.maker.resting:
                rest = self.maker.resting[slot]
                self.maker.fill(rest.client_order_id, min(lots, rest.size_lots - rest.filled_lots), told)  # type: ignore[type-var,arg-type,operator]
        elif what == "answer":
            self.hedge.takes.append(more[0])  # type: ignore[arg-type]
        elif what == "wait":
            self.run(int(more[0]) / 10)  # type: ignore[call-overload]
        elif what == "again" and self.maker.fills:
            self.tell_again("maker")
        elif what == "end":
            self.end_what_hangs()
        else:
            self.steer(str(what))
        self.run(0.1)

    def steer(self, what: str) -> None:
        if what == "restart":
            self.restart()
        elif what == "pause":
            self.loop.pause()
        elif what == "resume":
            self.loop.resume()
        elif what == "deaf":
            self.silent.add("hedge")
        elif what == "hearing":
            self.silent.discard("hedge")

    def is_in_balance(self) -> bool:
        """Tell whether nothing that makes an order is open, and the ledger has what the venues have."""
        rows = self.loop.snapshot()["legs"]
        agree = all(Decimal(row["position"]) == self.venues[row["leg"]].held() for row in rows)
        return agree and abs(self.exposure()) < LOT and self.stats["hedge_state"] == "IDLE"

    def end_what_hangs(self) -> None:
        """Let every hedge that is out fill, and tell nobody."""
        for order in list(self.hedge.open_orders.values()):
            self.hedge.fill(order.client_order_id, order.size_lots, stream=False)


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(MOVES)
def test_one_hedge_at_a_time_and_in_the_end_all_is_in_balance(moves: list[tuple[object, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        bench = Watched(Path(folder), max_failures=1000, failure_pause_s=1, risk={"max_consecutive_rejects": 1000})
        bench.run(1)
        for move in moves:
            bench.play(move)
        bench.hedge.takes.clear()
        bench.silent.clear()
        bench.loop.resume()
        bench.end_what_hangs()
        bench.run(90, bench.is_in_balance)
        assert bench.is_in_balance()
        bench.loop.close()
        bench.ledger.close()
