"""The commands of the daemon's door: what they print, where, and with which exit status."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from cli.shared import guarded
from core.process.control import NAME, DaemonDown, call
from core.process.launcher import StartRefused
from tests.console_parts import ROW, Daemon, Services, config, row, write_config
from utils.errors import MakerdError
from utils.home import Home
from utils.version import __version__

Run = Callable[..., Result]
ROOT = Path(__file__).resolve().parents[2]
DOOR = ROOT / "core" / "daemon_manager.py"


def door(*arguments: str, python: tuple[str, ...] = (), cwd: Path | None = None, **env: str) -> Any:
    """Run the door by path in a process of its own."""
    command = [sys.executable, *python, *([] if "-m" in python else [str(DOOR)]), *arguments]
    environ = {**os.environ, **env}
    return subprocess.run(command, cwd=cwd, env=environ, check=False, capture_output=True, text=True, timeout=60)


# Status


def test_status_is_what_the_daemon_says(run: Run, daemon: Daemon) -> None:
    done = run("status", "--json")
    assert (done.exit_code, json.loads(done.stdout)) == (0, daemon.status())


def test_status_with_the_daemon_down_has_the_same_shape(run: Run, home: Home) -> None:
    write_config(home, config())
    done = run("status", "--json")
    found = json.loads(done.stdout)
    assert done.exit_code == 0
    stopped = {"state": "stopped", "pid": None, "uptime_s": 0.0, "loop_age_s": None}
    rest = {"version": __version__, "home": str(home.root), "web": {"state": "off", "url": None, "reason": ""}}
    assert (found["daemon"], found["invalid"]) == ({**stopped, **rest}, [])
    assert set(found["bots"][0]) == set(ROW)
    assert set(found["bots"][0]["legs"][0]) == set(ROW["legs"][0])
    assert (found["bots"][0]["state"], found["bots"][0]["legs"][0]["account"]) == ("STOPPED", "sol-mm")


def test_only_pid_phase_mid_and_measurements_are_null_while_the_daemon_is_down(run: Run, home: Home) -> None:
    write_config(home, config())
    bot = json.loads(run("status", "--json").stdout)["bots"][0]
    null = {key for key, value in bot.items() if value is None}
    measured = {"heartbeat_age_s", "cpu_pct", "pss_mb", "config_digest"}
    assert null == {"pid", "phase", "mid", "last_exit", "network", *measured}


def test_a_status_without_any_config_says_what_to_do(run: Run) -> None:
    assert "`config create` makes one" in run("status").stdout


@pytest.mark.parametrize("text", ["{", "[]", '{"metadata": 3}', "[" * 100_000, "\x00\xff", '{"metadata": {"name": "a"'])
def test_a_broken_config_is_listed_and_hides_no_other(run: Run, home: Home, text: str) -> None:
    write_config(home, text, "broken.json")
    write_config(home, config())
    found = json.loads(run("status", "--json").stdout)
    assert [bot["name"] for bot in found["bots"]] == ["sol-mm"]
    assert [entry["file"] for entry in found["invalid"]] == ["config/active/broken.json"]


def test_variables_are_put_in_while_the_daemon_is_down(run: Run, home: Home) -> None:
    home.env_file.write_text("WHICH=ETH-USDT\n")
    home.env_file.chmod(0o600)
    write_config(home, config(strategy_config={"symbol": "${WHICH}"}))
    assert json.loads(run("status", "--json").stdout)["bots"][0]["symbol"] == "ETH-USDT"


def test_a_daemon_that_holds_the_lock_but_does_not_listen_yet_is_starting(run: Run, home: Home) -> None:
    from core.process.pid_file import PidFile

    home.make_folders()
    lock = PidFile(home.run)
    assert lock.acquire()
    found = json.loads(run("status", "--json").stdout)["daemon"]
    lock.release()
    assert (found["state"], found["pid"]) == ("starting", os.getpid())


def test_the_status_of_one_bot(run: Run, daemon: Daemon) -> None:
    daemon.bots.append(row(name="other"))
    assert [bot["name"] for bot in json.loads(run("status", "other", "--json").stdout)["bots"]] == ["other"]
    shown = run("status", "other").stdout
    assert "quote_uptime_pct" in shown
    assert "99.2" in shown


def test_an_unknown_bot_is_one_clear_line(run: Run, daemon: Daemon) -> None:
    done = run("status", "sol_mm")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "makerd: no bot is named 'sol_mm'; did you mean 'sol-mm'?\n"


def test_status_is_quick() -> None:
    """Figures are the benchmark's; here only that the heavy things stay out."""
    script = (
        "import sys; sys.argv[1:] = ['status', '--json']\n"
        "from core.daemon_manager import main; main()\n"
        "print(sorted({'rich', 'jsonschema', 'numpy', 'questionary', 'psutil', 'dotenv'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("change", "healthy"),
    [
        ({}, True),
        ({"state": "STOPPED", "wanted": False, "pid": None, "last_exit": None}, True),
        ({"state": "STOPPED", "wanted": False, "last_exit": {"status": 0, "signal": None, "reason": ""}}, True),
        ({"state": "SWEEPING", "wanted": False}, False),
        ({"gates": ["paused"], "phase": "PAUSED"}, True),
        ({"gates": ["spread"], "phase": "PAUSED"}, True),
        ({"gates": ["paused", "stale"], "phase": "PAUSED"}, False),
        ({"gates": ["ledger"]}, False),
        ({"state": "STOPPED", "last_exit": {"status": 70, "signal": None, "reason": "crash"}}, False),
        ({"state": "STOPPED", "last_exit": {"status": None, "signal": 9, "reason": "killed"}}, False),
        ({"state": "STARTING"}, False),
        ({"state": "BACKOFF"}, False),
        ({"state": "HALTED", "reason": "max_loss"}, False),
        ({"heartbeat_age_s": 11.0}, False),
        ({"heartbeat_age_s": None}, False),
    ],
)
def test_check_is_about_wanted_bots(run: Run, daemon: Daemon, change: dict[str, Any], healthy: bool) -> None:
    daemon.bots = [row(**change)]
    done = run("status", "--check")
    assert (done.exit_code, done.stdout, bool(done.stderr)) == (0 if healthy else 1, "", not healthy)


def test_check_says_why_in_a_line_for_each_bot(run: Run, daemon: Daemon) -> None:
    daemon.bots = [
        row(name="a", state="FATAL", reason="bad\nkey\x1b[31m", last_exit={"reason": "older"}),
        row(name="b", state="SWEEPING", reason="no answer"),
        row(name="c", phase="PAUSED", gates=["link", "paused"]),
        row(name="d", heartbeat_age_s=99.0),
        row(name="e"),
    ]
    done = run("status", "--check")
    assert done.exit_code == 1
    assert done.stderr.splitlines() == [
        "a: FATAL (bad\\u000akey\\u001b[31m)",
        "b: its orders are not confirmed to be gone (no answer)",
        "c: PAUSED, gates link",
        "d: no heartbeat for 99 s",
    ]


def test_check_fails_for_a_daemon_that_lives_and_does_not_answer(
    run: Run, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.make_folders()
    monkeypatch.setattr("cli.status_commands.call", partial(call, timeout_s=0.2))
    with socket.socket(socket.AF_UNIX) as hung:  # connections are taken by the kernel, and nobody looks at them
        monkeypatch.chdir(home.run)
        hung.bind(NAME)
        hung.listen()
        done = run("status", "--check")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "did not answer" in done.stderr


def test_check_of_one_bot_is_not_about_the_others(run: Run, daemon: Daemon) -> None:
    daemon.bots = [row(name="a"), row(name="b", state="FATAL")]
    daemon.invalid = [{"file": "config/active/c.json", "name": "c", "complaints": ["c.json:1: wrong"]}]
    assert run("status", "a", "--check").exit_code == 0
    assert run("status", "b", "--check").stderr == "b: FATAL\n"
    daemon.invalid = [{"file": "config/active/a.json", "name": None, "complaints": ["a.json:1: wrong"]}]
    assert run("status", "a", "--check").stderr == "a.json:1: wrong\n"


def test_check_fails_for_a_stopped_daemon_and_for_an_invalid_file(run: Run, home: Home, request: Any) -> None:
    assert run("status", "--check").stderr == "the daemon is stopped\n"
    daemon = request.getfixturevalue("daemon")
    daemon.invalid = [{"file": "x.json", "complaints": ["x.json:1: wrong"]}]
    done = run("status", "--check", "--json")
    assert (done.exit_code, done.stderr) == (1, "x.json:1: wrong\n")
    assert json.loads(done.stdout) == daemon.status()


def test_watching_repeats_the_status_until_ctrl_c(daemon: Daemon) -> None:
    command = [sys.executable, str(DOOR), "--home", str(daemon.home.root), "status", "--watch", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(2):
            assert json.loads(process.stdout.readline()) == daemon.status()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=10)
    assert (process.returncode, errors) == (0, "")


# Start and stop


def test_start_says_who_runs_and_what_was_refused(run: Run, services: Services) -> None:
    services.invalid = [{"file": "x.json", "complaints": ["x.json:3: wrong", "x.json:4: wrong too"]}]
    done = run("start", "--daemon")
    assert done.exit_code == 0
    assert done.stdout == "makerd is running: pid 4242, 2 bots; `status` shows them\n"
    assert done.stderr == "1 file not valid, and not started:\n  x.json:3: wrong\n  x.json:4: wrong too\n"


def test_start_takes_names_and_refuses_unknown_ones(run: Run, home: Home, services: Services) -> None:
    write_config(home, config())
    assert run("start", "--daemon", "sol-mm").exit_code == 0
    assert run("start", "sol-mm").exit_code == 0
    assert services.started == [("sol-mm",), ("foreground", "sol-mm")]
    done = run("start", "--daemon", "nobody")
    assert (done.exit_code, done.stderr) == (1, "makerd: no active bot is named 'nobody'; there are: sol-mm\n")


def test_a_refused_start_is_one_line_and_then_every_complaint(run: Run, services: Services) -> None:
    services.refusal = StartRefused("already running for this home as pid 7")
    done = run("start", "--daemon")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "makerd: already running for this home as pid 7\n"
    services.refusal = StartRefused("no valid config: a (and 1 more)", [{"file": "x", "complaints": ["a", "b"]}])
    assert run("start", "--daemon").stderr == "makerd: no valid config: a (and 1 more)\na\nb\n"


def test_start_in_json(run: Run) -> None:
    assert json.loads(run("start", "--daemon", "--json").stdout)["pid"] == 4242


def test_stop_reports_what_is_left(run: Run, daemon: Daemon) -> None:
    report = {
        "bots": [{"name": "a", "how": "clean", "left_orders": []}, {"name": "b", "how": "swept", "left_orders": []}]
    }
    daemon.answers["stop"] = report
    done = run("stop")
    assert (done.exit_code, done.stdout) == (0, "stopped: 1 clean, 1 swept; no order is left\n")


def test_stop_returns_when_the_daemon_is_gone(run: Run, daemon: Daemon) -> None:
    from core.process.pid_file import holder

    daemon.answers["stop"] = {"bots": []}
    daemon.linger_s = 0.3
    assert run("stop").exit_code == 0
    assert holder(daemon.home.run) is None


def test_stop_fails_when_an_order_may_be_left(run: Run, daemon: Daemon) -> None:
    daemon.answers["stop"] = {"bots": [{"name": "a", "how": "killed", "left_orders": ["x1", "x2"]}]}
    done = run("stop")
    assert done.exit_code == 1
    assert done.stderr.startswith("a: orders may be left at the venue: x1, x2;")
    assert "no order is left" not in done.stdout


def test_stop_of_a_stopped_daemon_is_done(run: Run) -> None:
    done = run("stop")
    assert (done.exit_code, done.stdout) == (0, "the daemon is not running\n")
    assert json.loads(run("stop", "--json").stdout) == {"bots": []}


def test_a_daemon_that_does_not_answer_is_stopped_by_a_signal(run: Run, home: Home) -> None:
    home.make_folders()
    script = (
        "import sys, time; from pathlib import Path; from core.process.pid_file import PidFile\n"
        "assert PidFile(Path(sys.argv[1])).acquire(); print('held', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", script, str(home.run)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as stuck:
        assert stuck.stdout is not None
        assert stuck.stdout.readline() == "held\n"
        done = run("stop")
        assert stuck.wait(10) == -signal.SIGTERM
    assert done.exit_code == 0
    assert done.stderr == f"the daemon (pid {stuck.pid}) does not answer; it is asked by a signal\n"


def test_restart_without_a_name_is_a_stop_and_a_start(run: Run, daemon: Daemon, services: Services) -> None:
    daemon.answers["stop"] = {"bots": []}
    done = run("restart")
    assert done.stdout.splitlines()[0] == "stopped; no order is left"
    assert services.started == [()]


def test_restart_of_a_bot_asks_the_daemon(run: Run, daemon: Daemon) -> None:
    daemon.answers["restart"] = {"bots": [{"name": "sol-mm", "state": "RUNNING", "reason": ""}]}
    assert run("restart", "sol-mm").stdout == "sol-mm RUNNING\n"
    assert daemon.asked == [("restart", {"names": ["sol-mm"]})]


@pytest.mark.parametrize("action", ["start", "stop", "reset"])
def test_bot_commands_ask_the_daemon(run: Run, daemon: Daemon, action: str) -> None:
    daemon.answers["bot"] = {"bots": [{"name": "sol-mm", "state": "STOPPED", "reason": ""}]}
    assert run("bot", action, "sol-mm", "b").exit_code == 0
    assert daemon.asked == [("bot", {"action": action, "names": ["sol-mm", "b"]})]


def test_a_bot_that_comes_to_nothing_good_fails_the_command(run: Run, daemon: Daemon) -> None:
    daemon.answers["bot"] = {"bots": [{"name": "sol-mm", "state": "FATAL", "reason": "claim is held"}]}
    done = run("bot", "start", "sol-mm")
    assert (done.exit_code, done.stdout) == (1, "sol-mm FATAL: claim is held\n")


def test_a_refusal_of_the_daemon_is_one_line(run: Run, daemon: Daemon) -> None:
    daemon.answers["bot"] = "no bot named b; known: sol-mm"
    done = run("bot", "stop", "b")
    assert (done.exit_code, done.stderr) == (1, "makerd: no bot named b; known: sol-mm\n")


def test_reload_tells_the_complaints_and_fails_when_there_are_any(run: Run, daemon: Daemon) -> None:
    daemon.answers["reload"] = {"bots": 3, "invalid": []}
    assert run("reload").stdout == "read again: 3 valid configs\n"
    daemon.answers["reload"] = {"bots": 2, "invalid": [{"file": "x.json", "complaints": ["x.json:1: wrong"]}]}
    done = run("reload")
    assert (done.exit_code, "x.json:1: wrong" in done.stderr) == (1, True)


@pytest.mark.parametrize("arguments", [("reload",), ("bot", "stop", "a"), ("restart", "a")])
def test_without_a_daemon_a_command_says_how_to_start_one(run: Run, arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert (done.exit_code, done.stderr) == (1, f"makerd: {DaemonDown()}\n")
    assert "start --daemon" in done.stderr


# Logs


def write_log(home: Home, name: str, *entries: dict[str, Any]) -> None:
    home.make_folders()
    path = home.log / f"{name}.log"
    base = {"ts": "2026-01-01T00:00:00.000000Z", "level": "INFO", "bot": name, "component": "orders"}
    path.write_text("".join(json.dumps({**base, **entry}) + "\n" for entry in entries))


def test_logs_show_the_last_lines_for_people(run: Run, home: Home) -> None:
    write_log(home, "sol-mm", *({"event": f"e{i}", "n": i} for i in range(30)))
    lines = run("logs", "sol-mm", "-n", "2").stdout.splitlines()
    assert lines[1] == "2026-01-01 00:00:00.000Z INFO    sol-mm orders e29 n=29"
    assert len(lines) == 2
    assert len(run("logs", "sol-mm").stdout.splitlines()) == 20


def test_logs_in_json_are_the_lines_themselves(run: Run, home: Home) -> None:
    write_log(home, "sol-mm", {"event": "e"})
    assert run("logs", "sol-mm", "--json").stdout == (home.log / "sol-mm.log").read_text()


def test_logs_are_chosen_by_component_and_level(run: Run, home: Home) -> None:
    write_log(
        home,
        "sol-mm",
        {"event": "a", "level": "ERROR"},
        {"event": "b", "level": "WARNING", "component": "risk"},
        *({"event": f"c{i}"} for i in range(50)),
    )
    assert run("logs", "sol-mm", "--level", "warning").stdout.count("\n") == 2
    assert " b" in run("logs", "sol-mm", "--component", "risk").stdout
    assert run("logs", "sol-mm", "--component", "risk", "--level", "ERROR").stdout == ""
    assert run("logs", "sol-mm", "--level", "LOUD").exit_code == 2


def test_logs_of_the_daemon_and_of_nobody(run: Run, home: Home) -> None:
    write_log(home, "daemon", {"event": "started", "bot": None})
    assert "daemon orders started" in run("logs", "daemon").stdout
    done = run("logs", "deamon")
    assert (done.exit_code, done.stderr) == (1, "makerd: no log is named 'deamon'; did you mean 'daemon'?\n")
    assert run("logs", "../../etc/passwd").exit_code == 1


def test_following_a_log_shows_new_lines_until_ctrl_c(home: Home) -> None:
    write_log(home, "sol-mm", {"event": "old"})
    command = [sys.executable, str(DOOR), "logs", "sol-mm", "-f", "--home", str(home.root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "old" in process.stdout.readline()
        with (home.log / "sol-mm.log").open("a") as log:
            log.write('{"event": "new"}\n')
        assert "new" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=10)
    assert (process.returncode, errors) == (0, "")


def test_a_reader_that_goes_away_is_no_news(home: Home) -> None:
    write_log(home, "sol-mm", *({"event": "e" * 1000} for _ in range(1000)))
    command = f"{sys.executable} {DOOR} logs sol-mm -n 1000 | head -1"
    done = subprocess.run(
        ["bash", "-c", command], env={**os.environ, "MAKERD_HOME": str(home.root)}, check=False, capture_output=True
    )
    assert done.stdout.count(b"\n") == 1
    assert done.stderr == b""


# Configs: the real validator child


def test_validate_says_which_configs_are_valid(run: Run, home: Home) -> None:
    write_config(home, config())
    done = run("config", "validate")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "sol-mm: valid (config/active/a.json)\n", "")


def test_validate_by_name_by_file_and_in_json_tells_every_complaint(run: Run, home: Home, tmp_path: Path) -> None:
    wrong = config(strategy_config={"symbol": "SOL-USDC", "order_size_quote": "many", "spred_pct": 1})
    path = write_config(home, wrong)
    by_name = run("config", "validate", "sol-mm")
    assert by_name.exit_code == 1
    assert "config/active/a.json:" in by_name.stderr
    assert "spread_pct" in by_name.stderr
    elsewhere = tmp_path / "b.json"
    elsewhere.write_text(path.read_text())
    by_file = run("config", "validate", str(elsewhere), "--json")
    assert len(json.loads(by_file.stdout)["invalid"][0]["complaints"]) == len(by_name.stderr.splitlines()) == 2


def test_validate_of_one_file_sees_its_neighbours_but_not_their_faults(run: Run, home: Home) -> None:
    write_config(home, config(), "a.json")
    write_config(home, config(), "b.json")
    write_config(home, "{", "c.json")
    done = run("config", "validate", str(home.active / "a.json"))
    assert done.exit_code == 1
    assert "c.json" not in done.stderr


def test_what_an_earlier_run_left_damaged_is_not_the_fault_of_one_config(run: Run, home: Home) -> None:
    write_config(home, config())
    home.bot_state("old").mkdir(parents=True)
    (home.bot_state("old") / "run.json").write_text("{")
    assert run("config", "validate", "sol-mm").exit_code == 0
    assert run("config", "validate").exit_code == 1


def test_validate_of_nothing_says_so(run: Run, home: Home) -> None:
    assert "no config in" in run("config", "validate").stdout
    assert run("config", "validate", "nobody").exit_code == 1
    assert run("config", "validate", str(home.root / "none.json")).exit_code == 1


def test_a_base_is_validated_by_itself(run: Run, home: Home) -> None:
    base = home.root / "config" / "bases" / "b.json"
    base.parent.mkdir(parents=True)
    base.write_text('{"risk_config": {"max_loss": 5}}')
    assert "config/bases/b.json: a sound base" in run("config", "validate", str(base)).stdout
    base.write_text('{"risk_config": {"max_loss": 0}}')
    refused = run("config", "validate", str(base))
    assert refused.exit_code == 1
    assert "config/bases/b.json:1:30: risk_config.max_loss" in refused.stderr


def test_list_shows_what_a_base_the_environment_and_the_legacy_file_say(
    run: Run, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = {"metadata": {"exchange": "backpack", "strategy": "market_maker"}, "strategy_config": {"symbol": "SOL-USDC"}}
    (home.root / "config" / "bases").mkdir(parents=True)
    (home.root / "config" / "bases" / "b.json").write_text(json.dumps(base))
    child = {"metadata": {"name": "child", "extends": "b"}, "exchange_config": {}, "strategy_config": {}}
    (home.active / "child.json").write_text(json.dumps(child))
    entry = {"name": "old", "exchange": "paper", "strategy": "market_maker", "symbol": "ETH-USDC"}
    home.legacy_file.write_text(json.dumps({"bots": [entry]}))
    monkeypatch.setenv("MAKERD__EXCHANGE_CONFIG__MODE", "live")
    rows = {one["name"]: one for one in json.loads(run("config", "list", "--json").stdout) if one["where"] == "active"}
    found = [rows["child"][key] for key in ("exchange", "symbol", "mode")]
    assert found == ["backpack", "SOL-USDC", "live"]  # so that a person is asked before it trades real money
    assert (rows["old"]["symbol"], rows["old"]["file"]) == ("ETH-USDC", "config/daemon_config.json")


def test_explain_shows_values_with_their_origin_and_no_secret(
    run: Run, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THE_KEY", "s3cr3t-value")
    write_config(home, config(exchange_config={"api_key": "${THE_KEY}"}))
    shown = run("config", "explain", "sol-mm").stdout
    values = {one["path"]: one for one in json.loads(run("config", "explain", "sol-mm", "--json").stdout)}
    assert values["strategy_config.layers"] == {
        "path": "strategy_config.layers",
        "value": "3",
        "origin": "default",
        "layer": "default",
    }
    assert values["exchange_config.api_key"]["value"] == "***"
    assert "line 4" in shown
    assert "s3cr3t" not in shown


def test_explain_of_an_invalid_config_tells_its_complaints(run: Run, home: Home) -> None:
    write_config(home, config(risk_config={"max_los": 1}))
    done = run("config", "explain", "sol-mm")
    assert (done.exit_code, "max_loss" in done.stderr) == (1, True)


def test_list_shows_active_configs_and_templates(run: Run, home: Home) -> None:
    write_config(home, config())
    write_config(home, "{", "broken.json")
    found = json.loads(run("config", "list", "--json").stdout)
    assert {one["where"] for one in found} == {"active", "template"}
    assert [(one["name"], bool(one["problem"])) for one in found[:2]] == [("sol-mm", False), (None, True)]
    assert "sol-mm" in run("config", "list").stdout


# Errors and doors


def test_usage_errors_are_2_and_help_is_0(run: Run) -> None:
    assert run("bogus").exit_code == 2
    assert run("bot", "start").exit_code == 2
    assert run("--help").exit_code == 0
    assert run("status", "--help").exit_code == 0


def test_a_traceback_is_shown_only_when_asked_for(run: Run, services: Services) -> None:
    services.refusal = MakerdError("no")
    assert run("start", "--daemon").stderr == "makerd: no\n"
    for arguments in (("--debug", "start", "--daemon"), ("start", "--daemon", "--debug")):
        assert "Traceback" in run(*arguments).stderr


def test_a_bug_is_one_line_too(run: Run, services: Services) -> None:
    services.refusal = ZeroDivisionError("by zero")
    done = run("start", "--daemon")
    assert done.exit_code == 1
    assert done.stderr == "makerd: internal error: ZeroDivisionError: by zero; run it again with --debug to see where\n"


def test_a_folder_that_cannot_be_read_is_one_line(run: Run, services: Services) -> None:
    services.refusal = PermissionError(13, "Permission denied", "/somewhere")
    assert run("start", "--daemon").stderr.startswith("makerd: /somewhere: Permission denied; check")


def test_an_interrupted_command_is_not_a_success(services: Services, capsys: pytest.CaptureFixture[str]) -> None:
    from cli.commands import cli
    from cli.shared import App

    services.refusal = KeyboardInterrupt()  # type: ignore[assignment]
    assert guarded(cli, App(services), ["start", "--daemon"], "makerd") == 1
    assert capsys.readouterr().err.strip() == "interrupted"


@pytest.mark.parametrize("python", [(), ("-P",), ("-m", "core.daemon_manager")])
def test_the_door_works_by_path_from_any_folder_and_as_a_module(
    home: Home, tmp_path: Path, python: tuple[str, ...]
) -> None:
    write_config(home, config())
    done = door("status", "--json", python=python, cwd=ROOT if "-m" in python else tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["bots"][0]["name"] == "sol-mm"


def test_by_path_there_is_one_copy_of_everything_and_core_hides_no_standard_module(home: Home) -> None:
    script = (
        f"import runpy, sys; sys.argv[:] = ['x', 'bot', 'stop', 'a']; sys.path[0] = {str(DOOR.parent)!r}\n"
        f"try: runpy.run_path({str(DOOR)!r}, run_name='__main__')\n"
        "except SystemExit as exc: print(exc.code, 'logger' in sys.modules, "
        f"{str(DOOR.parent)!r} in sys.path)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=home.root, check=False, capture_output=True, text=True)
    assert done.stdout == "1 False False\n"
    assert done.stderr == f"makerd: {DaemonDown()}\n"


def test_the_home_of_the_option_comes_before_that_of_the_environment(home: Home, tmp_path: Path) -> None:
    other = tmp_path / "other"
    for arguments in (("--home", str(other), "status", "--json"), ("status", "--json", "--home", str(other))):
        assert json.loads(door(*arguments).stdout)["daemon"]["home"] == str(other)


def test_the_version_is_printed() -> None:
    assert door("--version").stdout == f"makerd {__version__}\n"


@pytest.mark.parametrize("file", ["core/daemon_manager.py", "run.py"])
def test_a_missing_dependency_is_one_line(file: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(ROOT / file)], cwd=tmp_path, check=False, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.startswith("makerd: module 'click' is missing in ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("file", ["core/daemon_manager.py", "run.py"])
@pytest.mark.parametrize(
    ("platform", "version", "why"),
    [
        ("darwin", "(3, 12, 1)", "makerd runs on Linux only (this is darwin); use a Linux container"),
        ("linux", "(3, 10, 2)", "makerd needs Python 3.11, 3.12 or 3.13 (this is 3.10)"),
        ("linux", "(3, 14, 0)", "makerd needs Python 3.11, 3.12 or 3.13 (this is 3.14)"),
    ],
)
def test_another_system_is_refused_in_one_line(file: str, platform: str, version: str, why: str) -> None:
    script = (
        "import runpy, sys\n"
        f"sys.platform, sys.version_info = {platform!r}, {version}\n"
        f"sys.modules['click'] = None\n"
        f"runpy.run_path({str(ROOT / file)!r}, run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(why)
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("file", ["core/daemon_manager.py", "run.py", "utils/system.py"])
def test_what_runs_before_the_refusal_can_be_read_by_an_old_python(file: str) -> None:
    import ast

    ast.parse((ROOT / file).read_text(), feature_version=(3, 5))


# With everything real


def test_in_the_foreground_the_log_is_shown_until_ctrl_c_and_everything_is_stopped(home: Home) -> None:
    write_config(home, config())
    command = [sys.executable, str(DOOR), "--home", str(home.root), "start"]
    environ = {**os.environ, "MAKERD_CLAIMS_DIR": str(home.root / "claims")}
    with subprocess.Popen(
        command, cwd="/", env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("makerd is running in the foreground: pid ")
        assert json.loads(door("status", "--json").stdout)["daemon"]["state"] == "running"
        process.send_signal(signal.SIGINT)
        shown, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    assert "stopping: every bot cancels its orders" in shown
    assert "daemon process stopped" in shown
    assert json.loads(door("status", "--json").stdout)["daemon"]["state"] == "stopped"


def test_without_a_daemon_the_figures_are_those_of_the_ledger(run: Run, home: Home) -> None:
    from core.market.order import Fill, Side
    from core.market.position import Position
    from core.trading.ledger import Ledger, LedgerBatch
    from tests.market_parts import fill, instrument

    write_config(home, config())
    ledger = Ledger.open(home.bot_state("sol-mm") / "ledger.db")
    ledger.use_instrument("main", instrument())
    booked: Fill = fill(Side.BUY, 100, 3)
    after = Position("main").after_fill(booked, instrument())
    ledger.write(LedgerBatch(fills=[(booked, after)]))
    ledger.close()
    bot = json.loads(run("status", "--json").stdout)["bots"][0]
    assert (bot["fills"], bot["fees"]) == (1, format(after.fees_paid, "f"))
    assert bot["position"] == bot["legs"][0]["position"] == str(instrument().to_size(3))


def test_a_damaged_ledger_costs_the_status_only_its_figures(run: Run, home: Home) -> None:
    write_config(home, config())
    home.bot_state("sol-mm").mkdir(parents=True)
    (home.bot_state("sol-mm") / "ledger.db").write_bytes(b"no database" * 100)
    assert json.loads(run("status", "--json").stdout)["bots"][0]["fills"] == 0
