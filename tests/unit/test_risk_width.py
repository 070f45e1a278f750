"""A change that lets a bot lose more is named; which one does is said by the schemas alone."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.bot_config import BotConfig, widened_limits
from core.registry.config_manager import load_plain
from core.registry.risk_width import wider_risks
from core.registry.schema import known_exchanges, known_strategies, load_schema
from tests.registry_parts import config_with
from utils.home import CHECKOUT, Home

HOME = Home(CHECKOUT / "no-such-home")


def bot(exchange: str = "paper", exchange_config: Any = None, **risk: Any) -> BotConfig:
    plain = config_with(
        metadata={"exchange": exchange},
        exchange_config={"feed": "synthetic" if exchange == "paper" else ..., **(exchange_config or {})},
        risk_config=risk,
    )
    return load_plain(plain, "bot.json", HOME, {})


WIDER = [
    ("max_position", 1, 2),
    ("max_position", 1, None),
    ("max_order_size", 1, 1.5),
    ("max_open_orders", 5, 6),
    ("max_loss", 100, 101),
    ("max_loss", 100, None),
    ("max_loss_action", "close", "cancel"),
    ("max_drawdown_pct", 5, 50),
    ("max_price_move_pct", 1, None),
    ("price_move_window_s", 60, 6),
    ("price_move_cooldown_s", 60, 6),
    ("reference_deviation_bps", 20, 30),
    ("max_orders_per_min", 60, None),
    ("max_cancel_fill_ratio", 60, 61),
    ("price_floor", 10, 9),
    ("price_floor", 10, None),
    ("price_ceiling", 10, 11),
    ("max_book_age_s", 5, 6),
    ("max_consecutive_rejects", 5, 50),
    ("reject_window_s", 60, 6),
    ("breaker_cooldown_s", 60, 1),
]


@pytest.mark.parametrize(("key", "tight", "wide"), WIDER)
def test_a_wider_limit_is_named_with_both_values_and_a_tighter_one_is_not(key: str, tight: Any, wide: Any) -> None:
    (found,) = wider_risks(bot(**{key: tight}), bot(**{key: wide}))
    assert found.path == f"risk_config.{key}"
    assert str(found).startswith(f"risk_config.{key}: ")
    assert wider_risks(bot(**{key: wide}), bot(**{key: tight})) == []


def test_limits_of_the_venues_section_count_too() -> None:
    before, after = bot("backpack", {"leverage": 2}), bot("backpack", {"leverage": 5, "allow_withdrawal_key": True})
    assert {one.path for one in wider_risks(before, after)} == {
        "exchange_config.leverage",
        "exchange_config.allow_withdrawal_key",
    }


def test_a_limit_that_is_not_there_any_more_because_its_default_is_none_is_wider() -> None:
    (found,) = wider_risks(bot(max_loss=10), bot())
    assert str(found) == "risk_config.max_loss: 10.0 -> null widens a risk limit"


@given(st.none() | st.floats(0.01, 1e6), st.none() | st.floats(0.01, 1e6))
def test_of_two_configs_at_most_one_is_wider_in_a_limit(one: float | None, other: float | None) -> None:
    there, back = bot(max_loss=one), bot(max_loss=other)
    wider = (bool(widened_limits(there, back)), bool(widened_limits(back, there)))
    assert wider in ([(False, False)] if one == other else [(True, False), (False, True)])


def test_every_key_of_the_limits_says_in_which_direction_it_is_wider() -> None:
    assert {node.get("x-risk") for node in load_schema("risk")["properties"].values()} == {"up", "down"}


def test_a_mark_is_up_or_down_at_a_key_whose_values_have_an_order() -> None:
    names = ["risk", "daemon", *(f"exchanges/{n}" for n in known_exchanges())]
    names += [f"strategies/{n}" for n in known_strategies()]
    for name in names:
        for key, node in load_schema(name)["properties"].items():
            if "x-risk" in node:
                assert node["x-risk"] in ("up", "down"), (name, key)
                types = {node["type"]} if isinstance(node["type"], str) else set(node["type"])
                assert "enum" in node or types <= {"number", "integer", "boolean", "null"}, (name, key)


def test_the_widths_survive_the_way_to_the_supervisor() -> None:
    plain = json.loads(json.dumps(bot(max_loss=10).to_plain()))
    assert widened_limits(BotConfig.from_plain(plain), bot(max_loss=11)) == ("risk_config.max_loss",)
