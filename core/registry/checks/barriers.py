"""Checks of keys that need each other: where a position ends, and what Avellaneda-Stoikov quotes are made of."""

from __future__ import annotations

from collections.abc import Iterator

from core.registry.checks.draft import Draft
from core.registry.complaints import NOTHING, Problem
from core.registry.wording import shown

_SECTION = "strategy_config"
_PAIRS = (("trailing_start_pct", "trailing_delta_pct"), ("min_spread_ticks", "max_spread_ticks"))
# low, high, whether they may be equal
_ORDERED = (
    ("min_spread_bps", "max_spread_bps", False),
    ("min_spread_ticks", "max_spread_ticks", True),
    ("rsi_low", "rsi_high", False),
    ("chop_low", "chop_high", False),
)


def check_barriers_are_not_zero(draft: Draft) -> Iterator[Problem]:
    """A barrier at zero would close a position at once; off is null."""
    for key in ("stop_loss", "take_profit"):
        if draft.number(_SECTION, key) == 0:
            yield Problem((_SECTION, key), "0", "a number other than 0 (quote); null is off")


def check_pairs(draft: Draft) -> Iterator[Problem]:
    """Of two keys that mean something together only, none is given alone."""
    for pair in _PAIRS:
        if not all(key in draft.strategy for key in pair) or not draft.sound(_SECTION, *pair):
            continue
        missing = [key for key in pair if draft.strategy[key] is None]
        if len(missing) == 1:
            other = pair[1 - pair.index(missing[0])]
            yield Problem((_SECTION, missing[0]), NOTHING, f"a number, or {other} null: they need each other")


def check_thresholds_ascend(draft: Draft) -> Iterator[Problem]:
    """The lower one of two thresholds lies below the upper one."""
    for low, high, may_be_equal in _ORDERED:
        small, large = draft.number(_SECTION, low), draft.number(_SECTION, high)
        if small is None or large is None or small < large or (may_be_equal and small == large):
            continue
        word = "at most" if may_be_equal else "below"
        yield Problem(
            (_SECTION, low), shown(draft.strategy[low]), f"{word} {high}, which is {shown(draft.strategy[high])}"
        )


def check_sigma_is_given_when_fixed(draft: Draft) -> Iterator[Problem]:
    """A fixed volatility needs its value, and any other has none."""
    keys = ("sigma", "sigma_method")
    if not all(key in draft.strategy for key in keys) or not draft.sound(_SECTION, *keys):
        return
    sigma, is_fixed = draft.strategy["sigma"], draft.strategy["sigma_method"] == "fixed"
    if is_fixed and sigma is None:
        yield Problem((_SECTION, "sigma"), NOTHING, 'a number, because sigma_method is "fixed"')
    elif not is_fixed and sigma is not None:
        yield Problem(
            (_SECTION, "sigma"), shown(sigma), 'null, unless sigma_method is "fixed": it would have no effect'
        )
