"""The supervisor's side of an account's dead-man switch: who is asked, told, killed and shown."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from core.bot_config import BotConfig, DaemonConfig, Leg
from core.process.account_guards import PREFIX, AccountGuards
from core.process.dead_man import FRESH_NS
from core.process.fleet import BotEntry
from core.process.worker_record import Exited, Forked, ForkFailed, State, WorkerRecord

S = 1_000_000_000
DONE = 0


class Desk:
    """Remembers the events."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str | None, str]] = []

    def note(self, kind: str, _bot: object, alert: str | None, _subject: str, **more: Any) -> None:
        assert kind == "dead_man"
        self.rows.append((more["to"], alert, more["reason"]))


class Scene:
    """Two bots on one account, one on another, and what became of them."""

    def __init__(self) -> None:
        self.now_ns = 1000 * S
        self.bots = {name: self._bot(name, account) for name, account in (("a", "x"), ("b", "x"), ("c", "y"))}
        self.desk = Desk()
        self.guards = AccountGuards(self.bots, self.desk, lambda: self.now_ns)  # type: ignore[arg-type]
        self.started: list[tuple[str, str]] = []
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.killed: list[str] = []
        self.guards.start = lambda name, config, task: self.started.append((name, config.name))
        self.guards.tell = lambda name, message: self.told.append((name, message))
        self.guards.kill = self.killed.append

    def _bot(self, name: str, account: str) -> BotEntry:
        leg = Leg("main", "sea", account, f"{name}-USD")
        config = BotConfig(name, "sea", "s", (leg,), DaemonConfig(), {}, {"mode": "live"}, {}, {}, "", name)
        record = WorkerRecord(name, state=State.RUNNING, dirty=True, pid=7, heartbeat_ns=self.now_ns)
        return BotEntry(config, record)

    def set(self, name: str, **changes: Any) -> Scene:
        self.bots[name].record = replace(self.bots[name].record, **changes)
        self.guards.changed()
        return self

    def announce(self, name: str = "a", min_s: float | None = 2.0) -> Scene:
        self.guards.announced(name, {"accounts": [{"leg": "main", "min_s": min_s}]})
        return self

    def after(self, seconds: float, beating: str = "abc") -> Scene:
        """Let time pass, tick by tick; `beating` bots go on to beat."""
        end_ns = self.now_ns + int(seconds * S)
        while True:
            due_ns = self.guards.due_ns
            self.now_ns = end_ns if due_ns is None else min(end_ns, max(self.now_ns, due_ns))
            for name in beating:
                if name in self.bots:
                    record = self.bots[name].record
                    self.bots[name].record = replace(record, heartbeat_ns=self.now_ns)
            self.guards.tick(self.now_ns)
            if self.now_ns >= end_ns and (self.guards.due_ns is None or self.guards.due_ns > self.now_ns):
                return self

    @property
    def guard(self) -> str:
        return self.started[-1][0]

    def born(self) -> Scene:
        self.guards.happened(self.guard, Forked(99))
        return self

    def says(self, armed_s: float, error: str = "") -> Scene:
        armed_ns = self.now_ns + int(armed_s * S) if armed_s else 0
        self.guards.announced(self.guard, {"armed_until_ns": armed_ns, "error": error})
        return self

    def verdict(self) -> dict[str, Any]:
        """Return the newest one."""
        return next(message for name, message in reversed(self.told) if name == self.guard)

    def word(self, bot: str) -> int:
        """Return until when a bot was told last that its switch is armed, in seconds from now; below 0 is over."""
        found = next(message for name, message in reversed(self.told) if name == bot)
        assert found["t"] == "dead_man"
        return int((found["until_ns"] - self.now_ns) // S)

    def armed(self) -> Scene:
        return self.announce().after(0).born().after(0).says(8)


def test_nothing_is_guarded_and_nothing_is_due_before_a_worker_says_that_it_needs_it() -> None:
    scene = Scene().after(60)
    assert scene.guards.due_ns is None and not scene.started and not scene.told
    assert scene.guards.shown(scene.bots["a"].config, scene.now_ns) == {}


def test_two_bots_of_one_account_have_one_guard() -> None:
    scene = Scene().announce("a").announce("b").after(5)
    assert [name for name, _ in scene.started] == [f"{PREFIX}sea x live"]


def test_bots_of_two_accounts_have_two_guards() -> None:
    scene = Scene().announce("a").announce("c").after(5)
    assert sorted(name for name, _ in scene.started) == [f"{PREFIX}sea x live", f"{PREFIX}sea y live"]


def test_a_bot_is_told_at_once_that_its_switch_is_not_armed_and_later_that_it_is() -> None:
    scene = Scene().announce()
    assert scene.word("a") < 0
    scene.after(0).born().says(8)
    assert scene.word("a") == scene.word("b") == 8
    assert not any(name == "c" for name, _ in scene.told)


def test_a_guard_is_told_its_verdict_once_a_second_and_for_how_long_it_holds() -> None:
    scene = Scene().armed()
    before = len(scene.told)
    for _ in range(10):
        scene.after(1).says(8)
    verdicts = [message for name, message in scene.told[before:] if name == scene.guard]
    assert 9 <= len(verdicts) <= 11 and all(message["refresh"] for message in verdicts)
    assert 0 < scene.verdict()["until_ns"] - scene.now_ns <= 3 * S
    assert scene.verdict()["timeout_s"] >= 2


def test_a_silent_bot_ends_the_refreshing_for_its_account_only() -> None:
    scene = Scene().armed().announce("c").after(0).born().after(FRESH_NS / S + 1.1, beating="ac")
    by_guard = {name: message["refresh"] for name, message in scene.told if message["t"] == "verdict"}
    assert by_guard == {f"{PREFIX}sea x live": False, f"{PREFIX}sea y live": True}


def test_a_dead_bot_ends_the_refreshing_at_once_and_its_confirmed_sweep_lets_it_go_on() -> None:
    scene = Scene().armed().set("b", state=State.SWEEPING, pid=None).after(0)
    assert scene.verdict()["refresh"] is False and scene.verdict()["reason"] == "b is SWEEPING and not swept"
    scene.set("b", state=State.BACKOFF, dirty=False).after(0)
    assert scene.verdict()["refresh"] is True


def test_a_switch_that_lapses_is_an_alert_and_one_that_is_armed_again_is_told() -> None:
    scene = Scene().armed().set("b", state=State.SWEEPING, pid=None).after(9)
    scene.set("b", state=State.BACKOFF, dirty=False).after(0).says(8)
    assert scene.desk.rows == [
        ("armed", None, ""),
        ("lapsed", "dead_man", "b is SWEEPING and not swept"),
        ("armed", None, ""),
    ]


def test_the_status_tells_armed_withheld_and_lapsed_with_the_reason() -> None:
    scene = Scene().announce()
    shown = lambda: scene.guards.shown(scene.bots["a"].config, scene.now_ns)["main"]  # noqa: E731
    assert shown() == "account: unarmed for 0 s (no guard yet)"
    scene.after(0).born().after(0).says(8)
    assert shown() == "account: armed"
    scene.set("b", state=State.SWEEPING, pid=None).after(0)
    assert shown() == "account: armed (not refreshed: b is SWEEPING and not swept)"
    scene.after(20)
    assert shown().startswith("account: lapsed for 1") and shown().endswith("(b is SWEEPING and not swept)")


def test_what_keeps_the_guard_from_refreshing_is_shown() -> None:
    scene = Scene().announce().after(0).born().after(0).says(0, "the venue is away")
    assert scene.guards.shown(scene.bots["a"].config, scene.now_ns) == {
        "main": "account: unarmed for 0 s (the venue is away)"
    }


def test_a_guard_that_dies_is_followed_by_another() -> None:
    scene = Scene().armed()
    scene.guards.happened(scene.guard, Exited(None, 9, False, "killed by SIGKILL"))
    scene.after(1)
    assert len(scene.started) == 2


def test_a_guard_that_cannot_be_forked_is_asked_for_again() -> None:
    scene = Scene().announce().after(0)
    scene.guards.happened(scene.guard, ForkFailed("fork: EAGAIN"))
    assert len(scene.after(1).started) == 2


def test_a_guard_that_says_nothing_is_killed() -> None:
    scene = Scene().armed().after(3).says(8).after(3)
    assert not scene.killed
    scene.after(20)
    assert scene.guard in scene.killed


def test_a_guard_without_a_process_yet_is_not_asked_for_twice() -> None:
    assert len(Scene().announce().after(20).started) == 1


def test_the_switch_is_disarmed_when_the_last_bot_has_stopped_clean_and_not_before() -> None:
    scene = Scene().armed().set("a", state=State.STOPPED, dirty=False, pid=None).after(1)
    assert scene.verdict()["t"] == "verdict"
    scene.set("b", state=State.STOPPED, pid=None).after(1)
    assert scene.verdict()["refresh"] is False, "it may have left orders"
    scene.set("b", dirty=False).after(0)
    assert scene.verdict() == {"t": "disarm"}
    scene.guards.happened(scene.guard, Exited(DONE, None, True, "disarmed"))
    scene.after(5)
    assert scene.guards.due_ns is None and len(scene.started) == 1
    assert scene.desk.rows == [("armed", None, ""), ("unarmed", None, "disarmed")]


def test_a_bot_that_starts_while_the_switch_is_disarmed_gets_a_guard_of_its_own() -> None:
    down = {"state": State.STOPPED, "dirty": False, "pid": None}
    scene = Scene().armed().set("a", **down).set("b", **down).after(0)
    scene.set("a", state=State.STARTING, dirty=True, pid=8).announce("a").after(0)
    scene.guards.happened(scene.guard, Exited(DONE, None, True, "disarmed"))
    scene.after(0)
    assert len(scene.started) == 2 and scene.word("a") < 0


def test_a_guard_that_does_not_disarm_in_time_is_killed() -> None:
    down = {"state": State.STOPPED, "dirty": False, "pid": None}
    scene = Scene().armed().set("a", **down).set("b", **down).after(9)
    assert not scene.killed
    assert scene.after(3).killed


def test_the_longest_time_that_a_venue_asks_for_counts() -> None:
    scene = Scene().announce("a", 5).announce("b", 40).announce("a", None).after(0).born().after(0)
    assert scene.verdict()["timeout_s"] == 40


@pytest.mark.parametrize(
    "garbage",
    [
        {},
        {"accounts": [{}]},
        {"accounts": [{"leg": "other", "min_s": 1}]},
        {"accounts": [{"leg": "main", "min_s": "x"}]},
    ],
)
def test_garbage_of_a_worker_is_refused_and_guards_nothing(garbage: dict[str, Any]) -> None:
    scene = Scene()
    with pytest.raises((KeyError, ValueError)):
        scene.guards.announced("a", garbage)
    assert scene.after(5).started == []


def test_what_an_earlier_self_knew_is_taken_over_and_its_guard_replaced() -> None:
    old = Scene().armed()
    scene = Scene()
    scene.guards.take_over(old.guards.to_plain())
    scene.started = old.started[:]
    assert scene.guards.shown(scene.bots["a"].config, scene.now_ns) == {
        "main": "account: armed (not refreshed: no guard yet)"
    }
    scene.after(0)
    assert scene.verdict() == {"t": "leave"}
    scene.guards.happened(scene.guard, Exited(DONE, None, False, "asked to leave"))
    assert len(scene.after(0).started) == 2 and scene.desk.rows == []
