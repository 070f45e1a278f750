"""Makes on one leg and takes on the other: what a quote has traded is hedged at once, whatever else happens.

Every event is a look at the exposure of both legs together; `core/market/hedge_machine.py` says what follows from it.
Quotes are decided on Timer events. With mode same_venue there is one leg: a fill is flattened where it was made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from core.market.commands import Command, Confirm, Halt, Quote, Quotes, Take, Wake
from core.market.events import BookUpdate, Event, FillEvent, LinkDown, LinkUp, Timer, TradePrint
from core.market.hedge_exposure import Need, Since, need_of
from core.market.hedge_machine import Do, Facts, Life, Phase, Rules, step, wake_ns
from core.market.hedge_params import HedgeParams, params_of
from core.market.hedge_quotes import depth_of, hedge_price, levels_taken
from core.market.hedge_stats import HedgeStats, cash_of
from core.market.instrument import Instrument
from core.market.order import Side
from core.market.risk_limits import RiskLimits
from strategies.base import Strategy, View
from strategies.hedge_pair import HEDGE, MAKER, Pair, is_outstanding, reference_of, side_quote
from utils.errors import ConfigError

_ZERO = Decimal(0)
_NO_QUOTES = Quotes((), MAKER)
ADJUSTMENT = "adjustment"  # how the loop calls what it takes over of a venue's position
UNHEDGED, HEDGE_FAILED, HEDGE_FIRST = "unhedged", "hedge_failed", "hedge_first"


class MakerTakerHedge(Strategy):
    """One quote a side on the maker leg, one hedge at a time on the other."""

    params: HedgeParams
    hears_prints = False

    def __init__(self, params: HedgeParams) -> None:
        super().__init__(params)
        self._rules = Rules.of(params)
        self._life = Life()
        self._stats = HedgeStats()
        self._up: set[str] = set()  # legs that are reachable and reconciled
        self._was_up: set[str] = set()
        self._book_heard_ns: dict[str, int] = {}
        self._reference: Decimal | None = None  # hedge base; None until both legs were reconciled once
        self._paused_until_utc_ns = 0
        self._is_first = True  # what an earlier life has left is hedged before anything is quoted
        self._exposure, self._value = _ZERO, _ZERO
        self._need: Need | None = None
        self._open, self._left = Since(), Since()
        self._left_ns = 0
        self._adding: Side | None = None  # of the maker: it would add to a residue that is too large or too old
        self._unhedged = ""
        self._saved: dict[str, Any] | None = None

    @classmethod
    def params_from(cls, strategy_config: Mapping[str, Any]) -> HedgeParams:
        """Return the parameters of a section, the loop's keys left out. Raises ConfigError for a contradiction."""
        return params_of(strategy_config)

    @classmethod
    def check(cls, params: Any, instruments: Mapping[str, Instrument], limits: Mapping[str, RiskLimits]) -> None:
        """Refuse legs that are not of one base asset, and the lack of a leg. Raises ConfigError."""
        if params.is_cross and HEDGE not in instruments:
            raise ConfigError("mode 'cross_venue' needs a hedge leg: give hedge_venue or hedge_symbol")
        bases = {instrument.base for instrument in instruments.values()}
        if len(bases) > 1:
            raise ConfigError(f"both legs must be of one base asset, not {' and '.join(sorted(bases))}")

    def reconfigure(self, params: HedgeParams) -> None:
        """Go by other parameters from the next look on; a hedge that is under way goes on."""
        super().reconfigure(params)
        self._rules = Rules.of(params)

    # What outlives this life

    def saved(self) -> dict[str, Any] | None:
        """Return the level that flat means, and what is left of a failure."""
        if self._reference is None:
            return None
        if self._life.phase is not Phase.PAUSED:
            self._paused_until_utc_ns = 0
        plain = {
            "reference": str(self._reference),
            "failures": 0 if self._life.phase is Phase.HALTED else self._life.failures,
            "paused_until_utc_ns": self._paused_until_utc_ns,
        }
        if plain != self._saved:
            self._saved = plain
        return self._saved

    def restore(self, saved: Mapping[str, Any], view: View) -> None:
        """Take that up; what is not hedged is seen in the positions, and a level that the config names counts.

        Where nothing is held any more somebody has closed all of it, the level as well: it is not bought back. What was
        filled since the last life is open all the same, so the level is nothing then, not what is held a moment later.
        """
        if self.params.reference_position == "startup":
            self._reference = _ZERO if _is_flat(view) else Decimal(str(saved["reference"]))
        self._life = replace(self._life, failures=int(saved["failures"]))
        left_ns = int(saved["paused_until_utc_ns"]) - view.utc_ns
        if left_ns > 0:
            since_ns = view.now_ns + min(left_ns, self._rules.pause_ns) - self._rules.pause_ns
            self._life = replace(self._life, phase=Phase.PAUSED, since_ns=since_ns)
            self._paused_until_utc_ns = int(saved["paused_until_utc_ns"])

    # Events

    def on_event(self, event: Event, view: View) -> list[Command]:
        """Return what the exposure demands, and with a decision the quotes that it allows."""
        if isinstance(event, TradePrint):
            return []
        self._note(event, view)
        if isinstance(event, BookUpdate) and self._is_calm and view.can_send:
            return []  # what is held has not changed
        pair = Pair.of(view, self.params)
        commands = self._hedge(pair, view)
        if isinstance(event, Timer):
            return [*commands, Quotes(tuple(self._quotes(pair, view)), MAKER)]
        return commands if self._may_quote(pair, view) else [_NO_QUOTES, *commands]

    @property
    def _is_calm(self) -> bool:
        """Tell whether nothing is open, nothing is waited for, and quotes may rest."""
        is_idle = self._life.phase is Phase.IDLE and self._need is not None and self._need.is_nothing
        return is_idle and not self._is_first

    def _note(self, event: Event, view: View) -> None:
        if isinstance(event, BookUpdate):
            told_ns = event.book.local_ns  # as old as the client says, if it says so by our clock
            self._book_heard_ns[event.leg] = told_ns if 0 < told_ns < view.now_ns else view.now_ns
        elif isinstance(event, LinkUp):
            self._up.add(event.leg)
            self._was_up.add(event.leg)
        elif isinstance(event, LinkDown):
            self._up.discard(event.leg)
        elif isinstance(event, FillEvent) and event.leg in view.instruments:
            self._note_fill(event, view)

    def _note_fill(self, event: FillEvent, view: View) -> None:
        """Keep the statistics; what is held is in the positions of the view."""
        fill, rate = event.fill, self.params.rate
        if fill.liquidity == ADJUSTMENT:  # nobody traded that
            return
        is_maker = event.leg == MAKER and fill.liquidity == "maker"
        base, cash = cash_of(fill, view.instruments[event.leg], Decimal(1) if event.leg == MAKER else rate)
        if is_maker:
            self._stats.on_maker_fill(view.now_ns)
            self._stats.trips.made(base, cash, self.params.ratio)
        else:
            self._stats.on_hedge_fill(fill, view.now_ns)
            self._stats.trips.hedged(base * (self.params.ratio if event.leg == MAKER else 1), cash)

    # The hedge

    def _hedge(self, pair: Pair, view: View) -> list[Command]:
        """Look at what is open and do the next thing about it; nothing before both legs were reconciled once."""
        if not self._was_up >= view.instruments.keys():
            return []
        if self._reference is None:
            self._reference = reference_of(self.params, pair)
        self._measure(pair, view)
        if not view.can_send:  # no attempt, then, and none in vain
            return [Wake(view.now_ns + self._rules.min_interval_ns)]
        facts = self._facts(pair, view)
        before, (self._life, do) = self._life, step(self._life, facts, self._rules)
        if self._life.phase is Phase.PAUSED and before.phase is not Phase.PAUSED:
            self._paused_until_utc_ns = view.utc_ns + self._rules.pause_ns
        commands = self._commands(do, pair, view)
        if (at_ns := wake_ns(self._life, facts, self._rules)) is not None:
            commands.append(Wake(at_ns))
        return commands

    def _measure(self, pair: Pair, view: View) -> None:
        """Work out the exposure, what it is worth, and for how long it has been there."""
        assert self._reference is not None
        params = self.params
        self._exposure = pair.exposure(params, self._reference)
        need = self._need = need_of(self._exposure, pair.mark_ticks(), pair.hedge, params.residue_policy == "round_up")
        self._value = pair.value(self._exposure, params)
        self._stats.unhedged_max_ns = max(self._stats.unhedged_max_ns, self._open.age_ns(view.now_ns))
        open_ns = self._open.look(need.side.sign * need.lots, view.now_ns)
        self._left_ns = self._left.look(0 if need.lots else self._exposure, view.now_ns)
        bounds = pair.bounds(params)
        self._unhedged = bounds.why_unhedged(self._value, open_ns) if need.lots else ""
        self._adding = None if need.lots else bounds.side_that_adds(self._exposure, self._value, self._left_ns)

    def _facts(self, pair: Pair, view: View) -> Facts:
        assert self._need is not None
        return Facts(
            now_ns=view.now_ns,
            lots=self._need.lots,
            is_outstanding=is_outstanding(view, pair.hedge_leg),
            can_trade=self._can_trade(pair, view),
            way_is_clear=pair.is_cross or not pair.quotes,
            quotes_are_off=not pair.quotes,
            confirmed_ns=view.confirmed_ns.get(pair.hedge_leg, -1),
            unwind_lots=pair.unwind_need(self._exposure, self.params).lots,
            unwind_is_outstanding=is_outstanding(view, MAKER),
        )

    def _can_trade(self, pair: Pair, view: View) -> bool:
        """Tell whether the hedge leg is reachable and shows a price that is not old."""
        heard_ns = self._book_heard_ns.get(pair.hedge_leg)
        limits = view.limits.get(pair.hedge_leg) or RiskLimits()
        if pair.hedge_leg not in self._up or pair.hedge_book is None or heard_ns is None:
            return False
        return view.now_ns - heard_ns <= limits.max_book_age_ns and pair.hedge_book.is_quotable

    def _commands(self, do: Do, pair: Pair, view: View) -> list[Command]:
        if do is Do.HEDGE:
            return self._take_hedge(pair)
        if do is Do.LOOK_UP:
            return [Confirm(pair.hedge_leg)]
        if do is Do.UNWIND:
            return self._take_unwind(pair)
        if do is Do.HALT:
            return [Halt(f"hedging has failed, {self._life.failures} in a row")]
        return []

    def _take_hedge(self, pair: Pair) -> list[Command]:
        assert self._need is not None
        assert pair.hedge_book is not None
        need, rules = self._need, self._rules
        reach_bps = rules.reach_bps(self._life.attempt - 1)
        if self.params.hedge_order == "market":
            reach_bps = rules.slippage_max_bps
        price_ticks = hedge_price(pair.hedge_book, need.side, need.lots, reach_bps, pair.hedge)
        depth = depth_of(levels_taken(pair.hedge_book, need.side), need.lots)
        if price_ticks is None or depth is None:
            return []
        self._stats.on_sent(depth.average_ticks)
        reduces = not pair.is_cross and _reduces(need, pair)
        return [Take(need.side, price_ticks, need.lots, pair.hedge_leg, reduce_only=reduces, is_hedge=True)]

    def _take_unwind(self, pair: Pair) -> list[Command]:
        """Close the exposure where it was made; reduce-only where it makes the position there smaller."""
        need = pair.unwind_need(self._exposure, self.params)
        if pair.maker_book is None:
            return []
        price_ticks = hedge_price(pair.maker_book, need.side, need.lots, self._rules.slippage_max_bps, pair.maker)
        if price_ticks is None:
            return []
        self._stats.unwinds += 1
        return [Take(need.side, price_ticks, need.lots, MAKER, reduce_only=_reduces(need, pair), is_hedge=True)]

    # The quotes

    def _may_quote(self, pair: Pair, view: View) -> bool:
        """Tell whether the maker's quotes may rest now, and note why not."""
        if not self._was_up >= view.instruments.keys() or self._need is None or not view.can_send:
            return False
        if self._is_first and self._life.phase is Phase.IDLE and not self._need.lots:
            self._is_first = False
        busy = not pair.is_cross and (bool(self._need.lots) or self._life.phase is Phase.HEDGING)
        return not (self._is_first or self._unhedged or busy) and self._life.may_quote

    def _quotes(self, pair: Pair, view: View) -> list[Quote]:
        book = pair.maker_book
        if not self._may_quote(pair, view) or book is None or not book.is_quotable or not self._can_trade(pair, view):
            return []
        sides = [side for side in Side if side is not self._adding]
        found = [side_quote(side, pair, self.params, self._exposure, view.utc_ns) for side in sides]
        return [quote for quote in found if quote is not None]

    # What is told

    def gates(self) -> Mapping[str, str]:
        """Return why no quotes are wanted: too much is open, hedging has failed, or an earlier life left something."""
        told: dict[str, str] = {}
        if self._unhedged:
            told[UNHEDGED] = self._unhedged
        if self._life.phase in (Phase.FAILED, Phase.UNWINDING, Phase.PAUSED, Phase.HALTED):
            told[HEDGE_FAILED] = f"{self._life.phase.value.lower()} after {self._life.failures} failures in a row"
        if self._is_first and self._was_up and self._need is not None and self._need.lots:
            told[HEDGE_FIRST] = "what an earlier life left is hedged before anything is quoted"
        return told

    def is_settled(self, view: View) -> bool:
        """Tell whether nothing is left that makes a hedge; what has failed for good does not hold up a stop."""
        if self._life.phase in (Phase.PAUSED, Phase.HALTED) or self._reference is None:
            return True
        pair = Pair.of(view, self.params)
        self._measure(pair, view)
        quiet = not pair.quotes and not is_outstanding(view, pair.hedge_leg) and not is_outstanding(view, MAKER)
        return quiet and self._need is not None and not self._need.lots

    def stats(self) -> dict[str, Any]:
        """Return the figures of the hedging; `residue` and `exposure` in base, signed."""
        residue = self._exposure if self._need is None else self._need.residue_base
        return {
            **self._stats.told(),
            "hedge_state": self._life.phase.value,
            "exposure": _plain(self._exposure),
            "unhedged_usd": f"{self._value:.4f}",
            "residue": {"buy": _plain(max(-residue, _ZERO)), "sell": _plain(max(residue, _ZERO))},
            "failures": self._life.failures,
            "reference_position": None if self._reference is None else _plain(self._reference),
        }


def _is_flat(view: View) -> bool:
    """Tell whether no leg holds enough for an order."""
    held = ((name, abs(position.size_lots)) for name, position in view.positions.items())
    return all(lots < max(1, view.instruments[name].min_lots) for name, lots in held)


def _reduces(need: Need, pair: Pair) -> bool:
    """Tell whether an order on the maker leg only makes the position there smaller."""
    return -need.side.sign * pair.maker_position.size_lots >= need.lots


def _plain(amount: Decimal) -> str:
    """Return an amount without the zeros that its sum left behind."""
    return f"{amount.normalize():f}"


STRATEGY = MakerTakerHedge
