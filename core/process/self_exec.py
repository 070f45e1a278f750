"""The supervisor's exec of its own new code: what it carries, how it goes, and how the new self takes over."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from typing import TYPE_CHECKING

from core.fleet_config import FleetConfig
from core.process.carried_state import CarriedState, keep_open
from core.process.zygote_link import ZygoteLink

if TYPE_CHECKING:
    from core.process.roll import Roll
    from core.process.supervisor import Supervisor

log = logging.getLogger("makerd.process")


def is_quiet(supervisor: Supervisor) -> bool:
    """Tell whether nothing is under way that cannot be carried through an exec."""
    idle = supervisor.zygote.is_idle and supervisor.children.quiet and not supervisor.registry.is_reading
    return idle and supervisor.stopping_since_ns is None


def carried(supervisor: Supervisor, roll: Roll, previous: ZygoteLink | None) -> CarriedState:
    """Return everything that a later self needs."""
    assert supervisor.control is not None
    return CarriedState(
        purpose=supervisor.purpose.to_plain(),
        started_ns=supervisor.started_ns,
        lock_fd=supervisor.pid_file.fd,
        listener_fd=supervisor.control.fileno(),
        bots=tuple(supervisor.bots.values()),
        children=tuple(supervisor.children.to_plain()),
        leases=supervisor.fleet.leases.to_plain(),
        invalid=tuple(supervisor.registry.invalid),
        zygote=supervisor.zygote.link.carried(),
        previous_zygote=previous.carried() if previous is not None and previous.end is not None else None,
        unusable=supervisor.zygote.unusable,
        fleet_config=supervisor.fleet_config.to_plain(),
        roll=roll.to_plain(),
        guards=tuple(supervisor.fleet.guards.to_plain()),
        monitor=supervisor.monitor.to_plain(),
    )


def become(supervisor: Supervisor, state: CarriedState) -> None:
    """Exec the code that is on disk now, in this very process. Raises OSError; then nothing has changed.

    The pid stays, and with it every child; signals wait until the new self has its handlers.
    """
    state_fd = state.write()
    told = {**supervisor.paths.to_plain(), "state_fd": state_fd}
    arguments = [sys.executable, "-m", "core.process.daemon", json.dumps(told)]
    log.info("exec")
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    keep_open([state_fd, *state.fds()], True)
    try:
        os.execve(sys.executable, arguments, {**os.environ, **supervisor.service.variables})
    except OSError:
        keep_open([state_fd, *state.fds()], False)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.close(state_fd)
        raise


def take_over(supervisor: Supervisor, state: CarriedState) -> None:
    """Go on where the earlier self was."""
    keep_open(state.fds(), False)
    supervisor.started_ns, supervisor.read_once = state.started_ns, True
    supervisor.bots.update({bot.config.name: bot for bot in state.bots})
    supervisor.monitor.take_over(state.monitor)
    supervisor.take_fleet_config(FleetConfig.from_plain(state.fleet_config))
    supervisor.registry.take_over(list(state.invalid))
    supervisor.children.take_over(list(state.children))
    examples = {bot.config.warm_kind: bot.config for bot in supervisor.bots.values()}
    supervisor.zygote.take_over(ZygoteLink.taken_over(state.zygote), examples, dict(state.unusable))
    supervisor.fleet.take_over(state.leases, state.guards)
    previous = ZygoteLink.taken_over(state.previous_zygote) if state.previous_zygote else None
    supervisor.upgrade.resume(state, previous)
