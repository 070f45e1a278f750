"""The sweeper: cancels what a dead bot left on its venues, as a process of its own, and proves that nothing rests."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from api.base_client import ExchangeClient, Inbox
from core.bot_config import BotConfig, Leg
from core.logger import redacted, setup_worker_logging
from core.market.client_ids import ClientOrderIds
from core.market.order import Order
from core.process import channel
from core.process.build import LEDGER_NAME, build_client, claims_of
from core.process.child_setup import become_child, leave, supervisor_environ, take_orders
from core.process.claims import Claims, ClaimTaken, is_left_over
from core.process.run_record import RunRecord, next_fence
from core.process.secrets_of import secrets_in
from core.registry.config_manager import resolve_secrets
from core.trading.clock import SystemClock, seconds
from core.trading.ledger import Ledger
from core.trading.order_sweep import OrderSweep, SweepResult
from utils import exit_statuses
from utils.errors import LedgerError
from utils.home import Home

DEADLINE_S = 10.0  # the supervisor starts another sweeper after that
log = logging.getLogger("makerd.process")


def main(end: socket.socket, supervisor_pid: int) -> None:
    """Sweep one bot as its supervisor says; never returns."""
    spec = take_orders(end)
    home, config = Home(Path(spec["home"])), BotConfig.from_plain(spec["config"])
    become_child(f"makerd: sweep {config.name}", supervisor_pid, home.log / f"{config.name}.out")
    answer: dict[str, object]
    try:
        result = sweep(home, config, supervisor_environ(supervisor_pid))
        answer = {"confirmed": result.confirmed, "cancelled": result.cancelled, "left": list(result.left)}
        answer["reason"] = result.reason
    except ClaimTaken as exc:
        answer = {"confirmed": False, "reason": str(exc)}
        if exc.holder is not None and is_left_over(exc, config.name, str(home.root)):
            answer["held_by"] = exc.holder.identity.to_plain()
    except Exception as exc:
        log.exception("sweep_failed")
        answer = {"confirmed": False, "reason": redacted(f"{type(exc).__name__}: {exc}")}
    log.info("sweep_ended", extra={"fields": answer})
    with contextlib.suppress(OSError):  # nobody listens any more; the run record says the same
        channel.send(end, {"t": "sweep", **answer})
    logging.shutdown()
    leave(exit_statuses.DONE if answer["confirmed"] else exit_statuses.VENUE_UNREACHABLE)


def sweep(home: Home, config: BotConfig, environ: dict[str, str]) -> SweepResult:
    """Own the bot, cancel its orders on every leg, confirm, and mark its run record clean.

    What is swept is the run record's config (what really ran), not today's. Raises ClaimTaken, MakerdError, OSError.
    """
    folder = home.bot_state(config.name)
    try:
        record = RunRecord.read(folder)
    except ValueError as exc:  # damaged: today's config is the best that is known of what ran
        log.warning("run_record_damaged", extra={"fields": {"reason": str(exc)}})
        record = RunRecord(config, 0, clean=False)
    if record is None or record.clean:
        return SweepResult(True, 0, (), "nothing was left")
    ran = record.config
    resolved = resolve_secrets(ran, environ, home.env_file)
    setup_worker_logging(home.log / f"{config.name}.log", config.name, redact=secrets_in(resolved))
    claims = Claims()
    home_id = home.identity()
    claims.take(claims_of(ran, home_id), config.name, str(home.root))
    try:
        ids = ClientOrderIds(home_id, ran.name, _fence_for_sweep(folder, record))
        results = [_sweep_leg(home, resolved, leg, ids) for leg in ran.legs]
        result = SweepResult(
            all(one.confirmed for one in results),
            sum(one.cancelled for one in results),
            tuple(order for one in results for order in one.left),
            "; ".join(one.reason for one in results if one.reason),
        )
        if result.confirmed:
            _mark_clean(folder, dataclasses.replace(record, clean=True, fence=ids.fence))
        return result
    finally:
        claims.release()


def _fence_for_sweep(folder: Path, record: RunRecord) -> int:
    """Return a new fence; on a full disk one in memory does, for a sweep sends no orders."""
    try:
        return next_fence(folder)
    except (OSError, ValueError) as exc:
        log.warning("fence_not_written", extra={"fields": {"reason": str(exc)}})
        return record.fence + 1


def _mark_clean(folder: Path, record: RunRecord) -> None:
    try:
        record.write(folder)
    except OSError as exc:  # the next start sweeps once more, which is harmless
        log.warning("run_record_not_written", extra={"fields": {"reason": str(exc)}})


def _sweep_leg(home: Home, config: BotConfig, leg: Leg, ids: ClientOrderIds) -> SweepResult:
    clock = SystemClock()
    inbox = Inbox()
    client = build_client(config, leg, home.state, home.data_dirs, clock)
    client.open(inbox, leg.leg)
    try:
        late_s = client.capabilities.late_arrival_s
        try:
            orders, mark = _left_in_ledger(home, config, leg, client)
        except LedgerError as exc:  # anything may be in flight: let it arrive, then the venue's own listing decides
            log.warning("ledger_not_readable", extra={"fields": {"reason": str(exc)}})
            orders, mark = (), None
            clock.wait(clock.now_ns() + seconds(late_s), ())
        deadline_ns = clock.now_ns() + seconds(DEADLINE_S + late_s)
        job = OrderSweep(client, inbox, ids, orders, clock, late_s, deadline_ns, since=mark)
        while job.done is None:
            clock.wait(job.step(), (inbox.fileno(),))
        return job.done
    finally:
        client.close()
        inbox.close()


def _left_in_ledger(
    home: Home, config: BotConfig, leg: Leg, client: ExchangeClient
) -> tuple[Sequence[Order], str | None]:
    """Return the orders that may still arrive or rest, and the fill mark. Raises LedgerError."""
    path = home.bot_state(config.name) / LEDGER_NAME
    if not path.exists():
        return (), None
    ledger = Ledger.open(path)
    try:
        ledger.use_instrument(leg.leg, client.instrument)
        return tuple(ledger.open_orders(leg.leg)), ledger.mark(leg.leg)
    finally:
        ledger.close()


if __name__ == "__main__":  # without a zygote: python -m core.process.sweep FD SUPERVISOR_PID
    main(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2]))
