"""The session: what this bot has earned since its first start or the last reset, whatever happened between."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from core.trading.ledger import Session

if TYPE_CHECKING:
    from core.trading.journal import Journal
    from core.trading.leg_state import LegState

_ZERO = Decimal(0)


def net_quote(legs: Sequence[LegState]) -> Decimal | None:
    """Return lifetime profit after fees at the current marks, None while a mark is missing."""
    total = _ZERO
    for leg in legs:
        net = leg.net_quote()
        if net is None:
            return None
        total += net
    return total


def equity_quote(legs: Sequence[LegState]) -> Decimal | None:
    """Return the value of the accounts in quote, None while a balance or a mark is missing."""
    total = _ZERO
    seen: set[tuple[str, str, str]] = set()
    for leg in legs:
        instrument, totals = leg.instrument, leg.balances.totals
        prices = {instrument.quote: Decimal(1)}
        if instrument.kind == "spot":
            mark = None if leg.mid_ticks is None else leg.mark()
            if mark is None:
                return None
            prices[instrument.base] = mark
        for asset, price in prices.items():
            key = (leg.leg.exchange, leg.leg.account, asset)
            if asset not in totals:
                return None
            if key not in seen:
                seen.add(key)
                total += totals[asset] * price
    return total + _unrealised_margin(legs)


def _unrealised_margin(legs: Sequence[LegState]) -> Decimal:
    """Return what open margin positions add to the balances."""
    total = _ZERO
    for leg in legs:
        mark = leg.mark()
        if leg.instrument.kind != "spot" and mark is not None:
            total += leg.position.unrealised_pnl(mark, leg.instrument)
    return total


class SessionBook:
    """Measures against the session in the ledger, and begins one when there is none."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._session: Session | None = None
        self._saved_peak = _ZERO
        self.net: Decimal | None = None  # session net, None when it is not known

    def load(self) -> None:
        """Read the session. Raises LedgerError."""
        self._session = self._journal.ledger.session()
        self._saved_peak = self._session.peak_net if self._session else _ZERO

    @property
    def peak(self) -> Decimal | None:
        """Return the highest session net, None before there is a session."""
        return self._session.peak_net if self._session else None

    @property
    def start_equity(self) -> Decimal | None:
        """Return the equity that the session began with, None when it is not known."""
        return self._session.start_equity if self._session else None

    def equity(self, legs: Sequence[LegState]) -> Decimal | None:
        """Return the value of the accounts in quote now, None while a balance or a mark is missing."""
        return equity_quote(legs)

    def measure(self, legs: Sequence[LegState], utc_ns: int) -> None:
        """Work out the session's net at the current marks; begin the session when that is possible first."""
        net = net_quote(legs)
        if net is None:
            self.net = None
            return
        if self._session is None:
            equity = equity_quote(legs)
            if equity is None:
                return
            # Never before the reset that asked for it, even when the clock was ahead then.
            began_ns = max(utc_ns, self._journal.ledger.latches.reset_utc_ns + 1)
            self._session = Session(began_ns, net, equity, _ZERO)
            self._journal.note_session(self._session)
        self.net = net - self._session.start_net
        if self.net > self._session.peak_net:
            began = self._session
            self._session = Session(began.began_utc_ns, began.start_net, began.start_equity, self.net)

    def save(self) -> None:
        """Keep a new peak for the next flush."""
        if self._session and self._session.peak_net != self._saved_peak:
            self._saved_peak = self._session.peak_net
            self._journal.note_session(self._session)
