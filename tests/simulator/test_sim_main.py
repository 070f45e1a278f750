"""`python -m api.simulator` as an operator and the tests start it: real processes."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

import pytest
from click.testing import CliRunner

from api.simulator.__main__ import simulate
from tests.made_recording import FACTS, calm_market
from tests.sim_process import SimProcess, SimRefusedRequest, start_simulator
from utils.home import CHECKOUT

STILL = ("--trades-per-s", "0", "--volatility-bps", "0")


def command(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the module to its end."""
    return subprocess.run(
        [sys.executable, "-m", "api.simulator", *arguments],
        cwd=CHECKOUT,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimProcess]:
    with start_simulator("backpack", *STILL) as started:
        yield started


def test_first_line_says_where_it_listens_and_with_which_keys(simulator: SimProcess) -> None:
    hello = simulator.hello
    assert hello["venue"] == "backpack" and hello["pid"] == simulator.process.pid
    assert hello["symbols"] == ["SOL_USDC", "SOL_USDC_PERP"]
    assert [row["account"] for row in hello["accounts"]] == ["a", "b"]
    assert set(hello["accounts"][0]["credentials"]) >= {"api_key", "api_secret"}
    assert all(hello[key].split("//")[1].startswith("127.0.0.1:") for key in ("base_url", "ws_url", "control_url"))


def test_venue_speaks_its_protocol_at_the_address(simulator: SimProcess) -> None:
    with build_opener(ProxyHandler({})).open(f"{simulator.hello['base_url']}/api/v1/markets", timeout=10) as answer:
        symbols = [row["symbol"] for row in json.load(answer)]
    assert symbols == simulator.hello["symbols"]


def test_driver_trades_moves_and_breaks_the_market(simulator: SimProcess) -> None:
    mine = simulator.account(balances={"SOL": "5", "USDC": "1000"})["account"]
    order = simulator.order(mine, "SOL_USDC", "buy", "149.95", "1", post_only=True)
    assert order["state"] == "NEW"
    simulator.price("SOL_USDC", "140")
    simulator.until(lambda state: state["accounts"][mine]["fill_count"] == 1)
    assert simulator.state(mine)["accounts"][mine]["open_orders"] == []
    assert simulator.fault("delay", seconds=1, match="nothing")["armed"]["kind"] == "delay"
    assert simulator.feed(True) == {"paused": True}
    simulator.order(mine, "SOL_USDC", "buy", "120", "1")
    assert len(simulator.reset()["cancelled"]) == 1
    with pytest.raises(SimRefusedRequest, match="400: there is no account"):
        simulator.cancel("nobody")


def test_same_seed_gives_the_same_keys_and_another_seed_others(simulator: SimProcess) -> None:
    with start_simulator("backpack", "--seed", "1") as same, start_simulator("backpack", "--seed", "2") as other:
        assert same.hello["accounts"] == simulator.hello["accounts"]
        assert other.hello["accounts"][0]["credentials"] != simulator.hello["accounts"][0]["credentials"]


def test_only_the_wanted_symbol_is_listed() -> None:
    with start_simulator("backpack", "--symbol", "SOL-PERP") as started:
        assert started.hello["symbols"] == ["SOL_USDC_PERP"]


def test_accounts_of_a_file_are_served(tmp_path: Path) -> None:
    path = tmp_path / "accounts.json"
    path.write_text(json.dumps([{"account": "x", "balances": {"USDC": "12.5"}}, {"account": "y"}]))
    with start_simulator("backpack", "--accounts", str(path)) as started:
        assert [row["account"] for row in started.hello["accounts"]] == ["x", "y"]
        assert started.state("x")["accounts"]["x"]["balances"]["USDC"]["total"] == "12.5"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read (No such file or directory)"),
        ("{nope", "not JSON"),
        ("{}", "expected a list of accounts"),
        ("[]", "expected a list of accounts"),
        ("[7]", "row 1: 7 is not an object"),
        ('[{"account": ""}]', "row 1: account is ''"),
        ('[{"account": "x", "balances": {"USDC": "lots"}}]', "row 1: balances: 'lots' is not a number"),
        ('[{"account": "x"}, {"account": "x"}]', "row 2: there is an account 'x' already"),
    ],
)
def test_bad_accounts_file_is_refused_in_one_line(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "accounts.json"
    if content is not None:
        path.write_text(content)
    done = CliRunner().invoke(simulate, ["backpack", "--accounts", str(path)])
    assert done.exit_code == 2 and message in done.stderr and str(path) in done.stderr
    assert len(done.stderr.splitlines()) == 1 and not done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere",), "venue 'nowhere' cannot be simulated; there are: backpack"),
        (("../x",), "cannot be simulated"),
        (("backpack", "--symbol", "BTC"), "symbol 'BTC' is not listed by this simulator; there are: SOL_USDC"),
        (("backpack", "--feed", "dreams"), "the feed 'dreams' is neither 'synthetic' nor 'replay:FILE'"),
        (("backpack", "--feed", "replay:none"), "the recording 'none.csv.gz' was not found"),
    ],
)
def test_bad_command_is_refused_in_one_line(arguments: tuple[str, ...], message: str) -> None:
    done = CliRunner().invoke(simulate, arguments)
    assert done.exit_code == 2 and message in done.stderr
    assert len(done.stderr.splitlines()) == 1 and not done.stdout


def test_missing_library_is_named_with_the_command_that_installs_it(tmp_path: Path) -> None:
    (tmp_path / "aiohttp.py").write_text("raise ModuleNotFoundError('not here', name='aiohttp')")
    done = command("backpack", PYTHONPATH=str(tmp_path))
    assert done.returncode == 2 and "pip install aiohttp" in done.stderr and len(done.stderr.splitlines()) == 1


def test_taken_port_is_refused_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = command("backpack", "--port", str(taken.getsockname()[1]))
    assert done.returncode == 1 and "makerd simulator: cannot listen" in done.stderr
    assert not done.stdout


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_it_with_status_0(number: signal.Signals) -> None:
    with start_simulator("backpack") as started:
        started.process.send_signal(number)
        assert started.process.wait(10) == 0


def test_end_of_the_parent_ends_it() -> None:
    with start_simulator("backpack") as started:
        assert started.process.stdin is not None
        started.process.stdin.close()
        assert started.process.wait(10) == 0


def test_recording_is_replayed_as_the_market_that_fits_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAKERD_HOME", str(tmp_path))
    recording = calm_market().save(tmp_path, "calm")
    with start_simulator("backpack", "--feed", f"replay:{recording}") as started:
        market = started.state()["markets"]["SOL_USDC"]
        assert (market["tick_size"], market["lot_size"]) == (FACTS["tick_size"], FACTS["lot_size"])
        assert (market["bid"], market["ask"]) == ("100.00", "100.02")
        assert started.state()["markets"]["SOL_USDC_PERP"]["mark"].startswith("1")
