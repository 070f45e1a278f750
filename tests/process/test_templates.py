"""Every shipped template of the paper exchange, and every job, starts as `config create` makes it."""

from __future__ import annotations

import json

from tests.process.fleet_parts import Fleet
from utils.home import CHECKOUT

TEMPLATES = sorted((CHECKOUT / "config" / "templates").glob("*.json"))


def test_what_the_shipped_templates_make_starts_and_quotes(fleet: Fleet) -> None:
    bots, jobs = [], []
    for path in TEMPLATES:
        plain = json.loads(path.read_text())
        name = path.stem.replace("_", "-")
        if plain.get("kind") == "job" or plain["metadata"]["exchange"].startswith("paper"):
            (jobs if plain.get("kind") == "job" else bots).append(name)
            done = fleet.run("config", "create", name, "--template", path.stem)
            assert done.returncode == 0, done.stderr
    assert len(bots) >= 2
    fleet.start().quoting(*bots, seconds=60)
    fleet.until(lambda: all(fleet.bot(job)["state"] in ("RUNNING", "BACKOFF") for job in jobs))
    assert fleet.status()["invalid"] == []
