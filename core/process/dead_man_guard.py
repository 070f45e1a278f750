"""The guard of one account: refreshes the venue's dead-man switch while its supervisor says so, and does nothing else.

A process of its own, since the supervisor opens no venue and reads no secret, and no bot's worker may do it: it would
keep the orders of a dead neighbour alive. It ends with its supervisor at once and leaves the switch to fire.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from api.base_client import ExchangeClient
from api.client_registry import client_class, venue_of
from core.bot_config import BotConfig, Leg
from core.logger import redacted
from core.process import channel
from core.process.child_setup import PR_SET_PDEATHSIG, become_child, leave, prctl, supervisor_environ, take_orders
from core.process.claims import Claim, Claims
from core.process.dead_man import RefreshPlan
from core.process.error_statuses import status_of
from core.process.legs import build_client
from core.process.network_names import take_network_names
from core.process.priority import go_first
from core.process.secrets_of import secrets_in
from core.process_logs import ProcessLogs
from core.registry.secret_values import resolve_secrets
from core.trading.clock import Clock, SystemClock, seconds
from utils import exit_statuses
from utils.errors import MakerdError, VenueAuthError, VenueError
from utils.home import Home

DISARM_TRIES = 3
log = logging.getLogger("makerd.process")


def main(end: socket.socket, supervisor_pid: int) -> None:
    """Guard one account as its supervisor says; never returns."""
    spec = take_orders(end)
    home, config = Home(Path(spec["home"])), BotConfig.from_plain(spec["config"])
    leg = next(leg for leg in config.legs if leg.leg == spec["leg"])
    name = log_name(spec["account"])
    become_child(f"makerd: guard {leg.exchange} {leg.account}", supervisor_pid, home.log / f"{name}.out")
    # A TERM that everybody sees is a stop: it disarms the switch after the last bot has left, not before.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != supervisor_pid:
        os._exit(exit_statuses.DONE)
    go_first(children=True)
    logs = ProcessLogs(home.log, name, spec.get("logs"))
    logs.guard_streams()
    leave(_run(end, home, config, leg, supervisor_environ(supervisor_pid), logs))


def log_name(account: str) -> str:
    """Return how the log of an account's guard is called."""
    return f"guard-{account.partition(' ')[0].replace(':', '-')}-{hashlib.sha256(account.encode()).hexdigest()[:8]}"


def _run(
    end: socket.socket, home: Home, config: BotConfig, leg: Leg, environ: Mapping[str, str], logs: ProcessLogs
) -> int:
    """Guard, report how it ended, and return the exit status."""
    claims, clean, reason, status = Claims(), False, "", exit_statuses.DONE
    try:
        resolved = resolve_secrets(config, environ, home.env_file)
        logs.open_log([*secrets_in(resolved), *take_network_names(config, environ, home.env_file)])
        claims.take(switch_claims(resolved, leg, home.identity()), f"guard of {leg.account}", str(home.root))
        clock = SystemClock()
        client = build_client(resolved, leg, home.state, home.data_dirs, clock)
        clean, reason = Guard(end, client, clock, logs).serve()
    except Exception as exc:
        if not isinstance(exc, MakerdError):
            log.exception("guard_failed")
        status, reason = status_of(exc), f"{exc}" if isinstance(exc, MakerdError) else f"{type(exc).__name__}: {exc}"
    reason = redacted(reason)  # it may repeat a venue's words, and leaves this process
    log.info("guard_ended", extra={"fields": {"reason": reason, "disarmed": clean}})
    with contextlib.suppress(OSError):
        channel.send(end, {"t": "exit", "status": status, "reason": reason, "clean": clean, "left": []})
    logs.close()
    return status


def switch_claims(resolved: BotConfig, leg: Leg, home_id: str) -> list[Claim]:
    """Return what keeps a second guard off the switch: of the account's label, and of its key, whatever its label."""
    kind, venue = client_class(leg.exchange, resolved.mode), venue_of(leg.exchange)
    scope = f"{leg.exchange}@{home_id}" if kind.per_home else venue
    network = resolved.network_of(leg) or ""
    text = f"the dead-man switch of {leg.exchange} account {leg.account!r}"
    claims = [Claim(f"dead-man\0{scope}\0{network}\0{leg.account}", text)]
    key_id = kind.key_id(resolved.exchange_config_of(leg))
    if key_id is not None:
        digest = hashlib.sha256(f"{venue}\0{key_id}".encode()).hexdigest()
        claims.append(Claim(f"dead-man-key\0{digest}", f"the dead-man switch of this API key on {venue}"))
    return claims


class Guard:
    """One switch: refreshed by verdict, disarmed when asked to, left alone when nobody says anything any more."""

    def __init__(self, end: socket.socket, client: ExchangeClient, clock: Clock, logs: ProcessLogs | None) -> None:
        self._end, self._client, self._clock, self._logs = end, client, clock, logs
        self._plan = RefreshPlan()
        self._armed_until_ns = 0
        self._error = ""

    def serve(self) -> tuple[bool, str]:
        """Serve until told to end; return whether the switch is disarmed, and why it ended. Raises VenueAuthError."""
        try:
            while True:
                now_ns = self._clock.now_ns()
                self._clock.wait(self._plan.due_ns(now_ns), [self._end.fileno()])
                for message in self._messages():
                    if message is None:
                        return False, "the supervisor is gone"
                    if message.get("t") == "leave":
                        return False, "asked to leave the switch to another guard"
                    if message.get("t") == "disarm":
                        return self._disarm()
                    self._take(message)
                if self._plan.is_due(self._clock.now_ns()):
                    self._refresh()
                if self._logs is not None:
                    self._logs.tend()
        finally:
            self._client.close()

    def _messages(self) -> list[Mapping[str, Any] | None]:
        """Return what has come, in order: of old verdicts only the newest counts, which may have expired."""
        found: list[Mapping[str, Any] | None] = []
        while True:
            try:
                found.append(channel.receive(self._end))
            except BlockingIOError:
                return found
            except channel.BadPacket as exc:
                log.warning("bad_packet", extra={"fields": {"reason": str(exc)}})
            except ConnectionError:
                found.append(None)
            if found and found[-1] is None:
                return found

    def _take(self, message: Mapping[str, Any]) -> None:
        before = self._plan.refresh
        self._plan.take(message)
        if self._plan.refresh != before:
            reason = str(message.get("reason", ""))
            log.info("verdict", extra={"fields": {"refresh": self._plan.refresh, "reason": reason}})
        self._tell()

    def _refresh(self) -> None:
        sent_ns, plan = self._clock.now_ns(), self._plan
        try:
            self._client.refresh_dead_man(plan.timeout_s)
        except VenueAuthError:
            raise  # the next guard reads the key anew
        except VenueError as exc:
            self._error = redacted(str(exc))
            log.warning("not_refreshed", extra={"fields": {"reason": self._error}})
        else:
            # Counted from before it was sent: the venue fires no sooner.
            self._armed_until_ns, self._error = sent_ns + seconds(plan.timeout_s), ""
        plan.tried(sent_ns, not self._error)
        self._tell()

    def _disarm(self) -> tuple[bool, str]:
        reason = ""
        for _ in range(DISARM_TRIES):
            try:
                self._client.disarm_dead_man()
            except VenueError as exc:
                reason = str(exc)
                self._clock.wait(self._clock.now_ns() + seconds(self._plan.refresh_s / DISARM_TRIES), ())
            else:
                return True, "disarmed"
        return False, f"not disarmed, it will fire: {reason}"

    def _tell(self) -> None:
        with contextlib.suppress(OSError):  # nobody listens any more: found by the next read
            said = {"armed_until_ns": self._armed_until_ns, "error": self._error}
            channel.send(self._end, {"t": "dead_man", **said})


if __name__ == "__main__":  # without a zygote: python -m core.process.dead_man_guard FD SUPERVISOR_PID
    main(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2]))
