"""How Backpack writes an account: orders, fills, positions, balances; pure."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_CEILING, Decimal
from typing import Any

from api.simulator.backpack_shapes import IMF, MMF, SIDES, Json, iso_time, plain, price_text, size_text
from api.simulator.exchange_types import SimFill, SimOrder
from core.market.instrument import Instrument
from core.market.order import OrderState

Holdings = Mapping[str, tuple[Decimal, Decimal]]  # asset -> total, available
_ZERO = Decimal(0)

STATUSES = {
    OrderState.PENDING_NEW: "New",
    OrderState.NEW: "New",
    OrderState.PARTIALLY_FILLED: "PartiallyFilled",
    OrderState.FILLED: "Filled",
    OrderState.CANCELED: "Cancelled",
    OrderState.REJECTED: "Expired",
    OrderState.EXPIRED: "Expired",
}
# Our exchange's words for the end of an order -> `expiryReason` (REST history) and `R` (stream).
EXPIRY_REASONS = {
    "ioc_remainder": "ImmediateOrCancel",
    "fok": "FillOrKill",
    "no_liquidity": "InsufficientLiquidity",
    "self_trade": "SelfTradePrevention",
    "reduce_only": "ReduceOnlyNotReduced",
    "post_only_would_cross": "PostOnlyTaker",
}
# Present and null on orders without triggers or attached exits, as captured.
_ABSENT = (
    "relatedOrderId",
    "stopLossLimitPrice",
    "stopLossTriggerBy",
    "stopLossTriggerPrice",
    "strategyId",
    "takeProfitLimitPrice",
    "takeProfitTriggerBy",
    "takeProfitTriggerPrice",
    "triggerBy",
    "triggerPrice",
    "triggerQuantity",
    "triggeredAt",
)


def expiry_reason(reason: str) -> str:
    """Return the venue's word for the end of an order."""
    return EXPIRY_REASONS.get(reason, "InsufficientFunds" if reason.startswith("insufficient") else "Unknown")


def client_id(order: SimOrder) -> int | None:
    """Return the client id as the number it is."""
    return int(order.client_id) if order.client_id is not None else None


def reserved_quote(order: SimOrder, instrument: Instrument) -> Decimal:
    """Return what `quoteQuantity` of a market order shows: the amount set aside, a little more than was executed."""
    step = instrument.tick_size
    return (order.filled_quote / step).to_integral_value(ROUND_CEILING) * step


def order(found: SimOrder, instrument: Instrument) -> Json:
    """Return an order as the live calls have it: `createdAt` in milliseconds, no price for a market order."""
    shape: Json = dict.fromkeys(_ABSENT)
    shape |= {
        "id": found.order_id,
        "clientId": client_id(found),
        "createdAt": found.created_ns // 10**6,
        "executedQuantity": size_text(instrument, found.filled_lots),
        "executedQuoteQuantity": plain(found.filled_quote),
        "quantity": size_text(instrument, found.size_lots),
        "reduceOnly": found.reduce_only if instrument.kind != "spot" else None,
        "selfTradePrevention": "RejectTaker",
        "side": SIDES[found.side],
        "status": STATUSES[found.state],
        "symbol": found.symbol,
        "timeInForce": found.time_in_force,
    }
    if found.price_ticks is None:
        return shape | {"orderType": "Market", "quoteQuantity": plain(reserved_quote(found, instrument))}
    price = price_text(instrument, found.price_ticks)
    return shape | {"orderType": "Limit", "price": price, "postOnly": found.post_only}


def past_order(found: SimOrder, instrument: Instrument) -> Json:
    """Return a row of `GET /wapi/v1/history/orders`: as a live order, but its time is text."""
    expired = found.state in (OrderState.EXPIRED, OrderState.REJECTED)
    shape = order(found, instrument) | {
        "createdAt": iso_time(found.created_ns),
        "expiryReason": expiry_reason(found.reason) if expired else None,
        "quoteQuantity": plain(found.filled_quote),
        "systemOrderType": None,
    }
    for key in ("reduceOnly", "relatedOrderId", "triggeredAt"):
        del shape[key]
    return shape


def fill(found: SimFill, instrument: Instrument) -> Json:
    """Return a row of `GET /wapi/v1/history/fills`."""
    return {
        "clientId": found.order.client_id,
        "fee": plain(found.fee),
        "feeSymbol": found.fee_asset,
        "isMaker": found.liquidity == "maker",
        "orderId": found.order.order_id,
        "price": price_text(instrument, found.price_ticks),
        "quantity": size_text(instrument, found.size_lots),
        "side": SIDES[found.side],
        "symbol": found.symbol,
        "systemOrderType": None,
        "timestamp": iso_time(found.at_ns),
        "tradeId": int(found.trade_id),
    }


def unrealised(instrument: Instrument, lots: int, entry: Decimal | None, mark: Decimal) -> Decimal:
    """Return the profit of a position at the mark."""
    return (mark - (entry or mark)) * instrument.to_size(lots) * instrument.contract_size


def position(instrument: Instrument, lots: int, entry: Decimal | None, mark: Decimal, realised: Decimal) -> Json:
    """Return a row of `GET /api/v1/position`."""
    size = instrument.to_size(lots)
    return {
        "symbol": instrument.venue_symbol,
        "positionId": position_id(instrument.venue_symbol),
        "netQuantity": plain(size),
        "netExposureQuantity": plain(abs(size)),
        "netExposureNotional": plain(abs(size) * mark),
        "netCost": plain(size * (entry or _ZERO)),
        "entryPrice": plain(entry or _ZERO),
        "breakEvenPrice": plain(entry or _ZERO),
        "markPrice": plain(mark),
        "estLiquidationPrice": "0",
        "pnlRealized": plain(realised),
        "pnlUnrealized": plain(unrealised(instrument, lots, entry, mark)),
        "imf": plain(IMF),
        "imfFunction": {"type": "sqrt", "base": plain(IMF), "factor": "0.0001275"},
        "mmf": plain(MMF),
        "mmfFunction": {"type": "sqrt", "base": plain(MMF), "factor": "0.0000765"},
        "cumulativeFundingPayment": "0",
        "cumulativeInterest": "0",
        "subaccountId": None,
        "userId": 1,
    }


def position_id(symbol: str) -> str:
    """Return a number for the position of a market, the same in every answer."""
    return str(5_000_000_000 + sum(ord(letter) * 131**place for place, letter in enumerate(symbol)) % 10**9)


def balances(held: Holdings, lent: Mapping[str, Decimal]) -> Json:
    """Return `GET /api/v1/capital`: what is lent appears nowhere here."""
    return {
        asset: {
            "available": plain(available - lent.get(asset, _ZERO)),
            "locked": plain(total - available),
            "staked": "0",
        }
        for asset, (total, available) in sorted(held.items())
    }


def collateral(held: Holdings, lent: Mapping[str, Decimal], marks: Mapping[str, Decimal], futures: Json) -> Json:
    """Return `GET /api/v1/capital/collateral`; `futures` has pnlUnrealized and netExposureFutures as decimals."""
    rows = [_collateral_row(asset, *held[asset], lent.get(asset, _ZERO), marks.get(asset, _ZERO)) for asset in held]
    value = sum((Decimal(row["collateralValue"]) for row in rows), _ZERO)
    locked = sum(((held[asset][0] - held[asset][1]) * marks.get(asset, _ZERO) for asset in held), _ZERO)
    pnl, exposure = futures["pnlUnrealized"], futures["netExposureFutures"]
    equity = value + pnl
    return {
        "assetsValue": plain(value),
        "borrowLiability": "0",
        "collateral": rows,
        "imf": plain(IMF),
        "mmf": plain(MMF),
        "unsettledEquity": "0",
        "liabilitiesValue": "0",
        "marginFraction": plain((equity / exposure).quantize(Decimal("0.0001"))) if exposure else None,
        "netEquity": plain(equity),
        "netEquityAvailable": plain(equity - locked),
        "netEquityLocked": plain(locked),
        "netExposureFutures": plain(exposure),
        "pnlUnrealized": plain(pnl),
    }


def _collateral_row(asset: str, total: Decimal, available: Decimal, lent: Decimal, mark: Decimal) -> dict[str, Any]:
    return {
        "symbol": asset,
        "assetMarkPrice": plain(mark),
        "totalQuantity": plain(total),
        "balanceNotional": plain(total * mark),
        "collateralWeight": "1",
        "collateralValue": plain(total * mark),
        "openOrderQuantity": plain(total - available),
        "lendQuantity": plain(lent),
        "availableQuantity": plain(available - lent),
    }


def lent_position(number: int, asset: str, quantity: Decimal, mark: Decimal) -> Json:
    """Return a row of `GET /api/v1/borrowLend/positions`; lent amounts are positive."""
    return {
        "id": str(number),
        "symbol": asset,
        "netQuantity": plain(quantity),
        "netExposureQuantity": "0",
        "netExposureNotional": "0",
        "markPrice": plain(mark),
        "cumulativeInterest": "0",
        "imf": "0",
        "imfFunction": None,
        "mmf": "0",
        "mmfFunction": None,
        "estLiquidationPrice": "0",
    }
