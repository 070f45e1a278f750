"""Claims: locked files that make one worker the only owner of a bot and of each (venue, account, symbol).

They lie in one folder per user and host, outside any home, and are held by the worker itself, so that they outlive
a dead supervisor. A lock goes with its process, whatever kills it; the files are never unlinked.
"""

from __future__ import annotations

import hashlib
import json
import os
import pwd
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from core.process.identity import Identity, identity_of, is_alive
from utils.errors import ClaimHeld, ConfigError
from utils.files import open_locked


@dataclass(frozen=True, slots=True)
class Claim:
    """What is claimed; `text` is for people, `key` is unique on this host and user."""

    key: str
    text: str
    shared: bool = False

    @property
    def file_name(self) -> str:
        """Return the lock file's name."""
        return hashlib.sha256(self.key.encode()).hexdigest()[:32] + ".lock"


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a claim."""

    bot: str
    home: str
    identity: Identity
    supervisor: Identity | None  # whose child it was when it took the claim

    @property
    def is_supervised(self) -> bool:
        """Tell whether the supervisor of that process still lives: then it is nobody's left-over."""
        return self.supervisor is not None and is_alive(self.supervisor)


class ClaimTaken(ClaimHeld):
    """Another live process owns this bot or symbol."""

    def __init__(self, claim: Claim, holder: Holder | None) -> None:
        who = f"bot {holder.bot!r} (pid {holder.identity.pid}, home {holder.home})" if holder else "another process"
        super().__init__(f"{claim.text} is already owned by {who}; stop that one first")
        self.claim = claim
        self.holder = holder


def claims_folder() -> Path:
    """Return the folder of this user and host, made when missing. Raises ConfigError when it cannot be used."""
    given = os.environ.get("MAKERD_CLAIMS_DIR")
    folder = Path(given) if given else default_claims_folder(Path(pwd.getpwuid(os.getuid()).pw_dir))
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if folder.stat().st_uid != os.getuid():
            raise ConfigError(f"{folder} belongs to another user; claims must be ours")
    except OSError as exc:
        raise ConfigError(f"cannot use the folder of claims {folder}: {exc.strerror}; set MAKERD_CLAIMS_DIR") from exc
    return folder


def default_claims_folder(account_home: Path) -> Path:
    """Return where the claims of an account lie on this host when MAKERD_CLAIMS_DIR names no other place."""
    return account_home / ".local" / "state" / "makerd" / f"claims-{_machine_id()}"


def _machine_id() -> str:
    try:
        return Path("/etc/machine-id").read_text().strip()[:12] or os.uname().nodename
    except OSError:
        return os.uname().nodename


def is_left_over(taken: ClaimTaken, bot: str, home: str) -> bool:
    """Tell whether the holder is an earlier self of the same bot whose supervisor is dead: it has to go."""
    holder = taken.holder
    return holder is not None and (holder.bot, holder.home) == (bot, home) and not holder.is_supervised


class Claims:
    """The claims that this process holds."""

    def __init__(self) -> None:
        self._held: dict[str, int] = {}  # file name -> descriptor

    def take(self, claims: Iterable[Claim], bot: str, home: str) -> None:
        """Take all or none, in sorted order, beside what is held already. Raises ClaimTaken."""
        content = _content(bot, home)
        folder = claims_folder()
        new: dict[str, int] = {}
        try:
            for claim in sorted(claims, key=lambda claim: claim.file_name):
                if claim.file_name in self._held:  # a second lock of our own would be refused
                    continue
                path = folder / claim.file_name
                fd = open_locked(path, claim.shared)
                if fd is None:
                    raise ClaimTaken(claim, _read_holder(path))
                new[claim.file_name] = fd
                os.ftruncate(fd, 0)
                os.pwrite(fd, content, 0)
        except BaseException:
            for fd in new.values():
                os.close(fd)
            raise
        self._held |= new

    def release(self) -> None:
        """Let go of all of them."""
        for fd in self._held.values():
            os.close(fd)
        self._held.clear()


def _content(bot: str, home: str) -> bytes:
    me, parent = identity_of(os.getpid()), identity_of(os.getppid())
    assert me is not None
    supervisor = parent.to_plain() if parent else None
    who = {"bot": bot, "home": home, "identity": me.to_plain(), "supervisor": supervisor}
    return json.dumps(who).encode()


def _read_holder(path: Path) -> Holder | None:
    try:
        plain = json.loads(path.read_text())
        parent = plain.get("supervisor")
        supervisor = Identity.from_plain(parent) if parent else None
        return Holder(str(plain["bot"]), str(plain["home"]), Identity.from_plain(plain["identity"]), supervisor)
    except (OSError, ValueError, KeyError, TypeError):
        return None
