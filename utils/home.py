"""Where everything that changes lives: one root, `MAKERD_HOME`, by default the checkout."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from utils.files import write_atomic

CHECKOUT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Home:
    """The paths below one home."""

    root: Path

    @classmethod
    def find(cls, given: str | None = None) -> Home:
        """Return the home of `--home`, else of `MAKERD_HOME`, else the checkout."""
        chosen = given or os.environ.get("MAKERD_HOME") or CHECKOUT
        return cls(Path(chosen).expanduser().resolve())

    @property
    def active(self) -> Path:
        """Return the folder of the configs that the daemon runs."""
        return self.root / "config" / "active"

    @property
    def archived(self) -> Path:
        """Return the folder of configs put away."""
        return self.root / "config" / "archived"

    @property
    def bases(self) -> Path:
        """Return the folder of files that configs extend."""
        return self.root / "config" / "bases"

    @property
    def legacy_file(self) -> Path:
        """Return the one file that held all bots before each had its own; it may be missing."""
        return self.root / "config" / "daemon_config.json"

    @property
    def templates(self) -> Path:
        """Return the folder of templates: the home's own, else the shipped ones."""
        own = self.root / "config" / "templates"
        return own if own.is_dir() else CHECKOUT / "config" / "templates"

    @property
    def daemon_file(self) -> Path:
        """Return the config of the daemon itself; it may be missing."""
        return self.root / "config" / "daemon.json"

    @property
    def env_file(self) -> Path:
        """Return the file that secrets come from."""
        return self.root / ".env"

    @property
    def run(self) -> Path:
        """Return the folder of pid file and control socket."""
        return self.root / "var" / "run"

    @property
    def log(self) -> Path:
        """Return the folder of logs."""
        return self.root / "var" / "log"

    @property
    def state(self) -> Path:
        """Return the folder of ledgers, latches and fences."""
        return self.root / "var" / "state"

    @property
    def history(self) -> Path:
        """Return the folder of the versions of the configs."""
        return self.root / "var" / "history"

    @property
    def data(self) -> Path:
        """Return the folder of the user's recordings and parameter files."""
        return self.root / "var" / "data"

    @property
    def data_dirs(self) -> tuple[str, ...]:
        """Return where a recording is looked up, in order."""
        return (str(self.data), str(CHECKOUT / "data" / "recordings"))

    def bot_state(self, name: str) -> Path:
        """Return the folder of one bot's ledger, latches, fence and run record."""
        return self.state / name

    def make_folders(self) -> None:
        """Create what is missing, closed to other users. Raises OSError."""
        for folder in (self.run, self.log, self.state, self.data, self.history):
            folder.mkdir(parents=True, exist_ok=True)
            os.chmod(folder, 0o700)

    def identity(self) -> str:
        """Return this home's random id, made once; part of every client order id."""
        path = self.state / "home_id"
        if not path.exists():
            draft = path.with_name(f".home_id.{os.getpid()}")
            import secrets  # and with it OpenSSL, once in the life of a home

            write_atomic(draft, (secrets.token_hex(8) + "\n").encode())
            try:
                os.link(draft, path)  # whole or not at all, and never over an id that somebody else made meanwhile
            except FileExistsError:
                pass
            draft.unlink()
        return path.read_text().strip()
