"""A bot with two legs: which they are, what they need of their venues, and who may trade them beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cli.direct_config import Wish, direct_config
from cli.direct_flags import key_options
from cli.offline import configs_in, status_while_down
from core.bot_config import BotConfig, Leg
from core.process.config_change import Change, change_between
from core.process.legs import claims_of
from core.process.secrets_of import secrets_in
from core.process.venue_checks import ask_venue
from core.process.venue_keys import key_claims
from core.registry import fleet
from core.registry.config_manager import explain, load_folder, load_plain, resolve_secrets
from core.registry.live_consent import give_consent, has_consent, hold_to_consent, subject_of, trades_real_money
from core.registry.risk_width import wider_risks
from tests.registry_parts import make_home, put
from utils.errors import ConfigError
from utils.home import Home

KEYS = {"A_KEY": "ka", "A_SECRET": "sa", "B_KEY": "kb", "B_SECRET": "sb"}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_home(tmp_path)


def pair(name: str = "pair", hedge: dict[str, Any] | None = None, **strategy: Any) -> dict[str, Any]:
    """Return the config of a bot that makes on paper:a and hedges on paper:b."""
    plain: dict[str, Any] = {
        "metadata": {"name": name, "exchange": "paper:a", "strategy": "maker_taker_hedge"},
        "daemon_config": {},
        "exchange_config": {"feed": "synthetic"},
        "strategy_config": {"symbol": "SOL-USDC", "mode": "cross_venue", "hedge_venue": "paper:b", "order_size": 1},
    }
    plain["strategy_config"].update(strategy)
    return plain if hedge is None else {**plain, "hedge_exchange_config": hedge}


def live_pair(**strategy: Any) -> dict[str, Any]:
    """Return the config of a bot on two live venues."""
    plain = pair(hedge={"mode": "live", "key_id": "${B_KEY}", "private_key": "${B_SECRET}"}, **strategy)
    plain["metadata"]["exchange"] = "backpack"
    plain["exchange_config"] = {"mode": "live", "api_key": "${A_KEY}", "api_secret": "${A_SECRET}"}
    plain["strategy_config"].update(hedge_venue="thalex", symbol="BTC-USDC", hedge_symbol="BTC-PERP")
    return {**plain, "risk_config": {"max_position": 1}}


def loaded(home: Home, plain: dict[str, Any]) -> BotConfig:
    return load_plain(plain, "given", home, KEYS)


def test_a_hedged_maker_has_a_maker_leg_and_a_hedge_leg(home: Home) -> None:
    found = loaded(home, pair(hedge_symbol="SOL-USDT", hedge_account="other"))
    assert found.legs == (
        Leg("maker", "paper:a", "pair", "SOL-USDC"),
        Leg("hedge", "paper:b", "other", "SOL-USDT"),
    )
    assert BotConfig.from_plain(json.loads(json.dumps(found.to_plain()))) == found


def test_on_one_venue_there_is_one_leg(home: Home) -> None:
    plain = pair()
    plain["strategy_config"] = {"symbol": "SOL-USDC", "order_size": 1}
    assert loaded(home, plain).legs == (Leg("maker", "paper:a", "pair", "SOL-USDC"),)
    assert loaded(home, plain).hedge_exchange_config == {}


def test_other_strategies_have_their_one_leg(home: Home) -> None:
    plain = pair()
    plain["metadata"]["strategy"], plain["strategy_config"] = "market_maker", {"symbol": "SOL-USDC", "order_size": 1}
    assert [leg.leg for leg in loaded(home, plain).legs] == ["main"]


def test_the_hedge_legs_venue_has_its_defaults_and_its_account_may_stand_there(home: Home) -> None:
    found = loaded(home, pair(hedge={"account": "there", "latency_ms": 5}))
    assert (found.legs[1].account, found.hedge_exchange_config["latency_ms"]) == ("there", 5)
    assert found.hedge_exchange_config["taker_fee_bps"] == 5.0
    assert found.exchange_config_of(found.legs[0])["latency_ms"] == 20


def test_both_legs_on_one_venue_go_by_the_makers_keys_unless_others_are_given(home: Home) -> None:
    plain = pair(hedge_venue=None, hedge_symbol="SOL-USDT")
    plain["exchange_config"] = {"feed": "synthetic", "latency_ms": 7, "account": "one"}
    found = loaded(home, plain)
    assert (found.hedge_exchange_config["latency_ms"], found.legs[1].account) == (7, "one")
    assert loaded(home, {**plain, "hedge_exchange_config": {}}).hedge_exchange_config["latency_ms"] == 20


def test_a_changed_hedge_leg_is_another_bot_and_its_venues_keys_need_a_new_worker(home: Home) -> None:
    before = loaded(home, pair())
    assert change_between(before, loaded(home, pair(hedge_symbol="SOL-USDT"))) is Change.IDENTITY
    assert change_between(before, loaded(home, pair(hedge={"latency_ms": 5}))) is Change.RESTART
    assert change_between(before, loaded(home, pair(hedge_slippage_bps=5))) is Change.LIVE
    assert change_between(loaded(home, pair(hedge={"account": "x"})), before) is Change.IDENTITY


def test_a_wider_limit_of_hedging_is_called_wider(home: Home) -> None:
    found = wider_risks(loaded(home, pair(max_unhedged_s=5)), loaded(home, pair(max_unhedged_s=50)))
    assert [one.path for one in found] == ["strategy_config.max_unhedged_s"]


def test_the_venues_of_all_legs_are_warmed(home: Home) -> None:
    assert loaded(home, pair()).warm_kind == "paper/maker_taker_hedge"
    assert loaded(home, live_pair()).warm_kind == "backpack+thalex/maker_taker_hedge"


def test_every_leg_is_claimed_for_itself(home: Home) -> None:
    texts = [claim.text for claim in claims_of(loaded(home, pair()), "home")]
    assert texts[1:] == ["SOL-USDC on paper:a account 'pair'", "SOL-USDC on paper:b account 'pair'"]
    shared = pair(hedge={"allow_shared_symbol": True})
    assert [claim.shared for claim in claims_of(loaded(home, shared), "home")] == [False, False, True]


def test_a_hedge_perpetual_is_never_shared_whichever_key_names_its_symbol(home: Home) -> None:
    plain = live_pair(hedge_symbol=None)
    plain["strategy_config"].update(symbol="BTC-PERP", hedge_symbol=None)
    plain["hedge_exchange_config"]["allow_shared_symbol"] = True
    with pytest.raises(ConfigError, match=r"hedge_exchange_config\.allow_shared_symbol: .*whole account's"):
        loaded(home, plain)


def test_the_secrets_of_both_legs_are_put_in_and_kept_from_sight(home: Home) -> None:
    found = loaded(home, live_pair())
    assert found.secret_names == ("A_KEY", "A_SECRET", "B_KEY", "B_SECRET")
    resolved = resolve_secrets(found, KEYS, home.env_file)
    assert resolved.exchange_config_of(found.legs[1])["key_id"].reveal() == "kb"
    assert {secret.reveal() for secret in secrets_in(resolved)} == set(KEYS.values())
    assert len(key_claims(resolved)) == 2


def test_explain_tells_the_hedge_legs_keys_and_no_secret(home: Home) -> None:
    path = put(home, "pair.json", live_pair())
    told = {one.path: one.value_text for one in explain(path, home, KEYS)}
    assert told["hedge_exchange_config.mode"] == "live"
    assert told["hedge_exchange_config.private_key"] == "***"


def test_a_persons_word_is_for_both_legs(home: Home, tmp_path: Path) -> None:
    found = loaded(home, live_pair())
    assert trades_real_money(found)
    give_consent(tmp_path / "word", subject_of(found))
    hold_to_consent(tmp_path / "word", found)
    other = loaded(home, live_pair(hedge_account="another"))
    assert not has_consent(tmp_path / "word", subject_of(other))
    with pytest.raises(ConfigError, match="would trade real money"):
        hold_to_consent(tmp_path / "word", other)


def test_the_word_asked_for_without_a_daemon_is_that_of_the_worker(home: Home) -> None:
    put(home, "pair.json", live_pair(hedge_account="there"))
    (described,) = configs_in(home.active, home)
    assert described.real_money
    subject = subject_of(loaded(home, live_pair(hedge_account="there")))
    assert (described.exchange, described.account, described.symbol) == ("backpack", "pair", "BTC-USDC")
    assert described.hedge == subject.hedge


def test_a_status_without_a_daemon_shows_both_legs(home: Home) -> None:
    put(home, "pair.json", pair())
    (row,) = status_while_down(home, lambda *_: {"position": "1", "legs": {"maker": "1", "hedge": "-1"}})["bots"]
    assert [(leg["leg"], leg["exchange"], leg["position"]) for leg in row["legs"]] == [
        ("maker", "paper:a", "1"),
        ("hedge", "paper:b", "-1"),
    ]


def complaints(home: Home) -> dict[str, str]:
    """Return what is wrong by file name."""
    invalid = load_folder(home.active, home, KEYS).invalid
    return {Path(entry.file).name: "\n".join(map(str, entry.complaints)) for entry in invalid}


def test_no_other_bot_may_trade_the_hedge_leg_on_its_account(home: Home) -> None:
    put(home, "pair.json", pair(hedge_account="one"))
    plain = pair("mm")
    plain["metadata"].update(exchange="paper:b", strategy="market_maker")
    plain["exchange_config"]["account"] = "one"
    plain["strategy_config"] = {"symbol": "SOL-USDC", "order_size": 1}
    put(home, "mm.json", plain)
    said = complaints(home)
    assert "one bot for it on paper:b, account one (mm trades it too)" in said["pair.json"]
    assert "pair trades it too" in said["mm.json"]


def test_two_legs_of_one_bot_do_not_share_a_key_whose_nonces_are_counted(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = live_pair()
    plain["strategy_config"].update(hedge_venue="backpack", hedge_symbol="BTC-USDT")
    plain["hedge_exchange_config"] = plain["exchange_config"]
    put(home, "pair.json", plain)
    assert complaints(home) == {}
    marked = {**fleet.load_schema("exchanges/backpack"), "x-key-nonces": ["api_key"]}
    monkeypatch.setattr(fleet, "load_schema", lambda name: marked)
    said = complaints(home)["pair.json"]
    assert "exchange_config.api_key: found ${A_KEY}, expected a key of its own" in said
    assert "hedge_exchange_config.api_key" in said


def test_the_venues_of_both_legs_are_asked(home: Home) -> None:
    said = ask_venue(loaded(home, pair(hedge={"feed": "replay:not-there.csv.gz"})), ())
    assert said
    assert said[0].startswith("hedge leg: ")


def test_a_direct_run_takes_the_hedge_leg_by_flags(home: Home) -> None:
    flags = {one.opts[0]: one.path for one in key_options("paper:a", "maker_taker_hedge", set(), "paper:b")}
    assert flags["--hedge-exchange.latency-ms"] == ("hedge_exchange_config", "latency_ms")
    assert flags["--latency-ms"] == ("exchange_config", "latency_ms")
    keys = {
        ("strategy_config", "mode"): "cross_venue",
        ("strategy_config", "hedge_venue"): "paper:b",
        ("hedge_exchange_config", "latency_ms"): 5,
    }
    wish = Wish("SOL-USDC", "paper:a", "maker_taker_hedge", keys=keys)
    found = loaded(home, direct_config(wish, home))
    assert (found.legs[1].exchange, found.hedge_exchange_config["latency_ms"]) == ("paper:b", 5)


def test_a_live_direct_run_takes_the_keys_of_both_venues_from_their_variables(home: Home) -> None:
    keys = {("strategy_config", "mode"): "cross_venue", ("strategy_config", "hedge_venue"): "thalex"}
    wish = Wish("BTC-USDC", "backpack", "maker_taker_hedge", keys=keys, live=True)
    plain = direct_config(wish, home)
    assert plain["hedge_exchange_config"] == {
        "mode": "live",
        "key_id": "${THALEX_KEY_ID}",
        "private_key": "${THALEX_PRIVATE_KEY}",
    }
