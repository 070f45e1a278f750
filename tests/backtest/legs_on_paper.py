"""The hedged maker of the tests on the paper venue as it is shipped, fed with event files, under a simulated clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from api.paper_client import PaperClient
from api.replay_venue import NEVER
from core.backtest.fills_csv import legs_fills_text
from core.backtest.lockstep import Lockstep
from core.bot_config import BotConfig
from core.market.client_ids import ClientOrderIds
from core.market.order import Side
from core.process.build import Bot, build_bot
from core.trading.clock import SimulatedClock, seconds
from tests.backtest.legs_parts import EXCHANGE, PERP, SPOT, config_of
from tests.backtest.made_events import START_NS, save


@dataclass
class PaperLeg:
    """A paper client as a backtest asks one; only for legs that never rest orders beside another one."""

    client: PaperClient
    fill_count: int = 0

    @property
    def rests(self) -> bool:
        venue = self.client._opened()
        return any(venue.best_own(side) is not None for side in Side)

    def arrival_ns(self) -> int:
        way = self.client._on_the_way
        return self.client._opened().time.now_at(way[0][0]) if way else NEVER

    def next_event_ns(self) -> int:
        raise NotImplementedError("orders rest on both legs")

    def run_ahead(self, until_ns: int) -> int:
        return self.client.run_ahead(until_ns)


def on_one_account(exchange: Mapping[str, Any], risk: Mapping[str, Any] | None = None) -> BotConfig:
    """Return the config of the hedged maker with both legs on one venue and one account."""
    config = config_of(exchange, risk=risk)
    legs = tuple(replace(leg, exchange="paper:same") for leg in config.legs)
    shared = {**EXCHANGE, **exchange}
    return replace(
        config,
        legs=legs,
        exchange_config={**shared, "feed": "replay:spot.events"},
        hedge_exchange_config={**shared, "feed": "replay:perp.events"},
    )


def paper_fills(
    folder: Path, spot: Any, perp: Any, exchange: Mapping[str, Any], risk: Mapping[str, Any] | None = None
) -> str:
    """Return the fills that the ledger of a paper bot has once the shorter market is over."""
    save(spot, folder / "spot.events", SPOT)
    save(perp, folder / "perp.events", PERP)
    clock = SimulatedClock(seconds(1), START_NS)
    ids = ClientOrderIds("backtest", "pair", 1)
    bot = build_bot(
        on_one_account(exchange, risk), folder / "state", (str(folder),), {"maker": ids, "hedge": ids}, clock
    )  # fmt: skip
    try:
        bot.loop.start(new_run=True)
        end_ns = min(int(rows["local_ns"][-1]) for rows in (spot, perp))
        _play(bot, clock, end_ns - START_NS)
        legs = zip(("maker", "hedge"), bot.clients, strict=True)
        return legs_fills_text([(name, bot.ledger.fills(name), client.instrument) for name, client in legs])
    finally:
        bot.close()


def _play(bot: Bot, clock: SimulatedClock, length_ns: int) -> None:
    venues = Lockstep([PaperLeg(client) for client in bot.clients if isinstance(client, PaperClient)], 1)
    end_ns = clock.now_ns() + length_ns
    while True:
        due_ns = bot.loop.step()
        if clock.now_ns() >= end_ns:
            return
        if due_ns > clock.now_ns():
            clock.wait(venues.run_ahead(clock.now_ns(), min(due_ns, end_ns)), ())
