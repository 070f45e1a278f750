"""The paper venue's part of a config, and the market and feed that it names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from api.compiled_recording import compiled_path, find_recording, is_compiled, market_of
from api.market_facts import Market, as_amount
from api.synthetic_markets import MARKETS, START_PRICES
from core.market.fill_rules import MatchingRules
from utils.errors import ConfigError, NotListed

if TYPE_CHECKING:
    from api.feed import Feed

_REPLAY, _EVENTS = "replay:", ".events"


@dataclass(frozen=True, slots=True)
class PaperSettings:
    """`exchange_config` of the paper venue; the defaults repeat `config/schemas/exchanges/paper.json`."""

    feed: str = "synthetic"
    speed: float = 1.0
    seed: int = 1
    book_interval_ms: int = 100
    book_depth: int = 10
    fill_model: str = "touch"
    touch_prob: float = 0.1
    latency_ms: float = 20
    print_band_pct: float = 1.0
    maker_fee_bps: Decimal = Decimal(-1)
    taker_fee_bps: Decimal = Decimal(5)
    funding_rate_bps: Decimal = Decimal(1)
    initial_balances: Mapping[str, Decimal] = field(default_factory=dict)
    max_open_orders: int = 200
    queue_model: str = "power3"
    queue_exponent: float = 3.0
    synthetic_start_price: Decimal | None = None
    synthetic_volatility_bps: float = 1.0
    synthetic_trades_per_s: float = 2.0

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> PaperSettings:
        """Build from a validated section; keys that are not ours are left alone. Raises ConfigError."""
        values = {name: config[name] for name in cls.__dataclass_fields__ if config.get(name) is not None}
        for name in ("maker_fee_bps", "taker_fee_bps", "funding_rate_bps", "synthetic_start_price"):
            if name in values:
                values[name] = Decimal(str(values[name]))
        values["initial_balances"] = _amounts(values.get("initial_balances", {}))
        return cls(**values)

    @property
    def interval_ns(self) -> int:
        """Return the time between book pictures, in feed time."""
        return int(self.book_interval_ms * 1_000_000)

    @property
    def rules(self) -> MatchingRules:
        """Return how the venue fills."""
        return MatchingRules(
            self.fill_model,
            self.touch_prob,
            self.print_band_pct,
            self.max_open_orders,
            self.queue_model,
            self.queue_exponent,
        )

    def find_market(self, symbol: str, data_dirs: Sequence[str]) -> Market:
        """Return the market of `symbol`. Raises ConfigError (feed) and NotListed."""
        if self.feed == "synthetic":
            listed = list(MARKETS.values())
        elif self.feed.startswith(_REPLAY):
            listed = [recorded_market(self._recording(data_dirs))]
        else:
            raise ConfigError(f"the feed {self.feed!r} is neither 'synthetic' nor 'replay:FILE'")
        for market in listed:
            if market.lists(symbol):
                return market
        names = ", ".join(market.symbol for market in listed)
        raise NotListed(f"symbol {symbol!r} is not listed by the paper venue; its feed {self.feed!r} has: {names}")

    def open_feed(self, market: Market, data_dirs: Sequence[str]) -> Feed:
        """Return the feed of a market; a recording is compiled when needed. Raises ConfigError.

        The feeds need numpy, which is not loaded to check a config.
        """
        if self.feed.startswith(_REPLAY):
            recording = self._recording(data_dirs)
            if recording.suffix == _EVENTS:
                from api.event_feed import EventFeed
                from api.event_file import open_events

                return EventFeed(open_events(recording).rows, self.interval_ns)
            from api.replay_feed import open_replay

            return open_replay(recording, market, self.interval_ns, self.book_depth, _cache(data_dirs))
        from api.synthetic_feed import SyntheticFeed

        return SyntheticFeed(
            market,
            self.synthetic_start_price or START_PRICES[market.symbol],
            self.seed,
            self.interval_ns,
            self.book_depth,
            self.synthetic_volatility_bps,
            self.synthetic_trades_per_s,
        )

    def starting_balances(self, market: Market) -> dict[str, Decimal]:
        """Return what a new account begins with. Raises ConfigError for an asset that the market does not trade."""
        balances = dict(self.initial_balances or market.initial_balances)
        traded = (market.base, market.quote) if market.kind == "spot" else (market.quote,)
        for asset in balances:
            if asset not in traded:
                raise ConfigError(f"initial_balances: {asset!r} is not used by {market.symbol} ({', '.join(traded)})")
        return {asset: balances.get(asset, Decimal(0)) for asset in traded}

    def complaints(self, symbol: str, data_dirs: Sequence[str]) -> list[str]:
        """Return what is wrong with feed, symbol and balances, one line each; compiles the recording on the way."""
        try:
            market = self.find_market(symbol, data_dirs)
        except (ConfigError, NotListed) as exc:
            return [str(exc)]
        found: list[str] = []
        for check in (lambda: self._check_feed(market, data_dirs), lambda: self.starting_balances(market)):
            try:
                check()
            except ConfigError as exc:
                found.append(str(exc))
        return found

    def _check_feed(self, market: Market, data_dirs: Sequence[str]) -> None:
        """Compile the recording where that was not done yet. Raises ConfigError."""
        if not self.feed.startswith(_REPLAY):
            return
        recording = self._recording(data_dirs)
        if recording.suffix != _EVENTS:
            compiled = compiled_path(recording, market, self.interval_ns, self.book_depth, _cache(data_dirs))
            if is_compiled(compiled, self.interval_ns, self.book_depth):
                return
        self.open_feed(market, data_dirs)

    def _recording(self, data_dirs: Sequence[str]) -> Path:
        return find_recording(self.feed.removeprefix(_REPLAY), data_dirs)


def recorded_market(recording: Path) -> Market:
    """Return the market of a recording or an event file. Raises ConfigError."""
    if recording.suffix != _EVENTS:
        return market_of(recording)
    from api.event_file import open_events

    return open_events(recording).market


def config_complaints(exchange_config: Mapping[str, Any], symbol: str, data_dirs: Sequence[str]) -> list[str]:
    """Return what is wrong with feed, recording, symbol and balances; compiles the recording on the way."""
    try:
        return PaperSettings.from_config(exchange_config).complaints(symbol, data_dirs)
    except ConfigError as exc:
        return [str(exc)]


def _cache(data_dirs: Sequence[str]) -> Path:
    return Path(data_dirs[0]) / "cache"


def _amounts(plain: Mapping[str, Any]) -> dict[str, Decimal]:
    try:
        return {str(asset): as_amount(amount) for asset, amount in plain.items()}
    except ValueError as exc:
        raise ConfigError(f"initial_balances: {exc}") from exc
