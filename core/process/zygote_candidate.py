"""A second zygote, of the code that is on disk now: warmed beside the one in use, and judged by what warms in it."""

from __future__ import annotations

import selectors
from collections.abc import Callable, Mapping
from typing import Any

from core.bot_config import BotConfig
from core.process import channel
from core.process.zygote_link import ZygoteLink

WARM_NS = 30_000_000_000  # for one kind


class CandidateZygote:
    """One trial of new code; `on_done` gets why each kind failed, nothing when all are warm."""

    def __init__(
        self,
        selector: selectors.BaseSelector,
        output_fd: int,
        examples: Mapping[str, BotConfig],
        data_dirs: list[str],
        now_ns: int,
        on_done: Callable[[dict[str, str]], None],
    ) -> None:
        self.link = ZygoteLink()
        self._selector, self._on_done = selector, on_done
        self._awaited, self._failures = set(examples), {}  # type: set[str], dict[str, str]
        self.deadline_ns = now_ns + WARM_NS * max(1, len(examples))
        self.link.start(output_fd)
        assert self.link.end is not None
        selector.register(self.link.end, selectors.EVENT_READ, self._hear)
        for kind, config in examples.items():
            self.link.warm({"kind": kind, "config": config.to_plain(), "data_dirs": data_dirs})

    def release(self) -> ZygoteLink:
        """Stop listening and hand the zygote over."""
        if self.link.end is not None:
            self._selector.unregister(self.link.end)
        return self.link

    def tend(self, now_ns: int) -> None:
        """Give up on a zygote that takes too long, and end a trial that has nothing to wait for."""
        if not self._awaited or now_ns > self.deadline_ns:
            self._failures.update(dict.fromkeys(self._awaited, "it did not get warm in time"))
            self._awaited.clear()
            self._on_done(self._failures)

    def _hear(self, _mask: int) -> None:
        assert self.link.end is not None
        try:
            message: dict[str, Any] | None = channel.receive(self.link.end)
        except BlockingIOError:
            return
        except (channel.BadPacket, OSError):
            message = None
        if message is None:  # also one that was warm: there is nothing to take on any more
            self._failures["the zygote"] = "it ended; see var/log/daemon.out"
            self._awaited.clear()
        elif message.get("op") == "warmed":
            self._settled(str(message["kind"]), message["failed"])
        if not self._awaited:
            self._on_done(self._failures)

    def _settled(self, kind: str, failure: str | None) -> None:
        self._awaited.discard(kind)
        if failure is None:
            self.link.warm_kinds.add(kind)
        else:
            self._failures[kind] = failure
