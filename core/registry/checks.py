"""What no single key can say: named checks across keys. All run, each skips what is already complained of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from core.registry.complaints import JsonPath, Problem
from core.registry.wording import shown
from utils.input_validation import bot_name_problem, is_perp_symbol

Section = Mapping[str, Any]
# (exchange, symbol) -> spot, perp or future; None when it cannot be told.
KindOf = Callable[[str, str], str | None]


def kind_by_symbol(exchange: str, symbol: str) -> str | None:
    """Return the kind of an instrument as far as our naming tells."""
    return "perp" if is_perp_symbol(symbol) else None


@dataclass(frozen=True, slots=True)
class Draft:
    """A config with its defaults filled in, and the paths that are complained of already."""

    sections: Mapping[str, Section]
    bad: frozenset[JsonPath]
    kind_of: KindOf = kind_by_symbol
    live_required: tuple[str, ...] = ()  # keys of exchange_config without which the venue takes no orders

    @property
    def metadata(self) -> Section:
        """Return the section of that name."""
        return self.sections["metadata"]

    @property
    def strategy(self) -> Section:
        """Return the strategy's section."""
        return self.sections["strategy_config"]

    @property
    def risk(self) -> Section:
        """Return the limits."""
        return self.sections["risk_config"]

    def sound(self, section: str, *keys: str) -> bool:
        """Tell whether nothing is wrong yet with these keys of a section."""
        touched = {(section,), *((section, key) for key in keys)}
        return not any(path[:2] in touched for path in self.bad)


def check_name_is_free(draft: Draft) -> Iterator[Problem]:
    """A bot must not be called like a file of ours."""
    name = draft.metadata.get("name")
    if isinstance(name, str) and draft.sound("metadata", "name") and (problem := bot_name_problem(name)):
        yield Problem(("metadata", "name"), shown(name), f"another name: {problem}")


def check_exactly_one_order_size(draft: Draft) -> Iterator[Problem]:
    """A size is given in base or in quote units, not both; explicit sizes of all layers need neither."""
    keys = ("order_size", "order_size_quote")
    if not draft.sound("strategy_config", "layer_sizes", *keys) or not all(key in draft.strategy for key in keys):
        return
    given = [key for key in keys if draft.strategy[key] is not None]
    if len(given) == 2 or not (given or draft.strategy.get("layer_sizes")):
        found = "both order_size and order_size_quote" if given else "neither order_size nor order_size_quote"
        yield Problem(("strategy_config", keys[len(given) // 2]), found, "exactly one of the two")


def check_layer_lists(draft: Draft) -> Iterator[Problem]:
    """Explicit layers need the mode that reads them, and a value for each layer."""
    keys = ("layer_spreads_pct", "layer_sizes")
    if not draft.sound("strategy_config", "layers", "layer_mode", *keys) or "layer_mode" not in draft.strategy:
        return
    is_list = draft.strategy["layer_mode"] == "list"
    for key in keys:
        yield from _check_layer_list(key, draft.strategy.get(key), is_list, draft.strategy["layers"])


def _check_layer_list(key: str, values: Any, is_list: bool, layers: int) -> Iterator[Problem]:
    path = ("strategy_config", key)
    if values is None:
        if is_list and key == "layer_spreads_pct":
            yield Problem(path, "nothing", f'a list of {layers} values, because layer_mode is "list"')
    elif not is_list:
        yield Problem(path, shown(values), 'null, unless layer_mode is "list": it would have no effect')
    elif isinstance(values, list) and len(values) != layers:
        yield Problem(path, shown(values), f"a list of {layers}, one value for each of the layers")


def check_layer_spreads_ascend(draft: Draft) -> Iterator[Problem]:
    """Layers are listed from the touch outward."""
    if not draft.sound("strategy_config", "layer_spreads_pct"):
        return
    values = draft.strategy.get("layer_spreads_pct") or []
    if not isinstance(values, list) or not all(isinstance(value, int | float) for value in values):
        return  # of an unknown strategy nothing is checked before
    for place, (inner, outer) in enumerate(pairwise(values), 1):
        if outer < inner:
            path = ("strategy_config", "layer_spreads_pct", place)
            yield Problem(path, shown(outer), f"at least {inner}, the value before it: layers go outward")
            return


def check_cycle_fits_interval(draft: Draft) -> Iterator[Problem]:
    """The shortest pause between cycles cannot exceed the regular one."""
    yield from _check_order(draft, "strategy_config", "min_cycle_s", "interval_s")


def check_price_bounds(draft: Draft) -> Iterator[Problem]:
    """The floor lies below the ceiling."""
    yield from _check_order(draft, "risk_config", "price_floor", "price_ceiling")


def check_backoff(draft: Draft) -> Iterator[Problem]:
    """The first pause before a restart cannot exceed the longest."""
    yield from _check_order(draft, "daemon_config", "backoff_initial_s", "backoff_max_s")


def _check_order(draft: Draft, name: str, low: str, high: str) -> Iterator[Problem]:
    small, large = draft.sections[name].get(low), draft.sections[name].get(high)
    if small is None or large is None or not draft.sound(name, low, high):
        return
    if small > large:
        yield Problem((name, low), shown(small), f"at most {high}, which is {shown(large)}")


def check_perp_has_position_limit(draft: Draft) -> Iterator[Problem]:
    """A position that can be borrowed without end needs a limit."""
    keys = ("max_position", "max_position_usd")
    if not (draft.sound("risk_config", *keys) and draft.sound("strategy_config", "symbol")):
        return
    exchange, symbol = draft.metadata.get("exchange"), draft.strategy.get("symbol")
    if not isinstance(exchange, str) or not isinstance(symbol, str):
        return
    if draft.kind_of(exchange, symbol) in ("perp", "future") and all(draft.risk.get(key) is None for key in keys):
        expected = f"a number above 0: {symbol} is a perpetual or future (or max_position_usd)"
        yield Problem(("risk_config", "max_position"), "nothing", expected)


def check_shared_symbol_is_spot(draft: Draft) -> Iterator[Problem]:
    """A position is the whole account's: of two bots on it each would take the other's fills for its own."""
    if not (draft.sound("exchange_config", "allow_shared_symbol") and draft.sound("strategy_config", "symbol")):
        return
    exchange, symbol = draft.metadata.get("exchange"), draft.strategy.get("symbol")
    if not draft.sections["exchange_config"].get("allow_shared_symbol") or not isinstance(symbol, str):
        return
    if isinstance(exchange, str) and draft.kind_of(exchange, symbol) in ("perp", "future"):
        expected = f"false: {symbol} is a perpetual or future, whose position is the whole account's"
        yield Problem(("exchange_config", "allow_shared_symbol"), "true", expected)


def check_live_has_keys(draft: Draft) -> Iterator[Problem]:
    """Real orders need a key."""
    exchange = draft.sections["exchange_config"]
    if exchange.get("mode") != "live" or not draft.sound("exchange_config", "mode"):
        return
    for key in draft.live_required:
        if exchange.get(key) is None and draft.sound("exchange_config", key):
            yield Problem(("exchange_config", key), "nothing", '"${NAME}" with the key from .env: mode live needs it')


def check_bot_has_no_schedule(draft: Draft) -> Iterator[Problem]:
    """A bot that ended stays down: only a job is run again by the clock."""
    schedule_s = draft.sections["daemon_config"].get("schedule_s")
    if schedule_s is not None and draft.sound("daemon_config", "schedule_s"):
        yield Problem(("daemon_config", "schedule_s"), shown(schedule_s), 'null, unless kind is "job"')


CHECKS_OF_ALL: tuple[Callable[[Draft], Iterator[Problem]], ...] = (check_name_is_free, check_backoff)
CHECKS_OF_BOTS: tuple[Callable[[Draft], Iterator[Problem]], ...] = (
    check_exactly_one_order_size,
    check_layer_lists,
    check_layer_spreads_ascend,
    check_cycle_fits_interval,
    check_price_bounds,
    check_perp_has_position_limit,
    check_shared_symbol_is_spot,
    check_live_has_keys,
    check_bot_has_no_schedule,
)


def run_checks(draft: Draft, kind: str = "bot") -> Iterator[Problem]:
    """Yield what every check of configs of that kind finds."""
    for check in (*CHECKS_OF_ALL, *(CHECKS_OF_BOTS if kind == "bot" else ())):
        yield from check(draft)
