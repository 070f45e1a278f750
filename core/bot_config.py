"""The frozen config of one bot or job, as every room of core sees it: plain data, already validated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class DaemonConfig:
    """How one bot or job is supervised; the defaults repeat `config/schemas/daemon.json` (a test compares them)."""

    autostart: bool = True
    restart: str = "on-failure"
    max_restarts: int = 5
    restart_window_s: float = 60.0
    backoff_initial_s: float = 1.0
    backoff_max_s: float = 60.0
    min_uptime_s: float = 10.0
    heartbeat_timeout_s: float = 10.0
    stop_timeout_s: float = 20.0
    restart_interval_min: float = 0.0
    memory_limit_mb: float = 256.0
    cpu_limit_pct: float | None = None
    nice: int = 0
    open_files_limit: int | None = None
    schedule_s: float | None = None


MAKER, HEDGE = "maker", "hedge"  # the legs of a bot that makes on one market and takes on another
REFERENCE, REFERENCE_SECTION = "reference", "reference_config"  # a market that is looked at; nothing is traded there
REFERENCE_KEYS = ("exchange", "symbol", "max_age_s", "conversion")  # of that section; the others are the venue's


@dataclass(frozen=True, slots=True)
class Leg:
    """One (venue, account, symbol) that a bot trades."""

    leg: str
    exchange: str
    account: str
    symbol: str


@dataclass(frozen=True, slots=True)
class BotConfig:
    """One validated bot. Secrets are `${NAME}` text until a worker resolves them after its fork.

    The section mappings have every schema default filled in; each consumer builds its own typed
    parameters from its section. Of kind "job" it is something that runs beside the bots and never sends an order: no
    exchange and no legs, `strategy` is the job's name, and its parameters are in `job_config`.
    """

    name: str
    exchange: str
    strategy: str
    legs: tuple[Leg, ...]
    daemon: DaemonConfig
    metadata: Mapping[str, Any]
    exchange_config: Mapping[str, Any]
    strategy_config: Mapping[str, Any]
    risk_config: Mapping[str, Any]
    source_path: str
    digest: str
    secret_names: tuple[str, ...] = field(default=())
    restart_digest: str = ""  # over the keys that a running worker cannot take over; "" is not known
    identity_digest: str = ""  # over what says where which money is traded; "" is not known
    kind: str = "bot"
    job_config: Mapping[str, Any] = field(default_factory=dict)
    risk_widths: Mapping[str, float | None] = field(default_factory=dict)  # key -> larger is wider, None has no limit
    hedge_exchange_config: Mapping[str, Any] = field(default_factory=dict)  # of the leg `hedge`, where there is one
    reference_config: Mapping[str, Any] = field(default_factory=dict)  # empty where there is no such market

    @property
    def is_job(self) -> bool:
        """Tell whether this is a job: nothing of it rests on a venue, ever."""
        return self.kind == "job"

    @property
    def warm_kind(self) -> str:
        """Return what the zygote warms once for all bots alike: venues and strategy, or the job."""
        if self.is_job:
            return f"job/{self.strategy}"
        venues = dict.fromkeys(leg.exchange.partition(":")[0] for leg in self.markets)
        return f"{'+'.join(venues)}/{self.strategy}"

    def exchange_config_of(self, leg: Leg) -> Mapping[str, Any]:
        """Return the venue's keys of a leg; of the reference those that are given, the rest is the venue's default."""
        if leg.leg == REFERENCE:
            given = self.reference_config.items()
            return {key: value for key, value in given if value is not None and key not in REFERENCE_KEYS}
        return self.hedge_exchange_config if leg.leg == HEDGE else self.exchange_config

    def network_of(self, leg: Leg) -> str | None:
        """Return the network of a leg: `live`, `test`, or None where its venue has no choice of one."""
        value = self.exchange_config_of(leg).get("network")
        return None if value is None else str(value)

    @property
    def hedge_exchange(self) -> str | None:
        """Return the venue of the hedge leg, None where there is no such leg."""
        return next((leg.exchange for leg in self.legs if leg.leg == HEDGE), None)

    @property
    def reference(self) -> Leg | None:
        """Return the market whose price is looked at beside the bot's own, None where there is none.

        It has the form of a leg and is none: no order, no claim, no position. The account is for the paper exchange.
        """
        exchange = self.reference_config.get("exchange")
        if exchange is None:
            return None
        return Leg(REFERENCE, exchange, f"{self.name}.{REFERENCE}", self.reference_config.get("symbol") or self.symbol)

    @property
    def markets(self) -> tuple[Leg, ...]:
        """Return the legs, and behind them the reference where there is one."""
        return self.legs if self.reference is None else (*self.legs, self.reference)

    @property
    def symbol(self) -> str:
        """Return our name for the main leg's instrument; a job has none."""
        return self.legs[0].symbol if self.legs else ""

    @property
    def account(self) -> str:
        """Return the label of the main leg's account; a job has none."""
        return self.legs[0].account if self.legs else ""

    @property
    def tags(self) -> tuple[str, ...]:
        """Return the words by which commands pick it together with others."""
        return tuple(self.metadata.get("tags", ()))

    @property
    def mode(self) -> str:
        """Return `paper` or `live`; the embedded venue is always paper, and a job is neither."""
        return "" if self.is_job else str(self.exchange_config.get("mode", "paper"))

    @property
    def network(self) -> str | None:
        """Return `live`, `test`, or None where the venue has no choice of network."""
        value = self.exchange_config.get("network")
        return None if value is None else str(value)

    def to_plain(self) -> dict[str, Any]:
        """Return JSON-able data whose sections are this config's own; `from_plain` is its inverse.

        Code of before reads it after a roll-back: a key that came later is in it only where the bot makes use of it.
        """
        plain = {key: getattr(self, key) for key in self.__slots__}
        if not self.reference_config:
            del plain[REFERENCE_SECTION]
        plain["legs"] = [{key: getattr(leg, key) for key in leg.__slots__} for leg in self.legs]
        plain["daemon"] = {key: getattr(self.daemon, key) for key in self.daemon.__slots__}
        return plain

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> BotConfig:
        """Rebuild from `to_plain` data.

        A key of newer code is passed over. What it asks for is not done, but the bot can be swept and restarted after
        a roll-back: whoever refused the whole config would leave its orders to nobody.
        """
        values = _known(cls, plain)
        values["legs"] = tuple(Leg(**_known(Leg, leg)) for leg in plain["legs"])
        values["daemon"] = DaemonConfig(**_known(DaemonConfig, plain["daemon"]))
        values["secret_names"] = tuple(plain.get("secret_names", ()))
        return cls(**values)


def _known(of: type[BotConfig | Leg | DaemonConfig], plain: Mapping[str, Any]) -> dict[str, Any]:
    return {key: plain[key] for key in of.__slots__ if key in plain}


def widened_limits(old: BotConfig, new: BotConfig) -> tuple[str, ...]:
    """Return the keys of the limits that a new config of a bot holds it to less tightly than the old one."""
    return tuple(
        key
        for key, width in new.risk_widths.items()
        if key in old.risk_widths and _is_wider(width, old.risk_widths[key])
    )


def _is_wider(new: float | None, old: float | None) -> bool:
    return old is not None and (new is None or new > old)
