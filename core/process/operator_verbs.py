"""What an operator can ask of a running supervisor through the control socket."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from core.process.control import Request
from core.process.supervisor import Supervisor
from core.process.worker_record import Happening, Restart, Start, State, Stop

ANSWER_NS = 8_000_000_000  # a command that takes longer is answered with the state so far


class OperatorVerbs:
    """Answers requests; anything unknown is refused by name, nothing is looked up dynamically beyond this table."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._verbs: dict[str, Callable[[Request], None]] = {
            "ping": lambda request: request.answer({}),
            "status": lambda request: request.answer(supervisor.status()),
            "stop": self._stop,
            "restart": self._restart,
            "bot": self._bot,
            "reload": self._reload,
        }

    def __call__(self, request: Request) -> None:
        """Carry out one request."""
        verb = self._verbs.get(request.verb)
        if self._supervisor.stopping_since_ns is not None and request.verb in ("restart", "bot", "reload"):
            request.refuse("the daemon is stopping; start it again afterwards")
        elif verb is None:
            request.refuse(f"unknown verb {request.verb[:40]!r}; known: {', '.join(sorted(self._verbs))}")
        else:
            verb(request)

    def _stop(self, request: Request) -> None:
        self._supervisor.on_stopped.append(request.answer)
        self._supervisor.stop_all()

    def _reload(self, request: Request) -> None:
        def done(answer: dict[str, Any] | str) -> None:
            if isinstance(answer, str):
                request.refuse(answer)
            else:
                request.answer({"bots": len(answer["bots"]), "invalid": answer["invalid"]})

        self._supervisor.registry.on_read.append(done)
        self._supervisor.reload()

    def _restart(self, request: Request) -> None:
        names = self._names(request)
        if names is not None:
            self._tell(request, names, Restart(), {State.RUNNING, State.FATAL, State.HALTED, State.STOPPED})

    def _bot(self, request: Request) -> None:
        names = self._names(request)
        action = request.args.get("action")
        if names is None:
            return
        if action not in ("start", "stop", "reset"):
            request.refuse("action is start, stop or reset")
            return
        for name in names:
            self._supervisor.bots[name].held_down = action == "stop"
        settled = {State.STOPPED, State.FATAL, State.HALTED}
        if action == "start":
            self._tell(request, names, Start(), {State.RUNNING, *settled})
        elif action == "reset":
            self._tell(request, names, Start(reset=True), {State.RUNNING, *settled})
        else:
            self._tell(request, names, Stop(), settled)

    def _names(self, request: Request) -> list[str] | None:
        known = self._supervisor.bots
        asked = request.args.get("names") or sorted(known)
        unknown = [str(name) for name in asked if name not in known]
        if unknown:
            request.refuse(f"no bot named {', '.join(unknown)}; known: {', '.join(sorted(known)) or 'none'}")
            return None
        return list(asked)

    def _tell(self, request: Request, names: list[str], event: Happening, until: set[State]) -> None:
        """Put the event to each bot and answer once all have come to rest."""
        supervisor = self._supervisor
        for name in names:
            supervisor.happened(name, event)
        deadline_ns = time.monotonic_ns() + ANSWER_NS

        def answered(now_ns: int) -> bool:
            bots = [supervisor.bots[name] for name in names if name in supervisor.bots]
            if now_ns < deadline_ns and not all(bot.record.state in until or bot.waits_for_its_run for bot in bots):
                return False
            rows = [
                {"name": bot.config.name, "state": bot.record.state.value, "reason": bot.record.reason} for bot in bots
            ]
            request.answer({"bots": rows})
            return True

        supervisor.waiters.append(answered)
