"""The doctor on a real home, with a real daemon and listeners on this host."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from core.doctor.venues import Target, try_target
from tests.process.fleet_parts import Fleet, kill_all
from utils.env import Secret


def examine(fleet: Fleet, **environ: str) -> tuple[int, list[dict[str, str]]]:
    """Return the exit status and every finding."""
    done = fleet.run("doctor", "--json", timeout=100, **environ)
    assert done.stderr == ""
    answer = json.loads(done.stdout)
    assert answer["healthy"] == (done.returncode == 0)
    return done.returncode, answer["findings"]


def failures(findings: list[dict[str, str]]) -> list[tuple[str, str]]:
    """Return check and advice of whatever fails."""
    return [(one["check"], one["todo"]) for one in findings if one["level"] == "fail"]


def levels(findings: list[dict[str, str]], check: str) -> list[str]:
    """Return the levels of one check."""
    return [one["level"] for one in findings if one["check"] == check]


class Listener:
    """Accepts connections on this host; as a proxy it opens every tunnel."""

    def __init__(self, proxy: bool = False) -> None:
        self.proxy = proxy
        self.asked: list[str] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                if self.proxy:
                    self.asked.append(connection.recv(4096).decode())
                    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")

    def close(self) -> None:
        """Stop listening."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()


@pytest.fixture
def listener() -> Iterator[Listener]:
    made = Listener()
    yield made
    made.close()


def closed_port() -> int:
    """Return a port of this host where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    return port


def test_a_home_in_order_is_healthy_with_and_without_a_daemon(fleet: Fleet) -> None:
    fleet.add("a")
    for folder in (fleet.home.root, fleet.home.root / "config", fleet.home.active):
        folder.chmod(0o700)
    status, findings = examine(fleet)
    assert (status, failures(findings)) == (0, [])
    assert {"kernel", "python", "feature", "clock", "disk", "claims", "rights", "configs"} <= {
        one["check"] for one in findings
    }
    fleet.start().quoting("a")
    status, findings = examine(fleet)
    assert (status, failures(findings)) == (0, [])
    assert levels(findings, "daemon") == ["ok"]
    assert levels(findings, "left over") == []


def test_an_env_file_that_others_can_read_is_a_failure_with_its_remedy(fleet: Fleet) -> None:
    fleet.add("a")
    fleet.home.env_file.write_text("KEY=swordfish\n")
    fleet.home.env_file.chmod(0o644)
    done = fleet.run("doctor")
    assert done.returncode == 1
    assert f"chmod 600 {fleet.home.env_file}" in done.stdout
    assert "swordfish" not in done.stdout


def test_configs_that_others_can_change_are_a_failure(fleet: Fleet) -> None:
    fleet.add("a").chmod(0o666)
    status, findings = examine(fleet)
    assert status == 1
    assert [todo.partition(" /")[0] for check, todo in failures(findings) if check == "rights"] == ["chmod 644"]


def test_an_invalid_config_and_an_invalid_daemon_file_are_failures(fleet: Fleet) -> None:
    fleet.add("a", strategy_config={"layers": 0})
    fleet.home.daemon_file.write_text("{")
    _, findings = examine(fleet)
    assert levels(findings, "configs") == ["fail", "fail"]


def test_what_a_killed_daemon_left_is_told(fleet: Fleet) -> None:
    fleet.add("a")
    fleet.start().quoting("a")
    kill_all(fleet.remember())
    fleet.until(lambda: not fleet.living())
    status, findings = examine(fleet)
    assert status == 0
    assert levels(findings, "daemon") == ["warn"]
    assert [one["text"] for one in findings if one["check"] == "left over"] == [
        "a did not say that it left no order on paper BTC-USDT"
    ]


def test_a_daemon_that_does_not_answer_is_a_failure(fleet: Fleet) -> None:
    fleet.add("a")
    fleet.start().quoting("a")
    pid = fleet.daemon_pid()
    os.kill(pid, signal.SIGSTOP)
    try:
        _, findings = examine(fleet)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert ("daemon", f"`stop`; if that does not help, `kill {pid}`") in failures(findings)


def test_a_claims_folder_that_cannot_be_used_is_a_failure(fleet: Fleet) -> None:
    fleet.add("a")
    blocked = fleet.home.root / "file"
    blocked.write_text("")
    _, findings = examine(fleet, MAKERD_CLAIMS_DIR=str(blocked / "claims"))
    assert levels(findings, "claims") == ["fail"]


def thalex(fleet: Fleet, port: int, **keys: Any) -> None:
    """Write the config of a bot on a venue of this host."""
    section = {"mode": "paper", "ws_url": f"ws://127.0.0.1:{port}", "maker_fee_bps": -1, **keys}
    template = json.loads(fleet.add("t").read_text())
    template["metadata"]["exchange"] = "thalex"
    template["exchange_config"] = section
    template["strategy_config"]["symbol"] = "BTC-PERP"
    (fleet.home.active / "t.json").write_text(json.dumps(template))


def test_a_venue_that_can_be_reached_is_well_and_one_that_cannot_is_a_failure(fleet: Fleet, listener: Listener) -> None:
    thalex(fleet, listener.port)
    status, findings = examine(fleet)
    assert (status, levels(findings, "venue")) == (0, ["ok"])
    thalex(fleet, closed_port())
    status, findings = examine(fleet)
    assert (status, levels(findings, "venue")) == (1, ["fail"])


def test_a_venue_that_speaks_no_tls_is_told(listener: Listener) -> None:
    finding = try_target(Target(f"https://127.0.0.1:{listener.port}", None, ("a", "b")))
    assert finding.level == "fail"
    assert finding.text.startswith(f"TLS with 127.0.0.1:{listener.port} failed")
    assert finding.text.endswith("(for a and 1 more)")


def test_a_venue_is_tried_by_the_bots_own_proxy_whose_password_nobody_sees(listener: Listener) -> None:
    proxy = Listener(proxy=True)
    try:
        secret = Secret(f"http://user:swordfish@127.0.0.1:{proxy.port}")
        finding = try_target(Target(f"ws://127.0.0.1:{listener.port}", secret, ("a",)))
    finally:
        proxy.close()
    assert finding.level == "ok"
    assert f"by the proxy 127.0.0.1:{proxy.port}" in finding.text
    assert "swordfish" not in finding.text
    assert proxy.asked[0].startswith(f"CONNECT 127.0.0.1:{listener.port} ")
