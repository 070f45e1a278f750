"""What tests of Thalex's orders do again and again."""

from __future__ import annotations

from typing import Any

from core.market.order import OrderEvent
from tests.thalex_parts import Bench, order_of

E = OrderEvent
INSERT, CANCEL, OPEN = "private/insert", "private/cancel", "private/open_orders"


def answer_insert(bench: Bench, **changes: Any) -> None:
    bench.venue.answers[INSERT] = lambda params: order_of(params, params["client_order_id"], **changes)


def say_order(bench: Bench, key: str, **changes: Any) -> None:
    params = [each for each in bench.venue.params(INSERT) if each["label"] == key][-1]
    bench.venue.say("account.orders", [order_of(params, params["client_order_id"], **changes)])
