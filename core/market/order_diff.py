"""Wanted quotes against live orders: the fewest cancels and places that get there.

The one rule above all: a slot holds one order. A slot whose order is in flight, on its way out, or of unknown outcome
is taken, so a replacement goes out only after the old order is known to be gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from core.market.commands import Quote
from core.market.order import CLOSED, Amend, Order, OrderState
from utils.errors import StrategyBug
from utils.quick_values import quickly_made

_BILLION = 1_000_000_000
_NEVER_NS = 1 << 63
_WIDEST_PCT = Decimal(100)
_NEW, _PARTIAL, _PENDING = OrderState.NEW, OrderState.PARTIALLY_FILLED, OrderState.PENDING_NEW
_IN_FLIGHT = (_PENDING, OrderState.PENDING_REPLACE)  # judged when they are answered
_WITHDRAWABLE = (_NEW, _PARTIAL, *_IN_FLIGHT)


@dataclass(frozen=True, slots=True)
class DiffTolerance:
    """How far a live order may be from the wanted one and stay; a negative percentage always replaces."""

    price_pct: Decimal | float = 0.1
    size_pct: Decimal | float = 10
    max_order_age_ns: int = 1800 * _BILLION  # 0 is off
    min_order_age_ns: int = 0  # a younger order is not moved for its price; 0 is off
    price_billionths: int = field(init=False, repr=False)  # the same as whole numbers: no float decides a limit case
    size_billionths: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Convert the percentages once."""
        object.__setattr__(self, "price_billionths", int(Decimal(str(self.price_pct)) * (_BILLION // 100)))
        object.__setattr__(self, "size_billionths", int(Decimal(str(self.size_pct)) * (_BILLION // 100)))

    def widened(self, times: int) -> DiffTolerance:
        """Return a tolerance that is so many times as wide, at the most 100 %; one that always replaces stays so."""
        price_pct, size_pct = (
            own if own < 0 else max(own, min(own * times, _WIDEST_PCT))
            for own in (Decimal(str(self.price_pct)), Decimal(str(self.size_pct)))
        )
        return replace(self, price_pct=price_pct, size_pct=size_pct)

    def oldest_until_ns(self, orders: Sequence[Order]) -> int:
        """Return the UTC from which on one of the orders is too old to stay, or old enough to be moved."""
        if self.min_order_age_ns:
            return 0
        sent = [order.sent_ns for order in orders if order.sent_ns]
        return min(sent) + self.max_order_age_ns if sent and self.max_order_age_ns else _NEVER_NS

    def accepts(self, order: Order, quote: Quote, now_utc_ns: int) -> bool:
        """Tell whether `order` may stand in for `quote`."""
        if order.side is not quote.side or order.reduce_only != quote.reduce_only or order.post_only != quote.post_only:
            return False
        price_ticks, size_lots = quote.price_ticks, quote.size_lots
        if self.min_order_age_ns and not quote.reduce_only:  # what reduces follows the market
            is_young = 0 <= now_utc_ns - order.sent_ns < self.min_order_age_ns
            if is_young and order.size_lots - order.filled_lots <= size_lots:
                return True
        price_off = abs(order.price_ticks - price_ticks) * _BILLION
        if self.price_billionths < 0 or price_off > self.price_billionths * price_ticks:
            return False
        size_off = abs(order.size_lots - order.filled_lots - size_lots) * _BILLION
        if self.size_billionths < 0 or size_off > self.size_billionths * size_lots:
            return False
        # An adopted order may not tell when it was sent; such a one never ages.
        most_ns = self.max_order_age_ns
        return not (most_ns and order.sent_ns and now_utc_ns - order.sent_ns >= most_ns)

    def renews(self, order: Order, now_utc_ns: int) -> bool:
        """Tell whether an order is to be replaced by a new one whatever its price and size are."""
        is_old = self.max_order_age_ns and order.sent_ns and now_utc_ns - order.sent_ns >= self.max_order_age_ns
        return bool(is_old) or self.price_billionths < 0 or self.size_billionths < 0

    def price_fits(self, order: Order, quote: Quote) -> bool:
        """Tell whether an order's price is near enough to the wanted one."""
        return abs(order.price_ticks - quote.price_ticks) * _BILLION <= self.price_billionths * quote.price_ticks


@quickly_made
@dataclass(frozen=True, slots=True)
class Diff:
    """What to do: every live order is in exactly one of `cancel`, `amend`, `keep` and `waiting`, by its id.

    `amend` is empty before `amend_instead` has looked at the cancels.
    """

    cancel: tuple[str, ...]
    place: tuple[Quote, ...]
    keep: tuple[str, ...]
    waiting: tuple[str, ...] = ()  # in flight, being cancelled, or of unknown outcome: nothing to do before the answer
    amend: tuple[Amend, ...] = ()


def diff_orders(wanted: Sequence[Quote], live: Sequence[Order], tolerance: DiffTolerance, now_utc_ns: int) -> Diff:
    """Return the way from the live orders of a leg to the wanted set.

    `live` is every order that may still fill. An order of unknown outcome is never cancelled from here: it is looked
    up first. Raises StrategyBug when two quotes want one slot.
    """
    slots, strays, waiting = _by_slot(live)
    wanted_slots = _wanted_slots(wanted)
    if strays:
        strays = _seat_strays(strays, wanted_slots, slots)
    cancel: list[str] = []
    place: list[Quote] = []
    keep: list[str] = []
    accepts = tolerance.accepts
    for name, quote in wanted_slots.items():
        seated = slots.pop(name, None)
        if seated is None:
            place.append(quote)
        elif seated[0].state is _NEW and len(seated) == 1:  # by far the most frequent case
            order = seated[0]
            (keep if accepts(order, quote, now_utc_ns) else cancel).append(order.client_order_id)
        else:
            _settle(seated, quote, tolerance, now_utc_ns, (cancel, keep, waiting))
    if slots or strays:
        for leftover in (*slots.values(), strays):
            _dismiss(leftover, cancel, waiting)
    return Diff(tuple(cancel), tuple(place), tuple(keep), tuple(waiting))


def _by_slot(live: Sequence[Order]) -> tuple[dict[str, list[Order]], list[Order], list[str]]:
    """Return the live orders by slot, those without one, and the ids of those that are no quotes (takers)."""
    slots: dict[str, list[Order]] = {}
    strays: list[Order] = []
    takers: list[str] = []
    for order in live:
        if order.state in CLOSED:
            continue
        if order.time_in_force == "IOC":
            takers.append(order.client_order_id)
        elif not order.slot:
            strays.append(order)
        elif order.slot in slots:
            slots[order.slot].append(order)
        else:
            slots[order.slot] = [order]
    return slots, strays, takers


def _wanted_slots(wanted: Sequence[Quote]) -> dict[str, Quote]:
    by_slot = {quote.slot or quote.slot_name: quote for quote in wanted}
    if len(by_slot) != len(wanted):
        raise StrategyBug("two wanted quotes have the same slot")
    return by_slot


def _seat_strays(strays: list[Order], wanted: dict[str, Quote], slots: dict[str, list[Order]]) -> list[Order]:
    """Seat orders without a slot in free wanted slots of their side, nearest price first; return the others."""
    pairs = sorted(
        (abs(order.price_ticks - quote.price_ticks), at, name)
        for at, order in enumerate(strays)
        for name, quote in wanted.items()
        if order.side is quote.side and name not in slots
    )
    seated: set[int] = set()
    for _, at, name in pairs:
        if at not in seated and name not in slots:
            slots[name] = [strays[at]]
            seated.add(at)
    return [order for at, order in enumerate(strays) if at not in seated]


def _settle(
    seated: list[Order],
    quote: Quote,
    tolerance: DiffTolerance,
    now_utc_ns: int,
    lists: tuple[list[str], list[str], list[str]],
) -> None:
    """Decide a slot that holds anything but one plain matching order; it is never placed into."""
    cancel, keep, waiting = lists
    rivals = [order for order in seated if order.state in _WITHDRAWABLE]
    waiting.extend(order.client_order_id for order in seated if order not in rivals)
    if not rivals:
        return
    if len(rivals) > 1:
        rivals.sort(key=lambda order: _mismatch(order, quote, tolerance, now_utc_ns))
    best, *others = rivals
    if best.state in _IN_FLIGHT:
        waiting.append(best.client_order_id)
    elif tolerance.accepts(best, quote, now_utc_ns):
        keep.append(best.client_order_id)
    else:
        cancel.append(best.client_order_id)
    cancel.extend(order.client_order_id for order in others)


def _mismatch(order: Order, quote: Quote, tolerance: DiffTolerance, now_utc_ns: int) -> tuple[bool, bool, int, int]:
    """Return a sort key: the better stand-in first, an acknowledged order before one in flight."""
    return (
        not tolerance.accepts(order, quote, now_utc_ns),
        order.state in _IN_FLIGHT,
        abs(order.price_ticks - quote.price_ticks),
        abs(order.remaining_lots - quote.size_lots),
    )


def _dismiss(orders: Iterable[Order], cancel: list[str], waiting: list[str]) -> None:
    """Cancel orders that nobody wants, in flight ones too; leave those alone that are on their way out or unknown."""
    for order in orders:
        leaving = order.state not in _WITHDRAWABLE
        (waiting if leaving else cancel).append(order.client_order_id)
