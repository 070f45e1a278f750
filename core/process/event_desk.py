"""The supervisor's record of what happens: rows for the event file, counters for the metrics, alerts for people."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from core.bot_config import BotConfig
from core.fleet_config import AlertsConfig, FleetConfig
from core.process.alert_limiter import AlertLimiter
from core.process.event_rows import Row, rows_of
from core.process.notifiers import Notifiers
from core.process.worker_record import Action, Forked, Happening, State, WorkerRecord
from utils.home import Home
from utils.version import __version__

DISK_NS = 30_000_000_000  # how often the disk is looked at
LOW_BYTES = 200_000_000
LOW_SHARE = 0.02
DIGEST = 12  # characters of a config's digest in a row
MAX_NAMES = 50  # of bots in one row
MAX_REASON = 2000  # characters
MAX_KEY = 64  # characters
Sink = Callable[[dict[str, Any]], bool]  # writes one row; False: it is lost
By = Mapping[str, Any]
log = logging.getLogger("makerd.process")


class EventDesk:
    """Takes note of everything once; nothing here waits, and nothing here is raised into the supervisor's loop."""

    def __init__(self, home: Home, output_fd: int) -> None:
        self.sink: Sink = lambda _row: False
        self.on_limits: Callable[[FleetConfig], None] = lambda _config: None
        self.seq = 0
        self.written = 0
        self.lost = 0
        self.counts: Counter[str] = Counter()
        self.notifiers = Notifiers(home.root, output_fd)
        self.limiter = AlertLimiter()
        self._home = home
        self._alerts = AlertsConfig()
        self._by: By | None = None
        self._fences: dict[str, int | None] = {}  # of the newest incarnation that came to run
        self._digests: dict[str, str] = {}
        self._zygote: int | None = None
        self._disk_due_ns = 0
        self._disk_low = False

    def take(self, config: FleetConfig) -> None:
        """Follow the daemon file."""
        self._alerts = config.alerts
        self.on_limits(config)

    @contextlib.contextmanager
    def on_behalf(self, by: By) -> Iterator[None]:
        """Name whoever asked in every row that is noted inside."""
        before, self._by = self._by, by
        try:
            yield
        finally:
            self._by = before

    # ------------------------------------------------------------ what is noted

    def decided(
        self,
        config: BotConfig,
        before: WorkerRecord,
        happening: Happening,
        after: WorkerRecord,
        actions: Sequence[Action],
    ) -> None:
        """Take note of a decision of the state table."""
        try:
            self._count(before, happening, after)
            for row in rows_of(config.exchange, before, happening, after, actions):
                extra = self._identity(config, row)
                self.note(row.kind, row.bot, row.alert, row.subject, **{**row.fields, **extra})
        except Exception:  # the actions of this decision come next: a bug in its record must not keep them back
            log.exception("event_bug")

    def _count(self, before: WorkerRecord, happening: Happening, after: WorkerRecord) -> None:
        if isinstance(happening, Forked):
            self.counts["sweeps" if before.state is State.SWEEPING else "forks"] += 1
        self.counts["restarts"] += max(0, after.restarts - before.restarts)

    def _identity(self, config: BotConfig, row: Row) -> dict[str, Any]:
        """Return which incarnation of which config a row is about."""
        if row.kind != "state":
            return {"fence": self._fences.get(config.name)}
        if row.fields["to"] == State.RUNNING.value:
            self._fences[config.name] = self._read_fence(config.name)
        digest = {"digest": config.digest[:DIGEST], "version": __version__}
        fence = {"fence": self._fences.get(config.name)}
        return {**fence, **digest} if row.fields["to"] == State.STARTING.value else fence

    def _read_fence(self, name: str) -> int | None:
        try:
            return int((self._home.bot_state(name) / "fence").read_bytes())
        except (OSError, ValueError):
            return None

    def command(self, verb: str, args: Mapping[str, Any], digests: Mapping[str, str]) -> None:
        """Take note of what an operator asks, with the configs that it concerns."""
        names = [str(name) for name in args.get("names") or ()] if isinstance(args.get("names"), list) else []
        rest = {key: str(value)[:200] for key, value in args.items() if key != "names"}
        shown = {name: digests[name][:DIGEST] for name in names[:MAX_NAMES] if name in digests}
        self.note(
            "command", verb=verb, args=rest, bots=names[:MAX_NAMES], more=max(0, len(names) - MAX_NAMES),
            digests=shown, version=__version__,
        )  # fmt: skip

    def file_told(self, name: str, message: Mapping[str, Any]) -> None:
        """Take note of a worker's word that a file which its strategy goes by is bad, or good again."""
        key, error = str(message["key"])[:MAX_KEY], message["error"]
        states = {"from": "good" if error else "bad", "to": "bad" if error else "good"}
        self.note("file", name, "bad_file" if error else None, f"{name}:{key}", reason=error or "", key=key, **states)

    def configs_read(self, answer: Mapping[str, Any] | str) -> None:
        """Take note of what the validator says: which configs are new, changed or gone."""
        if isinstance(answer, str):
            self.note("configs_not_read", reason=answer)
            return
        digests = {str(bot["name"]): str(bot["digest"]) for bot in answer["bots"]}
        for name in sorted({*digests, *self._digests}):
            old, new = self._digests.get(name), digests.get(name)
            if old != new:
                states: dict[str, Any] = {"from": old and old[:DIGEST], "to": new and new[:DIGEST]}
                self.note("config", name, **states)
        self._digests = digests
        fleet = answer.get("daemon")
        self.note(
            "configs_read", bots=len(digests), invalid=[str(entry["file"]) for entry in answer["invalid"]][:MAX_NAMES],
            daemon_file=str(fleet["digest"])[:DIGEST] if fleet else None,
        )  # fmt: skip

    def note(
        self, kind: str, bot: str | None = None, alert: str | None = None, subject: str = "", **extra: Any
    ) -> None:
        """Write one row, and tell a person when it is an alert."""
        self.seq += 1
        row = {
            "ts": timestamp(time.time()), "seq": self.seq, "daemon": os.getpid(), "kind": kind, "bot": bot,
            "from": None, "to": None, "reason": "", "pid": None, "fence": None, "by": self._by, "alert": alert, **extra,
        }  # fmt: skip
        row["reason"] = str(row["reason"])[:MAX_REASON]
        if self.sink(row):
            self.written += 1
        else:
            self.lost += 1
        if alert is not None:
            self._tell(alert, subject or bot or "", row)

    def _tell(self, alert: str, subject: str, row: dict[str, Any]) -> None:
        self.counts[f"alert:{alert}"] += 1
        config = self._alerts
        if alert not in config.events or (config.hook is None and config.webhook_url is None):
            return
        left_out = self.limiter.offer(alert, subject, time.monotonic_ns(), int(config.min_interval_s * 1e9))
        if left_out is not None:
            self.notifiers.add(config, {**row, "suppressed": left_out})

    # ------------------------------------------------------------ the loop

    def tend(self, now_ns: int, zygote_pid: int | None) -> None:
        """Look at what announces itself to nobody: the zygote and the disk; start the notifiers that wait."""
        if zygote_pid != self._zygote:
            self._note_zygote(zygote_pid)
        if now_ns >= self._disk_due_ns:
            self._disk_due_ns = now_ns + DISK_NS
            self._look_at_disk()
        self.notifiers.tend(now_ns)

    def _note_zygote(self, pid: int | None) -> None:
        if self._zygote is not None:
            self.counts["zygotes_lost"] += 1
            self.note("zygote_lost", pid=self._zygote)
        if pid is not None:
            self.note("zygote_started", pid=pid)
        self._zygote = pid

    def _look_at_disk(self) -> None:
        try:
            usage = shutil.disk_usage(self._home.root)
        except OSError:
            return
        low = usage.free < min(LOW_BYTES, usage.total * LOW_SHARE)
        if low != self._disk_low:
            self._disk_low = low
            reason = f"{usage.free / 1e6:.0f} MB are free on the disk of {self._home.root}"
            states = {"from": "ok" if low else "low", "to": "low" if low else "ok"}
            self.note("disk", None, "disk" if low else None, "disk", reason=reason, **states)


def timestamp(seconds: float) -> str:
    """Return UTC with microseconds for `seconds` since the epoch, as the logs write it."""
    whole = int(seconds)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)) + f".{int((seconds - whole) * 1e6):06d}Z"
