"""What the made-up market lists, and the prices that it starts from. Light: validating a config reads no more of it."""

from __future__ import annotations

from decimal import Decimal

from api.market_facts import Market


def _perp(base: str, tick_size: str, lot_size: str) -> Market:
    return Market(
        f"{base}-PERP", f"{base}-PERP", "perp", base, "USDC", Decimal(tick_size), Decimal(lot_size), Decimal(5),
        {"USDC": Decimal(50_000)}, source="synthetic",
    )  # fmt: skip


def _future(base: str, day: str, expiry_utc_s: int, tick_size: str, lot_size: str) -> Market:
    return Market(
        f"{base}-{day}", f"{base}-{day}", "future", base, "USDC", Decimal(tick_size), Decimal(lot_size), Decimal(5),
        {"USDC": Decimal(50_000)}, source="synthetic", expiry_utc_ns=expiry_utc_s * 10**9,
    )  # fmt: skip


def _spot(base: str, quote: str, tick_size: str, lot_size: str, start_base: str) -> Market:
    return Market(
        f"{base}-{quote}", f"{base}{quote}", "spot", base, quote, Decimal(tick_size), Decimal(lot_size), Decimal(5),
        {base: Decimal(start_base), quote: Decimal(50_000)}, source="synthetic",
    )  # fmt: skip


_LISTED = (
    (_spot("BTC", "USDT", "0.01", "0.00001", "0.8"), "60000"),
    (_spot("BTC", "USDC", "0.01", "0.00001", "0.8"), "60000"),
    (_spot("ETH", "USDT", "0.01", "0.0001", "20"), "2500"),
    (_spot("ETH", "USDC", "0.01", "0.0001", "20"), "2500"),
    (_spot("SOL", "USDT", "0.01", "0.001", "300"), "150"),
    (_spot("SOL", "USDC", "0.01", "0.001", "300"), "150"),
    (_perp("BTC", "0.1", "0.0001"), "60000"),
    (_perp("ETH", "0.01", "0.001"), "2500"),
    (_perp("SOL", "0.001", "0.01"), "150"),
    (_future("BTC", "27DEC30", 1_924_588_800, "0.1", "0.0001"), "60150"),  # 08:00 UTC
)
MARKETS = {market.symbol: market for market, _ in _LISTED}
START_PRICES = {market.symbol: Decimal(price) for market, price in _LISTED}
