"""New code without a restart of the daemon: tried first, then taken on by the supervisor, then by each worker in turn.

Whatever fails on the way leaves the fleet as it runs.

    idle -> trial -> warming -> (exec) -> rolling -> done
              |         |                    |
           refused   refused            rolled_back
"""

from __future__ import annotations

import json
import logging
import os
import time
from typing import TYPE_CHECKING, Any

from core.process.answering_child import AnsweringChild
from core.process.carried_state import CarriedState
from core.process.roll import Roll
from core.process.self_exec import become, carried, is_quiet
from core.process.worker_record import Restart, State, WorkerRecord
from core.process.zygote_candidate import CandidateZygote
from core.process.zygote_link import ZygoteLink, environ_without_secrets

if TYPE_CHECKING:
    from core.process.supervisor import Supervisor

TRIAL_NS = 30_000_000_000
QUIET_NS = 60_000_000_000  # how long a moment is waited for in which nothing is being forked
BUSY = ("trial", "warming", "rolling")
log = logging.getLogger("makerd.process")


class Upgrade:
    """One supervisor's upgrade, past or under way."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self.stage = "idle"
        self.reason = ""
        self._trial: AnsweringChild | None = None
        self._candidate: CandidateZygote | None = None
        self._warm = False  # the candidate passed: only a quiet moment is missing
        self._give_up_ns = 0
        self.roll = Roll([])
        self.previous: ZygoteLink | None = None

    def status(self) -> dict[str, Any]:
        """Return what an operator is told."""
        roll = self.roll
        left = [*([roll.moving] if roll.moving else []), *roll.waiting]
        return {"stage": self.stage, "reason": self.reason, "moved": sorted(roll.moved), "left": left}

    # ------------------------------------------------------------ trial and warm-up, by the old code

    def begin(self, now_ns: int) -> None:
        """Begin with a trial: a child of the new code reads the state that it would take over."""
        self.stage, self.reason, self._warm = "trial", "", False
        try:
            fd = carried(self._supervisor, self.roll, None).write()
        except OSError as exc:
            self._refuse(f"the state cannot be written down: {exc.strerror}")
            return
        try:
            self._trial = AnsweringChild(
                "core.process.daemon",
                [json.dumps({"trial_fd": fd})],
                environ_without_secrets(),
                self._supervisor.output_fd,
                self._supervisor.selector,
                now_ns + TRIAL_NS,
                self._tried,
                keep=fd,
            )
        except OSError as exc:
            self._refuse(f"no trial of the new code could be started: {exc.strerror}")
        finally:
            os.close(fd)

    def _tried(self, said: bytes | None) -> None:
        self._trial = None
        try:
            answer = json.loads((said or b"").splitlines()[-1])
            error = answer.get("error")
        except (ValueError, IndexError, AttributeError):
            error = "it did not answer in time" if said is None else "it ended without an answer; see daemon.out"
        if error:
            self._refuse(f"the new code of the supervisor fails: {error}")
            return
        self.stage = "warming"
        keeper = self._supervisor.zygote
        try:
            self._candidate = CandidateZygote(
                self._supervisor.selector,
                self._supervisor.output_fd,
                keeper.examples,
                keeper.data_dirs,
                time.monotonic_ns(),
                self._warmed,
            )
        except OSError as exc:
            self._refuse(f"no second zygote could be started: {exc.strerror}")

    def _warmed(self, failures: dict[str, str]) -> None:
        news = {kind: why for kind, why in failures.items() if kind not in self._supervisor.zygote.unusable}
        if news:
            self._refuse("; ".join(f"{kind} fails with the new code: {why}" for kind, why in sorted(news.items())))
            return
        self._warm, self._give_up_ns = True, time.monotonic_ns() + QUIET_NS

    def _refuse(self, reason: str) -> None:
        self.stage, self.reason, self._warm = "refused", reason, False
        if self._candidate is not None:
            self._candidate.release().kill()
            self._candidate = None
        log.error("upgrade_refused", extra={"fields": {"reason": reason}})
        self._supervisor.events.note("upgrade_refused", reason=reason)

    # ------------------------------------------------------------ the exec

    def _take_on(self, now_ns: int) -> None:
        """Become the new code, as soon as nothing is between us and the zygote."""
        if not is_quiet(self._supervisor):
            if now_ns > self._give_up_ns:
                self._refuse("no quiet moment was found: bots are being started all the time")
            return
        assert self._candidate is not None
        candidate, self._candidate, self._warm = self._candidate.release(), None, False
        previous = self._supervisor.zygote.swap(candidate)
        running = [name for name, bot in self._supervisor.bots.items() if bot.record.state is State.RUNNING]
        roll = Roll(sorted(running))
        state: CarriedState = carried(self._supervisor, roll, previous)
        try:
            become(self._supervisor, state)
        except OSError as exc:
            self._supervisor.zygote.swap(previous).kill()
            self._refuse(f"the new code cannot be taken on: {exc.strerror}")

    def resume(self, state: CarriedState, previous: ZygoteLink | None) -> None:
        """Go on after the exec, as the new code."""
        self.roll, self.previous, self.stage = Roll.from_plain(state.roll), previous, "rolling"

    # ------------------------------------------------------------ the roll, by the new code

    def tend(self, now_ns: int) -> None:
        """Do what is due; a daemon that stops changes nothing any more."""
        if self._supervisor.stopping_since_ns is not None:
            return
        if self._trial is not None:
            self._trial.tend(now_ns)
        if self._candidate is not None and not self._warm:
            self._candidate.tend(now_ns)
        if self._warm:
            self._take_on(now_ns)
        if self.stage == "rolling":
            self._roll(now_ns)
        elif self.previous is not None and self.roll.is_trusted(now_ns):
            self._retire()

    def _roll(self, now_ns: int) -> None:
        if self.roll.failure:
            self._roll_back()
            return
        name = self.roll.step(self._record_of, now_ns)
        if name is not None:
            self._supervisor.fleet.happened(name, Restart(handover=True))
        elif self.roll.is_rolled:
            self.stage = "done"
            log.info("upgraded", extra={"fields": {"moved": len(self.roll.moved)}})
            self._supervisor.events.note("upgraded", bots=sorted(self.roll.moved))

    def _record_of(self, name: str) -> WorkerRecord | None:
        bot = self._supervisor.bots.get(name)
        return None if bot is None else bot.record

    def died(self, name: str, reason: str) -> None:
        """Note the death of a worker."""
        self.roll.died(name, reason, time.monotonic_ns())
        if self.stage == "done" and self.roll.failure and self.previous is not None:
            self.stage = "rolling"  # back: the new code was not trusted yet

    def _roll_back(self) -> None:
        """Fork from the old code again, as soon as no fork is under way, and bring everybody back who had moved."""
        if self._supervisor.zygote.link.open:
            return
        self.stage, self.reason = "rolled_back", self.roll.failure
        log.error("upgrade_rolled_back", extra={"fields": {"reason": self.roll.failure}})
        self._supervisor.events.note("upgrade_rolled_back", None, "crash_loop", "upgrade", reason=self.roll.failure)
        moved = [*self.roll.moved, *([self.roll.moving] if self.roll.moving else [])]
        self.roll = Roll([])
        if self.previous is None:
            self.reason += "; the old code is gone, so new workers still run the new code"
            return
        previous, self.previous = self.previous, None
        self._supervisor.zygote.swap(previous).kill()
        for name in moved:
            record = self._record_of(name)
            if record is not None and record.state is State.RUNNING:
                self._supervisor.fleet.happened(name, Restart(handover=True))

    def _retire(self) -> None:
        if self.previous is not None:
            self.previous.kill()
            self.previous = None
