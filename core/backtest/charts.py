"""Line charts as inline SVG: no script, no library, nothing from elsewhere. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape

import numpy as np
import numpy.typing as npt

WIDTH = 1000
_LEFT, _RIGHT, _TOP, _BOTTOM = 78, 10, 8, 20
_MAX_POINTS = 1200  # of a line; each bucket keeps its lowest and highest
_TIME_LABELS = 6
_DAY_NS = 86_400 * 10**9

Floats = npt.NDArray[np.float64]
Times = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a chart; NaN is a gap. `style` is a class of the style sheet; `steps`: it jumps, not slopes."""

    times_ns: Times
    values: Floats
    style: str
    steps: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """A small triangle, up or down, with a text that shows under the pointer."""

    time_ns: int
    value: float
    up: bool
    text: str


@dataclass(slots=True)
class Chart:
    """Some lines and marks over one span of time."""

    title: str
    height: int
    lines: list[Line]
    marks: list[Mark] = field(default_factory=list)
    zero: bool = False  # with a line at 0

    def svg(self, begin_ns: int, end_ns: int) -> str:
        """Return the chart as an SVG element with its title."""
        low, high = self._range()
        scale = _Scale(begin_ns, max(end_ns, begin_ns + 1), low, high, self.height)
        parts = [*scale.axes()]
        if self.zero and low < 0 < high:
            parts.append(f'<line class="zero" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{scale.y(0)}" y2="{scale.y(0)}"/>')
        parts += [scale.path(line) for line in self.lines]
        parts += [scale.mark(mark) for mark in self.marks]
        body = "\n".join(parts)
        title = escape(self.title)
        box = f'viewBox="0 0 {WIDTH} {self.height}" role="img" aria-label="{title}"'
        return f"<h2>{title}</h2>\n<svg {box}>\n{body}\n</svg>"

    def _range(self) -> tuple[float, float]:
        found = [line.values[np.isfinite(line.values)] for line in self.lines]
        found.append(np.array([mark.value for mark in self.marks], dtype=np.float64))
        values = np.concatenate(found)
        if not len(values):
            return 0.0, 1.0
        low, high = float(values.min()), float(values.max())
        if self.zero:
            low, high = min(low, 0.0), max(high, 0.0)
        margin = (high - low) * 0.04 or abs(high) * 0.001 or 1.0
        return low - margin, high + margin


@dataclass(frozen=True, slots=True)
class _Scale:
    begin_ns: int
    end_ns: int
    low: float
    high: float
    height: int

    def x(self, time_ns: int) -> float:
        share = (int(time_ns) - self.begin_ns) / (self.end_ns - self.begin_ns)
        return round(_LEFT + share * (WIDTH - _LEFT - _RIGHT), 1)

    def y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(self.height - _BOTTOM - share * (self.height - _TOP - _BOTTOM), 1)

    def axes(self) -> list[str]:
        parts = []
        for value in np.linspace(self.low, self.high, 5):
            y = self.y(float(value))
            parts.append(f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>')
            parts.append(f'<text x="{_LEFT - 6}" y="{y + 4}" text-anchor="end">{_short(float(value))}</text>')
        for at in range(_TIME_LABELS + 1):
            time_ns = self.begin_ns + (self.end_ns - self.begin_ns) * at // _TIME_LABELS
            anchor = "start" if at == 0 else "end" if at == _TIME_LABELS else "middle"
            text = clock_text(time_ns, self.end_ns - self.begin_ns)
            parts.append(f'<text x="{self.x(time_ns)}" y="{self.height - 5}" text-anchor="{anchor}">{text}</text>')
        return parts

    def path(self, line: Line) -> str:
        times, values = thinned(line.times_ns, line.values)
        parts: list[str] = []
        pen_down = False
        for time_ns, value in zip(times.tolist(), values.tolist(), strict=True):
            if value != value:
                pen_down = False
                continue
            x, y = self.x(time_ns), self.y(value)
            parts.append((f"H{x}V{y}" if line.steps else f"L{x} {y}") if pen_down else f"M{x} {y}")
            pen_down = True
        return f'<path class="{line.style}" d="{"".join(parts)}"/>'

    def mark(self, mark: Mark) -> str:
        x, y = self.x(mark.time_ns), self.y(mark.value)
        shape = f"M{x} {y}l-3 6h6z" if mark.up else f"M{x} {y}l-3 -6h6z"
        return f'<path class="{"buy" if mark.up else "sell"}" d="{shape}"><title>{escape(mark.text)}</title></path>'


def thinned(times: Times, values: Floats, most: int = _MAX_POINTS) -> tuple[Times, Floats]:
    """Return a line with at most about `most` points that has the same lows and highs."""
    if len(times) <= most:
        return times, values
    kept: set[int] = {0, len(times) - 1}
    for bucket in np.array_split(np.arange(len(times)), most // 2):
        part = values[bucket]
        known = np.flatnonzero(np.isfinite(part))
        if len(known) < len(part):
            kept.add(int(bucket[np.flatnonzero(~np.isfinite(part))[0]]))
        if len(known):
            kept |= {int(bucket[known[part[known].argmin()]]), int(bucket[known[part[known].argmax()]])}
    at = np.array(sorted(kept))
    return times[at], values[at]


def clock_text(time_ns: int, span_ns: int = 0) -> str:
    """Return the time of day, UTC; with its date where the span that is shown is more than a day."""
    moment = datetime.fromtimestamp(time_ns // 10**9, tz=UTC)
    return moment.strftime("%H:%M:%S" if span_ns <= _DAY_NS else "%m-%d %H:%M")


def _short(value: float) -> str:
    text = f"{value:,.6g}" if abs(value) < 1e15 else f"{value:.3g}"
    return text.replace("-0", "0") if text == "-0" else text


def rows_of(pairs: Sequence[tuple[str, str]]) -> str:
    """Return the rows of a table of two columns."""
    return "\n".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in pairs)
