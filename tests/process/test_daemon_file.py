"""The daemon file and a real daemon: refused at a start, kept out at a reload."""

from __future__ import annotations

import json

from core.process.control import call
from tests.process.fleet_parts import Fleet


def write(fleet: Fleet, content: object) -> None:
    """Write the daemon file."""
    fleet.home.daemon_file.write_text(content if isinstance(content, str) else json.dumps(content))


def test_a_start_with_an_invalid_daemon_file_is_refused_and_starts_no_bot(fleet: Fleet) -> None:
    fleet.add("a")
    write(fleet, {"supervision": {"parallel_starts": 0}})
    done = fleet.run("start", "--daemon")
    assert done.returncode == 1
    assert "config/daemon.json" in done.stderr
    assert "supervision.parallel_starts" in done.stderr
    assert not (fleet.home.log / "a.log").exists()


def test_a_reload_with_an_invalid_daemon_file_tells_it_and_applies_the_bots(fleet: Fleet) -> None:
    fleet.add("a")
    write(fleet, {"supervision": {"parallel_starts": 3}})
    fleet.start().quoting("a")
    pid = fleet.bot("a")["pid"]
    fleet.add("b")
    write(fleet, "{")
    answer = call(fleet.home, "reload", timeout_s=60)
    assert [entry["file"] for entry in answer["invalid"]] == ["config/daemon.json"]
    assert {row["name"] for row in fleet.status()["bots"]} == {"a", "b"}
    assert fleet.bot("a")["pid"] == pid


def test_config_validate_tells_about_the_daemon_file_too(fleet: Fleet) -> None:
    fleet.add("a")
    write(fleet, {})
    path = str(fleet.home.daemon_file)
    assert fleet.run("config", "validate", path).stdout == "daemon: valid (config/daemon.json)\n"
    write(fleet, {"alerts": {"hok": None}})
    done = fleet.run("config", "validate")
    assert done.returncode == 1
    assert "nearest known key: hook" in done.stderr
