"""How much time a quote's risk is counted for: constant, to the end of a run, or to the end of a daily session."""

from __future__ import annotations

from dataclasses import dataclass

NS_PER_S = 1_000_000_000
DAY_S = 86_400
HORIZONS = ("infinite", "finite", "daily")


@dataclass(frozen=True, slots=True)
class Horizon:
    """When quotes are due and what tau is; `session_*_s` are seconds after midnight UTC (it may lie in between)."""

    kind: str = "infinite"
    horizon_s: float = 3600.0
    tau_min_s: float = 60.0
    session_start_s: int = 0
    session_end_s: int = 0  # equal to the start: the whole day

    def __post_init__(self) -> None:
        """Refuse what is no horizon; raises ValueError."""
        if self.kind not in HORIZONS:
            raise ValueError(f"horizon was {self.kind!r}; it is one of {', '.join(HORIZONS)}")
        if not (self.horizon_s > 0 and self.tau_min_s >= 0):
            raise ValueError("horizon_s must be positive and tau_min_s not negative")
        if not (0 <= self.session_start_s < DAY_S and 0 <= self.session_end_s < DAY_S):
            raise ValueError("session times are within a day")

    def tau_s(self, utc_ns: int, began_utc_ns: int = 0) -> float | None:
        """Return the time that is left, at least `tau_min_s`; None outside the session, where nothing is quoted.

        `began_utc_ns` is the start of a finite run.
        """
        left_s = self.left_s(utc_ns, began_utc_ns)
        if left_s is None:
            return self.horizon_s
        return max(left_s, self.tau_min_s) if left_s > 0 else None

    def left_s(self, utc_ns: int, began_utc_ns: int = 0) -> float | None:
        """Return the seconds to the session's end, 0 or less outside of one; None when there is no end."""
        if self.kind == "infinite":
            return None
        if self.kind == "finite":
            return self.horizon_s - (utc_ns - began_utc_ns) / NS_PER_S
        of_day_s = utc_ns % (DAY_S * NS_PER_S) / NS_PER_S
        length_s = (self.session_end_s - self.session_start_s) % DAY_S or DAY_S
        return length_s - (of_day_s - self.session_start_s) % DAY_S
