"""Whatever several accounts and the feed do: the book is true, nothing is made or lost, every trade has two sides."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from api.simulator.exchange import SimRefused
from core.market.book import Level
from core.market.order import OrderState, Side
from tests.simulator.exchange_parts import PERP, SPOT, Trade, levels

START_BALANCES = {"SOL": Decimal(20), "USDC": Decimal(2000)}
sides, accounts, symbols = st.sampled_from(list(Side)), st.sampled_from("abc"), st.sampled_from([SPOT, PERP])
prices, sizes = st.integers(9990, 10010), st.integers(1, 3000)
picture_side = st.lists(
    st.tuples(st.integers(1, 6), st.integers(1, 2000)), max_size=4, unique_by=lambda level: level[0]
)
steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("submit"), accounts, symbols, sides, st.none() | prices, sizes,
            st.sampled_from(["GTC", "GTC", "GTC", "IOC", "FOK"]), st.booleans(), st.booleans(),
        ),
        st.tuples(st.just("cancel"), accounts, st.integers(0, 9)),
        st.tuples(st.just("amend"), accounts, st.integers(0, 9), prices, sizes),
        st.tuples(st.just("some"), accounts, st.integers(0, 9), sizes),
        st.tuples(st.just("picture"), symbols, st.integers(9985, 10015), picture_side, picture_side),
        st.tuples(st.just("print"), symbols, prices, sizes, sides),
        st.tuples(st.just("move"), symbols, st.integers(9980, 10020)),
    ),
    max_size=50,
)  # fmt: skip


def do(trade: Trade, step: tuple[Any, ...]) -> None:
    """Take one step."""
    what, exchange = step[0], trade.exchange
    if what == "submit":
        _, account, symbol, side, price, lots, tif, post_only, reduce_only = step
        order = trade(
            account, side, price, lots, symbol, time_in_force=tif, post_only=post_only, reduce_only=reduce_only
        )
        assert tif != "FOK" or reduce_only or order.filled_lots in (0, lots)
    elif what == "picture":
        _, symbol, mid, bids, asks = step
        trade.show(
            tuple(Level(mid - gap, lots) for gap, lots in sorted(bids)),
            tuple(Level(mid + gap, lots) for gap, lots in sorted(asks)),
            symbol,
        )
    elif what == "print":
        trade.print(step[2], step[3], step[4], step[1])
    elif what == "move":
        if trade.market(step[1]).displayed.mid_ticks():
            exchange.set_price(step[1], Decimal(step[2]) / 100)
    elif opened := exchange.open_orders(step[1]):
        order = opened[step[2] % len(opened)]
        if what == "cancel":
            exchange.cancel(order.account, order.order_id)
        elif what == "some":
            exchange.fill_resting(order.account, order.order_id, step[3])
        else:
            try:
                exchange.amend(order.account, order.order_id, step[3], step[4])
            except SimRefused:
                pass


def check_books(trade: Trade) -> None:
    """The public book is what its deltas say, is what the feed and the orders offer, and is not crossed."""
    for symbol, market in trade.exchange.markets.items():
        assert levels(market.book) == levels(trade.witness.books[symbol])
        assert market.sequence == trade.witness.sequences[symbol]
        expected: dict[tuple[Side, int], int] = defaultdict(int)
        for side in Side:
            for level in market.displayed.levels(side):
                expected[side, level.price_ticks] += market.displayed.left(side, level)
        for name in trade.exchange.accounts:
            for order in trade.exchange.open_orders(name, symbol):
                assert order.price_ticks is not None and order.remaining_lots > 0
                expected[order.side, order.price_ticks] += order.remaining_lots
        shown = {(side, price): lots for side, found in levels(market.book).items() for price, lots in found}
        assert shown == {key: lots for key, lots in expected.items() if lots}
        bid, ask = market.best(Side.BUY), market.best(Side.SELL)
        assert bid is None or ask is None or bid.price_ticks < ask.price_ticks


def check_money(trade: Trade) -> None:
    """Balances and positions are the fills' sum; nothing is made or lost between accounts and the feed."""
    net: dict[str, int] = defaultdict(int)
    for name in trade.exchange.accounts:
        balances, positions = dict(START_BALANCES), dict.fromkeys((SPOT, PERP), 0)
        for fill in trade.exchange.fills(name):
            instrument = trade.market(fill.symbol).instrument
            balances[fill.fee_asset] -= fill.fee
            positions[fill.symbol] += fill.side.sign * fill.size_lots
            if fill.symbol == SPOT:
                balances["USDC"] -= fill.side.sign * instrument.notional_quote(fill.price_ticks, fill.size_lots)
                balances["SOL"] += fill.side.sign * instrument.to_size(fill.size_lots)
        position = trade.exchange.accounts[name].positions.get(PERP)
        balances["USDC"] += position.realised_pnl if position else 0
        assert trade.exchange.accounts[name].balances == balances
        assert balances["SOL"] >= 0
        assert trade.exchange.position(name, PERP)[0] == positions[PERP]
        for symbol, lots in positions.items():
            net[symbol] += lots
    for symbol, market in trade.exchange.markets.items():
        assert net[symbol] + market.feed_lots == 0


def check_trades(trade: Trade) -> None:
    """Every fill is on the tape with its price; a trade has one maker and one taker, never of one account."""
    tape = {print_.trade_id: print_ for print_ in trade.witness.prints}
    assert len(tape) == len(trade.witness.prints)
    parties: dict[str, list[Any]] = defaultdict(list)
    for fill in trade.witness.fills:
        parties[fill.trade_id].append(fill)
    for trade_id, fills in parties.items():
        print_ = tape[trade_id]
        assert {(fill.price_ticks, fill.size_lots, fill.symbol) for fill in fills} == {
            (print_.price_ticks, print_.size_lots, print_.symbol)
        }
        assert len({fill.account for fill in fills}) == len({fill.liquidity for fill in fills}) == len(fills)
        for fill in fills:
            assert (fill.side is print_.aggressor) == (fill.liquidity == "taker")


def check_orders(trade: Trade) -> None:
    """What orders say they filled is what their fills say; no fill is at a worse price than the order's."""
    filled: dict[str, int] = defaultdict(int)
    for fill in trade.witness.fills:
        filled[fill.order.order_id] += fill.size_lots
    for name in trade.exchange.accounts:
        opened, closed = trade.exchange.open_orders(name), trade.exchange.closed_orders(name)
        assert all(order.is_open and order.closed_ns is None for order in opened)
        assert not any(order.is_open or order.closed_ns is None for order in closed)
        for order in [*opened, *closed]:
            assert order.filled_lots == filled[order.order_id] <= order.size_lots
            assert (order.state is OrderState.FILLED) == (order.filled_lots == order.size_lots)
        for order in opened:
            reducible = trade.exchange.accounts[name].reducible_lots(order)
            assert not order.reduce_only or 0 < order.remaining_lots <= reducible


@settings(max_examples=300, deadline=None)
@given(steps=steps)
def test_book_money_trades_and_orders_agree_after_every_step(steps: list[tuple[Any, ...]]) -> None:
    trade = Trade(START_BALANCES, touch_prob=0.5)
    for step in steps:
        do(trade, step)
        check_books(trade)
    check_money(trade)
    check_trades(trade)
    check_orders(trade)


@settings(max_examples=50, deadline=None)
@given(steps=steps)
def test_the_same_calls_give_the_same_fills_and_books(steps: list[tuple[Any, ...]]) -> None:
    first, second = Trade(START_BALANCES, touch_prob=0.5), Trade(START_BALANCES, touch_prob=0.5)
    for trade in (first, second):
        for step in steps:
            do(trade, step)
    assert first.witness.deltas == second.witness.deltas and first.witness.prints == second.witness.prints
    assert first.shares() == second.shares()
