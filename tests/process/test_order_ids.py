"""Numbered order ids: a slot is one bot's, and no id is ever used twice, whenever a process dies."""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.bot_config import BotConfig, DaemonConfig, Leg
from core.market.client_ids import ID_BLOCK, SEQUENCES, SLOTS, NumberIds, OrderIds
from core.process import order_ids, slots
from core.process.order_ids import ids_of_legs, sweep_ids_of_legs
from core.process.slots import SlotFolder, SlotOwner, probes
from utils.errors import ConfigError, LedgerError
from utils.home import Home


class Numbering:
    """A venue that numbers its orders, as far as anybody asks here."""

    client_id_format = "uint32"


@pytest.fixture(autouse=True)
def numbering_venue() -> Iterator[None]:
    patch = pytest.MonkeyPatch()
    text = order_ids.client_class
    patch.setattr(order_ids, "client_class", lambda name, mode: Numbering if name == "numbers" else text(name, mode))
    yield
    patch.undo()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    home.make_folders()
    return home


def config(name: str = "bot", *exchanges: str) -> BotConfig:
    legs = tuple(Leg(f"leg{n}", venue, "acc", "X-Y") for n, venue in enumerate(exchanges or ("numbers",)))
    return BotConfig(name, legs[0].exchange, "s", legs, DaemonConfig(), {}, {}, {}, {}, "", "")


def open_ids(home: Home, bot: BotConfig, leg: str = "leg0") -> NumberIds:
    home.bot_state(bot.name).mkdir(exist_ok=True)
    return numbered(ids_of_legs(bot, home, 1)[leg])


def sweep_ids(home: Home, bot: BotConfig) -> NumberIds:
    return numbered(sweep_ids_of_legs(bot, home, 2)["leg0"])


def numbered(ids: OrderIds) -> NumberIds:
    assert isinstance(ids, NumberIds)
    return ids


def slot_file(home: Home, ids: NumberIds) -> Path:
    return home.state / "slots" / "numbers" / f"{ids.slot}.json"


def test_text_legs_share_one_sequence_and_numbered_ones_have_a_slot_each(home: Home) -> None:
    bot = config("bot", "paper", "paper:b", "numbers", "numbers")
    home.bot_state("bot").mkdir()
    ids = ids_of_legs(bot, home, 3)
    assert ids["leg0"] is ids["leg1"]
    assert numbered(ids["leg2"]).slot != numbered(ids["leg3"]).slot


def test_a_block_is_on_disk_in_both_files_before_its_first_id_is_used(home: Home) -> None:
    ids = open_ids(home, config())
    ids.next()
    own = json.loads((home.bot_state("bot") / "client_ids.json").read_text())
    assert own == {"legs": {"leg0": {"slot": ids.slot, "until": ID_BLOCK}}}
    assert json.loads(slot_file(home, ids).read_text()) == {"bot": "bot", "leg": "leg0", "until": ID_BLOCK}


def test_the_next_incarnation_begins_after_everything_reserved_and_knows_what_was_used(home: Home) -> None:
    used = open_ids(home, config()).next()
    after = open_ids(home, config())
    assert after.owns(used)
    assert after.next() == f"n{after.slot}.{ID_BLOCK}"


def test_a_sweep_owns_all_that_was_reserved_and_gives_out_nothing(home: Home) -> None:
    ids = open_ids(home, config())
    used = ids.next()
    swept = sweep_ids(home, config())
    assert swept.from_wire(ids.to_wire(used)) == used
    assert swept.owns(used)
    assert not swept.owns(f"n{ids.slot}.{ID_BLOCK}")
    with pytest.raises(LedgerError):
        swept.next()


def test_numbers_go_on_beyond_the_wrap_and_the_newest_are_recognised(home: Home) -> None:
    ids = open_ids(home, config())
    ids.reserve(SEQUENCES - 1)
    again = open_ids(home, config())
    used = [again.next() for _ in range(3)]
    assert len({again.to_wire(text) for text in used}) == 3
    assert [sweep_ids(home, config()).from_wire(again.to_wire(text)) for text in used] == used


def test_two_bots_of_one_account_never_share_a_slot_even_when_they_want_the_same(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order_ids, "probes", lambda _seed: probes("same"))
    found = [open_ids(home, config(f"bot{n}")).slot for n in range(20)]
    assert len(set(found)) == 20
    assert [open_ids(home, config(f"bot{n}")).slot for n in range(20)] == found


def test_a_slot_that_two_make_at_the_same_time_is_only_one_of_theirs(home: Home) -> None:
    """Real processes that all want the same first slot."""
    pids = []
    for number in range(8):
        pid = os.fork()
        if pid == 0:
            try:
                SlotFolder(home.state, "numbers").allot(SlotOwner(f"bot{number}", "main"), probes("same"), 0)
            finally:
                os._exit(0)
        pids.append(pid)
    for pid in pids:
        os.waitpid(pid, 0)
    folder = SlotFolder(home.state, "numbers")
    owners = [folder.read(slot) for slot in list(probes("same"))[:8]]
    assert {found[0].bot for found in owners if found} == {f"bot{n}" for n in range(8)}


def test_when_all_slots_are_taken_a_new_bot_is_refused_and_told_where(home: Home) -> None:
    folder = SlotFolder(home.state, "numbers")
    folder.path.mkdir(parents=True)
    for slot in range(SLOTS):
        folder.file_of(slot).write_text('{"bot": "gone", "leg": "main", "until": 0}')
    with pytest.raises(ConfigError, match="slots/numbers"):
        open_ids(home, config())


@pytest.mark.parametrize("content", [b"", b"garbage", b"[]", b'{"legs": {"leg0": {"slot": 5000, "until": 1}}}'])
def test_either_of_the_two_files_is_enough(home: Home, content: bytes) -> None:
    ids = open_ids(home, config())
    used = ids.next()
    own = home.bot_state("bot") / "client_ids.json"
    for path in (own, slot_file(home, ids)):
        before = path.read_bytes()
        path.write_bytes(content)
        assert sweep_ids(home, config()).owns(used)
        path.write_bytes(before)
    own.write_bytes(content)
    assert open_ids(home, config()).next() == f"n{ids.slot}.{ID_BLOCK}"


def test_an_older_copy_of_either_file_that_is_put_back_loses_nothing(home: Home) -> None:
    ids = open_ids(home, config())
    ids.next()
    files = (home.bot_state("bot") / "client_ids.json", slot_file(home, ids))
    old = [path.read_bytes() for path in files]
    used = open_ids(home, config()).next()
    for path, content in zip(files, old, strict=True):
        new = path.read_bytes()
        path.write_bytes(content)
        assert sweep_ids(home, config()).owns(used)
        path.write_bytes(new)


def test_a_bot_whose_folder_was_moved_away_keeps_its_slot_and_does_not_begin_again(home: Home) -> None:
    ids = open_ids(home, config())
    ids.next()
    (home.bot_state("bot") / "client_ids.json").unlink()
    assert open_ids(home, config()).next() == f"n{ids.slot}.{ID_BLOCK}"


def test_when_both_files_are_damaged_neither_worker_nor_sweep_guesses(home: Home) -> None:
    ids = open_ids(home, config())
    (home.bot_state("bot") / "client_ids.json").write_bytes(b"x")
    slot_file(home, ids).write_bytes(b"x")
    for start in (open_ids, sweep_ids):
        with pytest.raises(LedgerError, match="is damaged; restore"):
            start(home, config())


def test_a_damaged_slot_file_of_another_bot_stops_nobody_new_and_is_never_taken(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order_ids, "probes", lambda _seed: probes("same"))
    first = open_ids(home, config("first"))
    slot_file(home, first).write_bytes(b"x")
    assert open_ids(home, config("second")).slot != first.slot
    assert open_ids(home, config("first")).slot == first.slot


def test_a_slot_that_was_deleted_and_went_to_another_bot_is_not_written_over(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order_ids, "probes", lambda _seed: probes("same"))
    first = open_ids(home, config("first"))
    slot_file(home, first).unlink()
    second = open_ids(home, config("second"))
    assert second.slot == first.slot
    with pytest.raises(LedgerError, match="another"):
        first.next()
    with pytest.raises(LedgerError, match="second"):
        sweep_ids(home, config("first"))
    assert open_ids(home, config("first")).slot != second.slot


def test_what_was_never_reserved_is_nobodys(home: Home) -> None:
    swept = sweep_ids(home, config())
    assert swept.from_wire(0) == "x0"
    assert not swept.owns("n0.0")


def test_an_order_in_our_slot_outside_any_block_is_reported_once_and_not_ours(
    home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    ids = open_ids(home, config())
    ids.next()
    stranger = (ids.slot << 22) | ID_BLOCK + 5
    with caplog.at_level(logging.WARNING):
        assert [ids.owns(ids.from_wire(stranger)) for _ in range(3)] == [False] * 3
        ids.from_wire((ids.slot ^ 1) << 22)
    assert [record.message for record in caplog.records] == ["order_outside_reserved_block"]


def test_a_disk_that_refuses_is_a_ledger_error_and_no_id_is_used(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = open_ids(home, config())

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(order_ids, "write_json_atomic", full)
    with pytest.raises(LedgerError, match="No space"):
        ids.next()
    assert ids.number == 0
    with pytest.raises(LedgerError):
        open_ids(home, config("new"))


class Killed(BaseException):
    """The process died here."""


class Disk:
    """Lets so many steps of writing through, then the process dies: before the step, or just after it."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.left: int | None = None
        for module, name in ((order_ids, "write_json_atomic"), (slots, "write_json_atomic"), (slots, "write_atomic")):
            patch.setattr(module, name, self._around(getattr(module, name)))
        patch.setattr(os, "link", self._around(os.link))

    def _around(self, write: Any) -> Any:
        def step(*arguments: Any) -> None:
            self._count()
            write(*arguments)
            self._count()

        return step

    def _count(self) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise Killed


LIVES = st.lists(st.tuples(st.integers(0, 2 * ID_BLOCK + 1), st.none() | st.integers(0, 20)), min_size=1, max_size=6)


@settings(max_examples=60, deadline=None)
@given(LIVES)
def test_no_kill_at_any_point_makes_an_id_used_twice(lives: list[tuple[int, int | None]]) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        home = Home(Path(folder))
        home.make_folders()
        home.identity()
        disk, used = Disk(patch), list[str]()
        for wanted, dies_after in lives:
            disk.left = dies_after
            try:
                ids = open_ids(home, config())
                used.extend(ids.next() for _ in range(wanted))
            except Killed:
                pass
            disk.left = None
            swept = sweep_ids(home, config())
            assert all(swept.owns(text) for text in used)
        assert len(set(used)) == len(used)
