"""The whole error tree, split by what the reader of the log should do next.

    MakerdError
    |-- ConfigError          fix the file or the command; never restarted
    |-- VenueError           something about a venue
    |   |-- VenueRefused     a definite no
    |   |   `-- NotListed    the venue has no such symbol
    |   |-- VenueUnreachable no answer; try again later
    |   |-- OutcomeUnknown   may have arrived: reconcile before anything else
    |   `-- VenueAuthError   fix the key
    |-- LedgerError          the bot's own record cannot be written or read
    |-- HistoryError         the fleet's history cannot be written or read
    |-- ClaimHeld            somebody alive owns this bot or symbol
    |-- RiskHalt             a limit spoke: stop, a person decides
    `-- StrategyBug          traceback, counts as a crash

A class's docstring is its default message. Exit statuses are in `utils/exit_statuses.py`.
"""


class MakerdError(Exception):
    """makerd failed."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (self.__doc__ or "").strip())


class ConfigError(MakerdError):
    """The configuration is not valid; correct the file and try again."""


class VenueError(MakerdError):
    """The venue reported a problem."""


class VenueRefused(VenueError):
    """The venue refused the request; nothing was changed there."""


class NotListed(VenueRefused):
    """The venue does not list the symbol; correct it."""


class VenueUnreachable(VenueError):
    """The venue did not answer; it will be tried again."""


class OutcomeUnknown(VenueError):
    """The request may have arrived at the venue; it must be looked up before it is repeated."""


class VenueAuthError(VenueError):
    """The venue does not accept the key; correct it in the environment and start again."""


class LedgerError(MakerdError):
    """The ledger cannot be written; free some disk space."""


class HistoryError(MakerdError):
    """The fleet's history cannot be written; free some disk space."""


class ClaimHeld(MakerdError):
    """Another live process owns this bot or symbol."""


class RiskHalt(MakerdError):
    """A risk limit was reached; look at the bot, then reset it."""


class StrategyBug(MakerdError):
    """The strategy raised; see the traceback."""
