"""Small markets made by hand, what we send into them, and what has to fill and why; times are in ms.

Every market opens with the book of `BOOK` and ends at `END_MS`. A message arrives 5 ms after it is sent. `fills` is
what ours does, worked out by hand from the rules in docs/backtest.md; `theirs` is what hftbacktest does where that is
something else, and `differs` says in which way.
"""

from __future__ import annotations

from benchmarks.peers.fill_causes import CREDIT, REACHED
from benchmarks.peers.fill_parts import GTC, IOC
from benchmarks.peers.hand_made import Filled, Scenario, ask, bid, bought, buy, cancel, sell, sold

EXACT = "three parts, the last exactly the rest"
SHARED = "two orders of ours at a price"
TAKEN = "a level taken twice"
TOLD_ONCE = "several levels told as one"
REST_CROSSES = "rest of an order that crosses"

JOINS = (buy(10, 1, 1000, 5),)  # arrives at 15, behind ten lots
GROWN = (bid(20, 1000, 30), bid(25, 1000, 20))  # twenty lots join behind us, then ten of thirty leave

SCENARIOS = (
    Scenario(
        "the print is just the queue", "ten lots stood before us and ten were traded", JOINS,
        [sold(20, 1000, 10), bid(20, 1000, 0)],
    ),
    Scenario(
        "one lot short of the queue", "nine of ten, then two: one for the last before us, one for us", JOINS,
        [sold(20, 1000, 9), bid(20, 1000, 1), sold(30, 1000, 2), bid(30, 1000, 0)], [Filled(30, 1, 1000, 1)],
    ),
    Scenario(
        "one lot more than the queue", "eleven lots: the eleventh is ours", JOINS,
        [sold(20, 1000, 11), bid(20, 1000, 0)], [Filled(20, 1, 1000, 1)],
    ),
    Scenario(
        EXACT, "1 + 2 + 2 of 5, and the level follows each print", JOINS,
        [sold(20, 1000, 11), bid(20, 1000, 0), sold(30, 1000, 2), sold(40, 1000, 2), sold(50, 1000, 1)],
        [Filled(20, 1, 1000, 1), Filled(30, 1, 1000, 2), Filled(40, 1, 1000, 2)],
    ),
    Scenario(
        "the print is larger than queue and order", "no more than the order has", JOINS,
        [sold(20, 1000, 40), bid(20, 1000, 0)], [Filled(20, 1, 1000, 5)],
    ),
    Scenario(
        "the same for a sell order", "the mirror image: 11 - 10, then all of the rest",
        [sell(10, 1, 1001, 5)], [bought(20, 1001, 11), ask(20, 1001, 0), bought(30, 1001, 9)],
        [Filled(20, 1, 1001, 1), Filled(30, 1, 1001, 4)],
    ),
    Scenario(
        "cancels ahead", "risk-averse: the level shows four, so no more than four are before us", JOINS,
        [bid(20, 1000, 4), sold(30, 1000, 5)], [Filled(30, 1, 1000, 1)],
    ),
    Scenario(
        "the level grows behind us and shrinks again", "risk-averse: whoever left stood behind us", JOINS,
        [bid(20, 1000, 30), bid(25, 1000, 15), sold(30, 1000, 12)], [Filled(30, 1, 1000, 2)],
    ),
    Scenario(
        "cancels by chance, power3", "front 10, back 20: share behind 1 - (1/3)^3, so 9.63 are left; 12 reach 2", JOINS,
        [*GROWN, sold(30, 1000, 12)], [Filled(30, 1, 1000, 2)], model="power3",
    ),
    Scenario(
        "cancels by chance, power", "share behind 20^3 / (20^3 + 10^3), so 8.89 are left; 12 reach 3", JOINS,
        [*GROWN, sold(30, 1000, 12)], [Filled(30, 1, 1000, 3)], model="power",
    ),
    Scenario(
        "cancels by chance, power2", "share behind 20^3 / 30^3, so 2.96 are left; 6 reach 3", JOINS,
        [*GROWN, sold(30, 1000, 6)], [Filled(30, 1, 1000, 3)], model="power2",
    ),
    Scenario(
        "cancels by chance, log", "share behind ln 21 / (ln 21 + ln 11), so 5.59 are left; 8 reach 2", JOINS,
        [*GROWN, sold(30, 1000, 8)], [Filled(30, 1, 1000, 2)], model="log",
    ),
    Scenario(
        "cancels by chance, log2", "share behind ln 21 / ln 31, so 8.87 are left; 11 reach 2", JOINS,
        [*GROWN, sold(30, 1000, 11)], [Filled(30, 1, 1000, 2)], model="log2",
    ),
    Scenario(
        "a level that shrinks by what was traded lost no cancels", "front 10 - 4 = 6; 8 reach 2", JOINS,
        [sold(20, 1000, 4), bid(20, 1000, 6), sold(30, 1000, 8)], [Filled(30, 1, 1000, 2)], model="power3",
    ),
    Scenario(
        "most of a lot", "9.44 are left before us, 12 reach 2.56: rounded to three", JOINS,
        [bid(20, 1000, 30), bid(25, 1000, 15), sold(30, 1000, 12)], [Filled(30, 1, 1000, 3)], model="power3",
    ),
    Scenario(
        "the smaller part of a lot", "9.63 are left: ten reach 0.37, nothing; then nobody is before us", JOINS,
        [*GROWN, sold(30, 1000, 10), sold(40, 1000, 1)], [Filled(40, 1, 1000, 1)], model="power3",
    ),
    Scenario(
        "a whole number that is none in floats", "14 - (14/42)^3 x 27 = 13, in floats a trace more; 14 reach one",
        JOINS, [bid(5, 1000, 14), bid(20, 1000, 42), bid(25, 1000, 15), sold(30, 1000, 14)],
        [Filled(30, 1, 1000, 1)], model="power3",
    ),
    Scenario(
        "the guess is more cancels than stood before us", "front 0, not -7.59: of two lots traded we get two", JOINS,
        [bid(20, 1000, 30), bid(25, 1000, 5), sold(30, 1000, 2)],
        [Filled(30, 1, 1000, 2)], [Filled(30, 1, 1000, 5)], CREDIT, "power2",
    ),
    Scenario(
        "a print beyond our price", "who sells at 999 has passed 1000: all of the order", JOINS,
        [sold(20, 999, 3)], [Filled(20, 1, 1000, 5)],
    ),
    Scenario(
        "a print by our own side", "a buyer does not meet a bid", JOINS, [bought(20, 1000, 40), bought(25, 1001, 2)],
    ),
    Scenario(
        "the price crosses while a post-only order is under way", "at 15 the ask is at our price: refused",
        JOINS, [bid(12, 1000, 0), ask(12, 1000, 7), ask(25, 1000, 0), bid(26, 1000, 4), sold(30, 1000, 20)],
    ),
    Scenario(
        "the queue shrinks while the order is under way", "at 15 two lots are displayed; 4 reach 2", JOINS,
        [sold(12, 1000, 8), bid(12, 1000, 2), sold(20, 1000, 4), bid(20, 1000, 0)], [Filled(20, 1, 1000, 2)],
    ),
    Scenario(
        "a print while the order is under way", "it is not there yet", JOINS,
        [sold(14, 1000, 10), bid(14, 1000, 0), sold(20, 1000, 3)], [Filled(20, 1, 1000, 3)],
    ),
    Scenario(
        "the cancel is late", "a print at 34, the cancel at 35: two lots, and nothing at 40", [*JOINS, cancel(30, 1)],
        [sold(34, 1000, 12), bid(34, 1000, 0), sold(40, 1000, 20)], [Filled(34, 1, 1000, 2)],
    ),
    Scenario(
        "cancel and print in one moment", "the market is first", [*JOINS, cancel(30, 1)],
        [sold(35, 1000, 12), bid(35, 1000, 0), sold(40, 1000, 20)], [Filled(35, 1, 1000, 2)],
    ),
    Scenario(
        "the cancel is in time", "gone at 35, before the print", [*JOINS, cancel(30, 1)], [sold(36, 1000, 40)],
    ),
    Scenario(
        "two orders of ours at one price", "17 - 10 = 7 lots: five for the first, two for the second",
        [*JOINS, buy(11, 2, 1000, 5)], [sold(20, 1000, 17), bid(20, 1000, 0)],
        [Filled(20, 1, 1000, 5), Filled(20, 2, 1000, 2)], [Filled(20, 1, 1000, 5), Filled(20, 2, 1000, 5)], SHARED,
    ),
    Scenario(
        "the level vanishes and comes back", "whoever comes back stands behind us", JOINS,
        [bid(20, 1000, 0), bid(25, 1000, 8), sold(30, 1000, 3)], [Filled(30, 1, 1000, 3)],
    ),
    Scenario(
        "alone inside the spread", "nobody is before us", [buy(10, 1, 1001, 5)],
        [ask(5, 1001, 0), sold(20, 1001, 2)], [Filled(20, 1, 1001, 2)],
    ),
    Scenario(
        "a deeper level", "nothing while 1000 trades; then 22 - 20 of ours", [buy(10, 1, 999, 5)],
        [sold(20, 1000, 10), bid(20, 1000, 0), sold(25, 999, 22), bid(25, 999, 0)], [Filled(25, 1, 999, 2)],
    ),
    Scenario(
        "a level comes to the order", "it shows three, then two more", [buy(10, 1, 1001, 5)],
        [ask(5, 1001, 0), ask(20, 1001, 3), ask(25, 1001, 5)],
        [Filled(20, 1, 1001, 3), Filled(25, 1, 1001, 2)], [Filled(20, 1, 1001, 5)], REACHED,
    ),
    Scenario(
        "an immediate order and its rest", "ten are displayed at 1001; five are cancelled",
        [buy(10, 1, 1001, 15, IOC)], [], [Filled(15, 1, 1001, 10, False)],
    ),
    Scenario(
        "an immediate order meets nobody", "the ask is beyond its price", [buy(10, 1, 1000, 5, IOC)],
        [sold(20, 1000, 40)],
    ),
    Scenario(
        "an immediate order takes two levels", "ten at 1001, fifteen at 1002", [buy(10, 1, 1002, 25, IOC)], [],
        [Filled(15, 1, 1001, 10, False), Filled(15, 1, 1002, 15, False)], [Filled(15, 1, 1002, 25, False)], TOLD_ONCE,
    ),
    Scenario(
        "taking the same level again", "it shows ten, and we had them", [buy(10, 1, 1001, 10, IOC),
        buy(20, 2, 1001, 10, IOC)], [], [Filled(15, 1, 1001, 10, False)],
        [Filled(15, 1, 1001, 10, False), Filled(25, 2, 1001, 10, False)], TAKEN,
    ),
    Scenario(
        "an order that crosses and is not used up", "ten at 1001, twenty at 1002, ten rest at 1002",
        [buy(10, 1, 1002, 40, GTC)], [],
        [Filled(15, 1, 1001, 10, False), Filled(15, 1, 1002, 20, False)], [Filled(15, 1, 1002, 40, False)],
        REST_CROSSES,
    ),
)  # fmt: skip
