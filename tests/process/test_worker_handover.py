"""A worker hands its orders over: what is left, who takes it, and what is refused and swept."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable

import pytest

from core.bot_config import BotConfig
from core.process import handover
from core.process.handover import Handover
from core.process.run_record import RunRecord, next_fence
from core.trading.latches import Latches
from tests.process.command_parts import QUIET, ledger_orders, paper_bot, record, resting, swept, venue_orders
from tests.process.worker_parts import Start, handed_over
from utils.exit_statuses import DONE, RISK_HALT, VENUE_UNREACHABLE
from utils.home import Home


def test_a_handover_leaves_the_orders_and_a_record_of_them(home: Home, start: Start) -> None:
    config = paper_bot(home, QUIET)
    worker = resting(start(config))
    before = ledger_orders(home)
    said = handed_over(worker)
    assert (said["status"], said["clean"], said["handover"], said["closed"]) == (DONE, False, True, False)
    assert set(said["left"]) == before.keys()
    assert venue_orders(home) == before
    left = record(home)
    assert left.handover is not None
    assert (left.clean, set(left.handover.orders), left.handover.boot_id) == (False, before.keys(), handover.boot_id())


def test_the_successor_takes_the_same_orders_over_under_a_new_fence(home: Home, start: Start) -> None:
    config = paper_bot(home, QUIET)
    handed_over(resting(start(config)))
    before, fence = venue_orders(home), record(home).fence
    changed = paper_bot(home, QUIET, exchange_config={"latency_ms": 25}, strategy_config={"layers": 4})
    successor = resting(start(changed, handover=True), 8)
    assert before.items() <= ledger_orders(home).items()  # id by id the venue's own
    now = record(home)
    assert (now.handover, now.clean, now.fence, now.config) == (None, False, fence + 1, changed)
    said = successor.tell("stop", reason="asked").last_words()
    assert (said["clean"], venue_orders(home)) == (True, {})


def test_a_successor_cancels_what_its_strategy_does_not_want(home: Home, start: Start) -> None:
    handed_over(resting(start(paper_bot(home, QUIET))))
    before = ledger_orders(home)
    resting(start(paper_bot(home, QUIET, strategy_config={"layers": 1}), handover=True), 2)
    assert ledger_orders(home).items() < before.items()


def test_orders_pass_through_several_hands(home: Home, start: Start) -> None:
    config = paper_bot(home, QUIET)
    worker = resting(start(config))
    before = ledger_orders(home)
    for _ in range(3):
        assert handed_over(worker)["handover"] is True
        assert venue_orders(home) == before
        worker = resting(start(config, handover=True))


def test_a_worker_that_was_not_told_of_a_handover_refuses_as_ever(home: Home, start: Start) -> None:
    config = paper_bot(home, QUIET)
    handed_over(resting(start(config)))
    said = start(config).last_words()
    assert (said["status"], said["clean"]) == (VENUE_UNREACHABLE, False)
    assert "swept first" in said["reason"]
    swept(home, config)
    assert resting(start(config))


def expire(home: Home, config: BotConfig) -> BotConfig:
    left = record(home)
    assert left.handover is not None
    dataclasses.replace(left, handover=dataclasses.replace(left.handover, deadline_boot_ns=1)).write(
        home.bot_state("bot")
    )
    return config


def reboot(home: Home, config: BotConfig) -> BotConfig:
    left = record(home)
    assert left.handover is not None
    dataclasses.replace(left, handover=dataclasses.replace(left.handover, boot_id="of yesterday")).write(
        home.bot_state("bot")
    )
    return config


def damage(home: Home, config: BotConfig) -> BotConfig:
    path = home.bot_state("bot") / "run.json"
    plain = json.loads(path.read_text())
    plain["handover"]["deadline_boot_ns"] = "soon"
    path.write_text(json.dumps(plain))
    return config


def other_identity(home: Home, config: BotConfig) -> BotConfig:
    return dataclasses.replace(config, identity_digest="another account")


def no_identity(home: Home, config: BotConfig) -> BotConfig:
    dataclasses.replace(record(home), config=dataclasses.replace(config, identity_digest="")).write(
        home.bot_state("bot")
    )
    return config


def owned_meanwhile(home: Home, config: BotConfig) -> BotConfig:
    next_fence(home.bot_state("bot"))
    return config


def ledger_lost(home: Home, config: BotConfig) -> BotConfig:
    for path in home.bot_state("bot").glob("ledger.db*"):
        path.unlink()
    return config


def other_orders(home: Home, config: BotConfig) -> BotConfig:
    left = record(home)
    assert left.handover is not None
    dataclasses.replace(left, handover=left.handover.of(["mk-somebody-elses"])).write(home.bot_state("bot"))
    return config


SPOILT = [expire, reboot, damage, other_identity, no_identity, owned_meanwhile, ledger_lost, other_orders]


@pytest.mark.parametrize("spoil", SPOILT, ids=lambda one: one.__name__)
def test_a_handover_that_does_not_hold_is_refused_and_swept(
    home: Home, start: Start, spoil: Callable[[Home, BotConfig], BotConfig]
) -> None:
    config = paper_bot(home, QUIET)
    handed_over(resting(start(config)))
    before = venue_orders(home)
    successor = spoil(home, config)
    said = start(successor, handover=True).last_words()
    assert (said["status"], said["clean"]) == (VENUE_UNREACHABLE, False), said
    assert "swept first" in said["reason"]
    assert venue_orders(home) == before  # it has touched nothing
    swept(home, config)


def test_a_successor_that_cannot_run_leaves_the_orders_to_a_sweep(home: Home, start: Start) -> None:
    """Whatever ends it before it has a record of its own: it proves nothing about what was left to it."""
    config = paper_bot(home, QUIET)
    handed_over(resting(start(config)))
    Latches(home.bot_state("bot") / "latches.json").set("max_loss", "cancel", "lost", 1)
    said = start(config, handover=True).last_words()
    assert (said["status"], said["clean"]) == (RISK_HALT, False)
    assert venue_orders(home) != {}
    swept(home, config)


def test_a_claim_that_is_held_keeps_a_successor_off_and_nothing_is_called_clean(home: Home, start: Start) -> None:
    config = paper_bot(home, QUIET, exchange_config={"account": "shared"})
    handed_over(resting(start(config)))
    other = paper_bot(home, QUIET, "other", exchange_config={"account": "shared"})
    start(other).trading()
    assert start(config, handover=True).last_words()["clean"] is False


def test_a_successor_of_a_worker_that_stopped_instead_starts_as_ever(home: Home, start: Start) -> None:
    config = paper_bot(home, QUIET)
    worker = resting(start(config))
    worker.tell("pause")
    worker.until(lambda: worker.beat()["paused"] and worker.beat()["live_orders"] == 0)
    said = handed_over(worker)
    assert (said["status"], said["clean"], said["handover"]) == (DONE, True, False)
    assert "no handover: quotes are off" in said["reason"]
    assert resting(start(config, handover=True))


def test_a_handover_that_cannot_be_recorded_becomes_a_stop(home: Home, start: Start) -> None:
    config = paper_bot(home, QUIET)
    worker = resting(start(config))
    path = home.bot_state("bot") / "run.json"
    kept = path.read_text()
    path.unlink()
    path.mkdir()
    said = handed_over(worker)
    assert (said["status"], said["clean"], said["handover"], venue_orders(home)) == (DONE, True, False, {})
    path.rmdir()
    path.write_text(kept)


def test_a_handover_without_time_becomes_a_stop_unless_all_is_settled(home: Home, start: Start) -> None:
    config = paper_bot(home, QUIET, exchange_config={"latency_ms": 400}, strategy_config={"price_tolerance_pct": -1})
    worker = start(config).trading()
    worker.until(lambda: worker.beat()["live_orders"] == 6 and worker.beat()["open_orders"] < 6)
    said = handed_over(worker, deadline_s=0.05)
    assert (said["clean"], said["handover"], venue_orders(home)) == (True, False, {})


def test_the_duration_goes_on_under_one_supervisor_and_begins_anew_under_another(home: Home, start: Start) -> None:
    config = paper_bot(home, QUIET, strategy_config={"duration_s": 8})
    worker = resting(start(config))
    worker.until(lambda: worker.beat()["stats"]["run_s"] >= 5)
    assert handed_over(worker)["handover"] is True
    heir = start(config, handover=True).trading()
    assert heir.beat()["stats"]["run_s"] >= 5
    said = heir.last_words()
    assert (said["reason"], said["clean"]) == ("the duration is over", True)
    heir.close()
    dataclasses.replace(record(home), supervisor=None).write(home.bot_state("bot"))
    assert start(config).trading().beat()["stats"]["run_s"] < 5


def test_a_record_of_an_older_version_has_no_handover(home: Home) -> None:
    config = paper_bot(home, QUIET)
    folder = home.bot_state("bot")
    folder.mkdir(parents=True)
    plain = RunRecord(config, 3, clean=False).to_plain()
    del plain["handover"], plain["supervisor"]
    (folder / "run.json").write_text(json.dumps(plain))
    assert record(home) == RunRecord(config, 3, clean=False)


def test_a_handover_record_survives_its_file(home: Home) -> None:
    left = RunRecord(paper_bot(home, QUIET), 3, False, Handover.within(5.0).of(["a", "b"]))
    home.bot_state("bot").mkdir(parents=True)
    left.write(home.bot_state("bot"))
    assert record(home) == left
    assert left.handover is not None
    assert left.handover.why_void() == ""


def test_a_ledger_knows_what_is_open_at_a_handover(home: Home, start: Start) -> None:
    worker = resting(start(paper_bot(home, QUIET)))
    said = handed_over(worker)
    assert ledger_orders(home) == venue_orders(home)
    assert ledger_orders(home).keys() == set(said["left"])
