"""How a bot's orders are named on each of its legs: text where the venue takes it, else numbers from reserved blocks.

What is reserved of a slot is written twice before any number of it is used: into `client_ids.json` in the bot's folder
and into the slot's own file. One of them is enough: a damaged file, or a folder that was moved away, costs nothing.
When neither can be read, nobody knows which orders are ours: nothing is sent, and nothing is called swept.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from api.client_registry import client_class, venue_of
from core.bot_config import BotConfig, Leg
from core.market.client_ids import SEQUENCE_BITS, ClientOrderIds, NumberIds, OrderIds
from core.process.slots import Reservation, SlotFolder, SlotOwner, probes
from utils.errors import LedgerError
from utils.files import read_json, write_json_atomic
from utils.home import Home

NAME = "client_ids.json"
NO_SLOT = -1
log = logging.getLogger("makerd.process")


def ids_of_legs(config: BotConfig, home: Home, fence: int) -> dict[str, OrderIds]:
    """Return the ids of each leg, for a worker that holds the bot's claim. Raises ConfigError, LedgerError."""
    return _ids(config, home, fence, lambda leg: _NumberedLeg(config, leg, home).for_worker())


def sweep_ids_of_legs(config: BotConfig, home: Home, fence: int) -> dict[str, OrderIds]:
    """Return ids that know all that any incarnation may have used, and give out none. Raises LedgerError."""
    return _ids(config, home, fence, lambda leg: _NumberedLeg(config, leg, home).for_sweep())


def _ids(config: BotConfig, home: Home, fence: int, numbered: Callable[[Leg], OrderIds]) -> dict[str, OrderIds]:
    text = ClientOrderIds(home.identity(), config.name, fence)  # one for all: they share one sequence
    return {leg.leg: numbered(leg) if _is_numbered(config, leg) else text for leg in config.legs}


def _is_numbered(config: BotConfig, leg: Leg) -> bool:
    return client_class(leg.exchange, config.mode).client_id_format == "uint32"


@dataclass(slots=True)
class WatchfulIds(NumberIds):
    """Numbered ids that tell the log of an order in our slot which nobody of ours can have placed."""

    leg: str = ""
    _told: set[int] = field(default_factory=set)

    def from_wire(self, wire: int) -> str:
        """Return our text for a venue's number, or `x<number>`: not ours, to be left alone."""
        text = NumberIds.from_wire(self, wire)
        if text.startswith("x") and wire >> SEQUENCE_BITS == self.slot and wire not in self._told:
            self._told.add(wire)
            fields = {"leg": self.leg, "client_id": wire, "slot": self.slot, "reserved_until": self.reserved_until}
            log.warning("order_outside_reserved_block", extra={"fields": fields})
        return text


class _NumberedLeg:
    """The reservations of one leg on a venue that numbers its orders."""

    def __init__(self, config: BotConfig, leg: Leg, home: Home) -> None:
        self._path = home.bot_state(config.name) / NAME
        self._owner = SlotOwner(config.name, leg.leg)
        self._slots = SlotFolder(home.state, venue_of(leg.exchange))
        self._seed = "\0".join((home.identity(), config.name, leg.leg, leg.exchange, leg.account))
        self._leg = leg.leg

    def for_worker(self) -> WatchfulIds:
        """Return ids that begin where the last reservation ended."""
        try:
            known = self._known(for_sweep=False) or self._new()
            self._write(known)
        except OSError as exc:
            raise LedgerError(f"no slot for order ids can be written ({exc}); free some disk space") from exc
        return self._ids(known, lambda until: self._reserve(Reservation(known.slot, until)))

    def for_sweep(self) -> WatchfulIds:
        """Return ids that own everything reserved."""
        try:
            known = self._known(for_sweep=True)
        except OSError as exc:
            raise LedgerError(f"the reserved order ids cannot be read ({exc}); nothing can be swept") from exc
        if known is None:
            log.warning("no_order_id_was_reserved", extra={"fields": {"leg": self._leg}})
        return self._ids(known or Reservation(NO_SLOT, 0), _refuse)

    def _ids(self, known: Reservation, reserve: Callable[[int], None]) -> WatchfulIds:
        return WatchfulIds(known.slot, known.until, known.until, reserve, self._leg)

    def _new(self, before: Reservation | None = None) -> Reservation:
        """Take a free slot, the one before if it can be had."""
        first = [before.slot] if before else []
        return self._slots.allot(self._owner, [*first, *probes(self._seed)], before.until if before else 0)

    def _known(self, for_sweep: bool) -> Reservation | None:
        """Return what either file says, the later end of both; None when nothing was ever reserved.

        Raises LedgerError when it cannot be told, OSError.
        """
        own, why = self._own()
        if own is None:
            found, damaged = self._slots.find(self._owner)
            if found is None and (why or (damaged and for_sweep)):
                files = ", ".join(str(path) for path in ([self._path] if why else []) + damaged)
                raise LedgerError(f"cannot tell which order ids are this bot's: {files} is damaged; restore it")
            return found
        try:
            beside = self._slots.read(own.slot)
        except ValueError:
            log.warning("slot_file_damaged", extra={"fields": {"file": str(self._slots.file_of(own.slot))}})
            return own
        if beside is not None and beside[0] == self._owner:
            return Reservation(own.slot, max(own.until, beside[1].until))
        if not for_sweep:
            return self._new(own)  # somebody deleted the slot's file; what was left was swept before
        if beside is None:
            return own
        raise LedgerError(f"{self._path} and {self._slots.file_of(own.slot)} of bot {beside[0].bot!r} have one slot")

    def _own(self) -> tuple[Reservation | None, str]:
        """Return what the bot's folder says of this leg, and why it says nothing although the file is there."""
        try:
            plain = self._read_legs().get(self._leg)
            return (None if plain is None else Reservation.from_plain(plain)), ""
        except ValueError as exc:
            log.warning("client_ids_damaged", extra={"fields": {"file": str(self._path), "reason": str(exc)}})
            return None, str(exc)

    def _read_legs(self) -> Mapping[str, Any]:
        plain = read_json(self._path)
        legs = {} if plain is None else plain.get("legs") if isinstance(plain, dict) else None
        if not isinstance(legs, dict):
            raise ValueError("no legs in it")
        return legs

    def _reserve(self, reservation: Reservation) -> None:
        try:
            self._write(reservation)
        except OSError as exc:
            raise LedgerError(f"no order id can be reserved ({exc}); free some disk space") from exc

    def _write(self, reservation: Reservation) -> None:
        """Write both files, durably. Raises OSError."""
        try:
            legs = dict(self._read_legs())
        except ValueError:
            legs = {}  # the other legs find theirs by their slots
        legs[self._leg] = {"slot": reservation.slot, "until": reservation.until}
        write_json_atomic(self._path, {"legs": legs})
        self._slots.write(self._owner, reservation)


def _refuse(_until: int) -> None:
    raise LedgerError("a sweep sends no orders")
