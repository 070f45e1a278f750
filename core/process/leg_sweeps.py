"""All legs of a bot swept at once, each in a thread of its own: a dead venue must not use up the time of the others."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from api.base_client import ExchangeClient, Inbox
from core.bot_config import BotConfig, Leg
from core.logger import redacted
from core.market.client_ids import NumberIds, OrderIds
from core.market.order import Order
from core.process.legs import LEDGER_NAME, build_client
from core.process.rate_leases import LENT_SHARE
from core.trading.clock import SystemClock, seconds
from core.trading.ledger import Ledger
from core.trading.order_sweep import OrderSweep, SweepResult
from utils.errors import LedgerError, MakerdError, NotListed, VenueAuthError
from utils.home import Home

OPEN_S = 60.0  # how long a venue may take until it is open
DEADLINE_S = 10.0  # for the sweep itself, beside the venue's acceptance window; then the supervisor starts another
MARGIN_S = 5.0
KEPT_FOR_SWEEPS = 1 - LENT_SHARE  # of every budget: what is never granted to workers
log = logging.getLogger("makerd.process")


@dataclass(frozen=True, slots=True)
class LegSweeps:
    """The sweep of one bot. `needs` is told, from any thread, how many more seconds a leg may take."""

    home: Home
    config: BotConfig  # secrets resolved
    ids: Mapping[str, OrderIds]
    needs: Callable[[float], None]
    _ledger_lock: threading.Lock = field(default_factory=threading.Lock)  # one file for all legs

    def run(self) -> SweepResult:
        """Sweep every leg; return what they come to together."""
        results: dict[str, SweepResult] = {}
        threads = [
            threading.Thread(target=self._into, args=(leg, results), name=f"sweep-{leg.leg}", daemon=True)
            for leg in self.config.legs[1:]
        ]
        for thread in threads:
            thread.start()
        self._into(self.config.legs[0], results)
        for thread in threads:
            thread.join()
        return _joined([(leg.leg, results[leg.leg]) for leg in self.config.legs])

    def _into(self, leg: Leg, results: dict[str, SweepResult]) -> None:
        try:
            results[leg.leg] = self._sweep(leg)
        except MakerdError as exc:
            results[leg.leg] = SweepResult(False, 0, (), redacted(str(exc)), isinstance(exc, VenueAuthError))
        except Exception as exc:
            log.exception("sweep_failed", extra={"fields": {"leg": leg.leg}})
            results[leg.leg] = SweepResult(False, 0, (), redacted(f"{type(exc).__name__}: {exc}"))

    def _sweep(self, leg: Leg) -> SweepResult:
        clock, inbox, ids = SystemClock(), Inbox(), self.ids[leg.leg]
        client = build_client(self.config, leg, self.home.state, self.home.data_dirs, clock, ids)
        try:
            if not client.embedded:
                self.needs(OPEN_S)
            try:
                client.open(inbox, leg.leg)
            except NotListed as exc:
                return self._sweep_unlisted(leg, client, ids, clock, exc)
            take_kept_share(client, clock.now_ns() + seconds(OPEN_S))
            late_s = client.capabilities.late_arrival_s
            self.needs(2 * late_s + DEADLINE_S + MARGIN_S)
            orders, mark = self._left(leg, client, clock)
            strangers = _not_reserved(ids, orders)
            if strangers:
                return SweepResult(False, 0, strangers, "the ledger has open orders whose ids were never reserved")
            deadline_ns = clock.now_ns() + seconds(DEADLINE_S + late_s)
            job = OrderSweep(client, inbox, ids, orders, clock, late_s, deadline_ns, since=mark)
            while job.done is None:
                clock.wait(job.step(), (inbox.fileno(),))
            return job.done
        finally:
            client.close()
            inbox.close()

    def _sweep_unlisted(
        self, leg: Leg, client: ExchangeClient, ids: OrderIds, clock: SystemClock, why: NotListed
    ) -> SweepResult:
        """Confirm that nothing rests for a symbol that has expired or was delisted: no order of the account is ours.

        It is not believed at once: a listing may lack a symbol for a moment, and then an order could still arrive.
        """
        late_s = client.capabilities.late_arrival_s
        self.needs(late_s + OPEN_S + MARGIN_S)
        clock.wait(clock.now_ns() + seconds(late_s), ())
        left = client.orders_anywhere(ids.owns)
        if left:
            return SweepResult(False, 0, left, f"orders of ours rest on the account, but {why}")
        log.warning("swept_without_market", extra={"fields": {"leg": leg.leg, "reason": str(why)}})
        return SweepResult(True, 0, (), "")

    def _left(self, leg: Leg, client: ExchangeClient, clock: SystemClock) -> tuple[Sequence[Order], str | None]:
        """Return the orders that may still arrive or rest, and the fill mark."""
        try:
            return self._in_ledger(leg, client)
        except LedgerError as exc:  # anything may be in flight: let it arrive, then the venue's own listing decides
            log.warning("ledger_not_readable", extra={"fields": {"reason": str(exc)}})
            clock.wait(clock.now_ns() + seconds(client.capabilities.late_arrival_s), ())
            return (), None

    def _in_ledger(self, leg: Leg, client: ExchangeClient) -> tuple[Sequence[Order], str | None]:
        path = self.home.bot_state(self.config.name) / LEDGER_NAME
        if not path.exists():
            return (), None
        with self._ledger_lock:
            ledger = Ledger.open_to_read(path)
            try:
                ledger.use_instrument(leg.leg, client.instrument)
                return tuple(ledger.open_orders(leg.leg)), ledger.mark(leg.leg)
            finally:
                ledger.close()


def take_kept_share(client: ExchangeClient, until_ns: int) -> None:
    """Let a client use what no worker is ever granted: a sweep has no time to ask for a lease."""
    for scope in client.rate_scopes():
        client.lease(scope.key, scope.per_s * KEPT_FOR_SWEEPS, scope.burst * KEPT_FOR_SWEEPS, until_ns)


def _not_reserved(ids: OrderIds, orders: Sequence[Order]) -> tuple[str, ...]:
    """Return the orders that the venue cannot even be asked about: their numbers are not known to be ours."""
    if not isinstance(ids, NumberIds):
        return ()
    return tuple(order.client_order_id for order in orders if not ids.owns(order.client_order_id))


def _joined(results: Sequence[tuple[str, SweepResult]]) -> SweepResult:
    several = len(results) > 1
    reasons = [f"{leg}: {one.reason}" if several else one.reason for leg, one in results if one.reason]
    return SweepResult(
        all(one.confirmed for _, one in results),
        sum(one.cancelled for _, one in results),
        tuple(order for _, one in results for order in one.left),
        "; ".join(reasons),
        any(one.auth for _, one in results),
    )
