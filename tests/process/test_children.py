"""What a worker says on its channel is not believed blindly: garbage harms nobody else."""

from __future__ import annotations

import json
import selectors
from collections.abc import Iterator
from dataclasses import replace

import pytest

from core.bot_config import BotConfig, DaemonConfig, Leg
from core.process import channel
from core.process.child import MAX_BAD_PACKETS, MAX_NEEDS, MAX_NEEDS_S, Listeners
from core.process.children import Children
from core.process.fleet import NO_SNAPSHOT, BotEntry
from core.process.metrics import _figures as figures_of
from core.process.rate_leases import LEASE_NS, RateLeases
from core.process.worker_record import Needs, State, WorkerRecord
from core.process.zygote_link import ZygoteLink

HUGE = 10**400  # a whole number that is no float


def beat(snapshot: object) -> bytes:
    return json.dumps({"t": "beat", "ready": True, "snapshot": snapshot}, separators=(",", ":")).encode()


@pytest.mark.parametrize(
    "packet", [b"garbage", b"[" * 100_000, b"[]", b'{"t": "hello", "pid": 1e999}', b'{"t": "beat"}']
)
def test_a_child_that_floods_garbage_is_cut_off_and_nothing_is_raised(packet: bytes) -> None:
    link, heard = ZygoteLink(), []
    selector = selectors.DefaultSelector()
    listeners = Listeners(lambda _name, _event: None, lambda *said: heard.append(said))
    children = Children(selector, link, listeners)
    children.ask("worker", "bad", "kind", {}, 0)
    (request,) = link.waiting
    child = children.living("bad")
    assert child is not None
    child.pid = 4_000_000  # it exists, as far as anybody here knows
    for _ in range(MAX_BAD_PACKETS + 10):
        if not child.deaf:
            request.theirs.send(packet)
        children.drain()
    assert child.bad_packets == MAX_BAD_PACKETS
    assert child.deaf
    assert heard == []
    request.theirs.close()
    child.end.close()
    selector.close()


@pytest.mark.parametrize("packet", [b'{"t":"beat"', beat(None), beat([]), beat("x")])
def test_a_heartbeat_that_cannot_be_read_changes_nothing_of_what_is_known(packet: bytes) -> None:
    config = BotConfig("a", "paper", "s", (Leg("main", "paper", "a", "X-Y"),), DaemonConfig(), {}, {}, {}, {}, "", "")
    entry = BotEntry(config, WorkerRecord("a", state=State.RUNNING, pid=7))
    entry.hear(beat({"open_orders": 2}))
    assert entry.row(0)["open_orders"] == 2
    entry.hear(packet)
    assert entry.row(0)["open_orders"] == 2


def test_a_calm_child_is_heard_together_with_others_and_its_last_words_are_not_lost(heard: Heard) -> None:
    heard.children.calm("bot")
    assert heard.selector.select(0) == []
    channel.send(heard.theirs, {"t": "needs", "seconds": 5})
    for key, mask in heard.selector.select(0):
        key.data(mask)
    assert heard.events == [Needs(5.0)]
    heard.children.quiet_lines.tend(0)
    channel.send(heard.theirs, {"t": "needs", "seconds": 6})
    assert heard.selector.select(0) == [] and len(heard.events) == 1
    heard.children.quiet_lines.tend(heard.children.quiet_lines.due_ns or 0)
    assert heard.events == [Needs(5.0), Needs(6.0)]
    heard.theirs.close()
    heard.children.drain()
    assert heard.child.deaf


@pytest.mark.parametrize(
    "said",
    [
        {"legs": 5},
        {"fills": "x"},
        {"gates": 5},
        {"mid": 3},
        {"phase": []},
        {"legs": [1, {"leg": "main"}, {}]},
        {"legs": [{"leg": []}]},
        {"legs": [{"leg": "main", "clock_offset_ms": HUGE, "position": [[]], "open_orders": "x", "dead_man": 5}]},
        {"quote_uptime_pct": HUGE},
        {"quote_uptime_pct": float("nan")},
        {"book_age_s": HUGE},
        {"stats": {"adverse_markout_bps": [1], "cycle_ms": "x"}},
        {"stats": {"wear_rate": HUGE, "cycles": float("nan"), "cycle_ms": {"p50": HUGE, "p99": []}}},
        {},
    ],
)
def test_a_snapshot_of_the_wrong_shape_still_makes_a_row_and_figures(said: dict[str, object]) -> None:
    leg = Leg("main", "paper", "a", "X-Y")
    config = BotConfig("a", "paper", "s", (leg,), DaemonConfig(), {}, {}, {}, {}, "", "")
    entry = BotEntry(config, WorkerRecord("a", state=State.RUNNING, pid=7))
    entry.hear(beat(said))
    row = entry.row(0)
    assert {type(row[key]) for key in ("open_orders", "fills")} == {int}
    assert isinstance(row["gates"], list)
    assert set(NO_SNAPSHOT) <= set(row)
    figures = figures_of(entry, 0)
    json.dumps([row, figures], allow_nan=False)
    assert {type(value) for value in figures.values()} <= {str, int, float, type(None)}


@pytest.mark.parametrize(("dirty", "orders"), [(True, 2), (False, 0)])
def test_the_orders_of_a_dead_bot_are_shown_until_its_sweep_is_confirmed(dirty: bool, orders: int) -> None:
    config = BotConfig("a", "paper", "s", (Leg("main", "paper", "a", "X-Y"),), DaemonConfig(), {}, {}, {}, {}, "", "")
    entry = BotEntry(config, WorkerRecord("a"))
    entry.hear(beat({"open_orders": 2, "phase": "QUOTING", "legs": [{"leg": "main", "open_orders": 2}]}))
    entry.record = replace(entry.record, state=State.SWEEPING, dirty=dirty)
    row = entry.row(0)
    assert (row["open_orders"], row["legs"][0]["open_orders"], row["phase"]) == (orders, orders, None)


class Heard:
    """Children with one worker, as far as anybody here knows, and what came of its words."""

    def __init__(self) -> None:
        self.link, self.events = ZygoteLink(), []
        self.selector = selectors.DefaultSelector()
        leases = RateLeases()
        self.children = Children(
            self.selector,
            self.link,
            Listeners(
                lambda _name, event: self.events.append(event),
                lambda *_said: None,
                lambda name, message: leases.answer(name, message, 0),
            ),
        )
        self.children.ask("worker", "bot", "kind", {}, 0)
        (request,) = self.link.waiting
        self.theirs, child = request.theirs, self.children.living("bot")
        assert child is not None
        self.child = child
        self.child.pid = 4_000_000
        channel.receive(self.theirs)  # what it is told to be

    def say(self, **message: object) -> None:
        channel.send(self.theirs, message)
        self.children.drain()

    def close(self) -> None:
        self.theirs.close()
        self.child.end.close()
        self.selector.close()


@pytest.fixture
def heard() -> Iterator[Heard]:
    heard = Heard()
    yield heard
    heard.close()


def test_a_worker_that_asks_for_a_lease_is_answered(heard: Heard) -> None:
    heard.say(t="lease", scopes=[{"key": "k", "per_s": 10, "burst": 20}])
    answer = channel.receive(heard.theirs)
    assert answer is not None
    assert answer["grants"] == [{"key": "k", "per_s": 8.0, "burst": 16.0, "until_ns": LEASE_NS}]


@pytest.mark.parametrize("scopes", [None, [1], [{"key": "k", "per_s": "x", "burst": 1}], [{}] * 30])
def test_garbage_in_a_lease_is_a_bad_packet_and_nothing_more(heard: Heard, scopes: object) -> None:
    heard.say(t="lease", scopes=scopes)
    assert heard.child.bad_packets == 1
    heard.theirs.setblocking(False)
    with pytest.raises(BlockingIOError):
        channel.receive(heard.theirs)


def test_a_worker_that_asks_and_never_reads_hurts_nobody(heard: Heard) -> None:
    for _ in range(5000):
        heard.say(t="lease", scopes=[{"key": "k", "per_s": 10, "burst": 20}])
    assert heard.child.bad_packets == 0
    assert not heard.child.deaf


def test_what_a_child_needs_is_handed_on_within_bounds_and_not_for_ever(heard: Heard) -> None:
    for _ in range(MAX_NEEDS + 5):
        heard.say(t="needs", seconds=1e12)
    assert heard.events == [Needs(MAX_NEEDS_S)] * MAX_NEEDS
    assert heard.child.bad_packets == 5


@pytest.mark.parametrize("seconds", [None, "5", -1, 0, float("inf"), float("nan"), []])
def test_needs_that_are_no_number_of_seconds_are_bad_packets(heard: Heard, seconds: object) -> None:
    heard.say(t="needs", seconds=seconds)
    assert (heard.events, heard.child.bad_packets) == ([], 1)


def test_the_last_words_of_a_worker_that_did_not_read_all_we_said_are_heard(heard: Heard) -> None:
    heard.children.tell("bot", {"t": "stop", "reason": "asked to stop"})
    channel.send(heard.theirs, {"t": "exit", "status": 0, "reason": "signal", "clean": True, "left": []})
    heard.theirs.close()  # with our words unread: the kernel tells us of a reset before it hands over the rest
    heard.children.drain()
    assert heard.child.last_words["clean"] is True
    assert heard.child.deaf


def test_a_channel_keeps_packets_apart() -> None:
    ours, theirs = channel.pair()
    theirs.send(b"garbage")
    channel.send(theirs, {"a": 1})
    with pytest.raises(channel.BadPacket):
        channel.receive(ours)
    assert channel.receive(ours) == {"a": 1}
    ours.close()
    theirs.close()
