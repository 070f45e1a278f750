"""How amounts and times are shown to people."""

from __future__ import annotations

import time
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from utils.input_validation import printable

_DIGITS = 8  # of an amount, about


def net_pnl(bot: Mapping[str, Any]) -> Decimal | None:
    """Return realised + unrealised - fees + funding of a row, None when one is not a number."""
    try:
        traded = Decimal(bot["realised_pnl"]) + Decimal(bot["unrealised_pnl"]) - Decimal(bot["fees"])
        return traded + Decimal(bot.get("funding", "0"))  # the row of an older worker has none
    except (InvalidOperation, TypeError, ValueError):
        return None


def amount(value: object) -> str:
    """Return a decimal in about ten characters: as many places as fit, without trailing zeros; `-` for None."""
    if value is None:
        return "-"
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return printable(str(value))
    if not number.is_finite():
        return str(value)
    places = max(0, min(6, _DIGITS - len(str(abs(int(number))))))
    text = f"{number:.{places}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def when(utc_ns: int) -> str:
    """Return a moment in UTC as people read it."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(utc_ns // 10**9))


def duration(seconds: float) -> str:
    """Return a length of time as people say it: 8s, 4m10s, 3h05m, 12d04h."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    return f"{whole // 86400}d{whole % 86400 // 3600:02}h"
