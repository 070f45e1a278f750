"""Which exit status an error that ends a worker becomes."""

from __future__ import annotations

from utils import exit_statuses
from utils.errors import ConfigError, RiskHalt, VenueAuthError, VenueRefused, VenueUnreachable

# The first match counts, anything else is a crash.
STATUS_OF: tuple[tuple[type[BaseException], int], ...] = (
    (VenueAuthError, exit_statuses.AUTH),
    (RiskHalt, exit_statuses.RISK_HALT),
    (VenueRefused, exit_statuses.CONFIG),
    (ConfigError, exit_statuses.CONFIG),
    (VenueUnreachable, exit_statuses.VENUE_UNREACHABLE),
)


def status_of(error: BaseException) -> int:
    """Return the exit status of an error."""
    return next((status for kind, status in STATUS_OF if isinstance(error, kind)), exit_statuses.CRASH)
