"""What a changed config asks for; without a schema, from the digests that the validator has put into it. Pure."""

from __future__ import annotations

from enum import Enum

from core.bot_config import BotConfig


class Change(str, Enum):
    """How far a new config of a bot is from the one that runs."""

    NONE = "none"
    LIVE = "live"  # the running worker takes it over: the packet `reload`
    RESTART = "restart"  # a new worker, which may take the orders over
    IDENTITY = "identity"  # other legs, account, key, mode, network or addresses: nothing may be taken over


def change_between(old: BotConfig, new: BotConfig) -> Change:
    """Return what a new config of a bot asks for; a config without digests can only be replaced as a whole."""
    if old.digest and old.digest == new.digest:
        return Change.NONE
    if not is_same_bot(old, new):
        return Change.IDENTITY
    if not old.restart_digest or old.restart_digest != new.restart_digest:
        return Change.RESTART
    return Change.LIVE


def is_same_bot(old: BotConfig, new: BotConfig) -> bool:
    """Tell whether orders and ledger of one config are those of the other; unknown is no."""
    if not old.identity_digest or old.identity_digest != new.identity_digest:
        return False
    return (old.name, old.legs) == (new.name, new.legs)
