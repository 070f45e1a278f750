"""The markets that the made-up feed knows."""

from __future__ import annotations

from decimal import Decimal

from api.market_facts import Market


def _perp(base: str, tick_size: str, lot_size: str) -> Market:
    return Market(
        f"{base}-PERP", f"{base}-PERP", "perp", base, "USDC", Decimal(tick_size), Decimal(lot_size), Decimal(5),
        {"USDC": Decimal(50_000)}, source="synthetic",
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
)
MARKETS = {market.symbol: market for market, _ in _LISTED}
START_PRICES = {market.symbol: Decimal(price) for market, price in _LISTED}
