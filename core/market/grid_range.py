"""What a grid does when the price leaves its range: which rule holds, and since when. Pure."""

from __future__ import annotations

from dataclasses import dataclass

HOLD, STOP, STOP_AND_SELL = "hold", "stop", "stop_and_sell"
TRAIL_UP, TRAIL_DOWN, TRAIL_BOTH, RECENTER = "trail_up", "trail_down", "trail_both", "recenter"
ON_RANGE_EXIT = (HOLD, STOP, STOP_AND_SELL, TRAIL_UP, TRAIL_DOWN, TRAIL_BOTH, RECENTER)
_DAY_NS = 86_400 * 1_000_000_000
# (mode, side of the range) -> what is done; what is not here is held.
_ACTIONS = {
    (STOP, 1): STOP,
    (STOP, -1): STOP,
    (STOP_AND_SELL, 1): STOP_AND_SELL,
    (STOP_AND_SELL, -1): STOP_AND_SELL,
    (TRAIL_UP, 1): TRAIL_UP,
    (TRAIL_BOTH, 1): TRAIL_UP,
    (TRAIL_DOWN, -1): TRAIL_DOWN,
    (TRAIL_BOTH, -1): TRAIL_DOWN,
    (RECENTER, 1): RECENTER,
    (RECENTER, -1): RECENTER,
}


@dataclass(frozen=True, slots=True)
class RangeRules:
    """The rules of one grid; prices in ticks, None is off."""

    mode: str = HOLD
    confirm_ns: int = 10 * 1_000_000_000
    stop_lower_ticks: int | None = None
    stop_upper_ticks: int | None = None
    trail_limit: int = 0  # cells in each direction; 0 is no limit
    trail_floor_ticks: int | None = None
    max_recenters: int = 3  # a day


def stop_reason(rules: RangeRules, price_ticks: float) -> str:
    """Return which stop price is reached, empty when none is; that waits for nothing."""
    if rules.stop_lower_ticks is not None and price_ticks <= rules.stop_lower_ticks:
        return "stop_lower"
    if rules.stop_upper_ticks is not None and price_ticks >= rules.stop_upper_ticks:
        return "stop_upper"
    return ""


def side_of_range(price_ticks: float, lower_ticks: int, upper_ticks: int) -> int:
    """Return 1 above the range, -1 below, 0 inside."""
    return (price_ticks > upper_ticks) - (price_ticks < lower_ticks)


@dataclass(slots=True)
class RangeWatch:
    """Since when the price is outside, how far the grid has trailed, and when it was made anew."""

    side: int = 0
    since_ns: int = 0
    shifted: int = 0  # cells, up is positive
    recentered_ns: tuple[int, ...] = ()  # by the venue's clock

    def look(self, rules: RangeRules, price_ticks: float, lines: tuple[int, int, int, int], now_ns: int) -> str:
        """Return what is to be done now, `hold` for nothing; `lines` are the two lowest and the two highest lines."""
        low, above_low, below_high, high = lines
        side = side_of_range(price_ticks, low, high)
        if side != self.side:
            self.side, self.since_ns = side, now_ns
        if not side or now_ns - self.since_ns < rules.confirm_ns:
            return HOLD
        action = _ACTIONS.get((rules.mode, side), HOLD)
        if action == TRAIL_UP and not (price_ticks >= 2 * high - below_high and self._may_shift(rules, 1)):
            return HOLD
        next_low = 2 * low - above_low
        if action == TRAIL_DOWN and not (price_ticks <= next_low and self._may_shift(rules, -1)):
            return HOLD
        if action == TRAIL_DOWN and rules.trail_floor_ticks is not None and next_low < rules.trail_floor_ticks:
            return HOLD
        return action

    def _may_shift(self, rules: RangeRules, step: int) -> bool:
        return not rules.trail_limit or abs(self.shifted + step) <= rules.trail_limit

    def may_recenter(self, rules: RangeRules, venue_ns: int) -> bool:
        """Tell whether the day has room for one more."""
        recent = [when for when in self.recentered_ns if venue_ns - when < _DAY_NS]
        return len(recent) < rules.max_recenters

    def recentered(self, venue_ns: int) -> None:
        """Note one more; the price is inside again."""
        recent = [when for when in self.recentered_ns if venue_ns - when < _DAY_NS]
        self.recentered_ns = (*recent, venue_ns)
        self.side = self.shifted = 0
