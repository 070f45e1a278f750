"""What a paper venue tells of a perpetual: its mark price, its funding rate, and when it pays next."""

from __future__ import annotations

from decimal import Decimal

from core.market.events import PerpFacts
from core.market.funding import next_funding_ns

FUNDING_INTERVAL_NS = 8 * 3_600 * 10**9


class PaperLine:
    """The facts of one market: the config's, or a live venue's while they are heard."""

    def __init__(self, leg: str, funding_rate: Decimal, utc_ns: int) -> None:
        self._leg = leg
        self.funding_rate = funding_rate  # of a payment, a share of the position's value
        self.mark_price: Decimal | None = None  # None: the mid is the mark
        self._index_price: Decimal | None = None
        self.funding_utc_ns = next_funding_ns(utc_ns, FUNDING_INTERVAL_NS)

    def hear(self, mark_price: Decimal | None, funding_rate: Decimal | None, index_price: Decimal | None) -> None:
        """Go by a live venue's mark price and rate from now on; None is the mid, and the rate of before."""
        self.mark_price, self._index_price = mark_price, index_price
        if funding_rate is not None:
            self.funding_rate = funding_rate

    def pass_payment(self) -> int:
        """Return when the payment was due that is made now, and go on to the next."""
        due_ns = self.funding_utc_ns
        self.funding_utc_ns = next_funding_ns(due_ns, FUNDING_INTERVAL_NS)
        return due_ns

    def facts(self, mark: Decimal, local_ns: int) -> PerpFacts:
        """Return what is told of the market; `mark` is the price of now, 0 when there is none."""
        told = (mark or None, self.funding_rate, self.funding_utc_ns)
        return PerpFacts(self._leg, *told, local_ns, self._index_price)
