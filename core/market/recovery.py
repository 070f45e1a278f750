"""The way back after a breach: halted, then a quarter, a half, three quarters of the size, then normal. Pure.

A step is taken only after a dwell of healthy time; a breach on the way back doubles the next wait. The caller says
whether a limit is breached and whether all is healthy (every measured loss below 80 % of its limit).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

SCALES = (0.25, 0.5, 0.75, 1.0)
SPREAD_FACTORS = (2.0, 1.5, 1.2, 1.0)  # at those scales


class RecoveryState(str, Enum):
    """Where on the way back a bot is."""

    NORMAL = "normal"
    HALTED = "halted"
    RECOVERING = "recovering"


@dataclass(frozen=True, slots=True)
class RecoverySettings:
    """How long it waits."""

    cooldown_s: float = 9.0
    dwell_s: float = 30.0
    max_cooldown_s: float = 600.0


@dataclass(frozen=True, slots=True)
class Recovery:
    """The state, the step (an index of SCALES) and since when; `cooldown_s` is the wait, when it is not the usual."""

    state: RecoveryState = RecoveryState.NORMAL
    step: int = 3
    since_ns: int = 0
    cooldown_s: float | None = None

    @property
    def size_scale(self) -> float:
        """Return the share of the usual size, 0 to 1."""
        return 0.0 if self.state is RecoveryState.HALTED else SCALES[self.step]

    @property
    def spread_factor(self) -> float:
        """Return what the spread is multiplied with; nothing is quoted while halted."""
        return SPREAD_FACTORS[0 if self.state is RecoveryState.HALTED else self.step]

    def after(self, now_ns: int, breach: bool, healthy: bool, settings: RecoverySettings) -> Recovery:
        """Return the state after a look at the limits."""
        if breach:
            return self._halted(now_ns, settings)
        if self.state is RecoveryState.HALTED:
            waited = now_ns - self.since_ns >= (self.cooldown_s or settings.cooldown_s) * 1e9
            if waited and healthy:
                return replace(self, state=RecoveryState.RECOVERING, step=0, since_ns=now_ns)
            return self
        if self.state is RecoveryState.RECOVERING:
            return self._climbed(now_ns, healthy, settings)
        return self

    def _halted(self, now_ns: int, settings: RecoverySettings) -> Recovery:
        cooldown_s = self.cooldown_s or settings.cooldown_s
        if self.state is RecoveryState.RECOVERING:
            cooldown_s = min(2 * cooldown_s, settings.max_cooldown_s)
        return Recovery(RecoveryState.HALTED, 0, now_ns, cooldown_s)

    def _climbed(self, now_ns: int, healthy: bool, settings: RecoverySettings) -> Recovery:
        if not healthy:
            return replace(self, since_ns=now_ns)
        if now_ns - self.since_ns < settings.dwell_s * 1e9:
            return self
        step = self.step + 1
        if SCALES[step] == 1.0:
            return Recovery(since_ns=now_ns)
        return replace(self, step=step, since_ns=now_ns)

    def resumed(self) -> Recovery:
        """Return the state after an operator's resume: the wait is over, the steps are still taken one by one."""
        if self.state is not RecoveryState.HALTED or self.cooldown_s is None:
            return self
        return replace(self, since_ns=-round(self.cooldown_s * 1e9))

    def to_plain(self) -> dict[str, Any]:
        """Return a JSON-able record."""
        return {
            "state": self.state.value,
            "step": self.step,
            "since_ns": self.since_ns,
            "cooldown_s": self.cooldown_s,
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Recovery:
        """Return what `to_plain` recorded. Raises ValueError when it is no such record."""
        try:
            cooldown_s = None if plain["cooldown_s"] is None else float(plain["cooldown_s"])
            found = cls(RecoveryState(plain["state"]), int(plain["step"]), int(plain["since_ns"]), cooldown_s)
        except (KeyError, TypeError) as exc:
            raise ValueError(f"not a recorded recovery: {exc!r}") from exc
        if not 0 <= found.step < len(SCALES):
            raise ValueError(f"not a recorded recovery: step {found.step}")
        return found
