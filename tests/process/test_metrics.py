"""Metrics of a real daemon: the verb, the command, the file that a child keeps fresh."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

from prometheus_client.parser import text_string_to_metric_families

from core.process.control import call
from tests.process.fleet_parts import Fleet
from utils.home import CHECKOUT

BOT_KEYS = {
    "name", "state", "exchange", "account", "symbol", "strategy", "mode", "uptime_s", "heartbeat_age_s", "pss_mb",
    "cpu_pct", "open_files", "log_bytes", "open_orders", "fills", "realised_pnl", "unrealised_pnl", "fees", "funding",
    "position", "quote_uptime_pct", "restarts", "gates", "book_age_s", "last_ack_age_s", "loop_lag_ms",
    "time_at_touch_pct", "spread_captured_bps", "cancel_fill_ratio", "wear_rate", "cycle_p50_ms", "cycle_p99_ms",
    "peak_equity", "drawdown_pct", "adverse_markout_1s_bps", "adverse_markout_5s_bps", "adverse_markout_30s_bps",
    "adverse_markout_60s_bps",
}  # fmt: skip


def sample(text: str, name: str, **labels: str) -> float | None:
    """Return one sample of a text, None when it is not there."""
    for family in text_string_to_metric_families(text):
        for one in family.samples:
            if one.name == name and labels.items() <= one.labels.items():
                return one.value
    return None


def test_the_verb_answers_with_plain_numbers_of_daemon_and_bots(fleet: Fleet) -> None:
    fleet.add("a")
    fleet.add("down", daemon_config={"autostart": False})
    fleet.start().quoting("a")
    fleet.until(lambda: call(fleet.home, "metrics")["bots"][0]["cpu_pct"] is not None)
    figures = call(fleet.home, "metrics")
    running, stopped = figures["bots"]
    assert set(running) == set(stopped) == BOT_KEYS
    assert running["open_files"] > 3
    assert running["pss_mb"] > 1
    assert running["log_bytes"] >= 0
    assert running["book_age_s"] >= 0
    assert running["loop_lag_ms"] >= 0
    assert (stopped["pss_mb"], stopped["open_files"], stopped["heartbeat_age_s"]) == (None, None, None)
    daemon = figures["daemon"]
    assert daemon["pid"] == fleet.daemon_pid()
    assert daemon["forks"] == 1
    assert daemon["loop_turns"] > 0
    assert 0 < daemon["loop_lag_worst_s"] <= daemon["loop_busy_s"]
    assert all(isinstance(value, int | float | str) for value in daemon.values())


def test_kills_are_counted_as_forks_sweeps_restarts_and_events(fleet: Fleet) -> None:
    fleet.add("a")
    fleet.start().quoting("a")
    os.kill(fleet.bot("a")["pid"], signal.SIGKILL)
    fleet.until(lambda: fleet.bot("a")["restarts"] == 1 and fleet.is_quoting("a"))
    daemon = call(fleet.home, "metrics")["daemon"]
    assert (daemon["forks"], daemon["sweeps"], daemon["restarts"], daemon["zygotes_lost"]) == (2, 1, 1, 0)
    assert (daemon["events"] > 5, daemon["events_lost"]) == (True, 0)


def test_the_command_prints_what_prometheus_reads(fleet: Fleet) -> None:
    fleet.add("a")
    fleet.start().quoting("a")
    done = fleet.run("metrics")
    assert done.returncode == 0
    assert sample(done.stdout, "makerd_bot_state", bot="a", state="RUNNING") == 1
    target = fleet.home.root / "x.prom"
    assert fleet.run("metrics", "--textfile", str(target)).stdout == ""
    assert sample(target.read_text(), "makerd_uptime_seconds")
    assert json.loads(fleet.run("metrics", "--json").stdout)["bots"][0]["name"] == "a"


def test_without_a_daemon_the_command_says_so(fleet: Fleet) -> None:
    done = fleet.run("metrics")
    assert (done.returncode, done.stdout) == (1, "")
    assert "not running" in done.stderr


def test_the_file_is_kept_fresh_while_the_daemon_file_names_one(fleet: Fleet) -> None:
    fleet.add("a")
    fleet.home.daemon_file.write_text(json.dumps({"metrics": {"textfile": "var/makerd.prom", "interval_s": 1}}))
    fleet.start().quoting("a")
    target = fleet.home.root / "var" / "makerd.prom"

    def asked() -> float:
        return (target.exists() and sample(target.read_text(), "makerd_asked_timestamp_seconds")) or 0.0

    first = fleet.until(asked)
    fleet.until(lambda: asked() > first)
    fleet.home.daemon_file.write_text("{}")
    call(fleet.home, "reload", timeout_s=60)
    time.sleep(0.5)  # one that is under way may end
    last = asked()
    fleet.until(lambda: time.time() > last + 3)
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
