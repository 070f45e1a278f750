from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from api.simulator.exchange import SimExchange
from api.simulator.market_setup import FeedOptions, build_exchange, choose_listings
from api.simulator.server import Listing
from core.market.fill_rules import MatchingRules
from core.market.order import Side
from tests.made_recording import PERP_FACTS, calm_market
from tests.simulator.exchange_parts import PERP, SPOT, START, market
from utils.errors import ConfigError

LISTINGS = (Listing(market(SPOT), Decimal(150)), Listing(market(PERP), Decimal(150), min_lots=5, fee_in_base=True))


def build(options: FeedOptions, listings: tuple[Listing, ...] = LISTINGS) -> SimExchange:
    return build_exchange(listings, options, MatchingRules(), START)


def test_synthetic_markets_are_the_same_for_the_same_seed() -> None:
    def prices(seed: int) -> list[int | None]:
        exchange = build(FeedOptions(seed=seed, trades_per_s=20))
        exchange.advance(START + 20 * 10**9)
        return [found.last_price_ticks for found in exchange.markets.values()]

    assert prices(1) == prices(1) != prices(2)


def test_facts_of_a_listing_reach_its_market() -> None:
    perp = build(FeedOptions()).markets[PERP]
    assert (perp.instrument.min_lots, perp.fee_in_base, perp.instrument.venue_symbol) == (5, True, PERP)


def test_recording_stands_in_for_the_market_of_its_base_and_kind_and_the_others_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAKERD_HOME", str(tmp_path))
    other = Listing(replace(market(SPOT), base="BTC", venue_symbol="BTC_USDC"), Decimal(60_000))
    recording = calm_market().save(tmp_path, "calm", PERP_FACTS | {"lot_size": "0.0005"})
    exchange = build(FeedOptions(f"replay:{recording}"), (other, *LISTINGS))
    perp = exchange.markets[PERP]
    best = perp.best(Side.BUY)
    assert best is not None and perp.instrument.to_price(best.price_ticks) == Decimal("100.00")
    assert perp.instrument.lot_size == Decimal("0.0005") and perp.instrument.min_lots == 10  # 5 lots of 0.001
    assert abs(exchange.mark(SPOT) - 150) < 1 and abs(exchange.mark("BTC_USDC") - 60_000) < 100


def test_symbols_are_chosen_by_our_name_or_the_venues() -> None:
    assert choose_listings(LISTINGS, []) == list(LISTINGS)
    assert choose_listings(LISTINGS, ["SOL-PERP"]) == choose_listings(LISTINGS, [PERP]) == [LISTINGS[1]]
    with pytest.raises(ConfigError, match="symbol 'X' is not listed by this simulator; there are: SOL_USDC, SOL"):
        choose_listings(LISTINGS, [SPOT, "X"])
