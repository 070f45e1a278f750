"""The supervisor's side of account-wide dead-man switches: one guard process per account, told once a second.

What is decided is in `dead_man.py`; here are the bots that it is decided about, the children, and who is told.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from core.bot_config import BotConfig, Leg
from core.process.dead_man import (
    TELL_NS,
    VERDICT_NS,
    Do,
    GuardRecord,
    Member,
    Verdict,
    account_of,
    born,
    ended,
    look,
    said,
    silence_limit_ns,
    timing,
    verdict,
)
from core.process.event_desk import EventDesk
from core.process.fleet import BotEntry
from core.process.worker_record import Exited, Forked, ForkFailed, Happening

PREFIX = "guard of "  # in the name of a child; no bot's name has a blank
MAX_MIN_S = 86_400.0  # no venue's switch is slower
log = logging.getLogger("makerd.process")


class Account:
    """One account's guard, its last verdict, and since when the switch is as it is shown."""

    def __init__(self, record: GuardRecord, now_ns: int) -> None:
        self.record = record
        self.verdict = Verdict(False, "no guard yet")
        self.timing = timing(record.min_s, ())  # of the last look
        self.is_armed = False
        self.since_ns = now_ns
        self.told_slow = False

    @property
    def why(self) -> str:
        """Return why the switch is not armed, as far as it is known."""
        return self.verdict.reason or self.record.error or "no guard yet"


class AccountGuards:
    """The guards of every account of which a worker has said that its switch is account-wide."""

    def __init__(self, bots: Mapping[str, BotEntry], events: EventDesk, now_ns: Callable[[], int]) -> None:
        self.start: Callable[[str, BotConfig, dict[str, Any]], None]  # (child's name, a bot of the account, its leg)
        self.tell: Callable[[str, dict[str, Any]], None]
        self.kill: Callable[[str], None]
        self._bots, self._events, self._now_ns = bots, events, now_ns
        self._accounts: dict[str, Account] = {}
        self._due_ns = 0

    # ------------------------------------------------------------ what happened

    def owns(self, name: str) -> bool:
        """Tell whether a child's name is a guard's."""
        return name.startswith(PREFIX)

    def announced(self, name: str, message: Mapping[str, Any]) -> None:
        """Take a worker's or a guard's word. Raises what garbage raises."""
        if self.owns(name):
            self._heard(name.removeprefix(PREFIX), message)
            return
        bot = self._bots[name]
        legs = {leg.leg: leg for leg in bot.config.legs}
        for one in message["accounts"]:
            min_s = min(MAX_MIN_S, max(0.0, float(one["min_s"] or 0.0)))
            account = account_of(bot.config, legs[one["leg"]])
            known = self._accounts.setdefault(account, Account(GuardRecord(account), self._now_ns()))
            known.record = replace(known.record, min_s=max(known.record.min_s, min_s))
        self._due_ns = 0
        self._tell_bot(bot)

    def _heard(self, account: str, message: Mapping[str, Any]) -> None:
        known, now_ns = self._accounts.get(account), self._now_ns()
        if known is None:
            return
        limit_ns = silence_limit_ns(known.timing)
        until_ns, error = int(message["armed_until_ns"]), str(message["error"])[:500]
        before_ns = known.record.armed_until_ns
        if error and error != known.record.error:
            log.warning("dead_man_not_refreshed", extra={"fields": {"account": account, "reason": error}})
        known.record = said(known.record, until_ns, error, limit_ns, now_ns)
        if known.record.armed_until_ns != before_ns:
            self._judge_switch(known, now_ns)
            self._tell_members(account)

    def happened(self, name: str, event: Happening) -> None:
        """Take what became of a guard's process."""
        known, now_ns = self._accounts.get(name.removeprefix(PREFIX)), self._now_ns()
        if known is None:
            return
        if isinstance(event, Forked):
            known.record = born(known.record, silence_limit_ns(known.timing), now_ns)
        elif isinstance(event, Exited | ForkFailed):
            known.record = ended(known.record, event.reason, now_ns)
            log.info("guard_ended", extra={"fields": {"account": known.record.account, "reason": event.reason}})
        self._due_ns = 0

    def changed(self) -> None:
        """Look at the accounts soon: something happened to a bot."""
        self._due_ns = 0

    # ------------------------------------------------------------ time

    @property
    def due_ns(self) -> int | None:
        """Return when to be called next, None when there is no account to guard."""
        return self._due_ns if self._accounts else None

    def credit(self, gap_ns: int) -> None:
        """Count a pause of the whole machine as no guard's silence."""
        for known in self._accounts.values():
            known.record = replace(known.record, due_ns=known.record.due_ns + gap_ns)

    def tick(self, now_ns: int) -> None:
        """Judge every account, and do what follows."""
        if not self._accounts or now_ns < self._due_ns:
            return
        self._due_ns = now_ns + TELL_NS
        for account, known in list(self._accounts.items()):
            bots = [bot for bot, _leg in self._members(account)]
            members = [Member.of(bot.record, now_ns) for bot in bots]
            is_needed = not all(member.is_over for member in members)
            known.timing = timing(known.record.min_s, [bot.config.daemon for bot in bots])
            known.verdict = verdict(members)
            known.record, actions = look(known.record, is_needed, now_ns)
            self._judge_switch(known, now_ns)
            for action in actions:
                self._do(action, known, now_ns)
            if known.record.is_there:
                continue
            if is_needed:
                self._due_ns = min(self._due_ns, known.record.due_ns)
            else:
                self._accounts.pop(account)

    def _do(self, action: Do, known: Account, now_ns: int) -> None:
        name = PREFIX + known.record.account
        if action is Do.START:
            bot, leg = next(self._members(known.record.account))
            self.start(name, bot.config, {"leg": leg.leg, "account": known.record.account})
        elif action is Do.TELL:
            self.tell(name, self._verdict_packet(known, now_ns))
        elif action is Do.KILL:
            log.warning("guard_silent", extra={"fields": {"account": known.record.account}})
            self.kill(name)
        else:
            self.tell(name, {"t": action.value})

    def _verdict_packet(self, known: Account, now_ns: int) -> dict[str, Any]:
        when = known.timing
        if when.is_slow and not known.told_slow:
            known.told_slow = True
            fields = {"account": known.record.account, "timeout_s": when.timeout_s}
            log.warning("dead_man_slow", extra={"fields": fields})
        timed = {"timeout_s": when.timeout_s, "refresh_s": when.refresh_s, "until_ns": now_ns + VERDICT_NS}
        return {"t": "verdict", "refresh": known.verdict.refresh, "reason": known.verdict.reason, **timed}

    def _judge_switch(self, known: Account, now_ns: int) -> None:
        """Note when the switch is armed, and alert when it is not any more although bots live on the account."""
        is_armed = now_ns < known.record.armed_until_ns
        if is_armed == known.is_armed:
            return
        known.is_armed, known.since_ns = is_armed, now_ns
        account, disarmed = known.record.account, known.record.armed_until_ns == 0
        states = {"from": "unarmed" if is_armed else "armed", "to": self._word(known)}
        reason = "" if is_armed else "disarmed" if disarmed else known.why
        alert = "dead_man" if not is_armed and not disarmed else None
        more = {"account": account, "timeout_s": round(known.timing.timeout_s, 3)}
        (log.error if alert else log.info)("dead_man_switch", extra={"fields": {**states, **more, "reason": reason}})
        self._events.note("dead_man", None, alert, account, reason=reason, **states, **more)

    @staticmethod
    def _word(known: Account) -> str:
        if known.is_armed:
            return "armed"
        return "lapsed" if known.record.armed_until_ns else "unarmed"

    # ------------------------------------------------------------ the bots

    def _members(self, account: str) -> Iterator[tuple[BotEntry, Leg]]:
        for bot in self._bots.values():
            for leg in bot.config.legs:
                if account_of(bot.config, leg) == account:
                    yield bot, leg
                    break

    def _tell_members(self, account: str) -> None:
        for bot, _leg in self._members(account):
            self._tell_bot(bot)

    def _tell_bot(self, bot: BotEntry) -> None:
        """Tell a worker until when every one of its switches is armed: it rests no order beyond that."""
        known = [self._accounts.get(account_of(bot.config, leg)) for leg in bot.config.legs]
        times = [one.record.armed_until_ns for one in known if one is not None]
        if times:
            self.tell(bot.config.name, {"t": "dead_man", "until_ns": min(times)})

    def shown(self, config: BotConfig, now_ns: int) -> dict[str, str]:
        """Return what the status says of the switch of each leg that has a guarded account."""
        texts = {}
        for leg in config.legs if self._accounts else ():
            known = self._accounts.get(account_of(config, leg))
            if known is not None:
                texts[leg.leg] = self._text(known, now_ns)
        return texts

    def _text(self, known: Account, now_ns: int) -> str:
        if known.is_armed:
            return "account: armed" + (f" (not refreshed: {known.why})" if not known.verdict.refresh else "")
        age_s = max(0, now_ns - known.since_ns) / 1e9
        return f"account: {self._word(known)} for {age_s:.0f} s ({known.why})"

    # ------------------------------------------------------------ an exec

    def to_plain(self) -> list[dict[str, Any]]:
        """Return JSON-able data; `take_over` is its inverse."""
        return [known.record.to_plain() for known in self._accounts.values()]

    def take_over(self, plain: Sequence[Mapping[str, Any]]) -> None:
        """Go on with the guards of an earlier self; guards of the new code follow them."""
        now_ns = self._now_ns()
        for one in plain:
            record = replace(GuardRecord.from_plain(one), outdated=True)
            self._accounts[record.account] = Account(record, now_ns)
            self._accounts[record.account].is_armed = now_ns < record.armed_until_ns
