"""The faults: what each does, how often it is chosen, whom it hits."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from core.process.control import ControlRefused, DaemonDown
from tests.chaos.arena import Arena
from tests.chaos.processes import freeze, is_stopped, send
from tests.chaos.roster import BotSpec
from tests.sim_process import SimRefusedRequest

ORDER = {"backpack": "POST /api/v1/order", "thalex": "private/insert"}
CANCEL = {"backpack": "DELETE /api/v1/order", "thalex": "private/cancel"}
ALL, LIVE, THALEX = ("backpack", "thalex", "paper"), ("backpack", "thalex"), ("thalex",)
_TARGET_S = 3.0  # how long a fault waits for the process that it is meant for


@dataclass(frozen=True, slots=True)
class Kind:
    """One fault. `venues` are those of the bots it can hit, empty for one that hits the whole fleet.

    `replaces`: afterwards each bot that was hit has another worker. `fatal`: what rested when it struck must be gone.
    """

    name: str
    weight: int
    what: str
    act: Callable[[Arena, BotSpec, float], None]
    venues: tuple[str, ...] = ()
    replaces: bool = False
    fatal: bool = False

    @property
    def hits_all(self) -> bool:
        """Tell whether the whole fleet is hit."""
        return not self.venues


# ---------------------------------------------------------------- processes


def _worker(arena: Arena, bot: BotSpec, role: str = "worker") -> int | None:
    deadline = time.monotonic() + _TARGET_S
    while (pid := arena.pid_of(role, bot.name)) is None and time.monotonic() < deadline:
        time.sleep(0.005)
    return pid


def _to_worker(number: signal.Signals) -> Callable[[Arena, BotSpec, float], None]:
    def act(arena: Arena, bot: BotSpec, _draw: float) -> None:
        send(filter(None, [_worker(arena, bot)]), number)

    return act


def _ordered(order: str) -> Callable[[Arena, BotSpec, float], None]:
    def act(arena: Arena, bot: BotSpec, _draw: float) -> None:
        arena.order_file(bot).write_text(order)

    return act


def _kill_worker_and_sweeper(arena: Arena, bot: BotSpec, _draw: float) -> None:
    send(filter(None, [_worker(arena, bot)]), signal.SIGKILL)
    send(filter(None, [_worker(arena, bot, "sweeper")]), signal.SIGKILL)


def _stop_sweeper(arena: Arena, bot: BotSpec, _draw: float) -> None:
    send(filter(None, [_worker(arena, bot)]), signal.SIGKILL)
    send(filter(None, [_worker(arena, bot, "sweeper")]), signal.SIGSTOP)


def _kill_in_flight(arena: Arena, bot: BotSpec, draw: float) -> None:
    """Hold an order up at the venue, and kill whoever sent it."""
    arena.sims[bot.venue].fault("delay", account=bot.account, match=ORDER[bot.venue], seconds=1 + 2 * draw, count=2)
    time.sleep(1.0)
    send(filter(None, [_worker(arena, bot)]), signal.SIGKILL)


def _kill_three_times(arena: Arena, bot: BotSpec, draw: float) -> None:
    """Kill a worker, and two successors soon after each was born."""
    for _ in range(3):
        send(filter(None, [_worker(arena, bot)]), signal.SIGKILL)
        time.sleep(0.3 * draw)


def _exhaust(arena: Arena, bot: BotSpec, _draw: float) -> None:
    """Let the worker run into a memory limit of the kernel."""
    import resource

    import psutil

    pid = _worker(arena, bot)
    with contextlib.suppress(psutil.Error):
        worker = psutil.Process(pid)
        worker.rlimit(resource.RLIMIT_AS, (worker.memory_info().vms + (16 << 20), resource.RLIM_INFINITY))
    arena.order_file(bot).write_text("hog")


def _kill_zygote(arena: Arena, _bot: BotSpec, _draw: float) -> None:
    send(filter(None, [arena.pid_of("zygote")]), signal.SIGKILL)


def _stop_zygote(arena: Arena, bot: BotSpec, _draw: float) -> None:
    """Stop the zygote, then give it something to do."""
    send(filter(None, [arena.pid_of("zygote")]), signal.SIGSTOP)
    send(filter(None, [_worker(arena, bot)]), signal.SIGKILL)


# ---------------------------------------------------------------- the whole fleet


def _kill_supervisor(arena: Arena, _bot: BotSpec, draw: float) -> None:
    send(filter(None, [arena.pid_of("daemon")]), signal.SIGKILL)
    time.sleep(3 * max(0.0, draw - 0.4))
    arena.start()


def _kill_supervisor_over_stopped(arena: Arena, bot: BotSpec, draw: float) -> None:
    """A stopped worker outlives its supervisor: nobody but the next one can end it."""
    send(filter(None, [_worker(arena, bot)]), signal.SIGSTOP)
    _kill_supervisor(arena, bot, draw)


def _kill_supervisor_and_workers(arena: Arena, _bot: BotSpec, draw: float) -> None:
    send((found.pid for found in arena.processes() if found.role in ("daemon", "worker")), signal.SIGKILL)
    time.sleep(2 * max(0.0, draw - 0.5))
    arena.start()


def _reboot(arena: Arena, _bot: BotSpec, draw: float) -> None:
    """Everything is gone at once; the files stay as they were."""
    send(freeze(arena.tree), signal.SIGKILL)
    time.sleep(2 * draw)
    arena.start()


def _start_twice(arena: Arena, _bot: BotSpec, _draw: float) -> None:
    """Two starts at the same time over a killed supervisor: one of them is the daemon."""
    send(filter(None, [arena.pid_of("daemon")]), signal.SIGKILL)
    with ThreadPoolExecutor(2) as both:
        done = list(both.map(lambda _: arena.door("start", "--daemon"), range(2)))
    assert sorted(each.returncode for each in done) == [0, 1], [each.stderr for each in done]


def _stop_interrupted(arena: Arena, _bot: BotSpec, draw: float) -> None:
    """A `stop` whose supervisor is killed half way."""
    with ThreadPoolExecutor(1) as other:
        stopping = other.submit(arena.door, "stop")
        time.sleep(0.5 + draw)
        send(filter(None, [arena.pid_of("daemon")]), signal.SIGKILL)
        stopping.result()
    arena.start()


def _restart_daemon(arena: Arena, _bot: BotSpec, _draw: float) -> None:
    done = arena.stop()
    assert done.returncode == 0, done.stderr
    arena.start()


def _pause_machine(arena: Arena, _bot: BotSpec, draw: float) -> None:
    stay = {found.pid for found in arena.processes() if is_stopped(found.pid)}  # by another fault: that one goes on
    stopped = freeze(arena.tree)
    time.sleep(2.2 + 2 * draw)
    send((pid for pid in stopped if pid not in stay), signal.SIGCONT)


def _fill_disk(arena: Arena, bot: BotSpec, draw: float) -> None:
    arena.fill_disk()
    try:
        time.sleep(1)
        if draw > 0.5:
            send(filter(None, [arena.pid_of("worker", bot.name)]), signal.SIGKILL)
        time.sleep(1 + 2 * draw)
    finally:
        arena.free_disk()


def _reboot_on_full_disk(arena: Arena, _bot: BotSpec, draw: float) -> None:
    """Everything is gone, and the first start finds no space; the next one does."""
    arena.fill_disk()
    try:
        send(freeze(arena.tree), signal.SIGKILL)
        arena.door("start", "--daemon")
        time.sleep(2 * draw)
    finally:
        arena.free_disk()
    if arena.pid_of("daemon") is None:
        arena.start()


# ---------------------------------------------------------------- venues


def _silence_venue(arena: Arena, bot: BotSpec, draw: float) -> None:
    """The venue says nothing for a while, and a worker dies meanwhile: its sweep has to wait."""
    venue = arena.sims[bot.venue].process.pid
    send([venue], signal.SIGSTOP)
    try:
        send(filter(None, [_worker(arena, bot)]), signal.SIGKILL)
        time.sleep(2 + 6 * draw)
    finally:
        send([venue], signal.SIGCONT)


def _at_venue(fault: str, match: dict[str, str] | None = None, **params: object) -> Callable[..., None]:
    def act(arena: Arena, bot: BotSpec, _draw: float) -> None:
        where = {} if match is None else {"match": match[bot.venue]}
        with contextlib.suppress(SimRefusedRequest):
            arena.sims[bot.venue].fault(fault, account=bot.account, **where, **params)

    return act


def _at_market(fault: str, **params: object) -> Callable[..., None]:
    """A fault of a public stream: it has no account."""

    def act(arena: Arena, bot: BotSpec, _draw: float) -> None:
        arena.sims[bot.venue].fault(fault, **params)

    return act


def _partial_fill(arena: Arena, bot: BotSpec, _draw: float) -> None:
    with contextlib.suppress(SimRefusedRequest):
        arena.sims[bot.venue].fault("partial_fill", account=bot.account, symbol=bot.venue_symbol, lots=1)


# ---------------------------------------------------------------- operators


def _operator(verb: str, **args: object) -> Callable[..., None]:
    def act(arena: Arena, bot: BotSpec, _draw: float) -> None:
        with contextlib.suppress(ControlRefused, DaemonDown):
            arena.ask(verb, names=[bot.name], **args)

    return act


def _stop_and_start(arena: Arena, bot: BotSpec, draw: float) -> None:
    with contextlib.suppress(ControlRefused, DaemonDown):
        arena.ask("bot", action="stop", names=[bot.name])
    time.sleep(draw)
    _started(arena, bot)


def _started(arena: Arena, bot: BotSpec) -> None:
    """Start a bot; the last word of this fault must get through, or nobody wants the bot up any more."""
    _insist(arena, "bot", action="start", names=[bot.name])


def _change_live_key(arena: Arena, bot: BotSpec, draw: float) -> None:
    arena.change_config(bot, "strategy_config", "spread_pct", round(0.04 + 0.03 * draw, 4))
    _insist(arena, "reload")


def _change_restart_key(arena: Arena, bot: BotSpec, _draw: float) -> None:
    arena.change_config(bot, "daemon_config", "nice", 1 - arena.config(bot)["daemon_config"].get("nice", 0))
    _insist(arena, "reload")


def _break_config(arena: Arena, bot: BotSpec, _draw: float) -> None:
    """Half a file, a reload, the whole file again, another reload: nothing may change."""
    path = arena.config_file(bot)
    whole = path.read_text()
    path.write_text(whole[: len(whole) // 2])
    with contextlib.suppress(ControlRefused, DaemonDown):
        arena.ask("reload", 90.0)
    path.write_text(whole)
    _insist(arena, "reload")


def _insist(arena: Arena, verb: str, **args: object) -> None:
    """Ask until it is heard: the daemon may be gone, or busy, by another fault."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            arena.ask(verb, 90.0, **args)
            return
        except (ControlRefused, DaemonDown):
            time.sleep(0.2)
    raise AssertionError(f"{verb} {args} was not heard")


# ---------------------------------------------------------------- the table

_CRASH = {"replaces": True, "fatal": True}
KINDS: tuple[Kind, ...] = (
    Kind("worker_kill", 60, "`kill -9` of a worker", _to_worker(signal.SIGKILL), ALL, **_CRASH),
    Kind("worker_segfault", 6, "SEGV of a worker", _to_worker(signal.SIGSEGV), ALL, **_CRASH),
    Kind("worker_stop", 24, "SIGSTOP of a worker", _to_worker(signal.SIGSTOP), ALL, **_CRASH),
    Kind("kill_in_flight", 14, "an order held up at the venue, its worker killed", _kill_in_flight, LIVE, **_CRASH),
    Kind("sweeper_kill", 12, "`kill -9` of a worker, then of its sweeper", _kill_worker_and_sweeper, ALL, **_CRASH),
    Kind("sweeper_stop", 3, "`kill -9` of a worker, SIGSTOP of its sweeper", _stop_sweeper, ALL, **_CRASH),
    Kind(
        "kill_three_times", 6, "`kill -9` of a worker and of two newborn successors", _kill_three_times, ALL, **_CRASH
    ),
    Kind("exception", 20, "an exception inside the strategy", _ordered("raise"), ALL, **_CRASH),
    Kind("sudden_exit", 6, "`_exit` inside the strategy", _ordered("exit"), ALL, **_CRASH),
    Kind("endless_loop", 10, "an endless loop inside the strategy", _ordered("spin"), ALL, **_CRASH),
    Kind("memory_hog", 5, "200 MB taken, `memory_limit_mb` is 128", _ordered("hog"), ALL, replaces=True),
    Kind("out_of_memory", 8, "200 MB taken under an address space limit of the kernel", _exhaust, ALL, **_CRASH),
    Kind("zygote_kill", 14, "`kill -9` of the zygote", _kill_zygote),
    Kind("zygote_stop", 5, "SIGSTOP of the zygote, `kill -9` of a worker", _stop_zygote, ALL, **_CRASH),
    Kind("supervisor_kill", 10, "`kill -9` of the supervisor, start", _kill_supervisor, **_CRASH),
    Kind("supervisor_kill_over_stopped", 2, "the same over a stopped worker", _kill_supervisor_over_stopped, **_CRASH),
    Kind("kill_both", 6, "`kill -9` of supervisor and workers, start", _kill_supervisor_and_workers, **_CRASH),
    Kind("reboot", 8, "every process gone at once, start", _reboot, **_CRASH),
    Kind("double_start", 3, "`kill -9` of the supervisor, two starts at once", _start_twice, **_CRASH),
    Kind("stop_interrupted", 3, "`stop`, `kill -9` of the supervisor, start", _stop_interrupted, **_CRASH),
    Kind("daemon_restart", 3, "`stop`, start", _restart_daemon, replaces=True),
    Kind("machine_pause", 8, "SIGSTOP of everything for 2.2 to 4.2 s", _pause_machine),
    Kind("disk_full", 8, "no block left for 2 to 4 s, half the time a worker killed meanwhile", _fill_disk),
    Kind("full_disk_reboot", 3, "every process gone and no block left, two starts", _reboot_on_full_disk, **_CRASH),
    Kind(
        "silent_venue", 6, "the venue stopped for 2 to 8 s, a worker killed meanwhile", _silence_venue, LIVE, **_CRASH
    ),
    Kind("disconnect", 24, "the venue cuts the connections of an account", _at_venue("disconnect"), LIVE),
    Kind("half_open", 4, "the connections stay, silent for 4 s", _at_venue("half_open", seconds=4), LIVE),
    Kind("garbage", 4, "a frame that cannot be read", _at_venue("garbage"), LIVE),
    Kind("lost_ack", 30, "an order is carried out, the answer is lost", _at_venue("drop_answer", ORDER), LIVE),
    Kind("lost_cancel_ack", 12, "the same with a cancel", _at_venue("drop_answer", CANCEL), LIVE),
    Kind("late_ack", 16, "an order is carried out 2 s late", _at_venue("delay", ORDER, seconds=2), LIVE),
    Kind("rate_limit", 16, "429 three times", _at_venue("rate_limit", retry_after=1, count=3), LIVE),
    Kind("server_error", 20, "503 three times", _at_venue("status", status=503, count=3), LIVE),
    Kind("order_rejected", 6, "the venue refuses an order", _at_venue("reject_next"), LIVE),
    Kind("duplicate_fill", 24, "a fill is told twice", _at_venue("duplicate_fill", count=2), LIVE),
    Kind("partial_fill", 16, "one lot of an order fills", _partial_fill, LIVE),
    Kind("accepted_cancel", 4, "a cancel is done 0.3 s after its answer", _at_venue("accepted_cancel"), ("backpack",)),
    Kind("unknown_field", 3, "ten answers with a field nobody knows", _at_venue("unknown_field", count=10), LIVE),
    Kind("unknown_word", 3, "a word nobody knows", _at_venue("unknown_enum"), LIVE),
    Kind("clock_ahead", 3, "the venue's clock 8 s ahead", _at_market("clock_skew", seconds=8), LIVE),
    Kind("clock_behind", 3, "the venue's clock 8 s behind", _at_market("clock_skew", seconds=-8), LIVE),
    Kind("incomplete_history", 8, "the history answers an error twice", _at_venue("incomplete", count=2), LIVE),
    Kind("book_gap", 6, "a book message is left out", _at_market("skip_sequence"), LIVE),
    Kind("frozen_book", 3, "no book messages for 6 s", _at_market("freeze_book", seconds=6), LIVE),
    Kind("expired_login", 5, "sessions are signed out", _at_venue("expire_token"), THALEX),
    Kind("live_change", 8, "a changed live key, `reload`", _change_live_key, ALL),
    Kind("restart_change", 8, "a changed restart key, `reload`", _change_restart_key, ALL, replaces=True),
    Kind("broken_config", 4, "a config cut in half, `reload`, mended, `reload`", _break_config, ALL),
    Kind("bot_restart", 10, "`restart NAME`", _operator("restart"), ALL, replaces=True),
    Kind("bot_stop_start", 10, "`bot stop`, `bot start`", _stop_and_start, ALL, replaces=True),
)
BY_NAME = {kind.name: kind for kind in KINDS}
