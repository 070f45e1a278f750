"""A bot with a group of instruments: which legs it has, what is refused, and what others are told of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cli.offline import configs_in, status_while_down
from core.bot_config import BotConfig, Leg
from core.process.config_change import Change, change_between
from core.process.legs import claims_of
from core.process.venue_checks import ask_venue
from core.registry.config_manager import load_folder, load_plain
from core.registry.live_consent import give_consent, has_consent, subject_of, traded_symbols
from core.registry.risk_width import wider_risks
from tests.registry_parts import complaints_of, make_home, put
from utils.home import Home

PERP, FUTURE = "BTC-PERP", "BTC-27DEC30"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_home(tmp_path)


def group(rows: list[dict[str, Any]] | None = None, name: str = "grp", **strategy: Any) -> dict[str, Any]:
    """Return the config of a bot on a perpetual and a future."""
    both = [{"symbol": FUTURE, "max_position": 0.1}, {"symbol": PERP, "max_position": 0.2}]
    section = {"symbol": PERP, "instruments": both if rows is None else rows, "group_max_position": 0.2}
    return {
        "metadata": {"name": name, "exchange": "paper", "strategy": "avellaneda_stoikov_group"},
        "daemon_config": {},
        "exchange_config": {"feed": "synthetic"},
        "strategy_config": section | {"order_size": 0.01} | strategy,
        "risk_config": {},
    }


def live_group(**exchange: Any) -> dict[str, Any]:
    plain = group()
    plain["metadata"]["exchange"] = "thalex"
    plain["exchange_config"] = {"mode": "live", "key_id": "${A_KEY}", "private_key": "${A_SECRET}", **exchange}
    return plain


def loaded(home: Home, plain: dict[str, Any]) -> BotConfig:
    return load_plain(plain, "given", home, {"A_KEY": "ka", "A_SECRET": "sa"})


def test_the_main_leg_is_the_one_of_the_symbol_wherever_it_is_listed(home: Home) -> None:
    found = loaded(home, group())
    assert found.legs == (Leg("main", "paper", "grp", PERP), Leg("leg2", "paper", "grp", FUTURE))
    assert BotConfig.from_plain(json.loads(json.dumps(found.to_plain()))) == found
    assert [row["quote"] for row in found.strategy_config["instruments"]] == [True, True]


def test_every_leg_is_claimed_and_asked_of_the_venue(home: Home) -> None:
    found = loaded(home, group())
    assert [claim.text for claim in claims_of(found, "home")][1:] == [
        "BTC-PERP on paper account 'grp'",
        "BTC-27DEC30 on paper account 'grp'",
    ]
    assert ask_venue(found, ()) == []
    rows = [{"symbol": PERP, "max_position": 1}, {"symbol": "BTC-1JAN31", "max_position": 1}]
    assert ask_venue(loaded(home, group(rows)), ())[0].startswith("leg2 leg: symbol 'BTC-1JAN31' is not listed")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"symbol": "ETH-PERP"}, "strategy_config.symbol: found \"ETH-PERP\", expected one of the instruments"),
        ({"rows": [{"symbol": PERP, "max_position": 1}]}, "strategy_config.instruments: found"),
        ({"rows": [{"symbol": PERP, "max_position": 1}, {"symbol": "BTC_PERP", "max_position": 1}]},
         "strategy_config.instruments[1].symbol: found \"BTC_PERP\", expected a symbol that is not listed before"),
        ({"rows": [{"symbol": PERP, "max_position": 1}, {"symbol": FUTURE}]},
         "strategy_config.instruments[1].max_position"),
        ({"rows": [{"symbol": s, "max_position": 1, "quote": False} for s in (PERP, FUTURE)]},
         "strategy_config.instruments[0].quote: found false"),
        ({"rows": [{"symbol": PERP, "max_position": 1}, {"symbol": FUTURE, "max_position": 1, "bet": 2}]},
         "an unknown key"),
        ({"order_size": 0.15}, "strategy_config.instruments[0].max_position: found 0.1, expected at least 0.15"),
        ({"group_max_position": 0.005}, "strategy_config.group_max_position: found 0.005, expected at least 0.01"),
        ({"auto_roll": "next"}, "strategy_config.auto_roll: found an unknown key"),
        ({"rescue_enabled": True}, "strategy_config.rescue_enabled: found an unknown key"),
    ],
)  # fmt: skip
def test_what_makes_no_group_is_refused_with_its_place(home: Home, changes: dict[str, Any], said: str) -> None:
    assert said in "\n".join(complaints_of(home, group(**changes)))


def test_a_group_needs_no_limit_beside_those_of_its_instruments(home: Home) -> None:
    assert complaints_of(home, group()) == []


def test_other_instruments_are_another_bot_and_the_groups_limits_are_taken_over_live(home: Home) -> None:
    before = loaded(home, group())
    rows = [{"symbol": PERP, "max_position": 0.2}, {"symbol": "BTC-1JAN31", "max_position": 0.1}]
    assert change_between(before, loaded(home, group(rows))) is Change.IDENTITY
    wider = [{"symbol": FUTURE, "max_position": 0.1, "weight": 2}, {"symbol": PERP, "max_position": 0.2}]
    assert change_between(before, loaded(home, group(wider))) is Change.RESTART
    assert change_between(before, loaded(home, group(group_max_position=0.1))) is Change.LIVE


def test_wider_limits_of_the_group_and_of_one_instrument_are_called_wider(home: Home) -> None:
    rows = [{"symbol": FUTURE, "max_position": 0.3}, {"symbol": PERP, "max_position": 0.2}]
    before = loaded(home, group(group_max_notional=1000))
    found = wider_risks(before, loaded(home, group(rows, group_max_position=0.4)))
    assert [str(one) for one in found] == [
        "strategy_config.instruments.0.max_position: 0.1 -> 0.3 widens a risk limit",
        "strategy_config.group_max_position: 0.2 -> 0.4 widens a risk limit",
        "strategy_config.group_max_notional: 1000.0 -> null widens a risk limit",
    ]
    assert wider_risks(loaded(home, group(rows, group_max_position=0.4)), before) == []


def test_a_persons_word_is_for_all_instruments_with_and_without_a_daemon(home: Home, tmp_path: Path) -> None:
    put(home, "grp.json", live_group())
    (described,) = configs_in(home.active, home)
    subject = subject_of(loaded(home, live_group()))
    assert subject.symbol == "BTC-PERP + BTC-27DEC30"
    assert traded_symbols([described.symbol, *(symbol for _, symbol in described.others)]) == subject.symbol
    give_consent(tmp_path / "word", subject)
    other = live_group()
    other["strategy_config"]["instruments"][0]["symbol"] = "BTC-1JAN31"
    assert has_consent(tmp_path / "word", subject)
    assert not has_consent(tmp_path / "word", subject_of(loaded(home, other)))


def test_a_status_without_a_daemon_shows_every_leg(home: Home) -> None:
    put(home, "grp.json", group())
    (row,) = status_while_down(home, lambda *_: {"position": "1", "legs": {"main": "1", "leg2": "-1"}})["bots"]
    assert [(leg["leg"], leg["symbol"], leg["position"]) for leg in row["legs"]] == [
        ("main", PERP, "1"),
        ("leg2", FUTURE, "-1"),
    ]


def test_no_other_bot_may_trade_an_instrument_of_the_group_on_its_account(home: Home) -> None:
    put(home, "grp.json", group())
    plain = group(name="mm")
    plain["metadata"]["strategy"] = "perp_market_maker"
    plain["exchange_config"]["account"] = "grp"
    plain["strategy_config"], plain["risk_config"] = {"symbol": FUTURE, "order_size": 0.01}, {"max_position": 1}
    put(home, "mm.json", plain)
    said = {
        Path(one.file).name: "\n".join(map(str, one.complaints)) for one in load_folder(home.active, home, {}).invalid
    }
    assert 'strategy_config.instruments: found "BTC-27DEC30", expected one bot for it' in said["grp.json"]
    assert "grp trades it too" in said["mm.json"]
