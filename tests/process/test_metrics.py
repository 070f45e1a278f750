"""Metrics of a real daemon: the verb, the command, the file that a child keeps fresh."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from core.process.control import call
from tests.process.fleet_parts import Fleet
from utils.home import CHECKOUT

BOT_KEYS = {
    "name", "state", "exchange", "account", "symbol", "strategy", "mode", "uptime_s", "heartbeat_age_s", "pss_mb",
    "cpu_pct", "open_files", "log_bytes", "open_orders", "fills", "realised_pnl", "unrealised_pnl", "fees", "funding",
    "position", "quote_uptime_pct", "restarts", "gates", "book_age_s", "last_ack_age_s", "loop_lag_ms",
    "clock_offset_ms", "reference", "reference_age_s",
    "time_at_touch_pct", "spread_captured_bps", "cancel_fill_ratio", "wear_rate", "cycle_p50_ms", "cycle_p99_ms",
    "peak_equity", "drawdown_pct", "adverse_markout_1s_bps", "adverse_markout_5s_bps", "adverse_markout_30s_bps",
    "adverse_markout_60s_bps", "spread_quoted_bps", "inventory_ratio", "volume_base", "volume_quote", "maker_volume",
    "taker_volume",
}  # fmt: skip


def sample(text: str, name: str, **labels: str) -> float | None:
    """Return one sample of a text, None when it is not there."""
    for family in text_string_to_metric_families(text):
        for one in family.samples:
            if one.name == name and labels.items() <= one.labels.items():
                return one.value
    return None


@pytest.fixture(scope="module")
def crew(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A daemon with a bot that quotes, one that is not started and one that may be killed."""
    fleet = Fleet(tmp_path_factory.mktemp("crew") / "home")
    fleet.add("a")
    fleet.add("down", daemon_config={"autostart": False})
    fleet.add("killed")
    try:
        yield fleet.start().quoting("a", "killed")
    finally:
        fleet.end()


def test_the_verb_answers_with_plain_numbers_of_daemon_and_bots(crew: Fleet) -> None:
    crew.until(lambda: call(crew.home, "metrics")["bots"][0]["cpu_pct"] is not None)
    figures = call(crew.home, "metrics")
    running, stopped, _killed = figures["bots"]
    assert (running["name"], stopped["name"]) == ("a", "down")
    assert set(running) == set(stopped) == BOT_KEYS
    assert running["open_files"] > 3
    assert running["pss_mb"] > 1
    assert running["log_bytes"] >= 0
    assert running["book_age_s"] >= 0
    assert running["loop_lag_ms"] >= 0
    assert (stopped["pss_mb"], stopped["open_files"], stopped["heartbeat_age_s"]) == (None, None, None)
    daemon = figures["daemon"]
    assert daemon["pid"] == crew.daemon_pid()
    assert daemon["forks"] == 2 + daemon["restarts"]
    assert daemon["loop_turns"] > 0
    assert 0 < daemon["loop_lag_worst_s"] <= daemon["loop_busy_s"]
    assert all(isinstance(value, int | float | str) for value in daemon.values())


def test_kills_are_counted_as_forks_sweeps_restarts_and_events(crew: Fleet) -> None:
    before = call(crew.home, "metrics")["daemon"]
    os.kill(crew.bot("killed")["pid"], signal.SIGKILL)
    crew.until(lambda: crew.bot("killed")["restarts"] == 1 and crew.is_quoting("killed"))
    daemon = call(crew.home, "metrics")["daemon"]
    assert [daemon[name] - before[name] for name in ("forks", "sweeps", "restarts", "zygotes_lost")] == [1, 1, 1, 0]
    assert (daemon["events"] > before["events"] + 2, daemon["events_lost"]) == (True, 0)


def test_the_command_prints_what_prometheus_reads(crew: Fleet) -> None:
    done = crew.run("metrics")
    assert done.returncode == 0
    assert sample(done.stdout, "makerd_bot_state", bot="a", state="RUNNING") == 1
    target = crew.home.root / "x.prom"
    assert crew.run("metrics", "--textfile", str(target)).stdout == ""
    assert sample(target.read_text(), "makerd_uptime_seconds")
    assert json.loads(crew.run("metrics", "--json").stdout)["bots"][0]["name"] == "a"


def test_without_a_daemon_the_command_says_so(fleet: Fleet) -> None:
    done = fleet.run("metrics")
    assert (done.returncode, done.stdout) == (1, "")
    assert "not running" in done.stderr


def test_the_file_is_kept_fresh_while_the_daemon_file_names_one(crew: Fleet) -> None:
    crew.home.daemon_file.write_text(json.dumps({"metrics": {"textfile": "var/makerd.prom", "interval_s": 1}}))
    call(crew.home, "reload", timeout_s=60)
    target = crew.home.root / "var" / "makerd.prom"

    def asked() -> float:
        return (target.exists() and sample(target.read_text(), "makerd_asked_timestamp_seconds")) or 0.0

    first = crew.until(asked)
    crew.until(lambda: asked() > first)
    crew.home.daemon_file.write_text("{}")
    call(crew.home, "reload", timeout_s=60)
    time.sleep(0.5)  # one that is under way may end
    last = asked()
    crew.until(lambda: time.time() > last + 3)
    assert asked() == last


def test_a_metrics_file_that_cannot_be_written_costs_a_line(fleet: Fleet) -> None:
    fleet.add("a")
    fleet.home.daemon_file.write_text(json.dumps({"metrics": {"textfile": "nowhere/x.prom", "interval_s": 1}}))
    fleet.start().quoting("a")
    fleet.until(lambda: "were not written to" in (fleet.home.log / "daemon.out").read_text())
    assert fleet.bot("a")["state"] == "RUNNING"


def test_the_supervisor_imports_neither_the_client_library_nor_the_web() -> None:
    script = (
        "import sys, core.process.daemon\n"
        "heavy = ('prometheus_client', 'requests', 'jsonschema', 'numpy', 'http')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "[]\n"
