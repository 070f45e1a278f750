"""A venue is asked whether it takes the key of `.env`, by reading alone."""

from __future__ import annotations

import json
import os

import pytest

from core.process.key_trial import try_key
from core.registry.key_names import key_parts, variable_of
from tests.process.live_fleet import VENUES, LiveFleet


def with_template(live: LiveFleet) -> None:
    """Make the venue's template one of the simulator, with the names that the setup uses."""
    home = live.fleet.home
    plain = json.loads(live.add("x").read_text())
    plain["exchange_config"] |= {part: f"${{{variable_of(live.venue, part)}}}" for part in key_parts(live.venue)}
    (home.root / "config" / "templates").mkdir()
    (home.templates / "one.json").write_text(json.dumps({"metadata": {"exchange": "another"}}))
    (home.templates / "two.json").write_text(json.dumps(plain))


def variables(live: LiveFleet) -> dict[str, str]:
    return {variable_of(live.venue, part): live.keys[part] for part in key_parts(live.venue)}


@VENUES
def test_a_key_that_is_taken_and_one_that_is_not(live: LiveFleet, venue: str) -> None:
    with_template(live)
    problem, _notes = try_key(live.fleet.home, venue, variables(live))
    assert problem == ""
    part = key_parts(venue)[1]
    others = [str(account["credentials"][part]) for account in live.sim.hello["accounts"]]
    wrong = next(one for one in others if one != live.keys[part])
    problem, _notes = try_key(live.fleet.home, venue, {**variables(live), variable_of(venue, part): wrong})
    assert problem
    assert wrong not in problem
    assert live.open_orders() == []


@VENUES
def test_a_key_that_is_not_there_is_named(live: LiveFleet, venue: str) -> None:
    with_template(live)
    problem, _notes = try_key(live.fleet.home, venue, {})
    assert variable_of(venue, key_parts(venue)[0]) in problem


@pytest.mark.parametrize("venue", ["backpack"])
def test_a_venue_without_a_template_cannot_be_tried(live: LiveFleet, venue: str) -> None:
    with_template(live)
    (live.fleet.home.templates / "two.json").write_text("{")
    problem, _notes = try_key(live.fleet.home, venue, variables(live))
    assert "no template of backpack" in problem


@pytest.mark.parametrize("venue", ["backpack"])
def test_a_key_is_tried_by_the_proxy_that_the_bots_take(live: LiveFleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "")  # put back at the end
    live.give_secrets({"HTTPS_PROXY": "http://proxy.example:3128"})
    with_template(live)
    problem, _notes = try_key(live.fleet.home, "backpack", variables(live))
    assert problem == ""  # nothing on this host is asked for by a proxy
    assert os.environ["HTTPS_PROXY"] == "http://proxy.example:3128"
