"""What a worker says on its channel is not believed blindly: garbage harms nobody else."""

from __future__ import annotations

import selectors

import pytest

from core.bot_config import BotConfig, DaemonConfig, Leg
from core.process import channel
from core.process.children import MAX_BAD_PACKETS, Children
from core.process.fleet import NO_SNAPSHOT, BotEntry
from core.process.worker_record import WorkerRecord
from core.process.zygote_link import ZygoteLink


@pytest.mark.parametrize(
    "packet", [b"garbage", b"[" * 100_000, b"[]", b'{"t": "hello", "pid": 1e999}', b'{"t": "beat"}']
)
def test_a_child_that_floods_garbage_is_cut_off_and_nothing_is_raised(packet: bytes) -> None:
    link, heard = ZygoteLink(), []
    selector = selectors.DefaultSelector()
    children = Children(selector, link, lambda _name, _event: None, lambda *said: heard.append(said))
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


@pytest.mark.parametrize(
    "said",
    [{"legs": 5}, {"fills": "x"}, {"gates": 5}, {"mid": 3}, {"phase": []}, {"legs": [1, {"leg": "main"}, {}]}, {}],
)
def test_a_snapshot_of_the_wrong_shape_still_makes_a_row(said: dict[str, object]) -> None:
    leg = Leg("main", "paper", "a", "X-Y")
    config = BotConfig("a", "paper", "s", (leg,), DaemonConfig(), {}, {}, {}, {}, "", "")
    entry = BotEntry(config, WorkerRecord("a"))
    entry.hear(said)
    row = entry.row(0)
    assert {type(row[key]) for key in ("open_orders", "fills")} == {int}
    assert isinstance(row["gates"], list)
    assert set(NO_SNAPSHOT) <= set(row)


def test_a_channel_keeps_packets_apart() -> None:
    ours, theirs = channel.pair()
    theirs.send(b"garbage")
    channel.send(theirs, {"a": 1})
    with pytest.raises(channel.BadPacket):
        channel.receive(ours)
    assert channel.receive(ours) == {"a": 1}
    ours.close()
    theirs.close()
