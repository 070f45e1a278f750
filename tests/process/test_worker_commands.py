"""What a supervisor says to a living worker: paused, resumed, closed, changed, handed over, in real time on paper."""

from __future__ import annotations

import dataclasses
import logging
import time
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from core.bot_config import BotConfig
from core.process import channel
from core.process.run_record import RunRecord
from core.trading.latches import Latches
from tests.process.command_parts import BUSY, QUIET, ledger_orders, paper_bot, record, resting, swept, venue_orders
from tests.process.live_parts import LiveWorker
from tests.process.worker_parts import Start, handed_over
from utils.exit_statuses import CONFIG, DONE, RISK_HALT, VENUE_UNREACHABLE
from utils.home import Home

# Pause and resume


def test_a_pause_is_told_with_the_next_heartbeat_and_ends_with_a_resume(home: Home, start: Start) -> None:
    config = paper_bot(home, QUIET)
    worker = resting(start(config))
    assert (worker.beat()["paused"], worker.beat()["config_digest"]) == (False, config.digest)
    worker.tell("pause")
    worker.until(lambda: (beat := worker.beat())["paused"] and beat["live_orders"] == 0)
    assert (worker.beat()["gates"], worker.beat()["phase"]) == (["paused"], "PAUSED")
    assert ledger_orders(home) == {}
    worker.tell("resume")
    resting(worker)
    assert worker.beat()["paused"] is False


def test_a_heartbeat_carries_what_a_stuck_worker_is_judged_by(home: Home, start: Start) -> None:
    worker = resting(start(paper_bot(home, QUIET)))
    beat = worker.until(lambda: (beat := worker.beat()).get("last_ack_age_s") is not None and beat)
    assert 0 <= beat["book_age_s"] < 60
    assert beat["loop_lag_ms"] >= 0
    assert (beat["open_orders"], beat["live_orders"], beat["position"]) == (6, 6, "0.000")


def test_what_nobody_understands_changes_nothing(home: Home, start: Start, caplog: pytest.LogCaptureFixture) -> None:
    worker = resting(start(paper_bot(home, QUIET)))
    before = ledger_orders(home)
    with caplog.at_level(logging.WARNING):
        worker.tell("dance").tell("reload").tell("reload", config={"name": 3}).tell("resume")
        worker.until(lambda: len([m for m in worker.said if m["t"] == "reloaded"]) == 2)
    assert "unknown_command" in [entry.message for entry in caplog.records]
    assert all("not a config" in m["error"] for m in worker.said if m["t"] == "reloaded")
    assert ledger_orders(home) == before


def test_a_worker_that_cannot_tell_its_supervisor_anything_cancels_and_leaves(
    home: Home, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = resting(start(paper_bot(home, QUIET)))

    def deaf(_end: object) -> None:  # the end of the line is not heard: only what is said on it fails
        raise BlockingIOError

    monkeypatch.setattr("core.process.worker.channel", SimpleNamespace(**{**vars(channel), "receive": deaf}))
    worker.ours.close()
    deadline = time.monotonic() + 30
    while worker.end is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert worker.end is not None
    assert (worker.end.status, worker.end.reason, worker.end.clean) == (DONE, "the supervisor is gone", True)
    assert venue_orders(home) == {}


# Close


def busy_with_position(worker: LiveWorker) -> LiveWorker:
    worker.until(lambda: Decimal(worker.beat().get("position", "0")) != 0)
    return worker


def is_flat(worker: LiveWorker) -> bool:
    """Tell whether nothing is held but what is worth less than the smallest order."""
    return abs(Decimal(worker.beat()["position"])) * 150 < 6


def test_a_close_ends_flat_by_the_venues_word_with_status_0(home: Home, start: Start) -> None:
    worker = busy_with_position(start(paper_bot(home, BUSY)))
    worker.tell("close", reason="flatten", sell_base=False)
    said = worker.last_words()
    assert (said["t"], said["status"], said["left"]) == ("exit", DONE, [])
    assert said["reason"].startswith("flatten")  # a residue is told
    assert (said["clean"], said["closed"], said["handover"]) == (True, True, False)
    assert is_flat(worker)
    assert "CLOSING" in [m["snapshot"]["phase"] for m in worker.said if m["t"] == "beat"]
    assert venue_orders(home) == {}
    assert record(home).clean


def test_a_stop_says_that_it_did_not_close(home: Home, start: Start) -> None:
    worker = resting(start(paper_bot(home, QUIET)))
    worker.tell("stop", reason="asked")
    said = worker.last_words()
    assert (said["status"], said["clean"], said["closed"], said["handover"]) == (DONE, True, False, False)


def test_a_stop_that_is_to_close_ends_flat_and_says_so(home: Home, start: Start) -> None:
    worker = busy_with_position(start(paper_bot(home, BUSY, strategy_config={"on_stop": "close_position"})))
    worker.tell("stop", reason="asked", close=True)
    said = worker.last_words()
    assert (said["status"], said["clean"], said["closed"], said["reason"][:5]) == (DONE, True, True, "asked")
    assert is_flat(worker)


def test_a_signal_alone_stops_a_bot_as_its_config_says(home: Home, start: Start) -> None:
    worker = busy_with_position(start(paper_bot(home, BUSY, strategy_config={"on_stop": "close_position"})))
    worker.worker.signals.stop_asked = True
    said = worker.last_words()
    assert (said["status"], said["clean"], said["closed"], said["reason"][:13]) == (DONE, True, True, "asked to stop")
    assert not said["left_position"]


def test_the_supervisors_word_goes_before_its_signal(home: Home, start: Start) -> None:
    worker = busy_with_position(start(paper_bot(home, BUSY, strategy_config={"on_stop": "close_position"})))
    worker.tell("lease", grants=[]).tell("stop", reason="a restart", close=False)
    worker.worker.signals.stop_asked = True
    said = worker.last_words()
    assert (said["status"], said["clean"], said["closed"], said["reason"]) == (DONE, True, False, "a restart")


def test_a_stop_that_cuts_a_close_short_says_that_a_position_is_left(home: Home, start: Start) -> None:
    worker = busy_with_position(start(paper_bot(home, BUSY, strategy_config={"on_stop": "close_position"})))
    worker.tell("stop", reason="asked", close=True).tell("stop", reason="now")
    said = worker.last_words()
    assert (said["status"], said["closed"], said["left_position"]) == (DONE, False, True)
    assert said["reason"].startswith("now (not closed: ")


def test_a_start_from_rest_closes_what_is_found_and_a_worker_that_follows_another_does_not(
    home: Home, start: Start
) -> None:
    config = paper_bot(home, BUSY)
    worker = busy_with_position(start(config))
    worker.tell("stop", reason="asked")
    worker.ended()
    held = Decimal(worker.beat()["position"])
    worker.close()
    quiet = {"spread_pct": 4.0, "layer_step_ticks": 100, "startup_position": "close_all"}
    config = paper_bot(home, BUSY, strategy_config=quiet)
    heir = start(config).trading()
    assert Decimal(heir.beat()["position"]) == held
    heir.tell("stop", reason="asked")
    heir.ended()
    heir.close()
    fresh = start(config, fresh=True)
    fresh.until(lambda: fresh.beat().get("phase") == "QUOTING")
    assert is_flat(fresh)


def test_a_worker_that_only_closes_is_not_stopped_by_latch_strategy_or_crash(home: Home, start: Start) -> None:
    config = paper_bot(home, BUSY)
    worker = busy_with_position(start(config))
    worker.tell("stop", reason="asked")
    worker.ended()
    worker.close()
    dataclasses.replace(record(home), clean=False).write(home.bot_state("bot"))  # as a crash leaves it
    Latches(home.bot_state("bot") / "latches.json").set("max_loss", "cancel", "lost", 1)
    before = (home.bot_state("bot") / "latches.json").read_text()
    closer = dataclasses.replace(config, strategy="no_such_strategy")
    early = start(closer, close_only=True)
    assert (early.ended().status, early.last_words()["clean"]) == (VENUE_UNREACHABLE, False)  # swept first
    swept(home, config)
    closing = start(closer, close_only=True)
    said = closing.last_words()
    assert (said["status"], said["clean"], said["closed"]) == (DONE, True, True), said
    assert Decimal(closing.beat()["position"]) == 0
    assert "max_loss" in closing.beat()["gates"]
    assert (home.bot_state("bot") / "latches.json").read_text() == before
    assert start(config).ended().status == RISK_HALT


def test_a_worker_that_only_closes_on_spot_cancels_and_sells_when_told(home: Home, start: Start) -> None:
    spot = {"symbol": "SOL-USDC", "order_size": 1}
    config = paper_bot(home, BUSY, strategy_config=spot, risk_config={"price_floor": 100_000})  # it only ever buys
    worker = start(config)
    worker.until(lambda: Decimal(worker.beat().get("position", "0")) > 0)
    worker.tell("stop", reason="asked")
    worker.ended()
    held = worker.beat()["position"]
    worker.close()
    left = start(config, close_only=True)
    assert (left.last_words()["closed"], left.beat()["position"]) == (True, held)
    left.close()
    sold = start(config, close_only=True, sell_base=True)
    assert (sold.last_words()["closed"], Decimal(sold.beat()["position"])) == (True, 0)


# A changed config


def reload(worker: LiveWorker, config: BotConfig) -> dict[str, Any]:
    before = len([m for m in worker.hear() if m["t"] == "reloaded"])
    worker.tell("reload", config=config.to_plain())
    worker.until(lambda: len([m for m in worker.said if m["t"] == "reloaded"]) > before)
    return [m for m in worker.said if m["t"] == "reloaded"][-1]


def test_live_keys_are_taken_over_and_orders_that_match_keep_their_place(home: Home, start: Start) -> None:
    worker = resting(start(paper_bot(home, QUIET)))
    before = ledger_orders(home)
    new = paper_bot(home, QUIET, strategy_config={"layers": 4, "interval_s": 0.4}, risk_config={"max_position": 60})
    assert reload(worker, new) == {"t": "reloaded", "digest": new.digest, "error": None}
    resting(worker, 8)
    assert worker.beat()["config_digest"] == new.digest
    assert (record(home).config, record(home).clean) == (new, False)
    assert handed_over(worker)["handover"] is True
    assert len(venue_orders(home)) == 8
    assert before.items() <= venue_orders(home).items()  # the same ids at the venue: nothing lost its place
    assert record(home).config == new


def test_lower_limits_are_held_at_once(home: Home, start: Start) -> None:
    worker = resting(start(paper_bot(home, QUIET)))
    new = paper_bot(home, QUIET, risk_config={"max_position": 1.0})
    assert reload(worker, new)["error"] is None
    resting(worker, 2)
    assert len(ledger_orders(home)) == 2


REFUSED = [
    ({"exchange_config": {"latency_ms": 33}}, "exchange_config.latency_ms"),
    ({"strategy_config": {"symbol": "ETH-USDC"}, "exchange_config": {"account": "b"}}, "strategy_config.symbol"),
    ({"daemon_config": {"nice": 5}}, "daemon_config.nice"),
    ({"risk_config": {"max_position": 0.0001, "max_order_size": 0.0001}}, "less than one lot"),
]


@pytest.mark.parametrize(("sections", "word"), REFUSED, ids=[word for _, word in REFUSED])
def test_what_cannot_be_taken_over_is_refused_as_a_whole(
    home: Home, start: Start, sections: dict[str, dict[str, Any]], word: str
) -> None:
    old = paper_bot(home, QUIET)
    worker = resting(start(old))
    before = ledger_orders(home)
    sections.setdefault("strategy_config", {})["layers"] = 5
    answer = reload(worker, paper_bot(home, QUIET, **sections))
    assert word in answer["error"]
    worker.tell("resume")
    count = len(worker.hear())
    worker.until(lambda: [m for m in worker.said[count:] if m["t"] == "beat"])
    assert worker.beat()["config_digest"] == old.digest
    assert record(home).config == old
    assert ledger_orders(home) == before


# Limits of a position on margin


def on_margin(home: Home, is_limited: bool) -> BotConfig:
    """Return a bot on a perpetual; without its limit it is one that no check of a symbol's spelling has found."""
    config = paper_bot(home, QUIET, strategy_config={"symbol": "SOL-PERP"})
    if is_limited:
        return config
    return dataclasses.replace(config, risk_config={**config.risk_config, "max_position": None}, digest="unlimited")


def test_a_position_on_margin_without_a_limit_is_refused_before_the_first_order(home: Home, start: Start) -> None:
    end = start(on_margin(home, False)).ended()
    assert (end.status, end.clean) == (CONFIG, True)
    told = "risk_config.max_position: found nothing, expected a number above 0: SOL-PERP on paper"
    assert end.reason.startswith(told)
    assert RunRecord.read(home.bot_state("bot")) is None


def test_a_position_on_margin_without_a_limit_is_closed_all_the_same(home: Home, start: Start) -> None:
    assert start(on_margin(home, False), close_only=True).ended().status == DONE


def test_a_reload_cannot_take_the_limit_of_a_position_on_margin_away(home: Home, start: Start) -> None:
    old = on_margin(home, True)
    worker = resting(start(old))
    assert "max_position" in reload(worker, on_margin(home, False))["error"]
    assert record(home).config == old


def test_a_position_on_margin_is_not_shared(home: Home, start: Start) -> None:
    config = on_margin(home, True)
    shared = dataclasses.replace(config, exchange_config={**config.exchange_config, "allow_shared_symbol": True})
    end = start(shared).ended()
    assert end.status == CONFIG and end.reason.startswith("allow_shared_symbol: found true, expected false: SOL-PERP")


def test_a_change_that_cannot_be_put_on_record_does_not_take_effect(home: Home, start: Start) -> None:
    old = paper_bot(home, QUIET)
    worker = resting(start(old))
    path = home.bot_state("bot") / "run.json"
    kept = path.read_text()
    path.unlink()
    path.mkdir()  # nothing can be renamed over it, whoever tries
    answer = reload(worker, paper_bot(home, QUIET, strategy_config={"layers": 5}))
    assert "run.json" in answer["error"] or "cannot write" in answer["error"]
    assert (worker.worker.config, worker.worker.record and worker.worker.record.config) == (old, old)
    path.rmdir()
    path.write_text(kept)
    assert reload(worker, paper_bot(home, QUIET, strategy_config={"layers": 5}))["error"] is None


def test_a_change_comes_too_late_for_a_bot_that_ends(home: Home, start: Start) -> None:
    worker = resting(start(paper_bot(home, QUIET)))
    worker.tell("stop", reason="asked").tell(
        "reload", config=paper_bot(home, QUIET, strategy_config={"layers": 5}).to_plain()
    )
    said = worker.last_words()
    answers = [m for m in worker.said if m["t"] == "reloaded"]
    assert said["clean"] is True
    assert all("ending" in answer["error"] for answer in answers)


def test_secrets_stay_resolved_over_a_change(home: Home, start: Start) -> None:
    def with_key(**strategy: Any) -> BotConfig:
        config = paper_bot(home, QUIET, strategy_config=strategy)
        return dataclasses.replace(config, exchange_config={**config.exchange_config, "api_key": "${KEY}"})

    worker = resting(start(with_key()))
    assert reload(worker, with_key(layers=4))["error"] is None
    resting(worker, 8)
    assert "${KEY}" in (home.bot_state("bot") / "run.json").read_text()
