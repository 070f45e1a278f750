"""From a model's parameters to where both sides are quoted: clamped spread, and the layers behind it. Pure; ticks.

What Avellaneda-Stoikov and Gueant-Lehalle-Fernandez-Tapia say is in core/market/avellaneda.py and glft.py; how a quote
is kept off the touch in core/market/ladder.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp
from typing import NamedTuple

from core.market.as_params import AvellanedaStoikovParams
from core.market.avellaneda import ModelInputs, ModelQuote, as_quote
from core.market.book import OrderBook
from core.market.commands import Quote
from core.market.filter import Signal
from core.market.glft import glft_quote, glft_terms
from core.market.instrument import Instrument
from core.market.ladder import Rung
from core.market.model_units import BPS, clamp_spread, lowest_spread_ticks
from core.market.order import Side


class SpreadBounds(NamedTuple):
    """The least and the most that a full spread may be, in ticks."""

    lowest: float
    highest: float


def model_quote(mid: float, q: float, inputs: ModelInputs) -> ModelQuote:
    """Return what the model wants. Raises ValueError for numbers that no quote follows from."""
    if inputs.intensity is None:
        return as_quote(mid, q, inputs.gamma, inputs.kappa, inputs.sigma, inputs.tau_s)
    return glft_quote(mid, q, glft_terms(inputs.gamma, inputs.kappa, inputs.intensity, inputs.sigma))


def fee_floor_bps(params: AvellanedaStoikovParams, instrument: Instrument) -> float:
    """Return the full spread below which a round trip would not pay its fees and the margin asked for."""
    return params.fee_floor_mult * (2 * float(instrument.maker_fee_bps) + params.profit_margin_bps)


def spread_bounds(params: AvellanedaStoikovParams, instrument: Instrument, mid: float) -> SpreadBounds:
    """Return the bounds at a mid: those of the config, the lower one never below what fees ask for."""
    fee, margin, times = float(instrument.maker_fee_bps), params.profit_margin_bps, params.fee_floor_mult
    if params.min_spread_ticks is None or params.max_spread_ticks is None:
        lowest = lowest_spread_ticks(mid, params.min_spread_bps, fee, margin, times)
        return SpreadBounds(lowest, max(lowest, params.max_spread_bps * mid / BPS))
    lowest = max(params.min_spread_ticks, lowest_spread_ticks(mid, 0.0, fee, margin, times))
    return SpreadBounds(lowest, max(lowest, params.max_spread_ticks))


def clamped(quote: ModelQuote, bounds: SpreadBounds) -> tuple[ModelQuote, bool]:
    """Return the quote with its spread within the bounds, and whether they changed it."""
    inside = clamp_spread(quote, bounds.lowest, bounds.highest)
    return inside, inside is not quote


def fallback_quote(params: AvellanedaStoikovParams, instrument: Instrument, mid: float, share: float) -> ModelQuote:
    """Return the quote without a model: a static spread, at least what fees ask for, leaning against the inventory.

    `share` is the inventory's of a full one, -1 to 1.
    """
    fee, margin = float(instrument.maker_fee_bps), params.profit_margin_bps
    spread = lowest_spread_ticks(mid, params.fallback_spread_bps, fee, margin, params.fee_floor_mult)
    middle = mid - share * params.full_inventory_shift * spread / 2
    return ModelQuote(middle - spread / 2, middle + spread / 2, middle, spread)


def moved(quote: ModelQuote, mid: float, times: float) -> ModelQuote:
    """Return the quote with its distance from the mid, and so the skew, times a factor."""
    more = (times - 1) * (quote.reservation - mid)
    return ModelQuote(quote.bid + more, quote.ask + more, quote.reservation + more, quote.spread)


def widened(quote: ModelQuote, factor: float) -> ModelQuote:
    """Return the quote with its spread times a factor, around where it was."""
    if factor == 1.0:
        return quote
    middle, half = (quote.bid + quote.ask) / 2, (quote.ask - quote.bid) / 2 * factor
    return ModelQuote(middle - half, middle + half, quote.reservation, quote.spread * factor)


def in_regime(inputs: ModelInputs, params: AvellanedaStoikovParams, regime: Signal) -> ModelInputs:
    """Return the inputs with what a volatile market does to them."""
    if regime is not Signal.VOLATILE:
        return inputs
    return inputs._replace(
        gamma=inputs.gamma * params.volatile_gamma_mult, sigma=inputs.sigma * params.volatile_sigma_mult
    )


def boosts(
    params: AvellanedaStoikovParams,
    side: Side,
    mid: float,
    lots: int,
    book: OrderBook,
    instrument: Instrument,
) -> list[Quote]:
    """Return the extra orders of a signal: steps from the mid, off the opposite touch, each of `lots`."""
    touch = book.best_ask_ticks - 1 if side is Side.BUY else book.best_bid_ticks + 1
    found = []
    for step in range(1, params.boost_orders + 1):
        price = instrument.snap(mid * (1 - side.sign * params.boost_step_pct / 100 * step), side)
        price = min(price, touch) if side is Side.BUY else max(price, touch)
        found.append(Quote(side, price, lots, step, slot=f"boost.{step}"))
    return [one for one in found if one.price_ticks > 0 and lots > 0]


def crosses(quote: ModelQuote, book: OrderBook) -> bool:
    """Tell whether a side would trade at once, and is held one tick off the opposite touch."""
    return quote.bid >= book.best_ask_ticks or quote.ask <= book.best_bid_ticks


def layer_rungs(params: AvellanedaStoikovParams, spread_share: float) -> Sequence[Rung]:
    """Return the layers of a side from its innermost price: layer i lies i steps behind, as a share of that price."""
    step = max(params.layer_spacing_pct / 100, params.spacing_spread_mult * spread_share)
    return [Rung(0.0, i * step) for i in range(params.layers)]


def size_factor(side: Side, q: float, shape: float) -> float:
    """Return the size factor of a side: exp(-shape x |q|) for the one that adds to the inventory, else 1."""
    return exp(-shape * abs(q)) if side.sign * q > 0 else 1.0
