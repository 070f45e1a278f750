"""What a supervisor carries through the exec of its own new code: children, locks, sockets and all that it decided.

The state is one JSON object in a memory file; descriptors keep their numbers. A trial child of the new code reads it
first: what it cannot read is refused while the old code still runs.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from core.fleet_config import FleetConfig
from core.process.fleet import BotEntry
from core.process.zygote_link import CarriedZygote
from utils.errors import MakerdError

FORMAT = 1
MAX_BYTES = 256 * 1024 * 1024


class StateUnreadable(MakerdError):
    """The state of the running supervisor cannot be read by this version."""


@dataclass(frozen=True, slots=True)
class CarriedState:
    """Everything that outlives the exec. Descriptors are numbers of this process."""

    purpose: Mapping[str, Any]
    started_ns: int
    lock_fd: int
    listener_fd: int
    bots: tuple[BotEntry, ...]
    children: tuple[dict[str, Any], ...]
    leases: Mapping[str, Any]
    invalid: tuple[dict[str, Any], ...]
    zygote: CarriedZygote
    previous_zygote: CarriedZygote | None  # kept for a roll-back
    unusable: Mapping[str, str]
    fleet_config: Mapping[str, Any]
    roll: Mapping[str, Any] = field(default_factory=dict)
    guards: tuple[Mapping[str, Any], ...] = ()
    monitor: Mapping[str, Any] = field(default_factory=dict)

    def fds(self) -> list[int]:
        """Return every descriptor that must survive."""
        pipes = [zygote.fd for zygote in (self.zygote, self.previous_zygote) if zygote is not None and zygote.fd >= 0]
        ends = [int(child["fd"]) for child in self.children if child["fd"] >= 0]
        return [self.lock_fd, self.listener_fd, *pipes, *ends]

    def write(self) -> int:
        """Return the descriptor of a memory file that holds the state."""
        plain = {
            **{key: getattr(self, key) for key in ("purpose", "started_ns", "lock_fd", "listener_fd", "leases")},
            "format": FORMAT,
            "bots": [bot.to_plain() for bot in self.bots],
            "children": list(self.children),
            "invalid": list(self.invalid),
            "zygote": asdict(self.zygote),
            "previous_zygote": None if self.previous_zygote is None else asdict(self.previous_zygote),
            "unusable": dict(self.unusable),
            "fleet_config": dict(self.fleet_config),
            "roll": dict(self.roll),
            "guards": list(self.guards),
            "monitor": dict(self.monitor),
        }
        fd = os.memfd_create("makerd-state", os.MFD_CLOEXEC)
        view = memoryview(json.dumps(plain).encode())
        while view:
            view = view[os.write(fd, view) :]
        return fd

    @classmethod
    def read(cls, fd: int) -> CarriedState:
        """Read the state of a memory file. Raises StateUnreadable."""
        try:
            return cls._from_plain(json.loads(os.pread(fd, MAX_BYTES, 0)))
        except (OSError, KeyError, TypeError, ValueError) as exc:
            raise StateUnreadable(f"the state of the running supervisor cannot be read: {exc!r}") from exc

    @classmethod
    def _from_plain(cls, plain: Mapping[str, Any]) -> CarriedState:
        if plain["format"] != FORMAT:
            raise ValueError(f"format {plain['format']}, this version knows {FORMAT}")
        return cls(
            purpose=dict(plain["purpose"]),
            started_ns=int(plain["started_ns"]),
            lock_fd=int(plain["lock_fd"]),
            listener_fd=int(plain["listener_fd"]),
            bots=tuple(BotEntry.from_plain(bot) for bot in plain["bots"]),
            children=tuple(dict(child) for child in plain["children"]),
            leases=dict(plain["leases"]),
            invalid=tuple(plain["invalid"]),
            zygote=_zygote(plain["zygote"]),
            previous_zygote=_zygote(plain["previous_zygote"]) if plain["previous_zygote"] else None,
            unusable=dict(plain["unusable"]),
            fleet_config=FleetConfig.from_plain(plain["fleet_config"]).to_plain(),
            roll=dict(plain["roll"]),
            guards=tuple(plain.get("guards", ())),
            monitor=dict(plain.get("monitor", {})),
        )


def _zygote(plain: Mapping[str, Any]) -> CarriedZygote:
    return CarriedZygote(int(plain["pid"]), int(plain["fd"]), tuple(plain["warm_kinds"]))


def keep_open(fds: Iterable[int], keep: bool) -> None:
    """Let descriptors survive an exec, or not."""
    for fd in fds:
        os.set_inheritable(fd, keep)
