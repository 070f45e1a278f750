"""One market of the simulated exchange: what the feed displays, the resting orders of all accounts, the public book.

The public book is always what the feed still offers plus what rests; every change of it is numbered.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

from api.feed import Feed, Picture
from api.market_facts import Market
from api.simulator.exchange_types import BookDelta, SimOrder
from core.market.book import Level, LocalBook
from core.market.displayed import Displayed
from core.market.fill_rules import Standing, standing_in
from core.market.instrument import Instrument
from core.market.order import Side

_Key = tuple[Side, int]
_MAX_DIGITS = 18  # before the point of any price or size


class SimMarket:
    """A listed instrument, shared by all accounts."""

    def __init__(self, market: Market, instrument: Instrument, feed: Feed, start_ns: int, fee_in_base: bool) -> None:
        self.market, self.instrument, self.fee_in_base = market, instrument, fee_in_base
        self.feed, self.start_ns = feed, start_ns  # a feed's position 0 is at `start_ns`
        self.displayed = Displayed()
        self.book = LocalBook()  # the public one: always true
        self.sequence = 0  # of the last change of the public book
        self.offset_ticks = 0  # how far `set_price` moved the feed
        self.tick_multiple = 1  # what is listed as tick, in ours: `set_tick` made it coarser
        self.is_listed = True  # False: `delist` took it off the list
        self.last_price_ticks: int | None = None  # of the last trade
        self.feed_lots = 0  # the position of the made-up counterparty
        self._picture: Picture | None = None
        self._resting: dict[_Key, dict[str, SimOrder]] = {}  # at a price by arrival
        self._offered: dict[_Key, Level] = {}  # what the feed displays, by price
        self._before: dict[_Key, int] = {}  # sizes of the public book before this step, where it was touched

    @property
    def symbol(self) -> str:
        """Return the venue's symbol."""
        return self.market.venue_symbol

    @property
    def listed(self) -> Instrument:
        """Return the instrument as the venue lists it."""
        return replace(self.instrument, tick_size=self.instrument.tick_size * self.tick_multiple)

    @property
    def is_spot(self) -> bool:
        """Tell whether the assets themselves are traded."""
        return self.instrument.kind == "spot"

    # -- what anybody may know --------------------------------------------------------------------------------------
    def best(self, side: Side) -> Level | None:
        """Return the best level of the public book."""
        return self.book.best(side)

    def mark_ticks(self) -> float:
        """Return the mid of what the feed displays, else the last trade, else 0."""
        return self.displayed.mid_ticks() or float(self.last_price_ticks or 0)

    def exact_ticks(self, price: Decimal) -> int | None:
        """Return a price in ticks, None when it is off the listed tick."""
        ticks = _whole(price, self.instrument.tick_size)
        return None if ticks is None or ticks % self.tick_multiple else ticks

    def exact_lots(self, size: Decimal) -> int | None:
        """Return a size in lots, None when it is not a whole number of them."""
        return _whole(size, self.instrument.lot_size)

    def crosses(self, side: Side, price_ticks: int | None) -> bool:
        """Tell whether an order would trade at once."""
        opposite = self.book.best(side.opposite)
        return opposite is not None and _within(side, price_ticks, opposite.price_ticks)

    def passive_ticks(self, side: Side, price_ticks: int) -> int:
        """Return the price, moved to one tick outside the opposite best when it would cross."""
        opposite = self.book.best(side.opposite)
        if opposite is None or not self.crosses(side, price_ticks):
            return price_ticks
        return opposite.price_ticks - side.sign * self.tick_multiple

    def lots_for_quote(self, side: Side, quote: Decimal) -> int:
        """Return how many lots an amount of quote takes from the public book, or gives there for a sell."""
        units, lots = quote / self.instrument.unit_quote, 0
        for level in self.reachable(side, None):
            take = min(level.size_lots, int(units / level.price_ticks))
            lots, units = lots + take, units - take * level.price_ticks
            if take < level.size_lots:
                break
        return lots

    def reachable(self, side: Side, price_ticks: int | None) -> Iterator[Level]:
        """Yield the public levels that an order can take from, best first."""
        for level in self.book.top(side.opposite, 1_000_000):
            if not _within(side, price_ticks, level.price_ticks):
                return
            yield level

    def worst_ticks(self, side: Side, size_lots: int) -> int:
        """Return the worst price that a market order of that size reaches, 0 when there is nothing."""
        price_ticks = 0
        for level in self.reachable(side, None):
            price_ticks = level.price_ticks
            size_lots -= level.size_lots
            if size_lots <= 0:
                break
        return price_ticks

    # -- resting orders ---------------------------------------------------------------------------------------------
    def queue(self, side: Side, price_ticks: int) -> list[SimOrder]:
        """Return the resting orders at a price by arrival."""
        return list(self._resting.get((side, price_ticks), {}).values())

    def resting(self) -> list[SimOrder]:
        """Return all resting orders: at each price by arrival."""
        return [order for queue in self._resting.values() for order in queue.values()]

    def crossed_by_feed(self) -> list[SimOrder]:
        """Return the resting orders that the displayed market reaches, the most generous first, then by arrival."""
        found = [key for key in self._resting if standing_in(self.displayed, *key) is Standing.CROSS]
        found.sort(key=lambda key: -key[0].sign * key[1])
        return [order for key in found for order in self._resting[key].values()]

    def add(self, order: SimOrder) -> None:
        """Let an order rest, behind those at its price."""
        assert order.price_ticks is not None
        self._resting.setdefault((order.side, order.price_ticks), {})[order.order_id] = order
        self.touch(order.side, order.price_ticks)

    def remove(self, order: SimOrder) -> None:
        """Take an order out, if it rests at all."""
        assert order.price_ticks is not None
        key = (order.side, order.price_ticks)
        queue = self._resting.get(key)
        if queue is None or queue.pop(order.order_id, None) is None:
            return
        if not queue:
            del self._resting[key]
        self.touch(*key)

    # -- the feed ---------------------------------------------------------------------------------------------------
    def show(self, picture: Picture) -> None:
        """Take a picture of the feed, moved by the offset; one that is crossed is left out."""
        self._picture = picture
        bids = self._on_ticks(Side.BUY, self._moved(picture.bids))
        asks = self._on_ticks(Side.SELL, self._moved(picture.asks))
        if bids and asks and bids[0].price_ticks >= asks[0].price_ticks:
            return
        before = self._offered
        self._offered = {(Side.BUY, level.price_ticks): level for level in bids}
        self._offered |= {(Side.SELL, level.price_ticks): level for level in asks}
        self.displayed.show(bids, asks)
        for key in before.keys() | self._offered.keys():
            if before.get(key) != self._offered.get(key):
                self.touch(*key)

    def move_to(self, mid_ticks: float) -> None:
        """Move the displayed market, now and from now on, so that its mid is there. Raises ValueError."""
        here = self.displayed.mid_ticks()
        if self._picture is None or not here:
            raise ValueError(f"{self.symbol} displays no market that could be moved")
        self.offset_ticks += round(mid_ticks - here)
        self.show(self._picture)

    def _moved(self, levels: tuple[Level, ...]) -> tuple[Level, ...]:
        offset = self.offset_ticks
        if not offset:
            return levels
        return tuple(Level(price + offset, lots) for price, lots in levels if price + offset > 0)

    def on_tick(self, side: Side, price_ticks: int) -> int:
        """Return a price on the listed tick: bids go down to it, asks up."""
        multiple = self.tick_multiple
        return price_ticks // multiple * multiple if side is Side.BUY else -(-price_ticks // multiple) * multiple

    def _on_ticks(self, side: Side, levels: tuple[Level, ...]) -> tuple[Level, ...]:
        """Return levels on the listed tick, those that come together as one."""
        if self.tick_multiple == 1:
            return levels
        lots: dict[int, int] = {}
        for level in levels:
            price_ticks = self.on_tick(side, level.price_ticks)
            lots[price_ticks] = lots.get(price_ticks, 0) + level.size_lots
        return tuple(Level(price_ticks, size) for price_ticks, size in lots.items() if price_ticks > 0)

    def set_tick(self, multiple: int) -> None:
        """List another tick: a multiple of the first. Raises ValueError."""
        if self._picture is None:
            raise ValueError(f"{self.symbol} displays no market")
        self.tick_multiple = multiple
        self.show(self._picture)

    def take_displayed(self, side: Side, price_ticks: int, wanted_lots: int) -> int:
        """Take lots that the feed displays at a price of a side; return how many."""
        level = self._offered.get((side, price_ticks))
        lots = 0 if level is None else self.displayed.take(side, level, wanted_lots)
        if lots:
            self.touch(side, price_ticks)
        return lots

    # -- the public book --------------------------------------------------------------------------------------------
    def touch(self, side: Side, price_ticks: int) -> None:
        """Bring the public book up to date at a price."""
        key = (side, price_ticks)
        self._before.setdefault(key, self.book.size_at(side, price_ticks))
        level = self._offered.get(key)
        lots = 0 if level is None else self.displayed.left(side, level)
        lots += sum(order.remaining_lots for order in self._resting.get(key, {}).values())
        self.book.set_level(side, price_ticks, lots)

    def take_delta(self, at_ns: int) -> BookDelta | None:
        """Return what changed in the public book since the last call, None when nothing did."""
        if not self._before:
            return None
        changed = sorted(key for key, lots in self._before.items() if self.book.size_at(*key) != lots)
        self._before = {}
        if not changed:
            return None
        first = self.sequence + 1
        self.sequence += len(changed)
        changes = tuple((side, price, self.book.size_at(side, price)) for side, price in changed)
        return BookDelta(self.symbol, first, self.sequence, changes, at_ns)


def _within(side: Side, price_ticks: int | None, level_ticks: int) -> bool:
    """Tell whether an order's price reaches a level of the opposite side; None is a market order."""
    return price_ticks is None or side.sign * (price_ticks - level_ticks) >= 0


def _whole(value: Decimal, step: Decimal) -> int | None:
    if not value.is_finite() or value.adjusted() > _MAX_DIGITS:
        return None
    count = int(value / step)
    return count if count * step == value else None
