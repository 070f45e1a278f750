"""The tables of Avellaneda & Stoikov (2008), simulated with makerd's own formulas; `make paper-tables`.

    python benchmarks/paper_tables.py [--paths 100000] [--seed 1] [--page]

The paper's rules: s = 100, T = 1, sigma = 2, dt = 0.005, kappa = 1.5, A = 140, no inventory at first. At each step both
sides are quoted; each fills one unit with probability min(1, A exp(-kappa d) dt) at its quote; then the mid moves by
sigma sqrt(dt) up or down. "Symmetric" quotes the same mean spread around the mid. Published are 1,000 runs of the
journal's version. Prints ours beside them; `--page` writes docs/paper-tables.md and its picture. Nothing here passes or
fails: tests/unit/test_paper_tables.py does.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

if not __package__:  # run by path
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from benchmarks.parts import CHECKOUT
from core.market.avellaneda import as_quote

Array = NDArray[np.float64]

MID, HORIZON, SIGMA, STEPS, KAPPA, RATE = 100.0, 1.0, 2.0, 200, 1.5, 140.0
DT = HORIZON / STEPS
STRATEGIES = ("inventory", "symmetric")
PICTURE = CHECKOUT / "docs" / "img" / "paper-tables.svg"
PAGE = CHECKOUT / "docs" / "paper-tables.md"


class Row(NamedTuple):
    """A row of a table: spread, profit and final inventory of many runs."""

    spread: float
    profit: float
    profit_std: float
    final_q: float
    q_std: float


# The journal's version of the tables, 1,000 runs each.
PUBLISHED: dict[tuple[float, str], Row] = {
    (0.1, "inventory"): Row(1.49, 65.0, 6.6, 0.08, 2.9),
    (0.1, "symmetric"): Row(1.49, 68.4, 12.7, 0.26, 8.4),
    (0.01, "inventory"): Row(1.35, 68.6, 8.7, 0.12, 5.1),
    (0.01, "symmetric"): Row(1.35, 68.8, 12.8, 0.09, 8.7),
    (1.0, "inventory"): Row(3.02, 31.4, 5.0, 0.02, 1.7),
    (1.0, "symmetric"): Row(3.02, 44.0, 11.0, 0.00, 5.1),
}
PUBLISHED_RUNS = 1_000


@dataclass(frozen=True, slots=True)
class Runs:
    """Profit and final inventory of each run, and the spread averaged over the steps."""

    spread: float
    profit: Array
    final_q: Array

    def row(self) -> Row:
        """Return the runs as a row of the table."""
        q = self.final_q
        return Row(self.spread, *(float(one) for one in (self.profit.mean(), self.profit.std(), q.mean(), q.std())))


def simulate(gamma: float, strategy: str, paths: int, seed: int) -> Runs:
    """Return runs of a strategy: `inventory`, `symmetric` (mean spread) or `symmetric_in_time` (each step's spread)."""
    dice = np.random.default_rng(seed)
    taus = [HORIZON - step * DT for step in range(STEPS)]
    spreads = [as_quote(MID, 0.0, gamma, KAPPA, SIGMA, tau).spread for tau in taus]
    mean_spread = sum(spreads) / STEPS
    mid, q, cash = np.full(paths, MID), np.zeros(paths), np.zeros(paths)
    for tau, spread in zip(taus, spreads, strict=True):
        half = (mean_spread if strategy == "symmetric" else spread) / 2
        # The model is linear in q: the shift of one unit, once a step, is that of all paths.
        shift = MID - as_quote(MID, 1.0, gamma, KAPPA, SIGMA, tau).reservation if strategy == "inventory" else 0.0
        skew = shift * q
        bought = dice.random(paths) < np.minimum(1.0, RATE * DT * np.exp(-KAPPA * (half + skew)))
        sold = dice.random(paths) < np.minimum(1.0, RATE * DT * np.exp(-KAPPA * (half - skew)))
        cash += sold * (mid - skew + half) - bought * (mid - skew - half)
        q = q + bought - sold
        mid += SIGMA * DT**0.5 * np.where(dice.random(paths) < 0.5, 1.0, -1.0)
    return Runs(mean_spread, cash + q * mid, q)


def tables(paths: int, seed: int) -> dict[tuple[float, str], Runs]:
    """Return our runs of every published row."""
    return {key: simulate(*key, paths, seed + number) for number, key in enumerate(PUBLISHED)}


def lines(found: dict[tuple[float, str], Runs]) -> list[str]:
    """Return the tables as Markdown; the last column is how far published and ours are apart."""
    text = [
        "| gamma | strategy | | spread | profit | std of profit | final q | std of q | apart (standard errors) |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for (gamma, strategy), runs in found.items():
        published, ours = PUBLISHED[gamma, strategy], runs.row()
        error = ours.profit_std / PUBLISHED_RUNS**0.5
        text.append(f"| {gamma:g} | {strategy} | published | {_cells(published)} | |")
        text.append(f"| | | ours | {_cells(ours)} | {(published.profit - ours.profit) / error:+.1f} |")
    return text


def _cells(row: Row) -> str:
    return f"{row.spread:.2f} | {row.profit:.2f} | {row.profit_std:.2f} | {row.final_q:+.2f} | {row.q_std:.2f}"


# The picture: histograms of profit, one panel for each gamma

_WIDTH, _PANEL, _MARGIN, _LOW, _HIGH, _BINS = 760, 150, 46, 0.0, 130.0, 65
_COLOURS = {"inventory": "#1f6feb", "symmetric": "#d1621c"}


def picture(found: dict[tuple[float, str], Runs]) -> str:
    """Return the profits' histograms as SVG."""
    gammas = list(dict.fromkeys(gamma for gamma, _ in found))
    height = _PANEL * len(gammas) + 2 * _MARGIN
    title = "Profit of a run: quoting around the reservation price, and around the mid"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="{_MARGIN}" y="22" font-size="15">{title}</text>',
        '<g font-size="12">',
    ]
    for number, gamma in enumerate(gammas):
        bottom = _MARGIN + _PANEL * (number + 1) - 12
        parts.append(f'<text x="{_MARGIN}" y="{bottom - _PANEL + 34}">gamma {gamma:g}</text>')
        parts.append(f'<path d="M{_MARGIN} {bottom}H{_WIDTH - _MARGIN}" stroke="#8c959f"/>')
        for strategy in STRATEGIES:
            parts.append(_steps(found[gamma, strategy].profit, bottom, _COLOURS[strategy]))
    for profit in range(int(_LOW), int(_HIGH) + 1, 10):
        x = _x(float(profit))
        parts.append(f'<text x="{x:.0f}" y="{height - _MARGIN + 6}" text-anchor="middle">{profit}</text>')
    for number, strategy in enumerate(STRATEGIES):
        x = _MARGIN + 130 * number
        parts.append(f'<rect x="{x}" y="{height - 26}" width="12" height="12" fill="{_COLOURS[strategy]}"/>')
        parts.append(f'<text x="{x + 18}" y="{height - 16}">{strategy}</text>')
    return "\n".join([*parts, "</g></svg>", ""])


def _x(profit: float) -> float:
    return _MARGIN + (_WIDTH - 2 * _MARGIN) * (profit - _LOW) / (_HIGH - _LOW)


def _steps(profits: Array, bottom: float, colour: str) -> str:
    """Return a histogram as one stepped outline; 0.2 of all runs in a bin would fill the panel."""
    counts, edges = np.histogram(profits, _BINS, (_LOW, _HIGH))
    path = [f"M{_x(_LOW):.1f} {bottom:.1f}"]
    for count, right in zip(counts.tolist(), edges[1:].tolist(), strict=True):
        path.append(f"V{bottom - count / len(profits) / 0.2 * (_PANEL - 30):.1f}H{_x(right):.1f}")
    outline = "".join([*path, f"V{bottom:.1f}Z"])
    return f'<path d="{outline}" fill="{colour}" fill-opacity="0.25" stroke="{colour}"/>'


def page(found: dict[tuple[float, str], Runs], paths: int, seed: int) -> str:
    """Return the page of the documentation."""
    return "\n".join(
        [
            "# The paper's tables",
            "",
            f"Written by `make paper-tables` ({paths:,} runs a row, seed {seed}); do not edit it by hand.",
            "",
            "Avellaneda & Stoikov, *High-frequency trading in a limit order book*, Quantitative Finance 8(3), 2008:",
            "the tables of the journal's version (1,000 runs each), and the same simulation with the formulas that the",
            "bots quote by (`core/market/avellaneda.py`). The last column is the published profit less ours, in",
            "standard errors of a mean of 1,000 runs. An earlier working draft of the paper has other tables, which",
            "no variant we tried reproduces.",
            "",
            *lines(found),
            "",
            "![Histograms of profit](img/paper-tables.svg)",
            "",
            "`test_paper_tables` holds these figures inside intervals of three standard errors.",
            "",
        ]
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Simulate and print; return the exit status."""
    parser = argparse.ArgumentParser(description="Simulate the tables of Avellaneda & Stoikov (2008).")
    parser.add_argument("--paths", type=int, default=100_000, help="runs a row")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--page", action="store_true", help="write docs/paper-tables.md and its picture")
    given = parser.parse_args(arguments)
    found = tables(given.paths, given.seed)
    print("\n".join(lines(found)))
    if given.page:
        PICTURE.write_text(picture(found))
        PAGE.write_text(page(found, given.paths, given.seed))
        print(f"written: {PAGE.relative_to(CHECKOUT)}, {PICTURE.relative_to(CHECKOUT)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
