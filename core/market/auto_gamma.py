"""`gamma: auto`: the risk aversion that lets a full inventory move the quotes by a given share of the half-spread.

Solved anew at an interval from what volatility, horizon and kappa are then; bounded, and blended with the last one, so
that quotes do not jump. The blend never lags far behind: after a first look at a market that happened to stand still,
gamma would be too large for many minutes. Units as in core/market/avellaneda.py.
"""

from __future__ import annotations

from dataclasses import dataclass

from core.market.avellaneda import solve_gamma
from core.market.blending import followed
from core.market.glft import solve_glft_gamma

_MOST_SHIFT = 1.9  # half-spreads for one unit of q: both models tend to 2, and none reaches it


@dataclass(frozen=True, slots=True)
class AutoGammaSettings:
    """How gamma is chosen; `lowest` and `highest` are shares of kappa."""

    full_inventory_shift: float = 1.0  # half-spreads at |q| = 1, below 2
    refresh_s: float = 60.0
    lowest: float = 1e-6
    highest: float = 1e6
    weight: float = 0.3  # of the newest
    most_factor: float = 2.0  # from what was just solved


class AutoGamma:
    """The risk aversion in use and when it was worked out."""

    def __init__(self, settings: AutoGammaSettings) -> None:
        self.settings = settings
        self.gamma: float | None = None
        self.solved_ns: int | None = None

    def update(
        self,
        now_ns: int,
        kappa: float,
        sigma: float,
        tau_s: float,
        full_q: float = 1.0,
        intensity: float | None = None,
    ) -> float | None:
        """Return gamma, worked out anew when due; None until it could be, the last one when it cannot be now.

        `full_q` is a full inventory in the unit of q. With an `intensity` it is the gamma of GLFT, which has no tau.
        """
        if self.solved_ns is not None and now_ns - self.solved_ns < self.settings.refresh_s * 1e9:
            return self.gamma
        shift = min(self.settings.full_inventory_shift / full_q, _MOST_SHIFT)
        if intensity is None:
            solved = solve_gamma(shift, kappa, sigma * sigma * tau_s)
        else:
            solved = solve_glft_gamma(shift, kappa, intensity, sigma)
        if solved is None:
            return self.gamma
        self.solved_ns = now_ns
        solved = max(self.settings.lowest * kappa, min(self.settings.highest * kappa, solved))
        self.gamma = followed(self.gamma, solved, self.settings.weight, self.settings.most_factor)
        return self.gamma
