"""A venue with one dead-man switch for a whole account, in a checkout of its own; its switch is a file of SQLite."""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil

from tests.process.job_parts import CODE, JobFleet
from utils.home import CHECKOUT

CLIENT = '''
"""The paper venue with a switch: what it does about orders is not played, only until when it would leave them."""

import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from api.base_client import DeadManScope
from api.paper_client import PaperClient
from utils.errors import VenueUnreachable


class Harbour(PaperClient):
    embedded = False

    def __init__(self, config, context):
        super().__init__(config, context)
        self.capabilities = replace(self.capabilities, dead_man_scope=DeadManScope.ACCOUNT, dead_man_min_s=1.0)
        self._folder = Path(context.state_dir).parent.parent

    def open(self, inbox, leg):
        if (self._folder / f"down-{self.context.bot_name}").exists():
            raise VenueUnreachable("the harbour is closed")
        super().open(inbox, leg)

    def refresh_dead_man(self, timeout_s):
        self._set(time.monotonic() + timeout_s)

    def disarm_dead_man(self):
        self._set(0.0)

    def _set(self, fires_s):
        with closing(sqlite3.connect(self._folder / "switch.db")) as db, db:
            db.execute("CREATE TABLE IF NOT EXISTS said (account TEXT, said_s REAL, fires_s REAL)")
            db.execute("INSERT INTO said VALUES (?, ?, ?)", (self.context.account, time.monotonic(), fires_s))


CLIENT = Harbour
'''


def checkout_with_harbour(root: Path) -> Path:
    """Copy what a daemon needs and add the venue `harbour`: the paper venue's schema, live, at an address of here."""
    for part in CODE:
        shutil.copytree(CHECKOUT / part, root / part)
    (root / "api" / "harbour_client.py").write_text(CLIENT)
    folder = root / "config" / "schemas" / "exchanges"
    schema = json.loads((folder / "paper.json").read_text())
    backpack = json.loads((folder / "backpack.json").read_text())["properties"]
    schema["title"] = "harbour"
    schema["properties"]["mode"] |= {"enum": ["live"], "default": "live"}
    schema["properties"] |= {"base_url": backpack["base_url"], "ws_url": backpack["ws_url"]}
    (folder / "harbour.json").write_text(json.dumps(schema))
    return root


class SwitchFleet(JobFleet):
    """Bots on one account of the harbour, each with a market of its own."""

    def moor(self, name: str, symbol: str, order_size: float, **daemon_config: Any) -> None:
        """Write the config of one bot."""
        size = {"order_size": order_size, "symbol": symbol}
        path = self.add(name, daemon_config=daemon_config, strategy_config=size)
        config = json.loads(path.read_text())
        config["risk_config"]["max_position"] = 50 * order_size
        config["metadata"]["exchange"] = "harbour"
        here = {"base_url": "http://127.0.0.1:1", "ws_url": "ws://127.0.0.1:1"}
        config["exchange_config"] = {"mode": "live", "account": "main", "feed": "synthetic", "seed": 1, **here}
        path.write_text(json.dumps(config))

    def said(self) -> list[tuple[float, float]]:
        """Return when the venue was told what: (at, until when it leaves orders; 0 is disarmed), monotonic seconds."""
        path = self.home.root / "switch.db"
        if not path.exists():
            return []
        with closing(sqlite3.connect(path)) as db:
            try:
                return list(db.execute("SELECT said_s, fires_s FROM said ORDER BY rowid"))
            except sqlite3.OperationalError:  # the table is being made
                return []

    def has_fired(self) -> bool:
        """Tell whether the venue would have cancelled everything by now."""
        said = self.said()
        return bool(said) and 0 < said[-1][1] < time.monotonic()

    def switch(self, name: str) -> str:
        """Return what the status says of a bot's switch."""
        return str(self.bot(name)["legs"][0]["dead_man"])

    def guards(self) -> list[int]:
        """Return the pids of the guards."""
        found = []
        for child in psutil.Process(self.daemon_pid()).children():
            try:
                if any("makerd: guard" in part for part in child.cmdline()):
                    found.append(child.pid)
            except psutil.Error:
                continue
        self.pids.update(found)
        return found

    def close_harbour(self, name: str) -> Path:
        """Have the venue refuse a bot's clients from now on; the file is to be taken away."""
        path = self.home.root / f"down-{name}"
        path.touch()
        return path
