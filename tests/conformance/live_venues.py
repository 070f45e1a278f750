"""The live clients under the common suite: real sockets to the simulator of their venue, a fresh account each time."""

from __future__ import annotations

import itertools
import select
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from api.base_client import ClientContext, ExchangeClient
from api.client_registry import client_class
from core.market.book import Level
from core.market.client_ids import NumberIds, OrderIds
from tests.conformance.venues import VENUES, Session
from tests.sim_process import SimProcess, Simulators
from utils.env import Secret

PATIENCE_S = 15.0
SECRETS = ("api_key", "api_secret", "key_id", "private_key")
BOTH = {"SOL": "300", "USDC": "5000000"}
SIMULATORS = Simulators("--seed", "7")  # shared by the tests of a file; each has accounts of its own
_numbers = itertools.count(1)


def connection_of(sim: SimProcess, credentials: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of `exchange_config` that lead to an account of a simulator, secrets resolved."""
    addresses = {"base_url": sim.hello["base_url"], "ws_url": sim.hello["ws_url"], "mode": "live"}
    return addresses | {key: Secret(value) if key in SECRETS else value for key, value in credentials.items()}


@dataclass(slots=True)
class LiveUnderTest:
    """A live venue, as its simulator speaks it."""

    folder: Path
    venue: str
    symbol: str
    unknown_symbol: str = "DOGE-EUR"
    too_small_lots: int = 0
    part_lots: int = 30
    repeats_fills: bool = True
    fee_in_base: bool = False
    hears_of_its_tick: bool = True
    mode: str = "live"
    settings: Mapping[str, Any] = field(default_factory=dict)
    balances: Mapping[str, str] | None = None
    sim: SimProcess = field(init=False)
    account: str = field(init=False)
    config: dict[str, Any] = field(init=False)
    _ids: OrderIds | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        """Make an account at the simulator, and clear the market of what earlier tests left there."""
        self.sim = SIMULATORS[self.venue]
        self.sim.reset()
        self.account = f"t{next(_numbers)}"
        made = self.sim.account(account=self.account, **({"balances": self.balances} if self.balances else {}))
        self.config = {**connection_of(self.sim, made["credentials"]), **self.settings, "mode": self.mode}
        if self.mode == "live" and client_class(self.venue).client_id_format == "uint32":
            self._ids = NumberIds(17, 0, 0, lambda _until: None)

    def ids(self) -> OrderIds | None:
        """Return the numbers of a slot where the venue takes numbers only."""
        return self._ids

    def client(self, symbol: str | None = None) -> ExchangeClient:
        """Return a new client on the account."""
        context = ClientContext(
            exchange=self.venue,
            symbol=symbol or self.symbol,
            account=self.account,
            bot_name="tester",
            state_dir=str(self.folder / "state"),
            data_dirs=(),
            ids=self._ids,
        )
        return client_class(self.venue, self.mode)(self.config, context)

    def let_time_pass(self, client: ExchangeClient) -> None:
        """Let the client work, then wait until it has something to do, for some milliseconds at most."""
        inbox = getattr(client, "_inbox", None)
        if inbox is not None:
            inbox.hush()
        due_ns = client.poll(time.monotonic_ns())
        left_s = 0.02 if due_ns is None else min(0.02, max(0.0, (due_ns - time.monotonic_ns()) / 1e9))
        if inbox is not None:
            select.select([inbox.fileno()], [], [], left_s)
        else:
            time.sleep(left_s)

    def patience(self) -> Iterator[None]:
        """Yield until some seconds have passed."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            yield None

    def trade_against(self, session: Session, lots: int) -> None:
        """Sell into the best bid as another trader."""
        instrument = session.client.instrument
        price = instrument.to_price(session.book.best_bid_ticks - 50)
        self.sim.order("b", instrument.venue_symbol, "sell", price, instrument.to_size(lots), tif="IOC")

    def hold_still(self, session: Session) -> None:
        """Stop the feed, and let the session hear the last of it: it has the book that the simulator has."""
        self.sim.feed(paused=True)
        instrument = session.client.instrument
        market = self.sim.state(self.account, fills=0)["markets"][instrument.venue_symbol]

        def seen(levels: Sequence[Level], true: list[list[str]]) -> bool:
            ours = [(instrument.to_price(one.price_ticks), instrument.to_size(one.size_lots)) for one in levels]
            return ours[: len(true)] == [(Decimal(price), Decimal(size)) for price, size in true]

        session.wait(lambda: seen(session.book.bids, market["bids"]) and seen(session.book.asks, market["asks"]))

    def change_tick(self, session: Session) -> Decimal:
        """List a coarser tick, and cut the lines: on a new one the listing is read again."""
        found = self.sim.tick(session.client.instrument.venue_symbol, 5)
        self.sim.fault("disconnect")
        return found


VENUES |= {
    "backpack": lambda folder: LiveUnderTest(folder, "backpack", "SOL-USDC", fee_in_base=True, balances=BOTH),
    "backpack_perp": lambda folder: LiveUnderTest(folder, "backpack", "SOL-PERP"),
    "thalex": lambda folder: LiveUnderTest(folder, "thalex", "BTC-PERP"),
    "thalex_paper": lambda folder: LiveUnderTest(
        folder,
        "thalex",
        "BTC-PERP",
        mode="paper",
        settings={"initial_balances": {"USD": "10000000"}, "touch_prob": 1.0},
    ),
    "backpack_paper": lambda folder: LiveUnderTest(
        folder,
        "backpack",
        "SOL-USDC",
        mode="paper",
        settings={"initial_balances": {"USDC": "5000000", "SOL": "100"}, "touch_prob": 1.0},
    ),
}
