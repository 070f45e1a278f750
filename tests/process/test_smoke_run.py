"""`run.py smoke NAME` as a person runs it, against a venue behind real sockets."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.process.live_fleet import VENUES, LiveFleet
from utils.exit_statuses import DONE
from utils.home import CHECKOUT

pytestmark = pytest.mark.timeout(300)


def smoke(live: LiveFleet, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(CHECKOUT / "run.py"), "smoke", "one", "--duration", "20", *arguments]
    return subprocess.run(
        command, cwd="/", env=live.fleet.environ, capture_output=True, text=True, timeout=150, check=False
    )


def counts(output: str) -> dict[str, int]:
    """Return the closing figures by their words."""
    return {words: int(count) for words, count in re.findall(r"^  ([^\d\n]*\S) +(\d+)$", output, re.MULTILINE)}


@VENUES
def test_a_trial_places_moves_and_cancels_and_leaves_nothing(live: LiveFleet) -> None:
    live.add("one")
    done = smoke(live)
    assert done.returncode == DONE, done.stdout + done.stderr
    told = counts(done.stdout)
    assert told["orders placed"] >= 4 and told["orders cancelled"] >= 4  # both sides, and moved at least once
    assert (told["orders refused by the venue"], told["buys filled"], told["sells filled"]) == (0, 0, 0)
    assert "left at the venue: nothing" in done.stdout
    account = live.sim.state(live.account)["accounts"][live.account]
    assert (account["open_orders"], account["fills"]) == ([], [])
    assert live.violations() == {}


@VENUES
def test_a_trial_whose_orders_are_all_refused_has_failed(live: LiveFleet) -> None:
    live.add("one")
    what = {"backpack": "POST /api/v1/order", "thalex": "private/insert"}[live.venue]
    live.sim.fault("reject_next", account=live.account, match=what, count=100_000)
    done = smoke(live)
    assert done.returncode != DONE
    assert counts(done.stdout)["orders refused by the venue"] > 0
    assert "not proven" in done.stdout
    assert live.open_orders() == []
