"""What every strategy is: events in, commands out; no clock, socket, file or randomness of its own."""

from __future__ import annotations

import importlib
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from core.market.account_needs import AccountNeeds
from core.market.bars import Bar
from core.market.book import OrderBook
from core.market.commands import Command
from core.market.events import Event, PerpFacts
from core.market.external_price import ExternalPrice
from core.market.instrument import Instrument
from core.market.model_file import FileText
from core.market.order import Order
from core.market.position import Position
from core.market.reports import Balance, VenuePosition
from core.market.risk_limits import RiskLimits
from utils.errors import ConfigError

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


@dataclass(slots=True)
class View:
    """What a strategy may look at, by leg; the loop refreshes it between events, a strategy never writes to it."""

    now_ns: int = 0
    instruments: dict[str, Instrument] = field(default_factory=dict)
    books: dict[str, OrderBook] = field(default_factory=dict)
    positions: dict[str, Position] = field(default_factory=dict)
    open_orders: dict[str, Sequence[Order]] = field(default_factory=dict)
    balances: dict[str, Mapping[str, Balance]] = field(default_factory=dict)  # leg -> asset -> balance
    # Of perpetuals and futures, as far as the venue tells; the funding's time is on the clock of `now_ns`.
    position_limits: dict[str, int | None] = field(default_factory=dict)  # lots; the config's, None is no limit
    facts: dict[str, PerpFacts] = field(default_factory=dict)
    funding_due_ns: dict[str, int] = field(default_factory=dict)
    venue_positions: dict[str, VenuePosition] = field(default_factory=dict)
    limits: dict[str, RiskLimits] = field(default_factory=dict)
    unbooked: dict[str, frozenset[str]] = field(default_factory=dict)  # leg -> slots whose order ended, fills to come
    utc_ns: int = 0  # for times of day, and for what outlives this life; steps when the host's clock is set
    confirmed_ns: dict[str, int] = field(default_factory=dict)  # leg -> when its venue was last asked and agreed
    can_send: bool = True  # False: no order goes out: the ledger cannot be written, or a leg is being closed
    files: Mapping[str, FileText | None] = field(default_factory=dict)  # by the key that names one; None: not there
    external: ExternalPrice | None = None  # of the market in `reference_config`; None: the bot has no such market


class Strategy(ABC):
    """One bot's decisions. Subclasses keep state, never a client."""

    hears_prints: bool = True  # False: it does nothing on a TradePrint, and is told of none
    file_keys: tuple[str, ...] = ()  # its keys that name files to be shown, looked at each `params_refresh_s`

    def __init__(self, params: Any) -> None:
        self.params = params

    @classmethod
    @abstractmethod
    def params_from(cls, strategy_config: Mapping[str, Any]) -> Any:
        """Return the typed parameters of a validated `strategy_config` section (defaults filled in)."""

    @abstractmethod
    def on_event(self, event: Event, view: View) -> list[Command]:
        """Return what to do now; called for each event, with Timer when a decision is due."""

    @classmethod  # noqa: B027  # most strategies have nothing to refuse
    def check(cls, params: Any, instruments: Mapping[str, Instrument], limits: Mapping[str, RiskLimits]) -> None:
        """Refuse parameters that cannot work with these instruments and limits, by leg. Raises ConfigError."""

    def history_wanted(self) -> tuple[float, int] | None:
        """Return the length (s) and the number of candles of the first leg to begin with, None for none."""
        return None

    def take_history(self, bars: Sequence[Bar]) -> None:
        """Take up finished candles of before this life, oldest first, in ticks; before anything else is heard."""
        raise NotImplementedError(f"{type(self).__name__} wants candles that it does not take up")

    def saved(self) -> dict[str, Any] | None:
        """Return what must outlive this life, as JSON can hold it; None when there is nothing.

        Asked after each event but market data, and written before any order that follows from it is sent. The same
        object means that nothing has changed.
        """
        return None

    def restore(self, saved: Mapping[str, Any], view: View) -> None:
        """Take up what an earlier life saved, before anything is heard; fills since then follow as events."""
        raise NotImplementedError(f"{type(self).__name__} saves what it does not take up")

    def reconfigure(self, params: Any) -> None:
        """Go by other parameters from the next event on, with the state kept; what follows from them is made anew."""
        self.params = params

    def account_needs(self) -> AccountNeeds | None:
        """Return what a margin account must be set to before the first order, None when nothing is asked of it."""
        return None

    def gates(self) -> Mapping[str, str]:
        """Return why the strategy itself wants no quotes for now, as gate and reason; empty while it does."""
        return {}

    def file_errors(self) -> Mapping[str, str]:
        """Return why files of `file_keys` that are named are not used as they are now, by their keys."""
        return {}

    def is_settled(self, view: View) -> bool:
        """Tell whether a stop may go on: nothing is left that only this strategy can bring into balance."""
        return True

    def stats(self) -> dict[str, Any]:
        """Return figures of the strategy's own for the status."""
        return {}


class Idle(Strategy):
    """Wants nothing: what a worker runs that only closes."""

    @classmethod
    def params_from(cls, strategy_config: Mapping[str, Any]) -> None:
        """Return nothing: no key is read."""

    def on_event(self, event: Event, view: View) -> list[Command]:
        """Return nothing."""
        return []


def as_decimal(value: Any) -> Decimal:
    """Return a number of a config as Decimal: what was written, not its binary neighbour."""
    return Decimal(str(value))


def strategy_class(name: str) -> type[Strategy]:
    """Return the strategy whose file stem is `name` (its `STRATEGY`). Raises ConfigError when there is none."""
    if not _NAME.fullmatch(name):
        raise ConfigError(f"strategy {name!r} is not a strategy's name")
    try:
        module = importlib.import_module(f"strategies.{name}")
    except ModuleNotFoundError as exc:
        if exc.name == f"strategies.{name}":
            raise ConfigError(f"strategy {name!r} is not known") from exc
        raise
    found: type[Strategy] = module.STRATEGY
    return found
