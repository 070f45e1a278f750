"""The paper venue on a disk that is full: no order and no fill that is not written, and cancels that get through."""

from __future__ import annotations

import contextlib
import resource
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.market.order import OrderEvent
from tests.conformance.paper_parts import SECOND, bid
from tests.conformance.venues import PaperUnderTest, Session


@pytest.fixture
def venue(tmp_path: Path) -> PaperUnderTest:
    return PaperUnderTest(tmp_path)


# -- a full disk ----------------------------------------------------------------------------------------------------
@contextlib.contextmanager
def tiny_disk(folder: Path) -> Iterator[Callable[[], contextlib.AbstractContextManager[None]]]:
    """Mount a small file system and give a way to fill it for a while."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small file system is not permitted here")

    @contextlib.contextmanager
    def filled() -> Iterator[None]:
        ballast = folder / "ballast"
        with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(b"x" * 4096):
                pass
        try:
            yield
        finally:
            ballast.unlink()

    try:
        yield filled
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@contextlib.contextmanager
def small_files() -> Iterator[None]:
    """Let no file of this process grow beyond a few bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture(params=["full disk", "file size limit"])
def writing_fails(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Callable[[], contextlib.AbstractContextManager[None]]]:
    if request.param == "file size limit":
        yield small_files
        return
    with tiny_disk(tmp_path / "state") as filled:
        yield filled


def fill_up(session: Session) -> None:
    """Write until a full disk has no room left in files that are already there."""
    for number in range(400):
        session.submit(session.far_bid(f"fill-{number}"))
        if session.events_of(f"fill-{number}") == [OrderEvent.REJECTED]:
            return
        session.cancel(f"fill-{number}")
    raise AssertionError("the disk did not get full")


def test_full_disk_refuses_orders_stops_fills_and_lets_cancels_through(
    venue: PaperUnderTest, writing_fails: Callable[[], contextlib.AbstractContextManager[None]]
) -> None:
    session = Session.open(venue)
    session.submit(bid(session, "mk-1", 50_000), session.far_bid("mk-2"))
    with writing_fails():
        fill_up(session)
        assert "cannot be written" in session.reason_of(next(iter(refused(session))))
        fills, books = list(session.fills), len(session.books)
        session.wait(lambda: len(session.books) > books + 50)
        assert session.fills == fills
        session.cancel("mk-2")
        assert session.events_of("mk-2")[-1] is OrderEvent.CANCELED
        assert session.open_ids() == {"mk-1"}
    session.wait(lambda: len(session.fills) > len(fills))
    session.submit(session.far_bid("mk-3"))
    before = session.report()
    session.close()
    again = Session.open(venue)
    after = again.report()
    assert {order.client_order_id for order in after.open_orders} == {"mk-1", "mk-3"}
    assert after.fills == before.fills == tuple(session.fills) and after.balances == before.balances
    bought = sum(fill.size_lots for fill in after.fills)
    assert {item.asset: item.total for item in after.balances}["SOL"] == 100 + again.client.instrument.to_size(bought)
    again.close()


def refused(session: Session) -> list[str]:
    return [name for name in (f"fill-{n}" for n in range(400)) if session.events_of(name)[:1] == [OrderEvent.REJECTED]]


def test_cancel_on_a_full_disk_is_written_when_there_is_room_again(
    venue: PaperUnderTest, writing_fails: Callable[[], contextlib.AbstractContextManager[None]]
) -> None:
    session = Session.open(venue)
    session.submit(session.far_bid("mk-1"))
    with writing_fails():
        fill_up(session)
        session.cancel("mk-1")
    until = venue.clock.now + 2 * SECOND
    session.wait(lambda: venue.clock.now > until)
    session.client._venue._memory.store.close()  # type: ignore[attr-defined]  # as a kill: nothing is written at the end
    again = Session.open(venue)
    assert again.open_ids() == set()
    again.close()
    session.inbox.close()


def test_reopening_on_a_full_disk_can_still_list_and_cancel(
    venue: PaperUnderTest, writing_fails: Callable[[], contextlib.AbstractContextManager[None]]
) -> None:
    session = Session.open(venue)
    session.submit(session.far_bid("mk-1"))
    with writing_fails():
        fill_up(session)
        session.close()
        again = Session.open(venue)
        assert again.open_ids() == {"mk-1"}
        again.client.cancel_all(lambda order_id: order_id.startswith("mk"))
        again.wait(lambda: again.events_of("mk-1"))
        assert again.open_ids() == set()
    again.close()
    last = Session.open(venue)
    assert last.open_ids() == set()
    last.close()
