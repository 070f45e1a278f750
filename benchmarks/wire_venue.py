"""A venue's simulator in a process of its own, as the wire benchmarks need it."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
from types import TracebackType
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

from benchmarks.parts import CHECKOUT
from utils.env import Secret

SYMBOLS = {"backpack": "SOL-USDC", "thalex": "BTC-PERP"}
SECRETS = ("api_key", "api_secret", "key_id", "private_key")
LEVELS = 5  # that the market shows; each message changes all of them
_START_S, _ANSWER_S, _END_S = 30.0, 30.0, 10.0
_OPENER = build_opener(ProxyHandler({}))  # loopback never goes through a proxy


class Venue:
    """One running simulator whose market shows a new book `per_s` times a second; a context manager."""

    def __init__(self, name: str, per_s: float) -> None:
        self.name, self.symbol = name, SYMBOLS[name]
        told = [
            "--symbol",
            self.symbol,
            "--interval-ms",
            f"{1000 / per_s:g}",
            "--tick-ms",
            f"{max(1.0, 500 / per_s):g}",
        ]
        told += ["--depth", str(LEVELS), "--volatility-bps", f"{_volatility_bps(per_s):g}", "--trades-per-s", "0"]
        told += ["--requests-per-minute", "1000000"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "api.simulator", name, "--with-parent", *told],
            cwd=CHECKOUT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        try:
            self.hello = self._hello()
        except BaseException:
            self.close()
            raise

    def _hello(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], _START_S)
        found: dict[str, Any] = json.loads(self.process.stdout.readline() or b"{}") if ready else {}
        if not found:
            raise RuntimeError(f"the simulator of {self.name} said nothing within {_START_S} s")
        return found

    def __enter__(self) -> Venue:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def exchange_config(self) -> dict[str, Any]:
        """Return the `exchange_config` of an account of its own; secrets are resolved."""
        made = self._ask("account", {"account": f"bench{os.urandom(4).hex()}"})
        keys = {key: Secret(value) if key in SECRETS else value for key, value in made["credentials"].items()}
        addresses = {"base_url": self.hello["base_url"], "ws_url": self.hello["ws_url"], "mode": "live"}
        # More than a venue allows: what is measured is not the wait for the budget.
        return {**addresses, **keys, "request_rate_per_s": 100_000.0}

    def cut(self) -> None:
        """Cut every websocket."""
        self._ask("fault", {"kind": "disconnect"})

    def violations(self) -> dict[str, int]:
        """Return what the venue had to complain of."""
        found: dict[str, int] = self._ask("state", None)["counters"]["violations"]
        return found

    def _ask(self, what: str, body: dict[str, Any] | None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        url = f"{self.hello['control_url']}/_sim/{what}"
        request = Request(url, data=data, headers={"Content-Type": "application/json"})
        with _OPENER.open(request, timeout=_ANSWER_S) as answer:
            return json.load(answer)

    def close(self) -> None:
        """End it: asked first, then by force."""
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


def _volatility_bps(per_s: float) -> float:
    """Return what makes the mid move by 3 bps from one book to the next: enough for every book to be another one."""
    return float(3.0 * per_s**0.5)
