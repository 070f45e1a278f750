"""Quotes a group of perpetuals and futures: each by avellaneda_stoikov's model, all against what they hold together.

At each decision: what a position needs, leg by leg (barriers, expiry), what the group needs (too much net delta for too
long), then the quotes of every leg round its own reference, with the group's net delta as the inventory. The limits of
the group are held by the loop, whatever is wanted here (core/market/group_limits.py).

A strategy of its own beside avellaneda_stoikov: half of that one's keys mean nothing for a group, and one schema would
accept them.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from core.market.account_needs import AccountNeeds
from core.market.as_check import check_market
from core.market.commands import Command, Flatten, Quotes, Take
from core.market.events import BookUpdate, Event, FillEvent, Timer, TradePrint, Watch
from core.market.group_limits import unit_of
from core.market.group_params import GroupParams, params_of
from core.market.group_state import GroupState, within
from core.market.instrument import Instrument
from core.market.lasting import Moment, record_of
from core.market.order import Side
from core.market.risk_limits import RiskLimits
from strategies.base import Strategy, View, as_decimal
from strategies.group_leg import GroupLeg, plain
from utils.errors import ConfigError

_RETRY_NS = 1_000_000_000  # between two immediate orders: what the book does not give now it may give later
_MOST_TRIES, _VAIN_NS = 3, 30_000_000_000
_SECOND_NS = 1_000_000_000
_ZERO = Decimal(0)


class AvellanedaStoikovGroup(Strategy):
    """Layers on both sides of each instrument's own reservation price."""

    params: GroupParams

    def __init__(self, params: GroupParams) -> None:
        super().__init__(params)
        model, main = params.of_model(), params.rows[0].leg
        self._legs = {one.leg: GroupLeg(one, params, model, main) for one in params.rows}
        self._view = View()
        self._state: GroupState | None = None
        self._over_since_ns: int | None = None
        self._is_rebalancing = False
        self._next_take_ns = 0
        self._tries, self._tried_net = 0, _ZERO
        self._resting_until_ns = 0  # no order that reduces goes out before: the last ones were in vain
        self._rebalances = 0
        self._now = Moment(0, 0)
        self._saved: dict[str, Any] = {}

    @classmethod
    def params_from(cls, strategy_config: Mapping[str, Any]) -> GroupParams:
        """Return the parameters of a section, the loop's keys left out. Raises ConfigError for a contradiction."""
        return params_of(strategy_config)

    @classmethod
    def check(cls, params: Any, instruments: Mapping[str, Instrument], limits: Mapping[str, RiskLimits]) -> None:
        """Refuse markets that make no group, or that the parameters make no sense with. Raises ConfigError."""
        model = params.of_model()
        for one in params.rows:
            check_market(model, instruments[one.leg], limits[one.leg])
            least = unit_of(as_decimal(one.beta), instruments[one.leg])
            if one.quote and params.limit < least:
                raise ConfigError(f"group_max_position: one lot of {one.symbol} is {plain(least)}")
        quotes = {instruments[one.leg].quote for one in params.rows}
        if len(quotes) > 1:
            raise ConfigError(f"instruments: all must have one quote asset, not {' and '.join(sorted(quotes))}")

    def reconfigure(self, params: GroupParams) -> None:
        """Go by other parameters from the next decision on; clocks go on, and what was measured stays."""
        super().reconfigure(params)
        model = params.of_model()
        for one in params.rows:
            self._legs[one.leg].reconfigure(one, params, model)

    def account_needs(self) -> AccountNeeds:
        """Return the leverage and the margin mode that the account must have."""
        return self.params.account_needs()

    def on_event(self, event: Event, view: View) -> list[Command]:
        """Watch the markets at any time; decide when it is due; protect positions while a gate is shut."""
        self._view, self._now = view, Moment(view.now_ns, view.utc_ns)
        if isinstance(event, BookUpdate):
            self._legs[event.leg].see_book(view)
        elif isinstance(event, TradePrint):
            self._legs[event.leg].see_trade(event, view)
        elif isinstance(event, FillEvent):
            leg, fill = self._legs[event.leg], event.fill
            leg.protection.book_fill(fill.side.sign * fill.size_lots, leg.position(view).size_lots, view.now_ns)
        elif isinstance(event, Timer):
            return self._protect(view) or self._quote(view)
        elif isinstance(event, Watch):
            return self._protect(view)
        return []

    # The positions

    def _protect(self, view: View) -> list[Command]:
        """Return what closes a leg or reduces the group at once, nothing when all may stay as it is."""
        reasons = {name: leg.why_close(view) for name, leg in self._legs.items()}
        slippages = self.params.reduce_slippage_bps, self.params.widest_bps
        closes = [Flatten(reason, *slippages, name) for name, reason in reasons.items() if reason]
        return [*closes] or self._rebalance(self._look(view), view)

    def _look(self, view: View) -> GroupState:
        held = {name: leg.position(view).size_lots for name, leg in self._legs.items()}
        state = self._state = GroupState.of(self.params, view.instruments, held, view.books)
        util = abs(state.util)
        if util <= self.params.rebalance_util:
            self._over_since_ns = None
        elif self._over_since_ns is None:
            self._over_since_ns = view.now_ns
        over_ns = 0 if self._over_since_ns is None else view.now_ns - self._over_since_ns
        lasts = self._over_since_ns is not None and over_ns >= self.params.rebalance_cooldown_s * _SECOND_NS
        if util > 1 or lasts:
            self._is_rebalancing = True
        elif util <= self._rest:
            self._is_rebalancing = False
        return state

    @property
    def _rest(self) -> float:
        """Return the share of the limit that is left when too much was reduced."""
        return self.params.rebalance_util / 2

    def _rebalance(self, state: GroupState, view: View) -> list[Command]:
        """Return an immediate order on the cheapest leg, once no order is left that could fill beside it."""
        if not self._is_rebalancing:
            return []
        found = self._exit(state, view)
        if found is None or view.now_ns < self._resting_until_ns:  # the quotes lean against it
            return []
        off: list[Command] = [Quotes((), name) for name in self._legs]
        busy = any(view.open_orders.get(name) or view.unbooked.get(name) for name in self._legs)
        if busy or view.now_ns < self._next_take_ns:
            return off
        if self._is_in_vain(state, view):
            return []
        self._next_take_ns = view.now_ns + _RETRY_NS
        self._rebalances += 1
        leg, side, lots = found
        book, instrument = view.books[leg], view.instruments[leg]
        touch = book.best_ask_ticks if side is Side.BUY else book.best_bid_ticks
        price = instrument.snap(touch * (1 + side.sign * self.params.reduce_slippage_bps / 10_000), side)
        return [*off, Take(side, price, lots, leg, reduce_only=True)]

    def _exit(self, state: GroupState, view: View) -> tuple[str, Side, int] | None:
        """Return the cheapest way out, on a thin book only where there is no other."""
        excess = state.excess(self._rest)
        full = {
            name: view.books[name] for name, leg in self._legs.items() if name in view.books and not leg.is_thin(view)
        }
        return state.cheapest_exit(excess, full) or state.cheapest_exit(excess, view.books)

    def _is_in_vain(self, state: GroupState, view: View) -> bool:
        """Tell whether several orders in a row have changed nothing: then quotes may do it for a while."""
        self._tries = self._tries + 1 if state.net == self._tried_net else 0
        self._tried_net = state.net
        if self._tries < _MOST_TRIES:
            return False
        self._tries, self._resting_until_ns = 0, view.now_ns + _VAIN_NS
        return True

    # The quotes

    def _quote(self, view: View) -> list[Command]:
        state = self._state
        assert state is not None  # looked at just before
        commands: list[Command] = []
        for name, leg in self._legs.items():
            quotes = within(leg.wanted(view, state.q), state.room_lots(leg.one), view.instruments[name])
            commands.append(Quotes(tuple(quotes), name))
        return commands

    # Memory

    def saved(self) -> dict[str, Any]:
        """Return the clocks of each leg's barriers."""
        parts = {name: leg.protection.to_plain(self._now) for name, leg in self._legs.items()}
        self._saved = record_of(self._saved, parts)
        return self._saved

    def restore(self, saved: Mapping[str, Any], view: View) -> None:
        """Go on with the clocks of an earlier life."""
        self._now = Moment(view.now_ns, view.utc_ns)
        for name, leg in self._legs.items():
            if name in saved:
                leg.protection.take_up(saved[name], self._now)

    def stats(self) -> dict[str, Any]:
        """Return what the group holds and has earned, and the same of each leg by its name."""
        view, state = self._view, self._state
        legs = {name: leg.stats(view) for name, leg in self._legs.items() if name in view.instruments}
        nets = [row["net"] for row in legs.values()]
        known = bool(nets) and all(net is not None for net in nets)
        return {
            "net_delta": None if state is None else plain(state.net),
            "group_util": None if state is None else round(state.util, 4),
            "gross_notional": None if state is None else plain(state.gross),
            "group_net": plain(sum(map(as_decimal, nets), _ZERO)) if known else None,
            "rebalancing": self._is_rebalancing,
            "rebalances": self._rebalances,
            "legs": legs,
        }


STRATEGY = AvellanedaStoikovGroup
