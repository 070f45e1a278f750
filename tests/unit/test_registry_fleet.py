"""What configs can do to each other, and folders of them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from core.bot_config import BotConfig
from core.fleet_config import FleetConfig
from core.registry import config_manager, fleet
from core.registry.config_manager import MAX_CONFIGS, find_config, load_folder
from tests.registry_parts import config_with, make_home, put
from utils.errors import ConfigError
from utils.home import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_home(tmp_path)


def put_bot(home: Home, name: str, file: str = "", **exchange: object) -> None:
    """Write a sound config of a bot."""
    put(home, file or f"{name}.json", config_with(metadata={"name": name}, exchange_config=exchange))


def complaints(home: Home) -> dict[str, str]:
    """Return what is wrong by file name."""
    invalid = load_folder(home.active, home, {}).invalid
    return {Path(entry.file).name: "\n".join(map(str, entry.complaints)) for entry in invalid}


def test_bots_come_in_the_order_of_their_names(home: Home) -> None:
    put_bot(home, "b", "1.json")
    put_bot(home, "a", "2.json")
    assert [config.name for config in load_folder(home.active, home, {}).configs] == ["a", "b"]


def test_an_empty_folder_is_no_mistake(home: Home) -> None:
    assert load_folder(home.active, home, {}) == config_manager.LoadResult((), (), fleet=FleetConfig())


def test_a_folder_that_is_not_there_is_not_an_empty_one(home: Home) -> None:
    with pytest.raises(ConfigError, match="config/nowhere is not a folder that can be read"):
        load_folder(home.root / "config" / "nowhere", home, {})


def test_hidden_files_and_other_endings_are_no_configs(home: Home) -> None:
    put(home, ".x.json.1.tmp", "{")
    put(home, ".hidden.json", "{")
    put(home, "notes.txt", "{")
    assert load_folder(home.active, home, {}) == config_manager.LoadResult((), (), fleet=FleetConfig())


def test_an_invalid_file_hides_no_other(home: Home) -> None:
    put(home, "a.json", "{")
    put_bot(home, "b")
    result = load_folder(home.active, home, {})
    assert [config.name for config in result.configs] == ["b"]
    assert [(entry.file, entry.name) for entry in result.invalid] == [("config/active/a.json", None)]


def test_an_invalid_file_still_tells_which_bot_it_is(home: Home) -> None:
    put(home, "x.json", config_with(metadata={"name": "sol"}, strategy_config={"layers": 0}))
    assert load_folder(home.active, home, {}).invalid[0].name == "sol"


def test_one_name_in_two_files_refuses_both_and_names_the_other(home: Home) -> None:
    put_bot(home, "twin", "a.json")
    put_bot(home, "twin", "b.json")
    put_bot(home, "single")
    assert load_folder(home.active, home, {}).configs[0].name == "single"
    said = complaints(home)
    assert "config/active/b.json" in said["a.json"]
    assert "config/active/a.json" in said["b.json"]


def test_paper_bots_have_accounts_of_their_own_by_default(home: Home) -> None:
    put_bot(home, "a")
    put_bot(home, "b")
    assert complaints(home) == {}


def test_two_bots_on_one_account_and_symbol_are_refused(home: Home) -> None:
    put_bot(home, "a", account="shared")
    put_bot(home, "b", account="shared")
    said = complaints(home)
    assert "b trades it too" in said["a.json"]
    assert "a trades it too" in said["b.json"]


def test_one_symbol_in_two_spellings_is_one_symbol(home: Home) -> None:
    put(home, "a.json", config_with(metadata={"name": "a"}, exchange_config={"account": "s"}))
    other = config_with(metadata={"name": "b"}, exchange_config={"account": "s"}, strategy_config={"symbol": "solusdc"})
    put(home, "b.json", other)
    assert set(complaints(home)) == {"a.json", "b.json"}


def test_two_embedded_venues_do_not_conflict(home: Home) -> None:
    for name in ("a", "b"):
        config = config_with(metadata={"name": name, "exchange": f"paper:{name}"}, exchange_config={"account": "s"})
        put(home, f"{name}.json", config)
    assert complaints(home) == {}


def test_a_symbol_is_shared_only_when_both_allow_it(home: Home) -> None:
    put_bot(home, "a", account="s", allow_shared_symbol=True)
    put_bot(home, "b", account="s", allow_shared_symbol=True)
    assert complaints(home) == {}
    put_bot(home, "c", account="s")
    assert set(complaints(home)) == {"a.json", "b.json", "c.json"}


def put_live(home: Home, name: str, key: str, symbol: str) -> None:
    """Write a bot of a live venue."""
    keys = {"mode": "live", "account": name, "api_key": f"${{{key}}}", "api_secret": f"${{{key}}}"}
    metadata = {"name": name, "exchange": "backpack"}
    put(
        home,
        f"{name}.json",
        config_with(metadata=metadata, exchange_config={**keys, "feed": ...}, strategy_config={"symbol": symbol}),
    )


def test_two_bots_share_a_key_unless_its_venue_counts_nonces(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, key, symbol in (("a", "K", "SOL-USDC"), ("b", "K", "BTC-USDC"), ("c", "L", "ETH-USDC")):
        put_live(home, name, key, symbol)
    keys = {"K": "x", "L": "y"}
    assert load_folder(home.active, home, keys).invalid == ()
    marked = {**fleet.load_schema("exchanges/backpack"), "x-key-nonces": ["api_key"]}
    monkeypatch.setattr(fleet, "load_schema", lambda name: marked)
    result = load_folder(home.active, home, keys)
    assert [config.name for config in result.configs] == ["c"]
    said = [str(one) for entry in result.invalid for one in entry.complaints]
    assert ["exchange_config.api_key: found ${K}, expected a key of its own" in one for one in said] == [True, True]
    assert "b uses it, too" in said[0]


def test_the_secrets_of_all_files_are_listed_by_name(home: Home) -> None:
    put_bot(home, "a", api_key="${KEY_A}")
    put(home, "b.json", config_with(exchange_config={"api_key": "${KEY_B}"}, strategy_config={"layers": 0}))
    assert load_folder(home.active, home, {"KEY_A": "x"}).secret_names == ("KEY_A", "KEY_B")


def test_a_mistake_of_ours_in_one_file_hides_no_other(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    real = config_manager.load_document

    def fails_for_a(document: object, *rest: object) -> object:
        if getattr(document, "file", "").endswith("a.json"):
            raise RecursionError
        return real(document, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(config_manager, "load_document", fails_for_a)
    put_bot(home, "a")
    put_bot(home, "b")
    result = load_folder(home.active, home, {})
    assert [config.name for config in result.configs] == ["b"]
    assert "RecursionError" in str(result.invalid[0].complaints[0])


def test_the_number_of_configs_is_bounded(home: Home) -> None:
    for number in range(MAX_CONFIGS + 1):
        (home.active / f"{number:04}.json").write_text("{")
    assert any(
        "1001 configs" in str(one) for entry in load_folder(home.active, home, {}).invalid for one in entry.complaints
    )


def test_fifty_configs_take_well_below_a_second(home: Home) -> None:
    for number in range(50):
        put_bot(home, f"bot-{number}")
    load_folder(home.active, home, {})  # compiles the schemas
    started = time.process_time()
    assert len(load_folder(home.active, home, {}).configs) == 50
    assert time.process_time() - started < 1


def test_a_config_survives_the_trip_as_plain_data(home: Home) -> None:
    put_bot(home, "a")
    (config,) = load_folder(home.active, home, {}).configs
    assert BotConfig.from_plain(config.to_plain()) == config


def test_a_bot_is_found_by_its_name_whatever_its_file_is_called(home: Home) -> None:
    put_bot(home, "sol", "other.json")
    put(home, "sol2.json", "{")
    assert find_config("sol", home, {}) == home.active / "other.json"
    assert find_config("some/path.json", home, {}) == Path("some/path.json")
    with pytest.raises(ConfigError, match="no bot and no file 'btc'"):
        find_config("btc", home, {})
