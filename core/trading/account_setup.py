"""A margin account as the strategy needs it: set before the first order, and read back."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from core.trading.log_fields import fields
from utils.errors import ConfigError

if TYPE_CHECKING:
    from core.market.account_needs import AccountNeeds
    from core.trading.leg_state import LegState

_log = logging.getLogger("makerd.risk")


def set_up_account(leg: LegState, needs: AccountNeeds | None) -> None:
    """Set margin mode and leverage where the venue has such and they differ, and read back what came of it.

    Raises ConfigError when the account is not as it must be then, VenueError when the venue cannot be asked or refuses.
    """
    if needs is None or leg.instrument.kind == "spot":
        return
    client = leg.client
    terms = client.margin_terms()
    if terms is None:
        told = fields(leg=leg.name, leverage=str(needs.leverage), margin_mode=needs.margin_mode)
        _log.warning("margin_not_set", extra=told)
        return
    if needs.margin_mode not in (None, terms.margin_mode) and terms.margin_mode is not None:
        client.set_margin_mode(str(needs.margin_mode))
    if needs.leverage is not None and terms.leverage is not None and needs.leverage != terms.leverage:
        client.set_leverage(needs.leverage)
    if complaint := needs.complaint(client.margin_terms() or terms):
        raise ConfigError(f"{leg.name}: {complaint}")
