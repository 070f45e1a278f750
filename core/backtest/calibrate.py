"""The parameter file of avellaneda_stoikov from recorded events: sigma, kappa, A and gamma, measured as a bot would.

The estimators are the bot's own (`core/market/as_estimates.py`), over the whole span instead of their windows, and are
asked once, at its end. What they refuse is not written.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import isfinite, sqrt
from pathlib import Path
from typing import Any

from api.event_file import EventSpan
from api.market_facts import Market
from core.backtest.data import data_of, last_hours
from core.backtest.walk import Progress, walk
from core.market.as_estimates import ModelEstimates
from core.market.as_params import FIXED, AvellanedaStoikovParams, params_of, with_file
from core.market.auto_gamma import AutoGamma
from core.market.model_file import VERSION, parse_model_file
from core.market.regime_model import blend
from core.registry.config_manager import load_plain
from utils.errors import ConfigError
from utils.files import write_atomic
from utils.home import Home

STRATEGY = "avellaneda_stoikov"
NAMES = ("sigma", "kappa", "A", "gamma")
PERIODS = 3  # of the last calibrations whose mean is written


@dataclass(frozen=True, slots=True)
class Finding:
    """One parameter in the config's unit with its standard error; without a value, why there is none."""

    name: str
    value: float | None
    error: float | None
    note: str


@dataclass(frozen=True, slots=True)
class Calibration:
    """What a span of events says, at its end."""

    findings: tuple[Finding, ...]
    mid_ticks: float
    bursts: int
    r2: float | None


def calibrate(
    params: AvellanedaStoikovParams,
    market: Market,
    data: EventSpan,
    full_q: float | None,
    progress: Progress | None = None,
) -> Calibration:
    """Return what events say; `full_q` is a full inventory in the unit of q, None where gamma cannot be told.

    Raises ConfigError when there is no mid in the span.
    """
    span_s = max(1.0, (data.last_ns - data.first_ns) / 1e9)
    estimates = ModelEstimates(_over_all(params, span_s), float(market.tick_size))
    mid = walk(data, estimates.see_mid, estimates.see_trade, progress)
    if mid is None:
        raise ConfigError("there is no mid in the events")
    now_ns, tau_s = data.last_ns, params.horizon_s
    estimates.refresh(now_ns, mid, tau_s, full_q or 1.0)
    told = estimates.stats(mid)
    tape, sigma = told["tape"]["both"], told["sigma_measured"]
    found = [_sigma(sigma, told["sigma_samples"])]
    note = tape["refusal"] or f"{tape['bursts']} bursts of both sides, R² {tape['r2']:.2f}"
    found += [Finding("kappa", tape["kappa"], tape["kappa_error"], note)]
    found += [Finding("A", tape["intensity"], tape["intensity_error"], note)]
    found += [_gamma(params, found, full_q)]
    return Calibration(tuple(found), mid, tape["bursts"], tape["r2"])


def _over_all(params: AvellanedaStoikovParams, span_s: float) -> AvellanedaStoikovParams:
    """Return the parameters with everything measured, and over a whole span."""
    method = "returns" if params.sigma_method == FIXED else params.sigma_method
    window = max(params.sigma_window, int(span_s / params.sigma_step_s) + 1)
    measured = replace(params, gamma="auto", kappa=None, order_intensity=None, sigma=None, sigma_method=method)
    return replace(measured, sigma_window=window, intensity_window_s=span_s, no_trade_timeout_s=span_s)


def _sigma(value: float | None, samples: int) -> Finding:
    if value is None:
        return Finding("sigma", None, None, f"{samples} returns are too few")
    return Finding("sigma", value, value / sqrt(2 * samples), f"{samples} returns, error as of normal ones")


def _gamma(params: AvellanedaStoikovParams, found: Sequence[Finding], full_q: float | None) -> Finding:
    """Return the risk aversion that `auto` would solve from the others, and how far their errors move it."""
    if not params.is_auto:
        return Finding("gamma", None, None, "the config gives it")
    if params.model == "as" and params.horizon != "infinite":
        return Finding("gamma", None, None, f"left to the bot: its horizon is {params.horizon}")
    if full_q is None:
        return Finding("gamma", None, None, "a full inventory in orders cannot be told")
    (sigma, kappa, intensity), given = found, ""
    if kappa.value is None and params.kappa is not None:
        kappa, given = replace(kappa, value=params.kappa, error=0.0), "; kappa is the config's"
    if params.model == "glft" and intensity.value is None and params.order_intensity is not None:
        intensity = replace(intensity, value=params.order_intensity, error=0.0)
    needed = [sigma, kappa, *([intensity] if params.model == "glft" else [])]
    if any(one.value is None for one in needed):
        return Finding("gamma", None, None, "needs the others")
    ranges = [_around(one) for one in needed]
    solved = [_solved(params, full_q, *values) for values in product(*ranges)]
    middle = _solved(params, full_q, *(one.value or 0.0 for one in needed))
    if middle is None:
        return Finding("gamma", None, None, "no gamma moves the quotes so far")
    far = [abs(one - middle) for one in solved if one is not None]
    return Finding("gamma", middle, max(far, default=None), f"error: as far as those of the others move it{given}")


def _around(one: Finding) -> tuple[float, float]:
    value, error = one.value or 0.0, min(one.error or 0.0, 0.99 * (one.value or 0.0))
    return value - error, value + error


def _solved(
    params: AvellanedaStoikovParams, full_q: float, sigma: float, kappa: float, intensity: float | None = None
) -> float | None:
    return AutoGamma(params.gamma_settings()).update(0, kappa, sigma, params.horizon_s, full_q, intensity)


# The file


def calibrate_bot(
    home: Home,
    plain: Mapping[str, Any],
    source: str,
    request: Mapping[str, Any],
    environ: Mapping[str, str],
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Calibrate the bot of a config and write its file; return what was found. Raises MakerdError, OSError.

    `request`: files, from, to, hours, only (names), out (a path; else what `params_file` says), now (date the file so).
    """
    config = load_plain(plain, source, home, environ)
    if config.strategy != STRATEGY:
        raise ConfigError(f"{config.name} runs {config.strategy}: a parameter file is for {STRATEGY}")
    params, data = params_of(config.strategy_config), data_of(home, request)
    data = data if request.get("from") else last_hours(data, float(request.get("hours") or 4))
    if not data.market.lists(config.symbol):
        raise ConfigError(f"the data are of {data.market.symbol}, the config trades {config.symbol}")
    full_q = _full_q(params, config.risk_config, data)
    found = calibrate(params, data.market, data, full_q, progress)
    out = _out(home, config.name, params, request.get("out"))
    written = _write(out, params, found, data, request) if out is not None else {}
    return {
        "bot": config.name,
        "symbol": data.market.symbol,
        "unit": params.unit,
        "window_s": (data.last_ns - data.first_ns) / 1e9,
        "events": data.events,
        "found": {one.name: {"value": one.value, "error": one.error, "note": one.note} for one in found.findings},
        "out": None if out is None else str(out),
        "written": written,
    }


def _full_q(params: AvellanedaStoikovParams, risk: Mapping[str, Any], data: EventSpan) -> float | None:
    """Return a full inventory in the unit of q; None where that hangs on a price or on capital."""
    if params.q_unit == "max_position":
        return 1.0
    for limit, size in (("max_position", params.order_size), ("max_position_usd", params.order_size_quote)):
        if risk.get(limit) is not None and size is not None:
            return max(1.0, float(risk[limit]) / float(size))
    return None


def _out(home: Home, name: str, params: AvellanedaStoikovParams, asked: str | None) -> Path | None:
    if asked is not None:
        return Path(asked)
    return None if params.params_file is None else home.bot_state(name) / params.params_file


def _write(
    out: Path, params: AvellanedaStoikovParams, found: Calibration, data: EventSpan, request: Mapping[str, Any]
) -> dict[str, float]:
    """Write the file that the bot would take; return the parameters in it. Raises ConfigError, OSError."""
    only = set(request.get("only") or NAMES)
    fresh = {one.name: one.value for one in found.findings if one.name in only and one.value is not None}
    if not fresh:
        raise ConfigError("nothing was found that could be written")
    end_ns = time.time_ns() if request.get("now") else data.last_ns
    periods = [*_earlier(out, data.market.symbol, params.unit, data.last_ns), {"end_ns": data.last_ns, **fresh}]
    values = _smoothed(periods, fresh)
    plain = {
        "version": VERSION,
        "symbol": data.market.symbol,
        "unit": params.unit,
        "generated_at": end_ns / 1e9,
        "window_s": (data.last_ns - data.first_ns) / 1e9,
        "samples": found.bursts,
        **values,
        "quality": {"r2": found.r2, "errors": {one.name: one.error for one in found.findings if one.name in fresh}},
        "periods": periods,
    }
    text = json.dumps(plain, indent=1) + "\n"
    _check(text, params, data.market, found.mid_ticks, end_ns)
    out.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_atomic(out, text.encode())
    return values


def _check(text: str, params: AvellanedaStoikovParams, market: Market, mid_ticks: float, utc_ns: int) -> None:
    """Refuse to write what the bot would refuse to take. Raises ConfigError."""
    try:
        parsed = parse_model_file(text, (market.symbol,), params.unit, utc_ns)
    except ValueError as exc:
        raise ConfigError(f"what was found makes no parameter file: {exc}") from exc
    complaint = with_file(params, parsed.values).complaint(mid_ticks, float(market.tick_size))
    if complaint is not None:
        raise ConfigError(f"what was found makes no quotes: {complaint}")


def _earlier(out: Path, symbol: str, unit: str, before_ns: int) -> list[dict[str, Any]]:
    """Return the last periods that a file of ours tells, for the same market and unit; a file that is none has none."""
    try:
        plain = json.loads(out.read_text())
        if (plain["symbol"], plain["unit"]) != (symbol, unit):
            return []
        periods = [one for one in plain["periods"] if int(one["end_ns"]) < before_ns]
        sound = all(isfinite(one[name]) and one[name] > 0 for one in periods for name in NAMES if name in one)
    except (OSError, ArithmeticError, ValueError, KeyError, TypeError, AttributeError):
        return []
    return periods[1 - PERIODS :] if sound else []


def _smoothed(periods: Sequence[Mapping[str, Any]], fresh: Mapping[str, float]) -> dict[str, float]:
    """Return the mean in logs of what the periods say, for what the newest has."""
    values: dict[str, float] = {}
    for name in fresh:
        told = [float(one[name]) for one in periods if name in one]
        values[name] = blend([1 / len(told)] * len(told), told)
    return values
