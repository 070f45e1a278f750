"""`--tag` on the commands that take names: the same bots everywhere, and never all by mistake."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.conftest import Run
from tests.console_parts import Daemon, Services, config, row, write_config
from utils.home import Home


@pytest.fixture(autouse=True)
def bots(home: Home) -> None:
    for name, symbol, tags in (("a", "SOL-USDC", ["sol", "calm"]), ("b", "ETH-USDC", ["calm"]), ("c", "BTC-USDC", [])):
        who = {"name": name, "exchange": "paper", "strategy": "market_maker", "tags": tags}
        plain = config(name, metadata=who, strategy_config={"symbol": symbol, "order_size_quote": 75})
        write_config(home, plain, f"{name}.json")


STOPPED = {"bots": [{"name": "a", "state": "STOPPED", "reason": ""}]}


@pytest.mark.parametrize(
    ("given", "names"),
    [
        (("--tag", "calm"), ["a", "b"]),
        (("--tag", "calm", "--tag", "sol"), ["a"]),
        (("c", "--tag", "sol"), ["c", "a"]),
        (("a", "--tag", "sol,calm"), ["a", "b"]),
    ],
)
def test_a_command_for_the_daemon_names_the_bots_that_tags_mean(
    run: Run, daemon: Daemon, given: tuple[str, ...], names: list[str]
) -> None:
    daemon.answers |= {"bot": STOPPED, "restart": STOPPED}
    assert run("bot", "stop", *given).exit_code == 0
    assert run("restart", *given).exit_code == 0
    assert daemon.asked == [("bot", {"action": "stop", "names": names}), ("restart", {"names": names})]


def test_flatten_and_start_take_tags(run: Run, daemon: Daemon, services: Services) -> None:
    flat = {"name": "a", "state": "STOPPED", "reason": "", "closed": True, "closing": False}
    daemon.answers["flatten"] = {"bots": [flat]}
    assert run("flatten", "--tag", "calm").exit_code == 0
    assert daemon.asked == [("flatten", {"names": ["a", "b"], "sell_base": False})]
    assert run("start", "--daemon", "--tag", "sol").exit_code == 0
    assert services.started == [("a",)]


@pytest.mark.parametrize(
    "command", [("start", "--daemon"), ("restart",), ("bot", "stop"), ("flatten",), ("status",), ("config", "validate")]
)
@pytest.mark.parametrize("tag", ["calmm", "", "calm,nobody"])
def test_a_tag_that_nobody_has_is_refused_and_means_not_all(
    run: Run, daemon: Daemon, services: Services, command: tuple[str, ...], tag: str
) -> None:
    done = run(*command, "--tag", tag)
    assert done.exit_code == 1
    assert "no bot has the tag" in done.stderr
    assert (daemon.asked, services.started) == ([], [])


def test_tags_that_nobody_has_together_are_refused(run: Run, daemon: Daemon) -> None:
    who = {"name": "d", "exchange": "paper", "strategy": "market_maker", "tags": ["wild"]}
    write_config(Home.find(), config("d", metadata=who), "d.json")
    assert "carries all of these tags" in run("flatten", "--tag", "wild", "--tag", "calm").stderr
    assert daemon.asked == []


@pytest.mark.parametrize("command", [("bot", "stop"), ("flatten",)])
def test_without_a_name_and_a_tag_it_is_a_usage_error(run: Run, command: tuple[str, ...]) -> None:
    assert run(*command).exit_code == 2


def test_status_shows_the_bots_of_a_tag_alone(run: Run, daemon: Daemon) -> None:
    daemon.bots = [row(name="a"), row(name="b", state="FATAL"), row(name="c", state="FATAL")]
    found: dict[str, Any] = json.loads(run("status", "--tag", "calm", "--json").stdout)
    assert [bot["name"] for bot in found["bots"]] == ["a", "b"]
    assert run("status", "--tag", "calm", "--check").stderr == "b: FATAL\n"
    assert run("status", "--tag", "sol", "--check").exit_code == 0


def test_validate_tells_of_the_bots_of_a_tag_alone(run: Run, home: Home) -> None:
    path = home.active / "c.json"
    path.write_text(path.read_text().replace("75", '"x"'))
    done = run("config", "validate", "--tag", "calm", "--json")
    told = json.loads(done.stdout)
    assert ([bot["name"] for bot in told["valid"]], told["invalid"], done.exit_code) == (["a", "b"], [], 0)
    assert run("config", "validate").exit_code == 1
    assert run("config", "validate", "c", "--tag", "calm").exit_code == 2


def test_tags_of_a_base_count(run: Run, home: Home) -> None:
    home.bases.mkdir()
    (home.bases / "quiet.json").write_text(json.dumps({"metadata": {"tags": ["quiet"]}}))
    who = {"name": "c", "exchange": "paper", "strategy": "market_maker", "extends": "quiet"}
    write_config(home, config("c", metadata=who), "c.json")
    told = json.loads(run("config", "validate", "--tag", "quiet", "--json").stdout)
    assert [bot["name"] for bot in told["valid"]] == ["c"]


@pytest.mark.parametrize("command", ["explain", "show", "history", "diff", "preview"])
def test_what_only_shows_takes_tags_too_and_says_whose_each_part_is(run: Run, command: str) -> None:
    run("config", "set", "--tag", "calm", "spread_pct=0.02", "--yes")
    done = run("config", command, "--tag", "calm")
    assert done.exit_code == 0, done.output
    assert [line for line in done.output.splitlines() if line.startswith("== ")] == ["== a", "== b"]
    found = json.loads(run("config", command, "--tag", "calm", "--json").stdout)
    assert set(found) == {"a", "b"}
    assert found["b"] == json.loads(run("config", command, "b", "--json").stdout)


@pytest.mark.parametrize("given", [(), ("a", "--tag", "calm")])
def test_what_only_shows_takes_a_name_or_tags(run: Run, given: tuple[str, ...]) -> None:
    done = run("config", "show", *given)
    assert done.exit_code == 2
    assert "name a bot, or --tag" in done.stderr
