"""Holds the fleet to its folder of configs: validated in a child, then started, restarted, stopped or left alone."""

from __future__ import annotations

import logging
import selectors
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core.bot_config import BotConfig, widened_limits
from core.fleet_config import FleetConfig
from core.process.answering_child import AnsweringChild
from core.process.config_change import Change, change_between
from core.process.config_child import validate_in_child
from core.process.fleet import BotEntry, last_known
from core.process.purpose import Kind, Purpose
from core.process.worker_record import Happening, Restart, State, Stop, TidyUp, WorkerRecord
from utils.home import Home

log = logging.getLogger("makerd.process")
Answer = dict[str, Any] | str  # the validator's, or why there is none


@dataclass(frozen=True, slots=True)
class Paths:
    """Where one supervisor works: a home, and for a direct run folders of its own inside it."""

    home: Home
    configs: Path
    run_dir: Path

    def to_plain(self) -> dict[str, str]:
        """Return JSON-able data; `from_plain` is its inverse."""
        return {"home": str(self.home.root), "configs": str(self.configs), "run_dir": str(self.run_dir)}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Paths:
        """Rebuild from `to_plain` data."""
        return cls(Home(Path(plain["home"])), Path(plain["configs"]), Path(plain["run_dir"]))


class RegistrySync:
    """Applies what the folder of configs says to the supervisor's bots."""

    def __init__(
        self,
        paths: Paths,
        purpose: Purpose,
        selector: selectors.BaseSelector,
        output_fd: int,
        bots: dict[str, BotEntry],
        happened: Callable[[str, Happening], None],
    ) -> None:
        self.invalid: list[dict[str, Any]] = []
        self.on_read: list[Callable[[Answer], None]] = []  # called once, after the answer is applied
        self.before_begin: Callable[[], None] = lambda: None
        self.on_live_change: Callable[[str], None] = lambda _name: None
        self.on_answer: Callable[[Answer], None] = lambda _answer: None
        self.on_fleet_config: Callable[[FleetConfig], None] = lambda _config: None
        self._paths = paths
        self._purpose = purpose
        self._selector = selector
        self._output_fd = output_fd
        self._bots = bots
        self._happened = happened
        self._child: AnsweringChild | None = None
        self._first = True
        self._again = False
        self.closed = False  # the daemon stops: nothing is started any more

    def load(self) -> None:
        """Have the folder validated in a child; one that is under way may have read too early, so another follows."""
        if self._child is not None:
            self._again = True
            return
        home, configs = self._paths.home.root, self._paths.configs
        now_ns = time.monotonic_ns()
        try:
            self._child = validate_in_child(home, configs, self._output_fd, self._selector, now_ns, self._read)
        except OSError as exc:
            self._read(f"the configs could not be validated: {exc.strerror}")

    def tend(self, now_ns: int) -> None:
        """End a validation that takes too long."""
        if self._child is not None:
            self._child.tend(now_ns)

    @property
    def is_reading(self) -> bool:
        """Tell whether a validation is under way."""
        return self._child is not None

    def take_over(self, invalid: list[dict[str, Any]]) -> None:
        """Go on where an earlier self was: its bots are known."""
        self.invalid, self._first = invalid, False

    def why_nothing_runs(self, answer: Answer) -> str | None:
        """Return why a first start must be refused, None when there is something to run."""
        if isinstance(answer, str):
            return answer
        unknown = self._purpose.only - self._bots.keys()
        if self._bots and not unknown:
            return None
        concerned = [entry for entry in self.invalid if not unknown or entry.get("name") in unknown]
        if concerned:
            first = concerned[0]["complaints"][0]
            more = sum(len(entry["complaints"]) for entry in concerned) - 1
            return f"no valid config: {first}" + (f" (and {more} more complaints)" if more else "")
        if unknown:
            return f"no config is named {', '.join(sorted(unknown))}; known: {', '.join(sorted(self._bots)) or 'none'}"
        return f"no config in {self._paths.configs}; make one with `config create` and start again"

    def _read(self, answer: Answer) -> None:
        self._child = None
        if self._again:
            self._again = False
            self.load()
            return
        if self.closed:
            answer = "the daemon is stopping"
        elif self._first and isinstance(answer, dict) and answer["daemon"] is None:
            answer = self._refuse(answer)
        self.on_answer(answer)
        if isinstance(answer, str):
            log.error("configs_not_read", extra={"fields": {"reason": answer}})
        else:
            self._apply(answer)
        waiting, self.on_read = self.on_read, []
        for callback in waiting:
            callback(answer)

    def _refuse(self, answer: dict[str, Any]) -> str:
        """Return why nothing may start: the daemon's own file is not valid, so nobody knows how."""
        self.invalid = answer["invalid"]
        file = str(self._paths.home.daemon_file.relative_to(self._paths.home.root))
        found = [line for entry in self.invalid if entry["file"] == file for line in entry["complaints"]]
        more = f" (and {len(found) - 1} more complaints)" if len(found) > 1 else ""
        return f"no valid daemon file: {found[0] if found else file}{more}"

    def _apply(self, answer: dict[str, Any]) -> None:
        """New bots start, changed ones restart, gone ones stop, an invalid file disturbs nobody."""
        first, self._first = self._first, False
        self.invalid = answer["invalid"]
        if answer["daemon"] is not None:  # an invalid file leaves the old config in force
            self.on_fleet_config(FleetConfig.from_plain(answer["daemon"]))
        unclean = {entry["name"]: entry["run"] for entry in answer["unclean"]}
        configs = {plain["name"]: BotConfig.from_plain(plain) for plain in answer["bots"]}
        changes = {name: self._take(config, name in unclean, answer["figures"]) for name, config in configs.items()}
        self.before_begin()
        self._drop_missing(configs)
        if first and self._purpose.takes_left_overs:
            self._adopt_left_overs(unclean)
            self.before_begin()  # theirs may be a kind that no valid config names
        for name, change in changes.items():
            if change is not Change.NONE:
                self._begin(name, change)

    def _take(self, config: BotConfig, unclean: bool, figures: dict[str, Any]) -> Change:
        """Take over one config; return what it asks for. A bot that is new or comes back is another bot."""
        old = self._bots.get(config.name)
        if old is None:
            record = WorkerRecord(config.name, config.daemon, dirty=unclean)
            self._bots[config.name] = BotEntry(config, record, snapshot=last_known(figures.get(config.name)))
            return Change.IDENTITY
        change = change_between(old.config, config) if old.in_registry else Change.IDENTITY
        if wider := widened_limits(old.config, config):
            log.warning("risk_widened", extra={"fields": {"bot": config.name, "keys": list(wider)}})
        old.config, old.in_registry = config, True  # the file may have another name by now
        old.record = replace(old.record, config=config.daemon)
        return change

    def _begin(self, name: str, change: Change) -> None:
        """Let a changed config take effect with as little as it needs."""
        bot = self._bots[name]
        if bot.record.wanted and change is Change.LIVE and bot.record.state is State.RUNNING:
            self.on_live_change(name)
        elif bot.record.wanted:
            bot.record = replace(bot.record, reason="config changed")
            self._happened(name, Restart(handover=change is not Change.IDENTITY))
        elif not bot.held_down and self._purpose.concerns(name, bot.config.daemon.autostart, bot.config.is_job):
            self._happened(name, self._purpose.first_wish)
        elif bot.record.dirty and bot.record.settled:
            self._happened(name, TidyUp())

    def _drop_missing(self, configs: dict[str, BotConfig]) -> None:
        broken = {entry.get("name") for entry in self.invalid} | {Path(entry["file"]).stem for entry in self.invalid}
        for name, bot in list(self._bots.items()):
            kept = name in configs or not broken.isdisjoint((name, Path(bot.config.source_path).stem))
            if not kept:
                bot.in_registry = False
                self._happened(name, Stop())

    def _adopt_left_overs(self, unclean: dict[str, Any]) -> None:
        """Sweep what ran without leaving a config behind; it is forgotten once it is clean."""
        for name, run in unclean.items():
            if name not in self._bots and run is not None:
                config = BotConfig.from_plain(run["config"])
                self._bots[name] = BotEntry(config, WorkerRecord(name, config.daemon, dirty=True), in_registry=False)
                closes = self._purpose.kind is Kind.FLATTEN and self._purpose.concerns(name, autostart=False)
                self._happened(name, self._purpose.first_wish if closes else TidyUp())
