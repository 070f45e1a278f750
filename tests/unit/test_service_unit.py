"""The printed systemd unit: what must be in it, and what systemd itself says of it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from cli.service_unit import STOP_EXTRA_S, ServiceFacts, unit_text
from core.process.priority import NICE
from core.process.supervisor import SHUTDOWN_EXTRA_NS
from utils.home import CHECKOUT

FACTS = ServiceFacts(
    home=Path("/srv/makerd"),
    python=Path(sys.executable),
    door=CHECKOUT / "core" / "daemon_manager.py",
    claims=Path("/srv/trader/.local/state/makerd/claims-x"),
    claims_given=False,
    account="root",
    memory_mb=1000.0,
    stop_timeout_s=20.0,
)


def keys(text: str) -> dict[str, list[str]]:
    """Return every key of a unit with its values."""
    found: dict[str, list[str]] = {}
    for key, value in re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE):
        found.setdefault(key, []).append(value)
    return found


def test_it_tells_systemd_when_it_is_ready_and_alive() -> None:
    unit = keys(unit_text(FACTS, user=False))
    assert (unit["Type"], unit["NotifyAccess"]) == (["notify"], ["main"])
    assert int(unit["WatchdogSec"][0]) >= 10
    assert unit["ExecStart"][0].endswith("daemon_manager.py --home /srv/makerd start")


def test_an_orderly_stop_has_more_time_than_our_own_deadlines() -> None:
    unit = keys(unit_text(FACTS, user=False))
    assert unit["KillMode"] == ["control-group"]
    assert int(unit["TimeoutStopSec"][0]) == 20 + STOP_EXTRA_S
    assert STOP_EXTRA_S * 10**9 > SHUTDOWN_EXTRA_NS


def test_a_config_error_is_not_tried_again_and_a_crash_is() -> None:
    unit = keys(unit_text(FACTS, user=False))
    assert unit["Restart"] == ["on-failure"]
    assert {"64", "78"} <= set(unit["RestartPreventExitStatus"][0].split())


def test_it_is_closed_in() -> None:
    unit = keys(unit_text(FACTS, user=False))
    expected = {
        "ProtectSystem": "strict", "NoNewPrivileges": "true", "PrivateTmp": "true", "LimitCORE": "0",
        "LimitNOFILE": "65536", "MemoryMax": "1512M", "OOMPolicy": "continue", "CapabilityBoundingSet": "",
        "UMask": "0077", "LimitNICE": str(NICE),
    }  # fmt: skip
    assert {key: unit[key][0] for key in expected} == expected
    assert unit["ReadWritePaths"] == ["/srv/makerd /srv/trader/.local/state/makerd/claims-x"]


def test_claims_below_tmp_are_not_hidden_from_other_daemons() -> None:
    facts = replace(FACTS, claims=Path("/tmp/claims"), claims_given=True)
    unit = keys(unit_text(facts, user=False))
    assert unit["PrivateTmp"] == ["false"]
    assert unit["Environment"] == ["MAKERD_CLAIMS_DIR=/tmp/claims"]


def test_a_path_with_anything_in_it_is_taken_literally() -> None:
    facts = replace(FACTS, home=Path('/srv/my "50%" $HOME; x'))
    unit = keys(unit_text(facts, user=False))
    assert '--home "/srv/my \\"50%%\\" $$HOME; x" start' in unit["ExecStart"][0]


def test_the_users_own_manager_is_asked_for_nothing_that_needs_root() -> None:
    unit = keys(unit_text(FACTS, user=True))
    assert not {"User", "LimitNICE", "ProtectSystem", "PrivateDevices", "CapabilityBoundingSet"} & set(unit)
    assert unit["WantedBy"] == ["default.target"]


SYSTEMD = shutil.which("systemd-analyze")


@pytest.mark.parametrize("user", [False, True])
@pytest.mark.parametrize("home", ["plain", 'with "quotes", a % and $signs'])
def test_systemd_finds_nothing_wrong_with_it(tmp_path: Path, user: bool, home: str) -> None:
    text = unit_text(replace(FACTS, home=tmp_path / home), user)
    if SYSTEMD is None:  # then at least every line is a section, a comment, or a key with a value
        assert all(re.fullmatch(r"|#.*|\[\w+\]|\w+=.*", line) for line in text.splitlines())
        return
    path = tmp_path / "makerd.service"
    path.write_text(text)
    manager = "--user" if user else "--system"
    done = subprocess.run(
        [SYSTEMD, manager, "verify", "--man=no", str(path)],
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, [line for line in done.stderr.splitlines() if "makerd" in line]) == (0, [])
