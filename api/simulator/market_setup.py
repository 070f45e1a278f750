"""From the simulator's options to an exchange with markets and feeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from api.compiled_recording import find_recording, market_of
from api.replay_feed import open_replay
from api.simulator.exchange import SimExchange
from api.synthetic_feed import SyntheticFeed
from utils.errors import ConfigError
from utils.home import Home

if TYPE_CHECKING:
    from api.feed import Feed
    from api.market_facts import Market
    from api.simulator.server import Listing
    from core.market.fill_rules import MatchingRules

_REPLAY = "replay:"


@dataclass(frozen=True, slots=True)
class FeedOptions:
    """What the markets trade on."""

    feed: str = "synthetic"  # or replay:FILE
    seed: int = 1
    interval_ms: float = 100
    depth: int = 20
    volatility_bps: float = 1.0
    trades_per_s: float = 2.0

    @property
    def interval_ns(self) -> int:
        """Return the time between two pictures."""
        return max(1, int(self.interval_ms * 1_000_000))


def build_exchange(listings: Sequence[Listing], options: FeedOptions, rules: MatchingRules, now_ns: int) -> SimExchange:
    """Return an exchange that lists markets, each with its feed. Raises ConfigError."""
    exchange = SimExchange(now_ns, options.seed, rules, rules.max_open_orders)
    replayed = _replayed(listings, options)
    for listing in listings:
        market, feed, min_lots = listing.market, None, listing.min_lots
        if replayed is not None and listing is replayed[0]:
            _, market, feed = replayed
            # The least size stays; the lots that it is counted in are the recording's.
            min_lots = math.ceil(listing.market.lot_size * listing.min_lots / market.lot_size)
        exchange.add_market(
            market,
            feed or _synthetic(listing, options),
            listing.maker_fee_bps,
            listing.taker_fee_bps,
            fee_in_base=listing.fee_in_base,
            min_lots=min_lots,
        )
    return exchange


def _synthetic(listing: Listing, options: FeedOptions) -> Feed:
    return SyntheticFeed(
        listing.market,
        listing.start_price,
        options.seed,
        options.interval_ns,
        options.depth,
        options.volatility_bps,
        options.trades_per_s,
    )


def _replayed(listings: Sequence[Listing], options: FeedOptions) -> tuple[Listing, Market, Feed] | None:
    """Return the listing that a recording stands in for, with the recording's increments, and the recording's feed.

    It is the first market of the recording's base and kind, else of its base, else the first one.
    """
    if options.feed == "synthetic":
        return None
    if not options.feed.startswith(_REPLAY):
        raise ConfigError(f"the feed {options.feed!r} is neither 'synthetic' nor 'replay:FILE'")
    recording = _recording(options.feed.removeprefix(_REPLAY))
    facts = market_of(recording)
    ranked = sorted(
        listings, key=lambda listing: (listing.market.base != facts.base, listing.market.kind != facts.kind)
    )
    chosen = ranked[0]
    market = replace(chosen.market, tick_size=facts.tick_size, lot_size=facts.lot_size)
    cache = Home.find().data / "cache"
    return chosen, market, open_replay(recording, market, options.interval_ns, options.depth, cache)


def _recording(name: str) -> Path:
    path = Path(name)
    if path.is_file():
        return path
    return find_recording(name, Home.find().data_dirs)


def choose_listings(listings: Sequence[Listing], symbols: Sequence[str]) -> list[Listing]:
    """Return the listings of the wanted symbols, ours or the venue's; all when none is named. Raises ConfigError."""
    names = ", ".join(listing.market.venue_symbol for listing in listings)
    for symbol in symbols:
        if not any(listing.market.lists(symbol) for listing in listings):
            raise ConfigError(f"symbol {symbol!r} is not listed by this simulator; there are: {names}")
    return [listing for listing in listings if not symbols or any(listing.market.lists(symbol) for symbol in symbols)]
