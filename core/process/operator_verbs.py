"""What an operator can ask of a running supervisor through the control socket."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from core.process.control import Request
from core.process.metrics import metrics_of
from core.process.supervisor import Supervisor
from core.process.upgrade import BUSY
from core.process.worker_record import Close, Happening, Pause, Restart, Resume, Start, State, Stop

READ_ONLY = ("ping", "status", "metrics")  # everything else is in the record of who asked for what
SETTLED = frozenset({State.STOPPED, State.FATAL, State.HALTED})
UP = SETTLED.union({State.RUNNING})
ANYHOW = frozenset(State)
BOT_ACTIONS: dict[str, tuple[Happening, frozenset[State]]] = {  # what is asked -> the event, and when it is answered
    "start": (Start(), UP),
    "reset": (Start(reset=True), UP),
    "stop": (Stop(), SETTLED),
    "pause": (Pause(), ANYHOW),
    "resume": (Resume(), ANYHOW),
    "close": (Close(), SETTLED),
}
OF_BOTS_ONLY = ("pause", "resume", "close")
NOT_WHILE_STOPPING = ("restart", "bot", "reload", "flatten", "upgrade")
ANSWER_NS = 8_000_000_000  # a command that takes longer is answered with the state so far


class OperatorVerbs:
    """Answers requests; anything unknown is refused by name, nothing is looked up dynamically beyond this table."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._verbs: dict[str, Callable[[Request], None]] = {
            "ping": lambda request: request.answer({}),
            "status": lambda request: request.answer(supervisor.status()),
            "metrics": self._metrics,
            "stop": self._stop,
            "restart": self._restart,
            "bot": self._bot,
            "reload": self._reload,
            "flatten": self._flatten,
            "upgrade": self._upgrade,
        }

    def __call__(self, request: Request) -> None:
        """Carry out one request."""
        verb = self._verbs.get(request.verb)
        if self._supervisor.stopping_since_ns is not None and request.verb in NOT_WHILE_STOPPING:
            request.refuse("the daemon is stopping; start it again afterwards")
        elif verb is None:
            request.refuse(f"unknown verb {request.verb[:40]!r}; known: {', '.join(sorted(self._verbs))}")
        elif request.verb in READ_ONLY or request.args.get("look"):
            verb(request)
        else:
            events, bots = self._supervisor.events, self._supervisor.bots
            with events.on_behalf(request.peer):
                events.command(request.verb, request.args, {name: bot.config.digest for name, bot in bots.items()})
                verb(request)

    def _metrics(self, request: Request) -> None:
        supervisor, now_ns = self._supervisor, time.monotonic_ns()
        found = metrics_of(supervisor.bots, supervisor.events, supervisor.turns, supervisor.started_ns, now_ns)
        request.answer({**found, "budgets": supervisor.fleet.leases.told(now_ns)})

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
            self._tell(request, names, Restart(), UP)

    def _bot(self, request: Request) -> None:
        names = self._names(request)
        action = request.args.get("action")
        if names is None:
            return
        if not isinstance(action, str) or action not in BOT_ACTIONS:
            request.refuse(f"action is one of {', '.join(sorted(BOT_ACTIONS))}")
            return
        jobs = [name for name in names if self._supervisor.bots[name].config.is_job]
        if jobs and action in OF_BOTS_ONLY:
            request.refuse(f"{', '.join(jobs)}: a job cannot {action}; stop it instead")
            return
        for name in names:
            self._supervisor.bots[name].held_down = action in ("stop", "close")
        event, until = BOT_ACTIONS[action]
        self._tell(request, names, event, until)

    def _flatten(self, request: Request) -> None:
        """Close what the named bots hold, whatever state they are in; `look` only tells how far that has come."""
        names = self._names(request)
        if names is None:
            return
        names = [name for name in names if not self._supervisor.bots[name].config.is_job]
        event = None if request.args.get("look") else Close(request.args.get("sell_base") is True)
        for name in names if event else ():
            self._supervisor.bots[name].held_down = True
        self._tell(request, names, event, SETTLED)

    def _upgrade(self, request: Request) -> None:
        """Begin to take on new code, unless that is under way; `look` only tells how far it has come."""
        upgrade = self._supervisor.upgrade
        if not request.args.get("look"):
            if upgrade.stage in BUSY or upgrade.previous is not None:
                request.refuse(f"an upgrade is under way: {upgrade.stage}")
                return
            upgrade.begin(time.monotonic_ns())
        request.answer(upgrade.status())

    def _names(self, request: Request) -> list[str] | None:
        known = self._supervisor.bots
        asked = request.args.get("names") or sorted(known)
        if not isinstance(asked, list):
            request.refuse("names is a list of names")
            return None
        unknown = [str(name)[:64] for name in asked if not isinstance(name, str) or name not in known]
        if unknown:
            request.refuse(f"no bot named {', '.join(unknown)}; known: {', '.join(sorted(known)) or 'none'}")
            return None
        return list(asked)

    def _tell(self, request: Request, names: list[str], event: Happening | None, until: frozenset[State]) -> None:
        """Put the event to each bot and answer once all have come to rest."""
        supervisor = self._supervisor
        if event is not None:
            for name in names:
                supervisor.fleet.happened(name, event)
        deadline_ns = time.monotonic_ns() + ANSWER_NS

        def answered(now_ns: int) -> bool:
            bots = [supervisor.bots[name] for name in names if name in supervisor.bots]
            if now_ns < deadline_ns and not all(bot.record.state in until or bot.waits_for_its_run for bot in bots):
                return False
            request.answer({"bots": [bot.brief() for bot in bots]})
            return True

        supervisor.waiters.append(answered)
