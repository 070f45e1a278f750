"""When to ask a venue for everything, and what an answer can be held against; one desk per leg."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.trading.clock import seconds
from utils.errors import VenueAuthError, VenueError

if TYPE_CHECKING:
    from api.base_client import ExchangeClient
    from core.market.reports import VenueReport


@dataclass(frozen=True, slots=True)
class ReportTiming:
    """How often a venue is asked; nanoseconds."""

    interval_ns: int = seconds(10)
    timeout_ns: int = seconds(10)  # a question without an answer is asked again
    gap_ns: int = seconds(0.1)  # never closer together
    first_backoff_ns: int = seconds(0.2)
    max_backoff_ns: int = seconds(5)


class ReportDesk:
    """The questions asked of one client: at most one unanswered, urgent ones with backoff, others in an interval."""

    def __init__(self, client: ExchangeClient, timing: ReportTiming | None = None) -> None:
        self._client = client
        self._timing = timing or ReportTiming()
        self._asked: dict[int, int] = {}  # request id -> monotonic time
        self.questions = 0  # how many times the venue was asked; the id of the newest one
        self._last_asked_ns: int | None = None
        self._waiting_for: int | None = None
        self._rounds = 0  # urgent questions in a row
        self.idle_until_ns = 0  # until then `step` has nothing to do and nothing else to say, unless it is urgent
        self._incomplete = False
        self.reason = ""  # why the last answer was not complete, or why there was none

    def step(self, now_ns: int, urgent: bool, since: str | None) -> int:
        """Ask when it is time; return when to be called next at the latest. Raises VenueAuthError."""
        if self._waiting_for is not None:
            give_up_ns = self._asked[self._waiting_for] + self._timing.timeout_ns
            if now_ns < give_up_ns:
                self.idle_until_ns = give_up_ns
                return give_up_ns
            self._fail("no answer")
        urgent = urgent or self._incomplete
        due_ns = self._due_ns(urgent)
        if now_ns < due_ns:
            self.idle_until_ns = 0 if urgent else due_ns
            return due_ns
        self.idle_until_ns = 0
        self._ask(now_ns, since)
        return now_ns + self._timing.gap_ns

    def use(self, timing: ReportTiming) -> None:
        """Ask in another rhythm from now on."""
        self._timing = timing
        self._rounds = self.idle_until_ns = 0

    def hurry(self) -> None:
        """Forget the backoff: something has changed since the last answer."""
        self._rounds = self.idle_until_ns = 0

    def take(self, report: VenueReport) -> int | None:
        """Accept an answer; return when its question was asked, None when a newer one was answered before."""
        self.idle_until_ns = 0
        asked_ns = self._asked.get(report.request_id)
        if asked_ns is None:
            return None
        self._asked = {key: when for key, when in self._asked.items() if key > report.request_id}
        if self._waiting_for is not None and self._waiting_for <= report.request_id:
            self._waiting_for = None
        self._incomplete = not report.complete
        self.reason = report.reason if self._incomplete else ""
        return asked_ns

    def _due_ns(self, urgent: bool) -> int:
        if not urgent:
            self._rounds = 0
        if self._last_asked_ns is None:
            return 0
        return self._last_asked_ns + (self._pause_ns() if urgent else self._timing.interval_ns)

    def _pause_ns(self) -> int:
        if not self._rounds:
            return self._timing.gap_ns
        doubled = self._timing.first_backoff_ns << min(self._rounds - 1, 20)
        return min(doubled, self._timing.max_backoff_ns)

    def _ask(self, now_ns: int, since: str | None) -> None:
        self.questions += 1
        self._last_asked_ns = now_ns
        self._rounds += 1
        self._asked[self.questions] = now_ns
        self._waiting_for = self.questions
        try:
            self._client.request_report(self.questions, since)
        except VenueAuthError:
            raise
        except VenueError as exc:
            del self._asked[self.questions]
            self._fail(str(exc))

    def _fail(self, reason: str) -> None:
        self.idle_until_ns = 0
        self._waiting_for = None
        self._incomplete = True
        self.reason = reason
