"""Executions of ours in the loop's words, and which of them were told."""

from __future__ import annotations

from collections import OrderedDict
from decimal import Decimal

from api.thalex_account import Trade
from core.market.instrument import Instrument
from core.market.order import Fill

_MAX_TOLD = 20_000
_BPS = Decimal(10_000)


class ToldTrades:
    """The trade ids that were told; the oldest are forgotten, the loop books each id once anyway."""

    def __init__(self) -> None:
        self._ids: OrderedDict[str, None] = OrderedDict()

    def add(self, trade_id: str) -> bool:
        """Note an id; False when it was told before."""
        if trade_id in self._ids:
            return False
        self._ids[trade_id] = None
        if len(self._ids) > _MAX_TOLD:
            self._ids.popitem(last=False)
        return True

    def __contains__(self, trade_id: object) -> bool:
        return trade_id in self._ids


def fill_of(trade: Trade, leg: str, instrument: Instrument) -> Fill:
    """Return an execution as a fill; its fee is a cost in the settlement currency.

    Where the venue does not tell the fee, the one of the config is taken: an unknown fee is not zero.
    """
    return Fill(
        trade_id=trade.trade_id,
        client_order_id=trade.label,
        leg=leg,
        side=trade.side,
        price_ticks=instrument.to_ticks(trade.price),
        size_lots=instrument.to_lots(trade.amount),
        liquidity=trade.liquidity,
        fee=trade.fee if trade.fee is not None else _usual_fee(trade, instrument),
        fee_asset=instrument.quote,
        venue_ns=trade.venue_ns,
        venue_order_id=trade.order_id,
    )


def _usual_fee(trade: Trade, instrument: Instrument) -> Decimal:
    bps = instrument.maker_fee_bps if trade.liquidity == "maker" else instrument.taker_fee_bps
    return trade.price * trade.amount * bps / _BPS
