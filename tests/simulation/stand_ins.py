"""What `FleetControl` needs beside it, in a world without processes: a zygote, a desk of events, children."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.process.identity import Identity
from tests.simulation.switches import KIND

if TYPE_CHECKING:
    from tests.simulation.world import Process, World


class Zygote:
    """Always there, and everything is warm."""

    lives = True

    def __init__(self) -> None:
        self.unusable: dict[str, str] = {}


class NoEvents:
    """Takes no note."""

    def decided(self, *_said: object) -> None:
        """Take no note."""

    def note(self, *_said: object, **_more: object) -> None:
        """Take no note."""


class Children:
    """What `FleetControl` needs of its children, in the simulated world."""

    def __init__(self, world: World) -> None:
        self._world = world

    def ask(self, kind: str, name: str, _needs: str, spec: dict[str, Any], _now_ns: int) -> None:
        """Ask for a child."""
        if kind == KIND:
            self._world.switches.fork(name)
            return
        spec = {**spec, "stop_timeout_s": self._world.configs[name].daemon.stop_timeout_s}
        self._world.fork(kind, name, spec)

    def exec_child(self, kind: str, name: str, spec: dict[str, Any], _output_fd: int) -> None:
        """Ask for a child."""
        self.ask(kind, name, "", spec, 0)

    def living(self, name: str) -> Process | None:
        """Return the child of a bot."""
        return self._mine(name)

    def _mine(self, name: str) -> Process | None:
        world = self._world
        return next((one for one in world.living() if one.bot == name and one.epoch == world.epoch), None)

    def tell(self, name: str, message: dict[str, Any]) -> None:
        """Pass a command on."""
        process, world = self._world.of(name) or self._world.of(name, KIND), self._world
        if process is None or process.epoch != world.epoch:
            return
        if process.kind == KIND:
            world.switches.hear(process, message)
        elif message["t"] == "dead_man":
            process.trusts_until_ns = message["until_ns"]
        if message["t"] == "stop":
            world.terminate(process)
        elif message["t"] == "handover":
            world.hand_over(process, message["deadline_s"])
        elif message["t"] == "close":
            world.close(process)

    def signal(self, name: str, number: int, group: bool = False) -> None:
        """Deliver a signal."""
        process = self._mine(name)
        if process is None:
            return
        if number == 9:
            self._world.end(process, None, 9)
        elif number == 15:
            self._world.terminate(process)

    def kill_holder(self, holder: Identity) -> None:
        """End a left-over."""
        process = self._world.processes.get(holder.pid)
        if process is not None:
            self._world.end(process, None, 9)

    def is_frozen(self, name: str) -> bool:
        """Tell whether a child is stopped."""
        process = self._mine(name)
        return process is not None and process.frozen

    def calm(self, _name: str) -> None:
        """Nothing to do."""

    def drain(self) -> None:
        """Nothing waits in a pipe."""
