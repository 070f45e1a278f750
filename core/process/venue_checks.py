"""What the venues say about configs, asked in a disposable child that may die or hang without hiding the rest."""

from __future__ import annotations

import json
import os
import select
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from api.client_registry import config_complaints
from core.bot_config import BotConfig
from core.process.child_setup import PR_SET_PDEATHSIG, prctl
from core.process.priority import go_with_the_others
from utils.input_validation import printable

EACH_S = 30.0  # for one config; a long recording is compiled in this time
MAX_ANSWER = 64 * 1024
Check = Callable[[BotConfig, Sequence[str]], list[str]]


def ask_venue(config: BotConfig, data_dirs: Sequence[str]) -> list[str]:
    """Return what the clients of a config's venues have against it; never needs an account or a network."""
    found: list[str] = []
    for leg in config.legs:
        settings = config.exchange_config_of(leg)
        said = config_complaints(leg.exchange, config.mode, settings, leg.symbol, data_dirs)
        found += said if leg is config.legs[0] else [f"{leg.leg} leg: {one}" for one in said]
    if (beside := config.reference) is not None:  # of a live venue's market nothing is known before it is asked
        said = config_complaints(beside.exchange, "paper", config.exchange_config_of(beside), beside.symbol, data_dirs)
        found += [f"{beside.leg}: {one}" for one in said]
    return found


def venue_complaints(
    configs: Sequence[BotConfig],
    data_dirs: Sequence[str],
    deadline: float,
    check: Check = ask_venue,
    each_s: float = EACH_S,
) -> dict[str, list[str]]:
    """Return the complaints of each refused config by its name; `deadline` is on the monotonic clock, in seconds.

    One child asks for all configs in turn. When it dies or hangs, the config it was at is refused and a new child
    goes on with the next.
    """
    refused: dict[str, list[str]] = {}
    place = 0
    while place < len(configs):
        child = _Child.fork(configs[place:], data_dirs, check)
        try:
            for config in configs[place:]:
                complaints, alive = child.next_answer(min(deadline, time.monotonic() + each_s))
                place += 1
                if complaints:
                    refused[config.name] = complaints
                if not alive:
                    break
        finally:
            child.end()
    return refused


@dataclass(slots=True)
class _Child:
    pid: int
    reader: int
    said: bytes = b""

    @classmethod
    def fork(cls, configs: Sequence[BotConfig], data_dirs: Sequence[str], check: Check) -> _Child:
        """Start a child that asks about `configs` in turn, one line of JSON each."""
        reader, writer = os.pipe2(os.O_CLOEXEC)
        pid = os.fork()
        if pid:
            os.close(writer)
            return cls(pid, reader)
        try:
            prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            go_with_the_others()
            _answer_all(configs, data_dirs, check, writer)
        finally:
            os._exit(0)

    def next_answer(self, deadline: float) -> tuple[list[str], bool]:
        """Return the complaints about the next config, and whether the child can go on."""
        while b"\n" not in self.said:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.reader], [], [], left)[0]:
                return ["could not be checked in time"], False
            chunk = os.read(self.reader, 4096)
            if not chunk or len(self.said) > MAX_ANSWER:
                return ["the check died; `python core/daemon_manager.py config validate` repeats it"], False
            self.said += chunk
        line, _, self.said = self.said.partition(b"\n")
        return [printable(str(one), 500) for one in json.loads(line)], True

    def end(self) -> None:
        """Kill the child if it still runs, and reap it."""
        os.close(self.reader)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def _answer_all(configs: Sequence[BotConfig], data_dirs: Sequence[str], check: Check, writer: int) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 1)  # what a client prints must not get between the parent and its reader
    for config in configs:
        try:
            complaints = check(config, data_dirs)[:20]
        except BaseException as exc:
            complaints = [f"the check of {config.exchange} failed: {type(exc).__name__}: {exc}"]
        os.write(writer, json.dumps([printable(str(one), 500) for one in complaints]).encode() + b"\n")
