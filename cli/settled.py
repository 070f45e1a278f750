"""Where bots have come to after a command: what is said of it, and the exit status."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click

from utils.exit_statuses import DONE, REFUSED

WORK_S = 60.0  # verbs that wait for bots to come to rest
SETTLED_BADLY = ("FATAL", "HALTED")


def say_bots(answer: Mapping[str, Any], json_wanted: bool) -> int:
    """Print where each bot has come to; return 1 when one has come to nothing good."""
    if json_wanted:
        click.echo(json.dumps(answer))
    for row in () if json_wanted else answer["bots"]:
        reason = f": {row['reason']}" if row.get("reason") and row["state"] != "RUNNING" else ""
        also = "".join(f" ({word})" for word in ("paused", "closing") if row.get(word))
        click.echo(f"{row['name']} {row['state']}{also}{reason}")
    return REFUSED if any(row["state"] in SETTLED_BADLY for row in answer["bots"]) else DONE
