"""A real simulator process, driven over its control port; ended with the test that started it."""

from __future__ import annotations

import contextlib
import json
import select
import subprocess
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from typing import IO, Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, Request, build_opener

from utils.home import CHECKOUT

_OPENER = build_opener(ProxyHandler({}))  # loopback never goes through a proxy
_START_S, _ANSWER_S, _END_S = 90.0, 30.0, 10.0


class SimRefusedRequest(Exception):
    """The control port answered 4xx; `status` and the message say why."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status, self.message = status, message


class SimProcess:
    """One running simulator. `hello` is its first line."""

    def __init__(self, process: subprocess.Popen[str], hello: dict[str, Any]) -> None:
        self.process, self.hello = process, hello

    def __enter__(self) -> SimProcess:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # -- control ----------------------------------------------------------------------------------------------------
    def state(self, account: str | None = None, fills: int | None = None) -> dict[str, Any]:
        """Return everything, or with `account` only that one under `accounts`; `fills`: so many of each account."""
        query = urlencode({key: value for key, value in (("account", account), ("fills", fills)) if value is not None})
        return self._ask("GET", f"state?{query}")

    def requests(self, account: str, newest: int = 2_000) -> list[dict[str, Any]]:
        """Return the newest requests of an account, oldest first, each with `at_ns` and `request`."""
        found = self._ask("GET", f"state?account={account}&fills=0&requests={newest}")["recent"]
        return [asked for asked in found if asked["account"] == account]

    def fault(self, kind: str, **params: Any) -> dict[str, Any]:
        """Arm a fault, or do it when it is one of those that are done at once; `clear` disarms."""
        return self._ask("POST", "fault", {"kind": kind, **params})

    def price(self, symbol: str, price: Any) -> dict[str, Any]:
        """Move a market."""
        return self._ask("POST", "price", {"symbol": symbol, "price": str(price)})

    def tick(self, symbol: str, multiple: int) -> Decimal:
        """List another tick size, a multiple of the first one; return it."""
        return Decimal(self._ask("POST", "tick", {"symbol": symbol, "multiple": multiple})["tick_size"])

    def delist(self, symbol: str) -> dict[str, Any]:
        """Take a market off the list."""
        return self._ask("POST", "delist", {"symbol": symbol})

    def account(self, **params: Any) -> dict[str, Any]:
        """Open a fresh account; returns {"account", "credentials", "balances"}."""
        return self._ask("POST", "account", params)

    def order(self, account: str, symbol: str, side: str, price: Any, size: Any, **params: Any) -> dict[str, Any]:
        """Trade as an account; a price of None is a market order."""
        numbers = {"price": None if price is None else str(price), "size": str(size)}
        return self._ask("POST", "order", {"account": account, "symbol": symbol, "side": side, **numbers, **params})

    def cancel(self, account: str, **params: Any) -> dict[str, Any]:
        """Cancel an account's orders, or one by `order_id`."""
        return self._ask("POST", "cancel", {"account": account, **params})

    def feed(self, paused: bool) -> dict[str, Any]:
        """Stop or resume what the market displays; orders still trade."""
        return self._ask("POST", "feed", {"paused": paused})

    def reset(self) -> dict[str, Any]:
        """Cancel every open order, disarm every fault, let the feeds move."""
        return self._ask("POST", "reset", {})

    def until(self, what: Callable[[dict[str, Any]], Any], seconds: float = 20.0) -> Any:
        """Poll the state until `what` of it is true; fails the test with the last state when it never is."""
        deadline, pause_s = time.monotonic() + seconds, 0.02
        while True:
            state = self.state()
            found = what(state)
            if found:
                return found
            assert time.monotonic() < deadline, f"not within {seconds} s: {json.dumps(state)[:4000]}"
            time.sleep(pause_s)
            pause_s = min(0.05, pause_s * 1.1)

    def _ask(self, method: str, what: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        return ask(f"{self.hello['control_url']}/_sim/{what}", method, data)

    # -- end --------------------------------------------------------------------------------------------------------
    def close(self) -> None:
        """End the process: asked first, then by force; safe to call twice."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(_END_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(_END_S)
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()


def ask(url: str, method: str = "GET", data: bytes | None = None) -> dict[str, Any]:
    """Return the JSON that a control port answers. Raises SimRefusedRequest."""
    request = Request(url, data=data, method=method, headers={"Content-Type": "application/json"})
    try:
        with _OPENER.open(request, timeout=_ANSWER_S) as answer:
            found: dict[str, Any] = json.load(answer)
            return found
    except HTTPError as exc:
        with exc:
            raise SimRefusedRequest(exc.code, str(json.load(exc).get("error"))) from None


def start_simulator(venue: str, *arguments: str, log: IO[str] | None = None) -> SimProcess:
    """Start `python -m api.simulator VENUE ...` and return it once it listens; fails the test when it does not.

    It ends with the test process, however that ends: its stdin is a pipe of ours. `log` takes its log lines.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "api.simulator", venue, "--with-parent", *arguments],
        cwd=CHECKOUT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
    )
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], _START_S)
    line = process.stdout.readline() if ready else ""
    simulator = SimProcess(process, json.loads(line) if line else {})
    if not line:
        simulator.close()
        raise AssertionError(f"the simulator of {venue} said nothing within {_START_S} s")
    return simulator


class Simulators(dict[str, SimProcess]):
    """A simulator for each venue, started when it is first asked for.

    One that nobody asks anything takes a fiftieth of a processor all the same: they are ended with the file that needs
    them.
    """

    def __init__(self, *arguments: str) -> None:
        super().__init__()
        self._arguments = arguments

    def __missing__(self, venue: str) -> SimProcess:
        self[venue] = start_simulator(venue, *self._arguments)
        return self[venue]

    def close(self) -> None:
        """End them; the next one asked for is a new one."""
        while self:
            self.popitem()[1].close()
