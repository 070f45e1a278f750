"""A dated future near its end, as a script: first only less, then nothing."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from core.market.commands import Command, Flatten, Quotes
from core.market.events import Timer, Watch
from core.market.order import Side
from core.market.position import Position
from strategies.base import Strategy, View, strategy_class
from tests.market_parts import NOW, SECOND, book, fill, instrument

EXPIRY = NOW + 200_000 * SECOND
FUTURE = instrument(kind="future", expiry_utc_ns=EXPIRY)  # ticks of 0.1, lots of 0.001
MODEL = {"gamma": 1, "kappa": 1000, "sigma_method": "fixed", "sigma": 1e-6}
KINDS = {"perp_market_maker": {}, "avellaneda_stoikov": MODEL}


class Script:
    """A bot on a future with a view of its own."""

    def __init__(self, name: str, held: int, left_s: float, **config: Any) -> None:
        keys = {"symbol": "SOL-27DEC30", "order_size": 0.1, "layers": 1} | KINDS[name] | config
        kind = strategy_class(name)
        self.strategy: Strategy = kind(kind.params_from(keys))
        self.view = View(now_ns=SECOND, utc_ns=EXPIRY - int(left_s * SECOND), instruments={"main": FUTURE})
        self.view.books["main"], self.view.position_limits["main"] = book(1_499, 1_501), 400
        self.view.positions["main"] = Position("main")
        if held:
            entry = fill(Side.BUY if held > 0 else Side.SELL, 1_500, abs(held))
            self.view.positions["main"] = Position("main").after_fill(entry, FUTURE)

    def due(self) -> list[Command]:
        return self.strategy.on_event(Timer(self.view.now_ns), self.view)

    def sides(self) -> list[tuple[Side, bool]]:
        (wanted,) = self.due()
        assert isinstance(wanted, Quotes)
        return [(one.side, one.reduce_only) for one in wanted.quotes]


@pytest.mark.parametrize("name", KINDS)
def test_a_day_before_the_end_only_what_reduces_is_quoted(name: str) -> None:
    assert Script(name, 100, 86_401).sides() == [(Side.BUY, False), (Side.SELL, False)]
    assert Script(name, 100, 86_400).sides() == [(Side.SELL, True)]
    assert Script(name, -100, 3_601).sides() == [(Side.BUY, True)]
    assert Script(name, 0, 86_400).sides() == []


@pytest.mark.parametrize("name", KINDS)
def test_an_hour_before_the_end_the_position_is_closed_and_nothing_is_quoted(name: str) -> None:
    closes = [Flatten("expiry", 20.0, 200.0, "main")]
    script = Script(name, 100, 3_600)
    assert script.due() == closes
    assert script.strategy.on_event(Watch(script.view.now_ns), script.view) == closes  # also while a gate is shut
    assert Script(name, 0, 3_600).sides() == []
    assert Script(name, 1, 10).sides() == []  # too little for an order
    assert Script(name, 100, -5).due() == closes


def test_both_times_can_be_set() -> None:
    script = Script("perp_market_maker", 100, 50, roll_before_s=49, stop_before_s=10)
    assert len(script.sides()) == 2
    script.view.utc_ns += SECOND
    assert script.sides() == [(Side.SELL, True)]
    late = Script("perp_market_maker", 100, 50, roll_before_s=0, stop_before_s=60)
    assert isinstance(late.due()[0], Flatten)


def test_what_does_not_expire_is_left_alone() -> None:
    script = Script("perp_market_maker", 100, 1)
    script.view.instruments["main"] = instrument(kind="perp", min_notional=Decimal(0))
    assert len(script.sides()) == 2
