"""The validator as it runs: a child of its own with limits, one line of JSON, no secrets."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from core.bot_config import BotConfig
from core.process.run_record import RunRecord
from core.process.validator import ADDRESS_SPACE, CPU_S
from core.process.venue_checks import venue_complaints
from core.registry.config_manager import load_plain
from tests.registry_parts import config_with, make_home, put, put_env
from utils.home import CHECKOUT, Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_home(tmp_path)


def run(home: Home, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the real child and wait for its end."""
    return subprocess.run(
        [sys.executable, "-m", "core.process.validator", "--home", str(home.root), *arguments],
        cwd=CHECKOUT,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def answer(home: Home, *arguments: str, **environ: str) -> dict[str, Any]:
    """Return what the child says; its only line on stdout, nothing on stderr."""
    ended = run(home, *arguments, **environ)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.count("\n") == 1
    said: dict[str, Any] = json.loads(ended.stdout)
    return said


def test_valid_bots_come_back_as_plain_configs(home: Home) -> None:
    put(home, "a.json", config_with())
    said = answer(home)
    assert set(said) == {"bots", "daemon", "invalid", "unclean", "secret_names", "figures"}
    assert BotConfig.from_plain(said["bots"][0]).name == "sol-mm"
    assert said["invalid"] == []


def test_invalid_files_come_back_with_every_complaint(home: Home) -> None:
    put(home, "a.json", config_with(strategy_config={"layers": 0, "spred_pct": 1}))
    put(home, "b.json", "{")
    said = answer(home)
    assert said["bots"] == []
    assert [(one["file"], one["name"], len(one["complaints"])) for one in said["invalid"]] == [
        ("config/active/a.json", "sol-mm", 2),
        ("config/active/b.json", None, 1),
    ]


def test_the_venue_is_asked_about_what_only_it_knows(home: Home) -> None:
    put(home, "a.json", config_with(metadata={"name": "a"}, exchange_config={"feed": "replay:nowhere.csv.gz"}))
    put(home, "b.json", config_with(metadata={"name": "b"}, strategy_config={"symbol": "NO-SUCH"}))
    put(home, "c.json", config_with(metadata={"name": "c"}))
    said = answer(home)
    assert [bot["name"] for bot in said["bots"]] == ["c"]
    complaints = {one["file"]: " ".join(one["complaints"]) for one in said["invalid"]}
    assert "nowhere.csv.gz" in complaints["config/active/a.json"]
    assert "NO-SUCH" in complaints["config/active/b.json"]


def test_the_shipped_templates_pass_as_they_are(home: Home) -> None:
    said = answer(home, "--configs", str(CHECKOUT / "config" / "templates"))
    assert said["invalid"] == []
    assert {"paper-mm", "paper-synthetic"} <= {bot["name"] for bot in said["bots"]}


def test_one_file_is_validated_alone(home: Home, tmp_path: Path) -> None:
    put(home, "broken.json", "{")
    other = tmp_path / "elsewhere.json"
    other.write_text(json.dumps(config_with()))
    said = answer(home, "--file", str(other))
    assert [bot["name"] for bot in said["bots"]] == ["sol-mm"]
    assert said["invalid"] == []


def test_an_active_file_is_validated_among_its_neighbours(home: Home) -> None:
    put(home, "a.json", config_with())
    put(home, "b.json", config_with())
    said = answer(home, "--file", str(home.active / "a.json"))
    assert said["bots"] == []
    (invalid,) = said["invalid"]
    assert invalid["file"] == "config/active/a.json"
    assert "config/active/b.json" in invalid["complaints"][0]


def test_no_value_of_a_secret_is_printed(home: Home) -> None:
    put_env(home, "FILE_KEY=swordfish\n")
    keys = {"api_key": "${KEY}", "api_secret": "${FILE_KEY}"}
    put(home, "a.json", config_with(metadata={"name": "a"}, exchange_config=keys))
    put(home, "b.json", config_with(metadata={"name": "b"}, exchange_config={"api_key": "hunter2"}))
    put(home, "c.json", config_with(metadata={"name": "c"}, exchange_config={"account": "${KEY}"}))
    put(home, "d.json", config_with(metadata={"name": "d"}, exchange_config={"feed": "${FILE_KEY}"}))
    ended = run(home, KEY="hunter3")
    assert json.loads(ended.stdout)["secret_names"] == ["FILE_KEY", "KEY"]
    assert [bot["name"] for bot in json.loads(ended.stdout)["bots"]] == ["a"]
    assert not any(secret in ended.stdout + ended.stderr for secret in ("hunter2", "hunter3", "swordfish"))


def test_bots_that_left_no_clean_mark_are_listed_with_or_without_a_config(home: Home) -> None:
    put(home, "a.json", config_with())
    config = BotConfig.from_plain(answer(home)["bots"][0])
    for name, clean in (("gone", False), ("tidy", True)):
        home.bot_state(name).mkdir()
        RunRecord(replace(config, name=name), 3, clean).write(home.bot_state(name))
    home.bot_state("new").mkdir()
    said = answer(home)
    assert [entry["name"] for entry in said["unclean"]] == ["gone"]
    assert said["unclean"][0]["run"]["fence"] == 3


def test_a_damaged_run_record_counts_as_unclean(home: Home) -> None:
    home.bot_state("odd").mkdir()
    (home.bot_state("odd") / "run.json").write_text('{"clean": true}')
    said = answer(home)
    assert said["unclean"] == [{"name": "odd", "run": None}]
    assert "run.json" in said["invalid"][0]["file"]


def test_a_run_record_that_cannot_be_read_is_told(home: Home) -> None:
    home.bot_state("torn").mkdir()
    (home.bot_state("torn") / "run.json").write_text('{"clean": tr')
    (invalid,) = answer(home)["invalid"]
    assert (invalid["file"], invalid["name"]) == ("var/state/torn/run.json", "torn")


def test_a_folder_that_cannot_be_read_is_refused_in_one_line(home: Home) -> None:
    ended = run(home, "--configs", str(home.root / "nowhere"))
    assert ended.returncode == 1
    assert "nowhere" in json.loads(ended.stdout)["error"]
    assert ended.stderr == ""


def test_an_unknown_option_is_a_usage_error(home: Home) -> None:
    assert run(home, "--nonsense").returncode == 2


def test_the_child_has_hard_limits() -> None:
    script = (
        "import resource, signal; from core.process.validator import limit_this_process as limit; limit();"
        "print(*[resource.getrlimit(k) for k in (resource.RLIMIT_CPU, resource.RLIMIT_AS, resource.RLIMIT_CORE)],"
        " signal.alarm(0))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=True
    )
    assert ended.stdout.strip() == f"({CPU_S}, {CPU_S}) ({ADDRESS_SPACE}, {ADDRESS_SPACE}) (0, 0) 55"


def test_resolving_secrets_needs_no_validation_library() -> None:
    script = "import core.registry.config_manager, sys; print('jsonschema' in sys.modules)"
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=True
    )
    assert ended.stdout == "False\n"


# ---------------------------------------------------------------- one check must not hide the others


def bots(home: Home, *names: str) -> list[BotConfig]:
    """Return sound bots."""
    return [load_plain(config_with(metadata={"name": name}), name, home, {}) for name in names]


def dies(config: BotConfig, data_dirs: Sequence[str]) -> list[str]:
    """Die, hang, raise, print or complain, as the bot's name says."""
    if config.name == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if config.name == "stuck":
        signal.pause()
    if config.name == "raises":
        raise RuntimeError("line\nbreak")
    if config.name == "exits":
        raise SystemExit(0)
    if config.name == "prints":
        os.write(1, b"[]\n[]\n")
    return ["not this one"] if config.name == "refused" else []


@pytest.mark.parametrize(
    ("feed", "symbol", "loads"),
    [("synthetic", "SOL-USDC", False), ("replay:slice60s_binance_spot_btcusdt_20240808", "BTC-USDT", True)],
)
def test_the_paper_venue_is_asked_without_numpy_unless_a_recording_is_compiled(
    home: Home, feed: str, symbol: str, loads: bool
) -> None:
    script = (
        f"import sys; from api.client_registry import config_complaints; dirs = {list(home.data_dirs)!r}\n"
        "for _ in range(2):\n"
        f"    found = config_complaints('paper:a', 'paper', {{'feed': {feed!r}}}, {symbol!r}, dirs)\n"
        "    print(found, 'numpy' in sys.modules)\n"
    )
    for loaded in (loads, False):
        done = subprocess.run([sys.executable, "-c", script], cwd=CHECKOUT, capture_output=True, text=True, check=True)
        assert done.stdout.splitlines() == [f"[] {loaded}"] * 2


def test_a_check_that_dies_hangs_or_raises_costs_one_bot_only(home: Home) -> None:
    names = ("a", "killed", "b", "raises", "stuck", "exits", "prints", "refused", "c")
    refused = venue_complaints(bots(home, *names), (), time.monotonic() + 60, check=dies, each_s=0.5)
    assert set(refused) == {"killed", "raises", "stuck", "exits", "refused"}
    assert refused["refused"] == ["not this one"]
    assert refused["stuck"] == ["could not be checked in time"]
    assert "RuntimeError" in refused["raises"][0]
    assert refused["raises"][0].isprintable()


def test_what_is_not_reached_in_time_is_refused(home: Home) -> None:
    refused = venue_complaints(bots(home, "a", "b"), (), time.monotonic() - 1, check=dies)
    assert refused == {"a": ["could not be checked in time"], "b": ["could not be checked in time"]}


def test_no_child_is_left_behind(home: Home) -> None:
    before = psutil.Process().children()
    venue_complaints(bots(home, "a", "stuck", "killed"), (), time.monotonic() + 60, check=dies, each_s=0.2)
    assert psutil.Process().children() == before
