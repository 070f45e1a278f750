"""A market maker that does wrong what a file tells it to. Not part of makerd.

The chaos harness places this file as `strategies/chaos_maker.py` into a copy of the checkout of its own, with a schema
made of the market maker's (`schema_of`). A config of the real checkout cannot name it.
"""

from __future__ import annotations

import dataclasses
import os
import signal
from collections.abc import Mapping
from typing import Any

from core.market.commands import Command
from core.market.events import Event
from strategies.base import View
from strategies.market_maker import MarketMaker, MarketMakerParams

_BLOCK = 4 * 1024 * 1024
_HOG_BLOCKS = 50  # 200 MB, beyond the memory_limit_mb of the run's configs
KEY = "order_file"


def schema_of(market_maker: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of this strategy: the market maker's with one more key."""
    own = {
        "type": "string",
        "default": "",
        "x-expected": "a path",
        "x-reload": "restart",
        "description": "What to do wrong next; the file is taken away.",
    }
    properties = {**market_maker["properties"], KEY: own}
    return {**market_maker, "title": "chaos_maker", "properties": properties}


@dataclasses.dataclass(frozen=True, slots=True)
class ChaosParams(MarketMakerParams):
    """The market maker's parameters, and where the orders to misbehave come from."""

    order_file: str = ""


class ChaosMaker(MarketMaker):
    """Quotes like its parent until it is told to do something else."""

    params: ChaosParams

    def __init__(self, params: ChaosParams) -> None:
        super().__init__(params)
        self._hoard: list[bytearray] = []

    @classmethod
    def params_from(cls, strategy_config: Mapping[str, Any]) -> ChaosParams:
        """Return the parent's parameters and our own. Raises ConfigError."""
        parent = MarketMaker.params_from(strategy_config)
        values = {field.name: getattr(parent, field.name) for field in dataclasses.fields(parent)}
        return ChaosParams(**values, order_file=str(strategy_config.get(KEY, "")))

    def on_event(self, event: Event, view: View) -> list[Command]:
        """Look for orders, then quote."""
        order = self._order()
        if order:
            self._misbehave(order)
        return super().on_event(event, view)

    def _order(self) -> str:
        path = self.params.order_file
        if not path or not os.path.exists(path):
            return ""
        with open(path, encoding="ascii") as file:
            order = file.read().strip()
        os.unlink(path)
        return order

    def _misbehave(self, order: str) -> None:
        if order == "raise":
            raise RuntimeError("a strategy that was told to fail")
        if order == "hog":
            self._hoard += [bytearray(os.urandom(4096) * (_BLOCK // 4096)) for _ in range(_HOG_BLOCKS)]
        elif order == "spin":
            while True:
                pass
        elif order == "exit":
            os._exit(3)
        elif order == "segfault":
            os.kill(os.getpid(), signal.SIGSEGV)


STRATEGY = ChaosMaker
