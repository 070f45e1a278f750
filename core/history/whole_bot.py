"""The series of several legs as one: arithmetic only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Context, Decimal, localcontext

from core.history.days import plain_text
from core.history.records import SeriesPoint

_EXACT = Context(prec=60)


def added(main: Sequence[SeriesPoint], others: Sequence[Sequence[SeriesPoint]]) -> list[SeriesPoint]:
    """Return the main leg's points with the sums of all legs; a leg without a row of that time leaves `net` unknown."""
    at = [{point.utc_ns: point for point in one} for one in others]
    return [_sum(point, at) for point in main] if others else list(main)


def _sum(main: SeriesPoint, others: Sequence[Mapping[int, SeriesPoint]]) -> SeriesPoint:
    found = [one.get(main.utc_ns) for one in others]
    rows = [main, *(point for point in found if point is not None)]
    nets = [point.net for point in rows]
    with localcontext(_EXACT):
        realised, fees, funding = (
            plain_text(sum((Decimal(getattr(point, key)) for point in rows), Decimal(0)))
            for key in ("realised", "fees", "funding")
        )
        known = [Decimal(net) for net in nets if net is not None]
        whole = len(known) == len(found) + 1
        net = plain_text(sum(known, Decimal(0))) if whole else None
    return replace(main, realised=realised, fees=fees, funding=funding, net=net)
