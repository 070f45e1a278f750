"""The unit of price that a model's parameters are meant in, and the way to ticks and back.

Prices are ticks everywhere else; a model's parameters are in one of three units (`unit`): `quote` currency, `ticks`, or
`relative` to the mid. Distances, gamma, kappa and sigma convert by one number, the ticks in a unit:
`distance_ticks = distance x scale`, `gamma_ticks = gamma / scale`, `sigma_ticks = sigma x scale`. The models obey that
scaling exactly, so it does not matter where they are worked out; they are worked out in ticks.
"""

from __future__ import annotations

from core.market.avellaneda import ModelQuote, base_spread

UNITS = ("relative", "ticks", "quote")
BPS = 10_000
_WIDEST_SHARE = 0.2  # of the mid: a base spread beyond it is a mistake of units


def ticks_per_unit(unit: str, mid_ticks: float, tick_size: float) -> float:
    """Return how many ticks one unit of price is. Raises ValueError for an unknown unit."""
    if unit == "relative":
        return mid_ticks
    if unit == "ticks":
        return 1.0
    if unit == "quote":
        return 1.0 / tick_size
    raise ValueError(f"unit was {unit!r}; it is one of {', '.join(UNITS)}")


def sigma_ticks(sigma_relative: float, mid_ticks: float) -> float:
    """Return the volatility of log returns, per square root of any time, in ticks."""
    return sigma_relative * mid_ticks


def base_spread_complaint(unit: str, gamma: float, kappa: float, mid_ticks: float, tick_size: float) -> str | None:
    """Return why parameters cannot be meant: a spread without risk below a tick or beyond 20 % of mid. None is well."""
    spread = base_spread(gamma, kappa) * ticks_per_unit(unit, mid_ticks, tick_size)
    if spread < 1 - 1e-9:
        return f"the base spread is {spread:.4g} ticks, less than one: is unit {unit!r} meant?"
    if spread > _WIDEST_SHARE * mid_ticks * (1 + 1e-9):
        return f"the base spread is {100 * spread / mid_ticks:.4g} % of mid, beyond 20 %: is unit {unit!r} meant?"
    return None


def lowest_spread_ticks(
    mid_ticks: float, min_spread_bps: float, maker_fee_bps: float, profit_margin_bps: float, fee_floor_mult: float
) -> float:
    """Return the least full spread: the configured one, or what fees and margin ask for, whichever is wider."""
    floor_bps = fee_floor_mult * (2 * maker_fee_bps + profit_margin_bps)
    return max(min_spread_bps, floor_bps) * mid_ticks / BPS


def clamp_spread(quote: ModelQuote, lowest: float, highest: float) -> ModelQuote:
    """Return the quote with its spread between two bounds, around the same reservation price."""
    if lowest <= quote.spread <= highest:
        return quote
    spread = max(lowest, min(highest, quote.spread))
    return ModelQuote(quote.reservation - spread / 2, quote.reservation + spread / 2, quote.reservation, spread)
