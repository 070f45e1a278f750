"""Checks of how a bot or job is called and supervised."""

from __future__ import annotations

from collections.abc import Iterator

from core.registry.checks.draft import Draft, check_order
from core.registry.complaints import Problem
from core.registry.wording import shown
from utils.input_validation import bot_name_problem


def check_name_is_free(draft: Draft) -> Iterator[Problem]:
    """A bot must not be called like a file of ours."""
    name = draft.metadata.get("name")
    if isinstance(name, str) and draft.sound("metadata", "name") and (problem := bot_name_problem(name)):
        yield Problem(("metadata", "name"), shown(name), f"another name: {problem}")


def check_backoff(draft: Draft) -> Iterator[Problem]:
    """The first pause before a restart cannot exceed the longest."""
    yield from check_order(draft, "daemon_config", "backoff_initial_s", "backoff_max_s")


def check_bot_has_no_schedule(draft: Draft) -> Iterator[Problem]:
    """A bot that ended stays down: only a job is run again by the clock."""
    schedule_s = draft.sections["daemon_config"].get("schedule_s")
    if schedule_s is not None and draft.sound("daemon_config", "schedule_s"):
        yield Problem(("daemon_config", "schedule_s"), shown(schedule_s), 'null, unless kind is "job"')
