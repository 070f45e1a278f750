"""The child that reads and validates configs, as the supervisor sees it: what is asked, and how an answer is judged."""

from __future__ import annotations

import json
import os
import selectors
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.process.answering_child import AnsweringChild

DEADLINE_NS = 60_000_000_000


def validate_in_child(
    home: Path,
    configs: Path,
    output_fd: int,
    selector: selectors.BaseSelector,
    now_ns: int,
    on_done: Callable[[dict[str, Any] | str], None],
) -> AnsweringChild:
    """Start a validation; `on_done` gets the child's answer, or why there is none. Raises OSError."""
    return AnsweringChild(
        "core.process.validator",
        ["--home", str(home), "--configs", str(configs), "--remember"],
        os.environ,
        output_fd,
        selector,
        now_ns + DEADLINE_NS,
        lambda said: on_done(_verdict(said)),
    )


def _verdict(said: bytes | None) -> dict[str, Any] | str:
    if said is None:
        return "the configs could not be validated in time"
    try:
        answer = json.loads(said.splitlines()[-1])
        if "error" in answer:
            return str(answer["error"])
        if {"bots", "daemon", "invalid", "unclean"} <= answer.keys():
            return dict(answer)
    except (ValueError, IndexError, AttributeError):
        pass
    return "the configs could not be validated: the child ended without an answer; see var/log/daemon.out"
