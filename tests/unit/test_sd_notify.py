"""What the service manager hears, over real datagram sockets; time is a number."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.process.sd_notify import EXTEND_NS, STATUS_NS, VARIABLES, ServiceManager

S = 1_000_000_000


class Manager:
    """The other end: a datagram socket at a path, or in the abstract namespace."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self.socket.setblocking(False)

    def heard(self) -> list[list[str]]:
        """Return every message since the last time, as lines."""
        messages = []
        try:
            while True:
                messages.append(self.socket.recv(4096).decode().split("\n"))
        except BlockingIOError:
            return messages


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    made = Manager(str(tmp_path / "notify") if request.param == "path" else f"@makerd-{secrets.token_hex(8)}")
    yield made
    made.socket.close()


def line(manager: Manager, **environ: str) -> ServiceManager:
    """Return a line to the manager as a daemon has it."""
    return ServiceManager({"NOTIFY_SOCKET": manager.address, **environ})


def test_ready_reloading_and_stopping_are_said_as_systemd_wants_it(manager: Manager) -> None:
    said = line(manager)
    said.ready()
    said.reloading(5_000_001_000)
    said.ready()
    said.stopping()
    said.ready()  # of a reload that the stop overtook
    ready, reloading, again, stopping = manager.heard()
    assert ready == again == ["READY=1"]
    assert reloading == ["RELOADING=1", "MONOTONIC_USEC=5000001"]
    assert stopping[0] == "STOPPING=1"


def test_the_variables_are_taken_out_so_that_no_child_speaks_in_our_name(manager: Manager) -> None:
    environ = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1", "PATH": "/bin"}
    ServiceManager(environ)
    assert environ == {"PATH": "/bin"}


def test_the_watchdog_is_fed_twice_in_its_time(manager: Manager) -> None:
    said = line(manager, WATCHDOG_USEC="4000000")
    fed = []
    for tenth in range(100):
        said.tend(tenth * S // 10, lambda: "")
        fed += [tenth for message in manager.heard() if "WATCHDOG=1" in message]
    assert fed == [0, 20, 40, 60, 80]
    assert said.due_ns == 10 * S


@pytest.mark.parametrize("environ", [{}, {"WATCHDOG_USEC": "4000000", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "soon"}])
def test_a_watchdog_that_is_not_ours_is_not_fed(manager: Manager, environ: dict[str, str]) -> None:
    said = line(manager, **environ)
    said.tend(S, lambda: "")
    assert (manager.heard(), said.due_ns) == ([], None)


def test_a_watchdog_for_this_very_process_is_fed(manager: Manager) -> None:
    said = line(manager, WATCHDOG_USEC="1000000", WATCHDOG_PID=str(os.getpid()))
    said.tend(S, lambda: "")
    assert manager.heard() == [["WATCHDOG=1"]]


def test_the_line_of_status_is_said_when_it_has_changed_and_not_too_often(manager: Manager) -> None:
    said = line(manager)
    for now_ns, status in ((0, "a"), (STATUS_NS // 2, "b"), (STATUS_NS, "b"), (2 * STATUS_NS, "b")):
        said.tend(now_ns, lambda status=status: status)  # type: ignore[misc]
    assert manager.heard() == [["STATUS=a"], ["STATUS=b"]]


def test_while_it_stops_more_time_is_asked_for(manager: Manager) -> None:
    said = line(manager)
    said.stopping()
    manager.heard()
    for step in range(4):
        said.tend(step * EXTEND_NS // 2, lambda: "same")
    messages = manager.heard()
    assert sum(one.startswith("EXTEND_TIMEOUT_USEC=") for message in messages for one in message) == 2


@pytest.mark.parametrize("address", ["", "relative", "vsock:2:1234", "/nowhere/at/all", "@nobody-listens-here-1"])
def test_without_anybody_who_listens_nothing_happens(address: str) -> None:
    said = ServiceManager({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1000000"} if address else {})
    said.ready()
    said.tend(S, lambda: "status")
    said.stopping()


def test_a_manager_that_does_not_read_never_makes_us_wait(manager: Manager) -> None:
    said = line(manager)
    for _ in range(10_000):
        said.ready()
    assert 0 < len(manager.heard()) < 10_000


def test_all_three_variables_are_known() -> None:
    assert VARIABLES == ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
