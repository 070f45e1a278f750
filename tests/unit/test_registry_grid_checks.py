"""What is wrong with a grid before it starts: told by validating, as the start would tell it."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.market import grid_worst_case
from core.market.instrument import Instrument
from core.market.risk_limits import RiskLimits
from core.registry.checks import CHECKS, Draft
from core.registry.checks.grid import MAINTENANCE
from core.registry.config_manager import InvalidConfig, load_file, load_plain
from strategies.base import strategy_class
from tests.registry_parts import complaints_of, make_home
from utils.errors import ConfigError
from utils.home import Home

SPOT: dict[str, Any] = {"lower": 100, "upper": 200, "grid_num": 11, "quantity": 1}
AUTO: dict[str, Any] = {"auto_range": True, "lower": None, "upper": None}
MONEY = {"USDC": "99", "SOL": "2"}
PERP: dict[str, Any] = {"lower": 100, "upper": 200, "grid_num": 11, "quantity": 1, "grid_type": "long"}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_home(tmp_path)


def spot(strategy: dict[str, Any], **exchange: Any) -> dict[str, Any]:
    return _config("grid_strategy", "SOL-USDC", {**SPOT, **strategy}, exchange, {})


def perp(strategy: dict[str, Any], risk: dict[str, Any] | None = None, **exchange: Any) -> dict[str, Any]:
    limits = {"max_position": 1000} if risk is None else risk
    return _config("perp_grid_strategy", "SOL-PERP", {**PERP, **strategy}, exchange, limits)


def _config(
    name: str, symbol: str, strategy: dict[str, Any], exchange: dict[str, Any], risk: dict[str, Any]
) -> dict[str, Any]:
    own = {key: value for key, value in strategy.items() if value is not ...}
    return {
        "metadata": {"name": "grid", "exchange": "paper", "strategy": name},
        "daemon_config": {},
        "exchange_config": {"feed": "synthetic", **exchange},
        "strategy_config": {"symbol": symbol, **own},
        "risk_config": risk,
    }


@pytest.mark.parametrize("config", [spot({}), perp({}), perp({"grid_type": "short"}), perp({"grid_type": "neutral"})])
def test_sound_grids_are_sound(home: Home, config: dict[str, Any]) -> None:
    assert complaints_of(home, config) == []


@pytest.mark.parametrize(
    ("config", "path", "word"),
    [
        (spot({"lower": 200, "upper": 100}), "lower", "below upper, which is 100"),
        (spot({"lower": 100, "upper": 100}), "lower", "below upper"),
        (spot({"upper": ...}), "upper", "or auto_range true"),
        (spot({"auto_range": True, "upper": None}), "lower", "null with auto_range"),
        (spot({"stop_lower": 100}), "stop_lower", "below lower, which is 100"),
        (spot({"stop_upper": 150}), "stop_upper", "above upper, which is 200"),
        (spot({"trail_floor": 101}), "trail_floor", "at most lower"),
        (
            spot({**AUTO, "stop_lower": 5, "stop_upper": 4}),
            "stop_lower",
            "below stop_upper",
        ),
        (spot({"quantity_quote": 5}), "quantity_quote", "one of quantity, quantity_quote, total_investment"),
        (spot({"quantity": ...}), "quantity", "a number above 0 in one of"),
        (perp({"quantity_quote": 5}), "quantity_quote", "one of quantity, quantity_quote"),
        (perp({"neutral_center": 150}), "neutral_center", 'unless grid_type is "neutral"'),
        (perp({"grid_type": "neutral", "neutral_center": 250}), "neutral_center", "below upper"),
        (perp({"grid_type": "neutral", "neutral_center": 50}), "neutral_center", "above lower"),
        (perp({"grid_type": "neutral", "initial_position": "market"}), "initial_position", "in a neutral grid"),
        (perp({"stop_loss": 0}), "stop_loss", "null is off"),
        (perp({"trailing_start_pct": 5}), "trailing_delta_pct", "they need each other"),
        (spot({}, maker_fee_bps=300), "grid_num", "at most 9, or a wider range"),
        (spot({**AUTO, "range_pct": 1}, maker_fee_bps=10), "grid_num", "at most 10"),
        (spot({"grid_num": 2, "upper": 101}, maker_fee_bps=90), "grid_num", "expected a wider range"),
        (spot({}, initial_balances={"USDC": "999"}), "quantity", "at most 999 USDC together"),
        (spot({"quantity": ..., "total_investment": 600}, initial_balances=MONEY), "total_investment", "at most 499"),
        (spot({"quantity": ..., "quantity_quote": 50}, initial_balances=MONEY), "quantity_quote", "they need 500"),
        (perp({"leverage": 5}), "leverage", "with all long cells filled it is liquidated within its range"),
        (perp({"leverage": 10, "grid_type": "short"}), "leverage", "with all short cells filled"),
    ],
)  # fmt: skip
def test_a_grid_that_cannot_be_is_told_with_its_key(home: Home, config: dict[str, Any], path: str, word: str) -> None:
    (said,) = complaints_of(home, config)
    assert f"strategy_config.{path}: found " in said
    assert word in said


@pytest.mark.parametrize(
    ("strategy", "risk", "limit"),
    [
        ({}, {"max_position": 9.9}, "max_position"),
        ({"grid_type": "short"}, {"max_position_usd": 1999}, "max_position_usd"),
        ({"quantity": ..., "quantity_quote": 100}, {"max_position_usd": 600}, "max_position_usd"),
        ({"grid_type": "neutral"}, {"max_position": 4}, "max_position"),
    ],
)
def test_a_grid_on_margin_that_could_hold_more_than_its_limit(
    home: Home, strategy: dict[str, Any], risk: dict[str, Any], limit: str
) -> None:
    found = complaints_of(home, perp(strategy, risk))
    assert found
    assert all(f"risk_config.{limit}: found " in one for one in found)


@pytest.mark.parametrize(
    "config",
    [
        spot({"min_profit_check": False}, maker_fee_bps=300),
        spot({}, initial_balances={"USDC": "1000"}),
        spot({}, initial_balances={"USDC": "0", "SOL": "10"}),
        spot(AUTO, initial_balances={"USDC": "1"}),
        perp({"leverage": 5, "quantity": ...}),
        perp({"leverage": 2.5}),
        perp({}, {"max_position": 10}),
        perp({"grid_type": "neutral", "neutral_center": 150}, {"max_position": 5}),
    ],
)
def test_what_only_a_start_can_tell_is_not_guessed(home: Home, config: dict[str, Any]) -> None:
    assert complaints_of(home, config) == []


def test_a_complaint_has_the_line_and_column_of_its_key(home: Home) -> None:
    text = json.dumps(spot({"stop_lower": 150}), indent=1)
    row = next(number for number, line in enumerate(text.splitlines(), 1) if "stop_lower" in line)
    (home.active / "g.json").write_text(text)
    with pytest.raises(InvalidConfig) as told:
        load_file(home.active / "g.json", home, {})
    (one,) = told.value.complaints
    assert (one.file, one.line, one.column, one.path) == (
        "config/active/g.json", row, len('  "stop_lower": ') + 1, "strategy_config.stop_lower"
    )  # fmt: skip


def test_the_share_of_maintenance_is_the_one_of_the_start() -> None:
    assert Decimal(str(MAINTENANCE)) == grid_worst_case.MAINTENANCE


anything = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**18), 10**18), st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=3), st.lists(st.integers(), max_size=2), st.sampled_from(["geometric", "neutral", "long"]),
    st.sampled_from([0, 0.0, 1, 2, 3.5, 100, 200.0, 1e-300, 1e300]),
)  # fmt: skip
KEYS = (
    "lower", "upper", "grid_num", "grid_mode", "auto_range", "range_pct", "quantity", "quantity_quote", "leverage",
    "total_investment", "grid_type", "neutral_center", "initial_position", "initial_inventory", "min_profit_check",
    "stop_lower", "stop_upper", "trail_floor", "stop_loss", "trailing_start_pct", "trailing_delta_pct", "sigma",
    "sigma_method", "min_spread_ticks", "max_spread_ticks", "min_spread_bps", "max_spread_bps",
)  # fmt: skip


@settings(deadline=None)
@given(
    strategy=st.fixed_dictionaries(
        {"lower": anything, "upper": anything, "grid_num": anything}, optional=dict.fromkeys(KEYS[3:], anything)
    ),
    exchange=st.fixed_dictionaries({}, optional={"maker_fee_bps": anything, "initial_balances": anything}),
    risk=st.fixed_dictionaries({}, optional={"max_position": anything, "max_position_usd": anything}),
    name=st.sampled_from(["grid_strategy", "perp_grid_strategy", "nobody_knows"]),
)
def test_no_value_whatever_breaks_a_check(
    tmp_path_factory: pytest.TempPathFactory,
    strategy: dict[str, Any],
    exchange: dict[str, Any],
    risk: dict[str, Any],
    name: str,
) -> None:
    sections = {"exchange_config": exchange, "strategy_config": strategy, "risk_config": risk}
    draft = Draft({"metadata": {"exchange": "x"}, "daemon_config": {"backoff_initial_s": 1, "backoff_max_s": 2},
                   **sections}, frozenset())  # fmt: skip
    for check in (one for one in CHECKS if one.__module__.endswith(("grid", "barriers"))):
        list(check(draft))
    complaints_of(Home(tmp_path_factory.getbasetemp()), _config(name, "SOL-USDC", strategy, exchange, risk))


# ---------------------------------------------------------------- as the start tells it

prices = st.integers(50, 400).map(lambda number: number / 2)
grids = st.fixed_dictionaries(
    {"grid_num": st.integers(2, 60), "grid_mode": st.sampled_from(["arithmetic", "geometric"])},
    optional={
        "lower": prices,
        "upper": prices,
        "auto_range": st.booleans(),
        "stop_lower": prices,
        "stop_upper": prices,
        "quantity": st.sampled_from([0.5, 3.0]),
        "quantity_quote": st.sampled_from([40.0, 300.0]),
        "min_profit_check": st.booleans(),
    },
)
spot_only = st.fixed_dictionaries({}, optional={"total_investment": st.just(500.0), "trail_floor": prices})
perp_only = st.fixed_dictionaries(
    {"grid_type": st.sampled_from(["long", "short", "neutral"])},
    optional={
        "neutral_center": prices,
        "leverage": st.sampled_from([1.0, 1.7, 3.3, 9.1]),
        "initial_position": st.sampled_from(["none", "market"]),
        "stop_loss": st.sampled_from([0.0, -3.0]),
        "trailing_delta_pct": st.just(2.0),
    },
)
limits_of_risk = st.sampled_from([{"max_position": 7.3}, {"max_position": 333.0}, {"max_position_usd": 2718.0}])


def fine(kind: str, fee_bps: float) -> Instrument:
    """Return a market whose ticks and lots are too small to matter."""
    tiny = Decimal("1e-7")
    return Instrument("SOL", "SOL", kind, "SOL", "USDC", tiny, tiny, maker_fee_bps=Decimal(str(fee_bps)))


def start_refuses(config: dict[str, Any], kind: str, fee_bps: float) -> str:
    instrument = fine(kind, fee_bps)
    chosen = strategy_class(config["metadata"]["strategy"])
    try:
        params = chosen.params_from(config["strategy_config"])
        chosen.check(params, {"main": instrument}, {"main": RiskLimits.from_config(config["risk_config"], instrument)})
    except ConfigError as exc:
        return str(exc)
    return ""


@settings(deadline=None)
@given(strategy=grids, own=spot_only, fee_bps=st.sampled_from([-1.0, 0.0, 37.3]))
def test_validating_and_starting_a_spot_grid_agree(
    tmp_path_factory: pytest.TempPathFactory, strategy: dict[str, Any], own: dict[str, Any], fee_bps: float
) -> None:
    base = {key: value for key, value in SPOT.items() if key == "symbol"}
    config = _config("grid_strategy", "SOL-USDC", {**base, **strategy, **own}, {"maker_fee_bps": fee_bps}, {})
    _agree(config, "spot", fee_bps, Home(tmp_path_factory.getbasetemp()))


@settings(deadline=None)
@given(strategy=grids, own=perp_only, risk=limits_of_risk, fee_bps=st.sampled_from([-1.0, 37.3]))
def test_validating_and_starting_a_grid_on_margin_agree(
    tmp_path_factory: pytest.TempPathFactory,
    strategy: dict[str, Any],
    own: dict[str, Any],
    risk: dict[str, Any],
    fee_bps: float,
) -> None:
    config = _config("perp_grid_strategy", "SOL-PERP", {**strategy, **own}, {"maker_fee_bps": fee_bps}, risk)
    _agree(config, "perp", fee_bps, Home(tmp_path_factory.getbasetemp()))


def _agree(config: dict[str, Any], kind: str, fee_bps: float, home: Home) -> None:
    try:
        loaded = load_plain(config, "given", home, {})
    except InvalidConfig as exc:
        refused = [str(one) for one in exc.complaints]
    else:
        refused, config = [], {**config, "strategy_config": loaded.strategy_config}
    started, strategy = start_refuses(config, kind, fee_bps), config["strategy_config"]
    sizes = [strategy.get(key) for key in ("quantity", "quantity_quote", "total_investment")]
    is_checked_later = strategy.get("auto_range") or not any(sizes)  # by the first decision, which knows the price
    assert bool(started) == bool(refused) or (is_checked_later and refused), (refused, started)
