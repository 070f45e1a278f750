"""From the wire to the wire: a whole live bot against the venues' simulators over loopback sockets.

How long a book message takes to become an order request, how many messages a second a bot can take, what signing
costs, and how soon a bot quotes again after its connections were cut. The simulator has a process, and where there are
two cores a core, of its own: a venue is another machine.
"""

from __future__ import annotations

import gc
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

if not __package__:  # run by path
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from api.backpack_sign import SigningKey
from api.backpack_wire import BackpackWire, order_params
from api.thalex_login import LoginKey
from benchmarks.parts import (
    NS_PER_US,
    CpuWatch,
    Figure,
    Result,
    distribution,
    percentile,
    run_bench,
    say,
    spread,
    temp_folder,
    tidy,
    timer_cost_ns,
)
from benchmarks.wire_bot import Shipped, WireBot, flipper, watcher
from benchmarks.wire_probe import Probe, Trip
from benchmarks.wire_venue import LEVELS, SYMBOLS, Venue
from core.logger import setup_worker_logging
from core.market.instrument import Instrument
from core.market.order import Order, Side
from strategies.base import Strategy

SWITCHES_S = (0.005, 0.0005)  # the interpreter's default, and what might pay
RATES = (100, 1_000)
FLIP_S = {100: 0.0, 1_000: 0.01}  # the least time between two changes: a venue takes so many requests, not more
CLIMB = (1_000, 2_000, 3_000, 4_000, 6_000, 8_000, 12_000)  # book messages a second
LATE_NS = 100_000_000  # a book that is taken in later than this is old, long before the bot calls it stale
FEWER = 0.75  # of what was asked for: the simulator gives no more
WARM_S = 1.0
AWAIT_S = 60.0
STABLE_S = 6.0  # after that a cut is the first one again, not the next of a storm
RSA_BITS = 4096
_SOL = Instrument("SOL-USDC", "SOL_USDC", "spot", "SOL", "USDC", Decimal("0.01"), Decimal("0.01"))


def measure(quick: bool) -> Result:
    """Measure everything."""
    result = Result(details={"clock_reading_ns": timer_cost_ns(), "levels_a_side": LEVELS})
    with temp_folder() as folder:
        setup_worker_logging(folder / "bench.log", "bench")
        watch = CpuWatch()
        for venue in SYMBOLS:
            for per_s in RATES:
                _wire_to_wire(result, folder, venue, per_s, 5 if quick else 30)
            _switch_interval(result, folder, venue, 3 if quick else 6, 1 if quick else 4)
            _capacity(result, folder, venue, 2 if quick else 4)
            _reconnect(result, folder, venue, 2 if quick else 5)
        _signing(result, 200 if quick else 2_000)
        result.details["busy_cores"] = round(watch.busy_cores(), 2)
        logging.shutdown()
    return result


# What all of them need


@contextmanager
def _apart() -> Iterator[None]:
    """Let what is started within have the last core, and have us the others: a venue is another machine."""
    cores = os.sched_getaffinity(0)
    if len(cores) == 1:
        yield
        return
    last = max(cores)
    os.sched_setaffinity(0, {last})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores - {last})


@contextmanager
def _bot(folder: Path, name: str, per_s: float, make: Callable[[Mapping[str, Any]], Strategy]) -> Iterator[WireBot]:
    """Give a bot that quotes, on a venue of its own, with a probe around it; everything is ended and put back."""
    cores, probe = os.sched_getaffinity(0), Probe()
    with ExitStack() as stack:
        stack.callback(os.sched_setaffinity, 0, cores)
        with _apart():
            venue = stack.enter_context(Venue(name, per_s))
        stack.callback(probe.watch_transports())
        bot = stack.enter_context(WireBot(venue, folder, probe, make))
        bot.run_for(WARM_S)
        gc.collect()
        gc.freeze()  # as in a worker: what was loaded before is not looked at again
        stack.callback(gc.unfreeze)
        probe.forget()
        yield bot


# From a book to an order


def _wire_to_wire(result: Result, folder: Path, venue: str, per_s: int, for_s: float) -> None:
    say(f"{venue}, wire to wire at {per_s}/s")
    with _bot(folder, venue, per_s, flipper(FLIP_S[per_s])) as bot:
        bot.run_for(for_s)
        probe = bot.probe
        name = f"{venue}, {per_s} books/s"
        for kind in ("order", "cancel"):
            trips = [trip for trip in probe.trips if trip.kind == kind]
            result.figures.append(_trip_figure(f"{name}: book received to {kind} written", trips))
            if kind == "order":
                _tell_parts(result, trips)
        result.details[name] = {
            "seconds": for_s,
            "book_messages": probe.books,
            "bytes_each": probe.bytes // max(1, probe.books),
            "worst_backlog": probe.backlog,
            "violations": bot.venue.violations(),
        }


def _trip_figure(name: str, trips: Sequence[Trip]) -> Figure:
    """Return p50 and p99, and p99.9 in the note."""
    totals = sorted(trip.total_ns for trip in trips)
    if not totals:
        return Figure(name, None, "us", 0)
    return distribution(name, totals, f"p99.9 {tidy(percentile(totals, 0.999) / NS_PER_US):g}")


def _tell_parts(result: Result, trips: Sequence[Trip]) -> None:
    parts: dict[str, list[int]] = {}
    for trip in trips:
        for part, took_ns in trip.parts().items():
            parts.setdefault(part, []).append(took_ns)
    result.figures += [distribution(f"  of that, {part}", times) for part, times in parts.items()]


def _switch_interval(result: Result, folder: Path, venue: str, for_s: float, rounds: int) -> None:
    """Compare two switch intervals of the interpreter, in turns, so that a busy neighbour hits both."""
    trips: dict[float, list[Trip]] = {switch_s: [] for switch_s in SWITCHES_S}
    before_s = sys.getswitchinterval()
    say(f"{venue}, switch intervals")
    try:
        with _bot(folder, venue, RATES[0], flipper(FLIP_S[RATES[0]])) as bot:
            for switch_s in SWITCHES_S * rounds:
                sys.setswitchinterval(switch_s)
                bot.probe.forget()
                bot.run_for(for_s)
                trips[switch_s] += [trip for trip in bot.probe.trips if trip.kind == "order"]
    finally:
        sys.setswitchinterval(before_s)
    for switch_s, found in trips.items():
        name = f"{venue}, {RATES[0]} books/s, switch interval {1000 * switch_s:g} ms: to order written"
        result.figures.append(_trip_figure(name, found))


# How much a bot can take


def _capacity(result: Result, folder: Path, venue: str, for_s: float) -> None:
    """Ask for more and more messages until books are taken in late, or the simulator gives no more."""
    best, why, rows = 0.0, "the bot kept up with all that was asked for", []
    for per_s in CLIMB:
        say(f"{venue}, {per_s} books/s")
        row = _climb(folder, venue, per_s, for_s)
        rows.append(row)
        if row["dropped"] or row["p99_age_ms"] > LATE_NS / 1e6:
            why = f"at {row['per_s']:.0f}/s books were {row['p99_age_ms']:.0f} ms old (p99), {row['dropped']} dropped"
            break
        best = max(best, row["per_s"])
        if row["per_s"] < FEWER * per_s:
            why = "the simulator gives no more"
            break
    result.figures.append(Figure(f"{venue}: book messages per second, each in time", tidy(best), "1/s", note=why))
    result.details[f"{venue}, capacity"] = rows


def _climb(folder: Path, venue: str, per_s: int, for_s: float) -> dict[str, Any]:
    with _bot(folder, venue, per_s, watcher) as bot:
        began_s, cpu_s = time.monotonic(), time.process_time()
        bot.run_for(for_s)
        took_s, cpu_s = time.monotonic() - began_s, time.process_time() - cpu_s
        ages = sorted(bot.probe.lags_ns) or [0]
        return {
            "asked": per_s,
            "per_s": round(bot.probe.books / took_s, 1),
            "p99_age_ms": round(percentile(ages, 0.99) / 1e6, 3),
            "worst_age_ms": round(ages[-1] / 1e6, 3),
            "worst_backlog": bot.probe.backlog,
            "dropped": bot.probe.dropped,
            "cores_used": round(cpu_s / took_s, 2),
        }


# What signing costs


def _signing(result: Result, count: int) -> None:
    """Sign again and again; the keys are made for this."""
    say("signing")
    key = SigningKey(os.urandom(32))
    order = Order("n17.1", "main", Side.BUY, 15_000, 50, "b0")
    wire = BackpackWire(key, lambda: time.time_ns() // 1_000_000, 5_000)
    params = [order_params(order, 71_303_169, _SOL, False)]
    private = rsa.generate_private_key(65_537, RSA_BITS)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    login = LoginKey("K1", pem)
    for name, act in (
        ("backpack: one ED25519 signature", lambda: key.sign("x" * 200)),
        ("backpack: build and sign a request for one order", lambda: wire.place(params)),
        (f"thalex: login token, RS512 with {RSA_BITS} bits", lambda: login.token(time.time_ns() // 10**9)),
    ):
        note = "once a connection; its requests are not signed" if name.startswith("thalex") else ""
        result.figures.append(distribution(name, _timed(act, count), note))


def _timed(act: Callable[[], object], count: int) -> list[int]:
    times = []
    for _ in range(count):
        began_ns = time.perf_counter_ns()
        act()
        times.append(time.perf_counter_ns() - began_ns)
    return times


# How soon a bot quotes again


def _reconnect(result: Result, folder: Path, venue: str, times: int) -> None:
    """Cut the websockets; the clock stops when new quotes rest on both sides by the venue's word."""
    say(f"{venue}, reconnect")
    took_ms = []
    with _bot(folder, venue, 10, Shipped) as bot:
        strategy = bot.strategy
        assert isinstance(strategy, Shipped)
        for _ in range(times):
            bot.run(lambda: len(set(strategy.resting.values())) == 2, AWAIT_S)
            bot.run_for(STABLE_S)
            before, began_s = set(strategy.resting), time.monotonic()
            bot.venue.cut()
            bot.run(partial(_quotes_anew, strategy, before), AWAIT_S)
            took_ms.append(1000 * (time.monotonic() - began_s))
    note = "the pause before connecting is drawn from 0 to 200 ms"
    result.figures.append(spread(f"{venue}: websockets cut to quotes acknowledged", took_ms, "ms", note))


def _quotes_anew(strategy: Shipped, before: set[str]) -> bool:
    new = {side for key, side in strategy.resting.items() if key not in before}
    return len(new) == 2


if __name__ == "__main__":
    raise SystemExit(run_bench("wire", measure))
