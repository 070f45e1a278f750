"""The price of another market: how old it may be, and that quotes round it are those round a mid like it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.market.book import OrderBook
from core.market.external_price import ExternalPrice, external_ticks
from core.market.risk_gates import tripped_gates
from core.market.risk_limits import RiskLimits
from core.trading.loop_settings import LoopSettings
from strategies.perp_market_maker import PerpMarketMaker
from tests.avellaneda_script import BOTH, LIMIT, PERP
from tests.avellaneda_script import Script as Model
from tests.maker_script import Script as Maker
from tests.market_parts import NOW, SECOND, book, instrument, risk_state
from tests.scripts import PerpScript

AGE = 5 * SECOND
TICK = Decimal("0.01")
NEVER = ExternalPrice(AGE, "SOL-PERP on there")
FAR = 4_000  # ticks from a mid of some 15,000 to a touch that no quote comes near


def heard(mid: str | Decimal, local_ns: int = NOW) -> ExternalPrice:
    return replace(NEVER, mid=Decimal(mid), local_ns=local_ns)


@given(age_ns=st.integers(0, 3 * AGE), max_age_ns=st.integers(1, 2 * AGE))
def test_a_price_is_one_up_to_its_age_and_none_beyond(age_ns: int, max_age_ns: int) -> None:
    price = replace(heard("150"), max_age_ns=max_age_ns)
    is_fresh = age_ns <= max_age_ns
    assert price.at(NOW + age_ns) == (Decimal(150) if is_fresh else None)
    assert bool(price.stale_reason(NOW + age_ns)) is not is_fresh
    assert external_ticks(price, NOW + age_ns, TICK) == (15_000.0 if is_fresh else None)


def test_what_was_never_heard_is_no_price_and_says_so() -> None:
    assert (NEVER.at(NOW), external_ticks(NEVER, NOW, TICK), external_ticks(None, NOW, TICK)) == (None, None, None)
    assert NEVER.stale_reason(NOW) == "nothing was heard of it yet"
    assert heard("1", NOW - 6 * SECOND).stale_reason(NOW) == "the last word of it is 6.0 s old"


# The gate


APART = RiskLimits(reference_deviation_bps=20.0)


@pytest.mark.parametrize(
    ("mid", "age_ns", "shut"),
    [
        ("150.05", 0, []),
        ("150.3", AGE, []),
        ("150.4", 0, ["reference_deviation"]),
        ("149.7", 0, ["reference_deviation"]),
        ("150.05", AGE + 1, ["reference_unknown"]),
        (None, 0, ["reference_unknown"]),
    ],
)
def test_the_mid_is_held_against_the_other_market_where_there_is_one(
    mid: str | None, age_ns: int, shut: list[str]
) -> None:
    external = NEVER if mid is None else heard(mid, NOW - age_ns)
    for kind in ("spot", "perp"):  # it needs no index
        gates = tripped_gates(APART, risk_state(instrument=instrument(kind=kind), external=external))
        assert [gate.name for gate in gates] == shut
        assert not any(gate.latched for gate in gates)
        assert tripped_gates(RiskLimits(), risk_state(external=external)) == []


def test_a_spot_market_with_a_reference_may_be_held_against_it() -> None:
    assert RiskLimits.from_config({"reference_deviation_bps": 20}, instrument(), has_reference=True) == APART


# The quotes


def test_a_spot_leg_beside_the_one_that_is_held_to_the_reference_has_no_such_limit() -> None:
    settings = LoopSettings.from_config({}, {"reference_deviation_bps": 20}, "maker")
    assert settings.limits_of("maker", instrument()) == APART
    assert settings.limits_of("hedge", instrument()).reference_deviation_bps is None
    assert settings.limits_of("hedge", instrument(kind="perp")) == APART


def around(ticks: float) -> OrderBook:
    return book(round(ticks - FAR), round(ticks + FAR))


def maker(picture: OrderBook, **config: Any) -> Maker:
    return Maker(picture, **({"spread_pct": 0.4, "layers": 3} | config))


def perp(picture: OrderBook, **config: Any) -> PerpScript:
    given = {"symbol": "SOL-PERP", "order_size": 0.1, "layers": 3, "inventory_skew": 0.5, "position_threshold": 9}
    strategy = PerpMarketMaker(PerpMarketMaker.params_from(given | config))
    return PerpScript(strategy, PERP, picture, LIMIT).hold(100, 15_000)


def model(picture: OrderBook, **config: Any) -> Model:
    fixed = {"gamma": 1, "kappa": 1000, "sigma_method": "fixed", "sigma": 1e-3, "horizon_s": 100}
    return Model(picture, **(BOTH | fixed | config)).hold(100, 15_000)


KINDS = {"market_maker": maker, "perp_market_maker": perp, "avellaneda_stoikov": model}


@pytest.mark.parametrize("kind", KINDS)
@given(half_ticks=st.integers(28_000, 32_000), off=st.integers(-1_500, 1_500), age_ns=st.integers(0, 2 * AGE))
def test_quotes_are_those_of_a_mid_like_the_price_while_it_is_fresh_and_of_our_mid_beyond(
    kind: str, half_ticks: int, off: int, age_ns: int
) -> None:
    make = KINDS[kind]
    ours = around(15_000 + off)
    script = make(ours, price_source="external")
    script.view.external = heard(TICK * Decimal(half_ticks) / 2, NOW - age_ns)
    wanted = make(OrderBook(*_sides(half_ticks)) if age_ns <= AGE else ours).rows()
    assert script.rows() == wanted
    assert script.strategy.stats()["reference_stale"] is (age_ns > AGE)


def _sides(half_ticks: int) -> tuple[Any, Any]:
    """Return a book whose mid is so many half ticks, its touch far away."""
    low = book(half_ticks // 2 - FAR, half_ticks - half_ticks // 2 + FAR)
    return low.bids, low.asks


@pytest.mark.parametrize("kind", KINDS)
def test_without_any_such_market_our_own_mid_is_the_price(kind: str) -> None:
    script, same = KINDS[kind](around(15_000), price_source="external"), KINDS[kind](around(15_000))
    assert script.view.external is None
    assert script.rows() == same.rows()
    assert script.strategy.stats()["reference_stale"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_quote_round_a_price_beyond_our_touch_stays_behind_it(kind: str) -> None:
    script = KINDS[kind](book(14_999, 15_001), price_source="external")
    script.view.external = heard("155")
    prices = {slot.partition(".")[0]: price for slot, price, _ in reversed(script.rows())}
    assert prices["buy"] <= 15_000 and prices["sell"] > 15_001
