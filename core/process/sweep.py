"""The sweeper: cancels what a dead bot left on its venues, as a process of its own, and proves that nothing rests."""

from __future__ import annotations

import contextlib
import logging
import socket
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from core.bot_config import BotConfig
from core.logger import redacted
from core.process import channel
from core.process.child_setup import become_child, leave, supervisor_environ, take_orders
from core.process.claims import Claims, ClaimTaken, is_left_over
from core.process.leg_sweeps import LegSweeps
from core.process.legs import claims_of
from core.process.network_names import take_network_names
from core.process.order_ids import sweep_ids_of_legs
from core.process.priority import go_first
from core.process.run_record import RunRecord, next_fence
from core.process.secrets_of import secrets_in
from core.process.venue_keys import key_claims
from core.process_logs import ProcessLogs
from core.registry.secret_values import resolve_secrets
from core.trading.order_sweep import SweepResult
from utils import exit_statuses
from utils.errors import MakerdError
from utils.home import Home

log = logging.getLogger("makerd.process")


def main(end: socket.socket, supervisor_pid: int) -> None:
    """Sweep one bot as its supervisor says; never returns."""
    spec = take_orders(end)
    home, config = Home(Path(spec["home"])), BotConfig.from_plain(spec["config"])
    become_child(f"makerd: sweep {config.name}", supervisor_pid, home.log / f"{config.name}.out")
    go_first(children=True)
    logs = ProcessLogs(home.log, config.name, spec.get("logs"))
    logs.guard_streams()

    def needs(seconds: float) -> None:
        _say(end, {"t": "needs", "seconds": seconds})

    answer = sweep_answer(home, config, partial(supervisor_environ, supervisor_pid), needs, logs)
    log.info("sweep_ended", extra={"fields": answer})
    _say(end, {"t": "sweep", **answer})
    logs.close()
    leave(exit_statuses.DONE if answer["confirmed"] else exit_statuses.VENUE_UNREACHABLE)


def sweep_answer(
    home: Home,
    config: BotConfig,
    environ: Callable[[], dict[str, str]],
    needs: Callable[[float], None],
    logs: ProcessLogs | None = None,
) -> dict[str, object]:
    """Sweep one bot and return what the supervisor is told of it; never raises."""
    answer: dict[str, object]
    try:
        result = sweep(home, config, environ(), needs, logs)
        answer = {"confirmed": result.confirmed, "cancelled": result.cancelled, "left": list(result.left)}
        answer |= {"reason": result.reason, "auth": result.auth}
    except ClaimTaken as exc:
        answer = {"confirmed": False, "reason": str(exc)}
        if exc.holder is not None and is_left_over(exc, config.name, str(home.root)):
            answer["held_by"] = exc.holder.identity.to_plain()
    except MakerdError as exc:  # a secret that is missing by now, ids that cannot be read: the message says it all
        answer = {"confirmed": False, "reason": str(exc)}
    except Exception as exc:
        log.exception("sweep_failed")
        answer = {"confirmed": False, "reason": f"{type(exc).__name__}: {exc}"}
    answer["reason"] = redacted(str(answer["reason"]))  # it may repeat a venue's words, and leaves this process
    return answer


def _say(end: socket.socket, message: dict[str, object]) -> None:
    with contextlib.suppress(OSError):  # nobody listens any more; the run record says the same
        channel.send(end, message)


def sweep(
    home: Home,
    config: BotConfig,
    environ: dict[str, str],
    needs: Callable[[float], None] = lambda _seconds: None,
    logs: ProcessLogs | None = None,
) -> SweepResult:
    """Own the bot, cancel its orders on every leg, confirm, and mark its run record clean.

    What is swept is the run record's config (what really ran), not today's. Raises ClaimTaken, MakerdError, OSError.
    """
    folder = home.bot_state(config.name)
    try:
        record = RunRecord.read(folder)
        in_place = record is not None and record.handover is None
    except ValueError as exc:  # damaged: today's config is the best that is known of what ran
        log.warning("run_record_damaged", extra={"fields": {"reason": str(exc)}})
        record, in_place = RunRecord(config, 0, clean=False), False
    if record is None or record.clean:
        return SweepResult(True, 0, (), "nothing was left")
    ran = record.config
    resolved = resolve_secrets(ran, environ, home.env_file)
    hidden = [*secrets_in(resolved), *take_network_names(ran, environ, home.env_file)]
    if logs is not None:
        logs.open_log(hidden)
    claims = Claims()
    home_id = home.identity()
    claims.take([*claims_of(ran, home_id), *key_claims(resolved)], config.name, str(home.root))
    try:
        fence = _fence_for_sweep(folder, record)
        result = LegSweeps(home, resolved, sweep_ids_of_legs(ran, home, fence), needs).run()
        if result.confirmed:
            _mark_clean(folder, record, None if in_place else fence)
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


def _mark_clean(folder: Path, record: RunRecord, fence: int | None) -> None:
    """Mark the record clean in its place, or, with our fence, write it anew."""
    try:
        if fence is None:
            record.mark_clean(folder)
        else:
            record.swept(fence).write(folder)
    except OSError as exc:  # the next start sweeps once more, which is harmless
        log.warning("run_record_not_written", extra={"fields": {"reason": str(exc)}})


if __name__ == "__main__":  # without a zygote: python -m core.process.sweep FD SUPERVISOR_PID
    main(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2]))
