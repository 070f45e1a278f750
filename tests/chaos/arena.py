"""Everything of a chaos run on disk and in the kernel: a copy of the checkout, a home, simulators, a daemon."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from core.process.control import ControlRefused, DaemonDown, call
from tests.chaos import misbehaving
from tests.chaos.books import LedgerBook, RunFacts, VenueBook, read_ledger, read_paper, read_runs, read_simulator
from tests.chaos.processes import Found, fleet_processes, send
from tests.chaos.roster import SECRET_KEYS, STRATEGY, BotSpec, config_of, secret_name
from tests.sim_process import SimProcess, start_simulator
from utils.home import CHECKOUT, Home

_PARTS = ("api", "cli", "config", "core", "data", "strategies", "utils")
_SIMULATOR = ("--volatility-bps", "2", "--touch-prob", "0.5", "--trades-per-s", "3")
_DISK_BYTES = 512 * 1024 * 1024
_START_S, _STOP_S, _GONE_S = 120.0, 180.0, 20.0


class Arena:
    """One fleet and its venues. `close` ends all of it."""

    def __init__(self, root: Path, bots: Sequence[BotSpec], seed: int, own_disk: bool) -> None:
        self.root, self.bots, self.seed = root, list(bots), seed
        self.tree, self.home = root / "checkout", Home(root / "home")
        self.claims, self.orders = self.home.root / "claims", root / "orders"
        self.sims: dict[str, SimProcess] = {}
        self.mounted = False
        self.environ = {**os.environ, "MAKERD_HOME": str(self.home.root), "MAKERD_CLAIMS_DIR": str(self.claims)}
        self._filler = self.home.root / "filler"
        self._own_disk = own_disk

    # -- building ---------------------------------------------------------------------------------------------------
    def build(self) -> Arena:
        """Make everything but the daemon."""
        self._copy_checkout()
        self.home.root.mkdir()
        self.mounted = self._own_disk and _mounted(self.home.root)
        self.home.active.mkdir(parents=True)
        self.orders.mkdir()
        for venue in sorted({bot.venue for bot in self.bots if not bot.is_paper}):
            with (self.root / f"simulator-{venue}.log").open("w") as log:
                self.sims[venue] = start_simulator(venue, "--seed", str(self.seed), *_SIMULATOR, log=log)
        self._write_secrets()
        for bot in self.bots:
            self.write_config(bot)
        return self

    def _copy_checkout(self) -> None:
        skipped = shutil.ignore_patterns("__pycache__", "active", "archived")
        for part in _PARTS:
            shutil.copytree(CHECKOUT / part, self.tree / part, ignore=skipped)
        schemas = self.tree / "config" / "schemas" / "strategies"
        parent = json.loads((schemas / "market_maker.json").read_text())
        (schemas / f"{STRATEGY}.json").write_text(json.dumps(misbehaving.schema_of(parent), indent=1))
        shutil.copyfile(Path(misbehaving.__file__), self.tree / "strategies" / f"{STRATEGY}.py")

    def _write_secrets(self) -> None:
        lines = {}
        for bot in self.bots:
            sim = self.sims.get(bot.venue)
            if sim is not None and secret_name(bot, SECRET_KEYS[bot.venue][0]) not in lines:
                keys = sim.account(account=bot.account)["credentials"]
                lines |= {secret_name(bot, key): json.dumps(str(keys[key])) for key in SECRET_KEYS[bot.venue]}
        self.home.env_file.write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
        self.home.env_file.chmod(0o600)

    def write_config(self, bot: BotSpec) -> None:
        """Write a bot's config."""
        sim = self.sims.get(bot.venue)
        addresses = {key: sim.hello[key] for key in ("base_url", "ws_url")} if sim else {}
        plain = config_of(bot, addresses, self.order_file(bot))
        self.config_file(bot).write_text(json.dumps(plain, indent=1))

    def config(self, bot: BotSpec) -> dict[str, Any]:
        """Read a bot's config."""
        plain: dict[str, Any] = json.loads(self.config_file(bot).read_text())
        return plain

    def change_config(self, bot: BotSpec, section: str, key: str, value: object) -> None:
        """Write a bot's config with one key changed."""
        plain = self.config(bot)
        plain[section][key] = value
        self.config_file(bot).write_text(json.dumps(plain, indent=1))

    def config_file(self, bot: BotSpec) -> Path:
        """Return the file of a bot's config."""
        return self.home.active / f"{bot.name}.json"

    def order_file(self, bot: BotSpec) -> Path:
        """Return where a bot's strategy looks for what to do wrong."""
        return self.orders / bot.name

    # -- the daemon -------------------------------------------------------------------------------------------------
    def door(self, *arguments: str, timeout_s: float = _START_S) -> subprocess.CompletedProcess[str]:
        """Run one command of the copied checkout's door."""
        door = str(self.tree / "core" / "daemon_manager.py")
        return subprocess.run(
            [sys.executable, door, *arguments],
            cwd="/", env=self.environ, capture_output=True, text=True, timeout=timeout_s, check=False,
        )  # fmt: skip

    def start(self) -> None:
        """Start the daemon. Raises AssertionError when it does not come up."""
        done = self.door("start", "--daemon")
        assert done.returncode == 0, f"the daemon did not start: {done.stderr}"

    def stop(self) -> subprocess.CompletedProcess[str]:
        """Stop the daemon and wait until its last process is gone."""
        done = self.door("stop", timeout_s=_STOP_S)
        deadline = time.monotonic() + _GONE_S
        while self.processes() and time.monotonic() < deadline:
            time.sleep(0.05)
        return done

    def ask(self, verb: str, timeout_s: float = 20.0, **args: Any) -> Any:
        """Ask the daemon. Raises DaemonDown, ControlRefused."""
        return call(self.home, verb, args, timeout_s)

    def status(self) -> dict[str, dict[str, Any]] | None:
        """Return the rows of the status by bot, None while nobody answers."""
        try:
            answer = self.ask("status", 2.0)
        except (DaemonDown, ControlRefused, OSError, ValueError):
            return None
        return {row["name"]: row for row in answer["bots"]}

    # -- processes --------------------------------------------------------------------------------------------------
    def processes(self, owners: bool = False) -> list[Found]:
        """Return what lives of the fleet; `owners`: also whose ledger each writes."""
        return fleet_processes(self.tree, self.home.state if owners else None)

    def pid_of(self, role: str, bot: str | None = None) -> int | None:
        """Return the pid of a process by its role, None when there is none."""
        fit = (found.pid for found in self.processes() if found.role == role and bot in (None, found.bot))
        return next(fit, None)

    # -- books ------------------------------------------------------------------------------------------------------
    def venues(self) -> dict[str, VenueBook]:
        """Return every bot's book at its venue."""
        books = {bot.name: read_paper(self.home.state, bot) for bot in self.bots if bot.is_paper}
        for venue, sim in self.sims.items():
            books |= read_simulator(sim, [bot for bot in self.bots if bot.venue == venue])
        return books

    def hold_markets(self, paused: bool) -> None:
        """Let the simulated markets stand still, or move again."""
        for sim in self.sims.values():
            sim.feed(paused)

    def ledgers(self) -> dict[str, LedgerBook]:
        """Return every bot's ledger."""
        return {bot.name: read_ledger(self.home.state, bot) for bot in self.bots}

    def runs(self) -> dict[str, RunFacts]:
        """Return every bot's run record and claims."""
        return read_runs(self.home.root, self.claims, self.bots)

    # -- the disk ---------------------------------------------------------------------------------------------------
    def fill_disk(self) -> None:
        """Let every write of the fleet fail: no block is left, or no file may grow."""
        if not self.mounted:
            self._limit_files(1)
            return
        with self._filler.open("wb") as file, contextlib.suppress(OSError):  # the fleet writes, too: it may end early
            free = os.statvfs(self.home.root)
            os.posix_fallocate(file.fileno(), 0, max(1, free.f_bavail * free.f_frsize - 65536))
            file.seek(0, os.SEEK_END)
            while True:
                os.write(file.fileno(), b"\0" * 4096)

    def free_disk(self) -> None:
        """Let writes work again."""
        if self.mounted:
            self._filler.unlink(missing_ok=True)
        else:
            self._limit_files(resource.RLIM_INFINITY)

    def _limit_files(self, soft: int) -> None:
        for found in self.processes():
            try:
                psutil.Process(found.pid).rlimit(resource.RLIMIT_FSIZE, (soft, resource.RLIM_INFINITY))
            except psutil.Error:
                pass

    # -- the end ----------------------------------------------------------------------------------------------------
    def close(self, keep: bool) -> None:
        """End every process of the run; take its folder away, unless it is to be kept."""
        while left := self.processes():
            send([found.pid for found in left], signal.SIGKILL)
            time.sleep(0.05)
        for sim in self.sims.values():
            sim.close()
        if self.mounted:
            if keep:
                self._filler.unlink(missing_ok=True)
                shutil.copytree(self.home.root, self.root / "home-kept", ignore=shutil.ignore_patterns("*.sock"))
            subprocess.run(["umount", "-l", str(self.home.root)], check=False)
        if not keep:
            shutil.rmtree(self.root, ignore_errors=True)


def _mounted(folder: Path) -> bool:
    """Give a folder a small disk of its own, where that is permitted."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={_DISK_BYTES},mode=700", "makerd-chaos", str(folder)]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False
