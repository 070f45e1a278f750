"""What can befall a simulated world, and what must be true of it at any time and in the end."""

from __future__ import annotations

import random
from collections.abc import Callable

from core.process.worker_record import Close, Exited, Overweight, Pause, Restart, Resume, Start, State, Stop
from tests.simulation.world import BAD_CONFIG, CRASH, DONE, HALT, UNREACHABLE, Broken, Process, World

Fault = Callable[[World, str], None]


def _to_worker(change: Callable[[World, Process], None]) -> Fault:
    def fault(world: World, bot: str) -> None:
        process = world.of(bot)
        if process is not None:
            change(world, process)

    return fault


def _to_any(change: Callable[[World, Process], None]) -> Fault:
    def fault(world: World, bot: str) -> None:
        found = [one for one in world.living() if one.bot == bot]
        if found:
            change(world, world.rng.choice(found))

    return fault


def _asked(event_of: Callable[[random.Random], object]) -> Fault:
    def fault(world: World, bot: str) -> None:
        if world.fleet is not None:
            world.fleet.happened(bot, event_of(world.rng))  # type: ignore[arg-type]

    return fault


def _to_guard(change: Callable[[World, Process], None]) -> Fault:
    def fault(world: World, _bot: str) -> None:
        for guard in world.switches.guards()[:1]:
            change(world, guard)

    return fault


def _exit(status: int, clean: bool = False) -> Callable[[World, Process], None]:
    def leave(world: World, process: Process) -> None:
        if process.stuck or process.frozen or not process.ready:
            return
        proved = clean and not world.is_down(process.bot)
        if proved:
            world.disk[process.bot].orders.clear()
            world.disk[process.bot].unclean = False
        if status == HALT:
            world.disk[process.bot].latched = True
        world.end(process, Exited(status, None, proved, "by itself"))

    return leave


def _set(name: str) -> Callable[[World, Process], None]:
    return lambda _world, process: setattr(process, name, True)


def _venue(down: bool) -> Fault:
    def fault(world: World, bot: str) -> None:
        (world.down.add if down else world.down.discard)(world.configs[bot].exchange)

    return fault


def _supervisor_dies(world: World, _bot: str) -> None:
    world.kill_supervisor()
    world.later(world.rng.uniform(0.01, 20), world.start_supervisor)


def _reboot(world: World, _bot: str) -> None:
    world.reboot()
    world.later(world.rng.uniform(1, 60), world.start_supervisor)


def _pause_machine(world: World, _bot: str) -> None:
    gap_ns = world.rng.randrange(2 * 10**9, 100 * 10**9)
    world.now_ns += gap_ns
    world.switches.credit(gap_ns)
    if world.fleet is not None:
        world.fleet.credit(gap_ns)


def _forks(share: float) -> Fault:
    return lambda world, _bot: setattr(world, "fork_fails", share)


def _overweight(world: World, bot: str) -> None:
    if world.fleet is not None and world.fleet.bots[bot].record.state is State.RUNNING:
        world.fleet.happened(bot, Overweight("300 MB"))


FAULTS: dict[str, Fault] = {
    "kill": _to_any(lambda world, process: world.end(process, None, 9)),
    "crash": _to_worker(_exit(CRASH)),
    "unreachable": _to_worker(_exit(UNREACHABLE)),
    "ends well": _to_worker(_exit(DONE, clean=True)),
    "halts": _to_worker(_exit(HALT, clean=True)),
    "bad config": _to_worker(_exit(BAD_CONFIG, clean=True)),
    "hangs": _to_any(_set("stuck")),
    "stopped": _to_any(_set("frozen")),
    "TERM from outside": _to_any(lambda world, process: world.terminate(process)),
    "guard killed": _to_guard(lambda world, process: world.end(process, None, 9)),
    "guard stopped": _to_guard(_set("frozen")),
    "venue down": _venue(True),
    "venue up": _venue(False),
    "supervisor dies": _supervisor_dies,
    "reboot": _reboot,
    "machine pauses": _pause_machine,
    "forks fail": _forks(0.5),
    "forks work": _forks(0.0),
    "too heavy": _overweight,
    "start": _asked(lambda rng: Start(reset=rng.random() < 0.3)),
    "stop": _asked(lambda _rng: Stop()),
    "restart": _asked(lambda rng: Restart(rng.random() < 0.7)),
    "pause": _asked(lambda _rng: Pause()),
    "resume": _asked(lambda _rng: Resume()),
    "close": _asked(lambda rng: Close(rng.random() < 0.5)),
}
RARE = ("supervisor dies", "reboot", "machine pauses", "forks fail")


def befall(world: World, name: str, bot: str) -> None:
    """Let one thing happen; without a supervisor nobody asks for anything."""
    if world.fleet is None and name in RARE:
        return
    FAULTS[name](world, bot)


def check_now(world: World) -> None:
    """Hold what must be true at any time."""
    for name in world.names:
        owners = [one for one in world.living() if one.bot == name and one.holds_claim]
        if len(owners) > 1:
            raise Broken(f"S1: {name} has {len(owners)} owners")
        if world.fleet is not None and not owners and world.disk[name].orders:
            record = world.fleet.bots[name].record
            if record.settled and not record.dirty:
                raise Broken(f"S2: orders of {name} rest, and it counts as clean in {record.state.value}")


def settle(world: World) -> None:
    """Let everything heal, then hold every bot to the state that the rules name."""
    world.down.clear()
    world.fork_fails = 0.0
    if world.fleet is None:
        world.run(100)
    for _ in range(12):
        world.run(100)
        check_now(world)
    assert world.fleet is not None
    for name in world.names:
        record, disk, process = world.fleet.bots[name].record, world.disk[name], world.of(name)
        quotes = process is not None and process.ready
        told = f"{name} is {record.state.value} ({record.reason}), wanted {record.wanted}, closing {record.closing}"
        if disk.orders and not quotes:
            raise Broken(f"S2: {told}, and {len(disk.orders)} of its orders rest without an owner")
        if record.state not in (State.RUNNING, State.STOPPED, State.FATAL, State.HALTED, State.STOPPING):
            raise Broken(f"{told}: nothing keeps it from coming to rest")
        if (record.state is State.RUNNING) != quotes and record.state is not State.STOPPING:
            raise Broken(f"{told}, and its worker is {process}")
        if record.settled and (record.dirty or record.wanted or record.closing):
            raise Broken(f"{told}: it rests, and something is left to do")
        if record.state is State.RUNNING and not record.wanted:
            raise Broken(f"{told}: nobody wants it")
    world.switches.check_settled()
