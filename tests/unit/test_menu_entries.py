"""What the menu offers for a fleet and for a bot: the tables, looked at from all states."""

from __future__ import annotations

from typing import Any

import pytest

from cli.commands import cli
from cli.menu.entries import ANY, AWAY, BOT, CONFIG, FLEET, LOGS, Bot, Entry, bot_of, fleet_entries, headline, offered
from core.process.worker_record import State
from tests.console_parts import row


def keys(entries: Any, bot: Bot, daemon: bool = True, screen: bool = True) -> set[str]:
    return {one.key for one in offered(entries, bot, daemon, screen)}


STEERING = {"start", "reset", "pause", "resume", "stop", "close", "restart"}


@pytest.mark.parametrize(
    ("state", "steering"),
    [
        ("STOPPED", {"start"}),
        ("FATAL", {"reset"}),
        ("HALTED", {"reset"}),
        ("STARTING", {"pause", "stop", "close", "restart"}),
        ("RUNNING", {"pause", "stop", "close", "restart"}),
        ("BACKOFF", {"pause", "stop", "close", "restart"}),
        ("STOPPING", {"stop"}),
        ("SWEEPING", {"stop"}),
    ],
)
def test_each_state_has_its_ways_to_steer(state: str, steering: set[str]) -> None:
    assert keys(BOT, Bot("a", state)) & STEERING == steering


def test_the_states_of_the_table_are_those_of_the_supervisor() -> None:
    assert {state.value for state in State} == ANY


def test_a_paused_bot_is_resumed_and_not_paused() -> None:
    assert keys(BOT, Bot("a", "RUNNING", paused=True)) & {"pause", "resume"} == {"resume"}


def test_a_job_neither_quotes_nor_holds_anything() -> None:
    assert keys(BOT, Bot("a", "RUNNING", is_job=True)).isdisjoint({"pause", "close", "flatten", "report", "fills"})


def test_without_a_daemon_nothing_is_steered_but_it_is_started_and_flatten_stays() -> None:
    found = keys(BOT, Bot("a"), daemon=False)
    assert found & (STEERING | {"begin", "flatten"}) == {"begin", "flatten"}
    assert {"begin", "flatten"} <= keys(FLEET, Bot("x"), daemon=False)
    assert keys(FLEET, Bot("x"), daemon=False).isdisjoint({"stop", "restart", "reload", "watch"})


def test_an_archived_bot_can_only_be_looked_at_and_restored() -> None:
    archived = Bot("a", AWAY, "archived")
    assert keys(BOT, archived) == {"logs", "events", "report", "fills", "export", "config", "back"}
    assert keys(CONFIG, archived) == {"show", "set", "edit", "diff", "history", "rollback", "restore", "back"}


def test_a_bot_that_still_runs_when_it_is_archived_can_be_stopped_and_restored() -> None:
    leaving = Bot("a", "RUNNING", "archived")
    assert {"stop", "close", "flatten"} <= keys(BOT, leaving)
    assert "restore" in keys(CONFIG, leaving)


def test_nothing_endless_is_offered_to_a_pipe() -> None:
    assert keys(BOT, Bot("a", "RUNNING"), screen=False).isdisjoint({"watch"})
    assert keys(LOGS, Bot("a"), screen=False) == {"last", "warnings", "since", "component", "back"}


def test_with_no_bot_at_all_making_one_comes_first() -> None:
    nothing = {"daemon": {"state": "stopped"}, "bots": [], "invalid": []}
    assert fleet_entries(nothing)[0].key == "create"
    assert fleet_entries({**nothing, "bots": [row()]})[0].key == "begin"


@pytest.mark.parametrize("entry", [one for one in (*FLEET, *BOT, *CONFIG, *LOGS) if one.command], ids=lambda e: e.key)
def test_each_command_of_the_tables_exists(entry: Entry) -> None:
    import click

    if entry.command[0] == "report":
        return  # of the other door: test_menu.py runs it
    found: Any = cli
    words = list(entry.command)
    while isinstance(found, click.Group):
        found = found.get_command(click.Context(found), words.pop(0))
        assert found is not None, entry
    flags = {flag for param in found.params for flag in param.opts}
    assert {word for word in words if word.startswith("-")} <= flags


def test_what_cannot_be_taken_back_is_asked_about() -> None:
    asked = {one.key for one in (*FLEET, *BOT, *CONFIG) if one.question}
    assert asked == {"restart", "stop", "flatten", "reset", "close", "archive"}
    assert {one.typed for one in (*FLEET, *BOT) if one.key == "flatten"} == {"FLATTEN", "{bot}"}


def test_a_bot_is_told_with_why_it_is_where_it_is() -> None:
    halted = bot_of(row(state="HALTED", reason="max_loss: -5", phase=None), "gone")
    assert (halted.where, halted.reason) == ("gone", "max_loss: -5")
    assert halted.about == "HALTED, market_maker, SOL-USDC, paper"
    assert bot_of(row(phase="PAUSED", paused=True), "active").about.startswith("RUNNING PAUSED, ")


def test_the_headline_counts_what_bots_do() -> None:
    bots = [row(), row(), row(state="HALTED", phase=None)]
    status = {"daemon": {"state": "running"}, "bots": bots, "invalid": [{}]}
    assert headline(status) == "makerd: 3 bots: 2 QUOTING, 1 HALTED, 1 not valid"
    assert (
        headline({**status, "daemon": {"state": "stopped"}}) == "makerd: the daemon does not run; 3 bots, 1 not valid"
    )
