"""The guard process: what it does about verdicts, silence, a venue that fails and its own end, on a scripted clock."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from api.base_client import ExchangeClient
from core.bot_config import BotConfig, DaemonConfig, Leg
from core.process import channel, dead_man_guard
from core.process.dead_man import VERDICT_NS
from core.process.dead_man_guard import Guard, log_name, switch_claims
from utils.errors import VenueAuthError, VenueRefused, VenueUnreachable

S = 1_000_000_000


class Switch:
    """A venue's switch, and when it was told what."""

    def __init__(self) -> None:
        self.now: Callable[[], float] = lambda: 0.0
        self.refreshed: list[float] = []
        self.disarmed = 0
        self.closed = False
        self.fails: Exception | None = None

    def refresh_dead_man(self, _timeout_s: float) -> None:
        if self.fails is not None:
            raise self.fails
        self.refreshed.append(self.now())

    def disarm_dead_man(self) -> None:
        if self.fails is not None:
            raise self.fails
        self.disarmed += 1

    def close(self) -> None:
        self.closed = True


class Scripted:
    """A clock that lets what a test wants happen on the way; when nothing more is to come the supervisor dies."""

    def __init__(self, ours: socket.socket, script: list[tuple[float, Callable[[], None]]]) -> None:
        self._ours, self._script = ours, script
        self._now_ns = 0

    def now_ns(self) -> int:
        return self._now_ns

    def utc_ns(self) -> int:
        return self._now_ns

    def wait(self, until_ns: int, _fds: Sequence[int]) -> list[int]:
        if not self._script:
            self._ours.close()
        elif self._script[0][0] * S <= until_ns:
            at_s, act = self._script.pop(0)
            self._now_ns = max(self._now_ns, int(at_s * S))
            act()
        else:
            self._now_ns = max(self._now_ns, until_ns)
        return []


class Scene:
    """A guard, its switch, and its supervisor's end of the line."""

    def __init__(self) -> None:
        self.ours, theirs = channel.pair()
        theirs.setblocking(False)
        self._theirs = theirs
        self.switch = Switch()
        self.script: list[tuple[float, Callable[[], None]]] = []
        self.said: list[dict[str, Any]] = []

    def verdict(self, at_s: float, refresh: bool = True, timeout_s: float = 6.0) -> Scene:
        until_ns = int(at_s * S) + VERDICT_NS
        order = {"t": "verdict", "refresh": refresh, "reason": "", "until_ns": until_ns, "timeout_s": timeout_s}
        self.script.append((at_s, lambda: self._send({**order, "refresh_s": timeout_s / 3})))
        return self

    def verdicts(self, until_s: int, refresh: bool = True) -> Scene:
        for at_s in range(until_s):
            self.verdict(at_s, refresh)
        return self

    def order(self, at_s: float, verb: str) -> Scene:
        self.script.append((at_s, lambda: self._send({"t": verb})))
        return self

    def idle(self, at_s: float) -> Scene:
        self.script.append((at_s, lambda: None))
        return self

    def when(self, at_s: float, fails: Exception | None) -> Scene:
        self.script.append((at_s, lambda: setattr(self.switch, "fails", fails)))
        return self

    def _send(self, message: dict[str, Any]) -> None:
        self._hear()
        assert channel.send(self.ours, message)

    def _hear(self) -> None:
        try:
            while (message := channel.receive(self.ours)) is not None:
                self.said.append(message)
        except BlockingIOError:
            pass

    def serve(self) -> tuple[bool, str]:
        clock = Scripted(self.ours, sorted(self.script, key=lambda one: one[0]))
        self.switch.now = lambda: clock.now_ns() / S
        try:
            return Guard(self._theirs, self.switch, clock, None).serve()  # type: ignore[arg-type]
        finally:
            if self.ours.fileno() >= 0:
                self._hear()

    def close(self) -> None:
        self.ours.close()
        self._theirs.close()


@pytest.fixture
def scene() -> Iterator[Scene]:
    scene = Scene()
    yield scene
    scene.close()


def test_it_refreshes_at_once_and_then_three_times_in_a_timeout(scene: Scene) -> None:
    scene.verdicts(9).serve()
    assert scene.switch.refreshed == [0, 2, 4, 6, 8]


def test_it_says_until_when_the_switch_is_armed_counted_from_before_the_call(scene: Scene) -> None:
    scene.verdicts(4).order(4, "leave").serve()
    assert {one["armed_until_ns"] // S for one in scene.said if one["t"] == "dead_man"} == {0, 6, 8}


def test_it_refreshes_nothing_before_it_was_told_to(scene: Scene) -> None:
    scene.idle(30).serve()
    assert scene.switch.refreshed == []


def test_a_guard_that_hears_nothing_more_stops_refreshing(scene: Scene) -> None:
    scene.verdict(0).idle(60).serve()
    assert scene.switch.refreshed and max(scene.switch.refreshed) < 3


def test_a_refusal_stops_the_refreshing_and_a_later_verdict_resumes_it(scene: Scene) -> None:
    scene.verdict(0).verdict(1, refresh=False).idle(20).verdict(20).serve()
    assert [at for at in scene.switch.refreshed if 0.5 < at < 20] == []
    assert 20 in scene.switch.refreshed


def test_what_waited_while_the_machine_was_paused_has_expired(scene: Scene) -> None:
    late = scene.verdict(0).script.pop()[1]
    scene.script.append((100, late))
    scene.serve()
    assert scene.switch.refreshed == []


def test_a_venue_that_fails_is_told_and_tried_again_sooner(scene: Scene) -> None:
    scene.when(0, VenueUnreachable("away")).verdicts(3).when(2.5, None).verdict(3).serve()
    errors = [one["error"] for one in scene.said]
    assert "away" in errors and errors[-1] == ""
    assert min(scene.switch.refreshed) <= 3


def test_a_key_that_is_refused_ends_the_guard_so_that_the_next_one_reads_it_anew(scene: Scene) -> None:
    scene.when(0, VenueAuthError("no such key")).verdict(0)
    with pytest.raises(VenueAuthError):
        scene.serve()
    assert scene.switch.closed


def test_it_disarms_when_asked_to(scene: Scene) -> None:
    assert scene.verdicts(3).order(3, "disarm").serve() == (True, "disarmed")
    assert scene.switch.disarmed == 1 and scene.switch.closed


def test_a_switch_that_cannot_be_disarmed_is_said_to_be_armed_still(scene: Scene) -> None:
    scene.verdicts(3).when(2.9, VenueUnreachable("away")).order(3, "disarm")
    for at_s in (4, 5, 6):
        scene.idle(at_s)
    clean, reason = scene.serve()
    assert not clean and "away" in reason


@pytest.mark.parametrize("end", ["leave", None])
def test_it_never_disarms_by_itself(scene: Scene, end: str | None) -> None:
    scene.verdicts(3)
    if end is not None:
        scene.order(3, end)
    clean, _ = scene.serve()
    assert not clean and scene.switch.disarmed == 0


def _config(account: str, key: str) -> BotConfig:
    settings = {"mode": "live", "key": key}
    return BotConfig("a", "sea", "s", (Leg("main", "sea", account, "X"),), DaemonConfig(), {}, settings, {}, {}, "", "")


class Keyed:
    """A venue with keys."""

    per_home = False

    @staticmethod
    def key_id(exchange_config: Any) -> str:
        return str(exchange_config["key"])


def test_two_guards_of_one_label_or_of_one_key_exclude_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead_man_guard, "client_class", lambda *_: Keyed)

    def keys(account: str, key: str) -> set[str]:
        config = _config(account, key)
        return {claim.key for claim in switch_claims(config, config.legs[0], "home")}

    assert keys("x", "k1") & keys("x", "k2") and keys("x", "k1") & keys("y", "k1")
    assert not keys("x", "k1") & keys("y", "k2")
    assert not any("k1" in key for key in keys("x", "k1")), "a hash, not the key"


def test_a_venue_without_such_a_switch_refuses_in_words() -> None:
    nobody: Any = None
    for call in (lambda: ExchangeClient.refresh_dead_man(nobody, 5), lambda: ExchangeClient.disarm_dead_man(nobody)):
        with pytest.raises(VenueRefused, match="no dead-man switch of a whole account"):
            call()


def test_the_logs_of_two_accounts_have_two_names_that_fit_a_file() -> None:
    one, two = log_name("paper:a x live"), log_name("paper:a y live")
    assert one != two and one.replace("-", "").isalnum()
