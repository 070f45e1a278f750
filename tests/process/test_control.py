"""The control socket: real sockets, hostile clients."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import selectors
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.process import control
from core.process.control import DEAF_S, MAX_CLIENTS, NAME, ControlRefused, ControlServer, DaemonDown, Request, call
from tests.process.alone import alone
from utils.home import Home


class Serving:
    """A control server turning in a thread of its own."""

    def __init__(self, run_dir: Path) -> None:
        self.selector = selectors.DefaultSelector()
        self.asked: list[tuple[str, dict[str, object]]] = []
        self.server = ControlServer(run_dir, self.selector, self.handle)
        self.going = True
        self.thread = threading.Thread(target=self.turn)
        self.thread.start()

    def handle(self, request: Request) -> None:
        self.asked.append((request.verb, request.args))
        if request.verb == "big":
            request.answer("x" * 5_000_000)
        elif request.verb == "no":
            request.refuse("because")
        else:
            request.answer({"verb": request.verb})

    def turn(self) -> None:
        while self.going:
            for key, mask in self.selector.select(0.02):
                key.data(mask)

    def stop(self) -> None:
        self.going = False
        self.thread.join()
        self.server.close()
        self.selector.close()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    home.make_folders()
    return home


@pytest.fixture
def serving(home: Home) -> Iterator[Serving]:
    serving = Serving(home.run)
    yield serving
    serving.stop()


@contextlib.contextmanager
def connected(home: Home) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as raw:
        raw.settimeout(5)
        raw.connect(str(home.run / NAME))
        yield raw


def test_a_question_is_answered(home: Home, serving: Serving) -> None:
    assert call(home, "hello", {"a": 1}) == {"verb": "hello"}
    assert serving.asked == [("hello", {"a": 1})]


def test_a_refusal_is_an_error_with_its_reason(home: Home, serving: Serving) -> None:
    with pytest.raises(ControlRefused, match="because"):
        call(home, "no")


def test_an_answer_larger_than_the_socket_buffer_arrives_whole(home: Home, serving: Serving) -> None:
    assert len(call(home, "big")) == 5_000_000


def test_no_daemon_is_a_clear_error(home: Home) -> None:
    with pytest.raises(DaemonDown, match="start --daemon"):
        call(home, "status")


def test_a_socket_left_behind_by_a_dead_daemon_is_no_daemon(home: Home) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(home.run / NAME))
    with pytest.raises(DaemonDown):
        call(home, "status")
    serving = Serving(home.run)
    serving.stop()


def test_the_socket_is_for_its_owner_only(home: Home, serving: Serving) -> None:
    assert (home.run / NAME).stat().st_mode & 0o777 == 0o600


def test_a_home_whose_path_is_longer_than_a_socket_address_works(tmp_path: Path) -> None:
    home = Home(tmp_path / ("x" * 100) / ("y" * 60))
    home.make_folders()
    serving = Serving(home.run)
    try:
        assert call(home, "hello") == {"verb": "hello"}
    finally:
        serving.stop()


@pytest.mark.parametrize("line", [b"garbage\n", b"[]\n", b'{"verb": 1, "args": []}\n', b"{}\n", b"\xff\xfe\n"])
def test_garbage_gets_an_error_line_and_harms_nobody(home: Home, serving: Serving, line: bytes) -> None:
    with connected(home) as raw:
        raw.sendall(line)
        answer = json.loads(raw.makefile("rb").readline())
    assert answer["ok"] is False or answer["data"] == {"verb": "1"}
    assert call(home, "hello") == {"verb": "hello"}


def test_an_endless_request_is_dropped(home: Home, serving: Serving) -> None:
    with connected(home) as raw, pytest.raises((BrokenPipeError, ConnectionResetError)):
        for _ in range(100):
            raw.sendall(b"x" * 65536)
            time.sleep(0)
        raw.recv(1)
        raise BrokenPipeError
    assert call(home, "hello") == {"verb": "hello"}


def test_too_many_silent_clients_leave_room_again_when_they_go(home: Home, serving: Serving) -> None:
    silent = [socket.socket(socket.AF_UNIX) for _ in range(MAX_CLIENTS)]
    for raw in silent:
        raw.connect(str(home.run / NAME))
    deadline = time.monotonic() + 5
    while len(serving.server._clients) < MAX_CLIENTS and time.monotonic() < deadline:
        os.sched_yield()
    with pytest.raises(DaemonDown):
        call(home, "hello", timeout_s=2)
    for raw in silent:
        raw.close()
    while serving.server._clients and time.monotonic() < deadline:
        os.sched_yield()
    assert call(home, "hello") == {"verb": "hello"}


def test_idle_clients_are_dropped_but_not_one_that_waits_for_its_answer(home: Home, serving: Serving) -> None:
    with connected(home):
        deadline = time.monotonic() + 5
        while not serving.server._clients and time.monotonic() < deadline:
            os.sched_yield()
        (client,) = serving.server._clients
        assert client.is_idle(time.monotonic() + 31)
        client._asked = True
        assert not client.is_idle(time.monotonic() + 31)


if os.getuid() == 0:

    def test_another_user_is_not_served_whatever_the_modes_of_the_files_allow(home: Home, serving: Serving) -> None:
        def stranger() -> None:
            os.chdir(home.run)
            os.setuid(65_534)
            with socket.socket(socket.AF_UNIX) as raw:
                raw.settimeout(5)
                raw.connect(NAME)
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    raw.sendall(b'{"verb": "hello"}\n')
                    assert raw.recv(100) == b""

        home.run.chmod(0o755)
        (home.run / NAME).chmod(0o666)
        alone(stranger)
        assert serving.asked == []
        assert call(home, "hello") == {"verb": "hello"}


def test_whoever_is_not_our_user_is_not_served(home: Home, serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "_peer_of", lambda _connection: {"uid": os.getuid() + 1, "pid": 1})
    with pytest.raises(DaemonDown):
        call(home, "hello")
    assert serving.asked == []


def test_without_descriptors_nobody_is_let_in_and_the_loop_does_not_spin(home: Home) -> None:
    def work() -> None:
        selector = selectors.DefaultSelector()
        server = ControlServer(home.run, selector, lambda request: request.answer({}))
        with connected(home) as raw:
            raw.sendall(b'{"verb": "hello"}\n')
            _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            full = os.dup(0)
            resource.setrlimit(resource.RLIMIT_NOFILE, (full + 1, hard))
            for key, mask in selector.select(5):
                key.data(mask)
            assert selector.select(0) == []  # it would be ready again and again
            os.close(full)
            server.drop_idle(time.monotonic())
            assert selector.select(0) == []
            server.drop_idle(time.monotonic() + DEAF_S)
            for _ in range(2):
                for key, mask in selector.select(5):
                    key.data(mask)
            assert json.loads(raw.recv(100)) == {"ok": True, "data": {}}
        server.close()

    alone(work)


def test_a_server_that_ends_leaves_the_socket_of_another_one_alone(home: Home) -> None:
    selector = selectors.DefaultSelector()
    first = ControlServer(home.run, selector, lambda request: request.answer({}))
    second = ControlServer(home.run, selector, lambda request: request.answer({}))  # somebody deleted the lock file
    first.close()
    assert (home.run / NAME).exists()
    second.close()
    assert not (home.run / NAME).exists()
    selector.close()
