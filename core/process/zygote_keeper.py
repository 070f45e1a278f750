"""Keeps a warm zygote at hand: starts it, warms one example of each kind of bot, replaces it when it fails."""

from __future__ import annotations

import logging
import selectors
import time
from collections.abc import Callable
from typing import Any

from core.bot_config import BotConfig
from core.process import channel
from core.process.children import Children
from core.process.starvation import run_delay_ns
from core.process.zygote_link import ForkRequest, ZygoteLink

RETRY_NS = 500_000_000
WARM_NS = 15_000_000_000  # for one kind; the zygote itself gives its trial less
WARM_MAX_NS = 60_000_000_000  # with the time that the zygote waited for a processor
PATIENCE = 5  # how often in a row a kind that was warm before may be late: a machine that has no time is late, too
SWEEP_WAIT_NS = 3_000_000_000  # a sweep waits no longer for a zygote that is busy, stopped or not warm
FRESH_AT_ONCE = 4  # sweepers that are interpreters of their own: more would take the time of each other
log = logging.getLogger("makerd.process")


class ZygoteKeeper:
    """The supervisor's care for its zygote. Running workers are not the zygote's children: they survive it."""

    def __init__(
        self,
        link: ZygoteLink,
        children: Children,
        selector: selectors.BaseSelector,
        output_fd: int,
        data_dirs: tuple[str, ...],
        on_withdrawn: Callable[[str, str], None],
        on_sweep_alone: Callable[[str], None],
    ) -> None:
        self.link = link
        self._children = children
        self._selector = selector
        self._output_fd = output_fd
        self.data_dirs = list(data_dirs)
        self._on_withdrawn = on_withdrawn  # (bot, reason): there will be no worker
        self._on_sweep_alone = on_sweep_alone  # (bot): its sweep is made without the zygote
        self._examples: dict[str, BotConfig] = {}
        self.warming: dict[str, None] = {}  # in the order of their turn
        self._hopeless: set[str] = set()  # kinds that hung the zygote itself
        self._untried: str | None = None  # the kind that a new zygote warms without a trial
        self._is_careful = False  # one was lost over that
        self._patience: dict[str, int] = {}  # of kinds that were warm before: how often they may still be late
        self.unusable: dict[str, str] = {}  # kind -> why
        self.due_ns: int | None = None  # when the next one is started
        self._warm_since_ns = 0  # when the kind at hand began
        self._delay_ns = 0  # how long the zygote had waited for a processor by then

    @property
    def pid(self) -> int:
        """Return the pid of the present zygote, 0 before the first one."""
        return self.link.pid

    @property
    def lives(self) -> bool:
        """Tell whether there is a zygote to ask."""
        return self.link.end is not None

    def start(self) -> None:
        """Exec a zygote and warm it; when that fails it is tried again later."""
        self.due_ns = None
        try:
            self.link.start(self._output_fd)
        except OSError as exc:
            log.error("zygote_not_started", extra={"fields": {"reason": str(exc)}})
            self.due_ns = time.monotonic_ns() + RETRY_NS
            return
        assert self.link.end is not None
        self._selector.register(self.link.end, selectors.EVENT_READ, self._hear)
        self.warm(self._examples)

    def warm(self, examples: dict[str, BotConfig]) -> None:
        """Have an example of each kind that is not warm yet imported and tried."""
        self._examples = dict(examples)
        if self.link.end is None:
            return
        late_last = sorted(examples.items(), key=lambda item: -self._patience.get(item[0], 0))
        for kind, config in late_last:
            if kind not in self.link.warm_kinds and kind not in self.warming and kind not in self._hopeless:
                if not self.warming:
                    self._begin_kind()
                    self._untried = None if self.link.warm_kinds or self._is_careful else kind
                self.warming[kind] = None
                self.unusable.pop(kind, None)
                plain = {"kind": kind, "config": config.to_plain(), "data_dirs": self.data_dirs}
                self.link.warm(plain, untried=kind == self._untried)

    def share_output(self) -> bool:
        """Give the zygote the file that our stdout and stderr lead to now; False when it cannot be told at once."""
        try:
            return self.link.end is None or channel.send(self.link.end, {"op": "output"}, (self._output_fd,))
        except OSError:
            return True  # it is gone: the next one begins with the present file

    def tend(self, now_ns: int) -> None:
        """Send what waits, replace a silent zygote, start the next one when it is due."""
        if self.warming and self._is_hung(now_ns):
            kind = next(iter(self.warming))
            if self._untried is None and not self._bears_with(kind):
                self._hopeless.add(kind)
                self._settled(kind, "the zygote hung while it was warmed")
            self.ended()
        if self.link.end is not None and not self.warming and self.link.overdue(now_ns):
            log.warning("zygote_silent", extra={"fields": {"pid": self.link.pid}})
            self.ended()
        if self.due_ns is not None and now_ns >= self.due_ns:
            self.start()
        self.link.pump(now_ns)
        self._free_sweeps(now_ns)

    def _free_sweeps(self, now_ns: int) -> None:
        """Let sweeps that have no zygote, or have waited for it, go without: orders may rest meanwhile."""

        def may_go(request: ForkRequest) -> bool:
            waited = now_ns - request.asked_ns > SWEEP_WAIT_NS
            return waited or not self.lives or request.needs in self.unusable

        while self._children.fresh < FRESH_AT_ONCE and (name := self._children.withdraw_sweep(may_go)):
            self._on_sweep_alone(name)

    def _begin_kind(self) -> None:
        self._warm_since_ns = time.monotonic_ns()
        self._delay_ns = run_delay_ns(self.link.pid)

    def _is_hung(self, now_ns: int) -> bool:
        """Tell whether the zygote takes too long over a kind; the time that the machine did not give it is its own."""
        taken_ns = now_ns - self._warm_since_ns
        if taken_ns <= WARM_NS:
            return False
        return taken_ns > WARM_MAX_NS or taken_ns - (run_delay_ns(self.link.pid) - self._delay_ns) > WARM_NS

    def _bears_with(self, kind: str) -> bool:
        """Tell whether a kind that was late is tried again: it was warm before, so it may be the machine's fault."""
        left = self._patience.get(kind, 0)
        self._patience[kind] = left - 1
        if left > 0:
            log.warning("kind_late", extra={"fields": {"kind": kind}})
        return left > 0

    def credit(self, gap_ns: int) -> None:
        """Leave a pause of the whole machine out of every judgement of the zygote."""
        self._warm_since_ns += gap_ns
        self.link.answered_ns += gap_ns

    def ended(self) -> None:
        """Take note that the zygote is gone, or make it so; another one follows."""
        if self.link.end is None:
            return
        log.warning("zygote_ended", extra={"fields": {"pid": self.link.pid}})
        self._selector.unregister(self.link.end)
        self.link.kill()
        self._children.zygote_lost()
        self.warming.clear()
        spent, self._untried = self._untried is not None, None
        self._is_careful |= spent
        self.due_ns = time.monotonic_ns() + (0 if spent else RETRY_NS)

    @property
    def examples(self) -> dict[str, BotConfig]:
        """Return an example of each kind of bot."""
        return dict(self._examples)

    def swap(self, other: ZygoteLink) -> ZygoteLink:
        """Fork from another warm zygote from now on; return the one that was in use. No request may be open."""
        old = ZygoteLink(self.link.pid, self.link.end, set(self.link.warm_kinds))
        if old.end is not None:
            self._selector.unregister(old.end)
        self.link.pid, self.link.end, self.link.warm_kinds = other.pid, other.end, set(other.warm_kinds)
        self.due_ns = None
        asked, self.warming, self._untried = self.warming, {}, None
        if self.link.end is None:
            self.due_ns = time.monotonic_ns()  # it has died meanwhile: another one follows
        else:
            self._selector.register(self.link.end, selectors.EVENT_READ, self._hear)
        if asked:  # of the one that was in use: this one knows nothing of it
            self.warm(self._examples)
        return old

    def take_over(self, link: ZygoteLink, examples: dict[str, BotConfig], unusable: dict[str, str]) -> None:
        """Go on with the zygote of an earlier self."""
        self._examples, self.unusable = examples, unusable
        self._patience = dict.fromkeys(link.warm_kinds, PATIENCE)
        self.swap(link)

    @property
    def is_idle(self) -> bool:
        """Tell whether there is a zygote of which nothing is asked."""
        return self.lives and not self.warming and not self.link.open and not self.link.waiting

    def stop(self) -> None:
        """End the zygote for good."""
        self.due_ns = None
        if self.link.end is not None:
            self._selector.unregister(self.link.end)
        self.link.kill()

    def _hear(self, _mask: int) -> None:
        end = self.link.end
        while end is not None and self.link.end is end:
            try:
                message = channel.receive(end)
            except BlockingIOError:
                return
            except (channel.BadPacket, OSError):
                message = None
            if message is None:
                self.ended()
            else:
                self._said(message)

    def _said(self, message: dict[str, Any]) -> None:
        op = message.get("op")
        now_ns = time.monotonic_ns()
        self.link.answered(now_ns)
        if op == "forked":
            self._children.answered(message["id"], int(message["pid"]))
        elif op == "failed":
            self._children.answered(message["id"], None, str(message["error"]))
        elif op == "warmed":
            kind = str(message["kind"])
            if message.get("late") and self._bears_with(kind):
                self.warming.pop(kind, None)
                self.warm(self._examples)
            else:
                self._settled(kind, message["failed"])
        self.link.pump(now_ns)

    def _settled(self, kind: str, failure: str | None) -> None:
        self.warming.pop(kind, None)
        self._untried = None
        self._begin_kind()
        if failure is None:
            self.link.warm_kinds.add(kind)
            self._patience[kind] = PATIENCE
            return
        log.error("kind_unusable", extra={"fields": {"kind": kind, "reason": failure}})
        self.unusable[kind] = failure
        for name in self._children.give_up(kind):
            self._on_withdrawn(name, failure)
