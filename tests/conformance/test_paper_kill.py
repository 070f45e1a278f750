"""The paper venue's memory against `kill -9` of the process that has it open."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest

from api.base_client import ClientContext, Inbox, VenueReport
from api.paper_client import PaperClient
from tests.made_recording import FACTS, PERP_FACTS, calm_market

ROOT = Path(__file__).resolve().parents[2]


def trade_and_kill(arguments: list[str], random: Random) -> list[list[Any]]:
    """Start the trader, kill it at a random moment after its first fill, and return all that it had been told."""
    command = [sys.executable, "-m", "tests.conformance.paper_trader", *arguments]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=False)
    assert process.stdout is not None
    said, end = b"", time.monotonic() + 60
    try:
        while b'["fill"' not in said:
            assert select.select([process.stdout], [], [], max(0.0, end - time.monotonic()))[0], "nothing was filled"
            said += os.read(process.stdout.fileno(), 65536)
        end = time.monotonic() + random.uniform(0.0, 0.4)  # the moment of the kill is the point of the test
        while select.select([process.stdout], [], [], max(0.0, end - time.monotonic()))[0]:
            said += os.read(process.stdout.fileno(), 65536)
    finally:
        process.send_signal(signal.SIGKILL)
    said += process.stdout.read()
    process.stdout.close()
    assert process.wait() == -signal.SIGKILL
    return [json.loads(line) for line in said.split(b"\n")[:-1]]


def reopened_report(arguments: list[str]) -> tuple[VenueReport, PaperClient]:
    """Open the account again and return all that it remembers; the client is closed."""
    state, data, symbol, feed = arguments
    client, inbox = PaperClient({"feed": feed}, ClientContext("paper", symbol, "killed", "t", state, (data,))), Inbox()
    client.open(inbox, "main")
    client.request_report(1, None)
    report = None
    while report is None:
        client.poll(time.monotonic_ns())
        report = next((item for item in inbox.drain() if isinstance(item, VenueReport)), None)
    client.close()
    inbox.close()
    return report, client


@pytest.mark.parametrize("kind", ["spot", "perp"])
def test_killed_trader_leaves_exact_books_and_ids_are_never_used_again(tmp_path: Path, kind: str) -> None:
    facts = FACTS if kind == "spot" else PERP_FACTS
    calm_market().save(tmp_path / "data", "calm", facts)
    arguments = [str(tmp_path / "state"), str(tmp_path / "data"), str(facts["symbol"]), "replay:calm"]
    random, known_fills, venue_ids = Random(os.getpid()), 0, set[str]()
    for _ in range(4):
        told = trade_and_kill(arguments, random)
        report, client = reopened_report(arguments)
        remembered = {
            fill.trade_id: [fill.client_order_id, fill.side.value, fill.price_ticks, fill.size_lots, str(fill.fee)]
            for fill in report.fills
        }
        fills_told = [row[1] for row in told if row[0] == "fill"]
        assert fills_told, "nothing was filled before the kill"
        for trade_id, *rest in fills_told:
            assert remembered[trade_id] == rest
        assert len(report.fills) >= known_fills + len(fills_told)  # written first, told second
        assert len(remembered) == len(report.fills)
        known_fills = len(report.fills)
        accepted = {str(row[2]) for row in told if row[0] == "accepted"}
        assert not accepted & venue_ids
        venue_ids |= accepted
        check_money(report, client, facts)
        check_open_orders(report, told)


def check_money(report: VenueReport, client: PaperClient, facts: dict[str, object]) -> None:
    """Recompute balances and position from the fills alone."""
    instrument, start = client.instrument, facts["initial_balances"]
    assert isinstance(start, dict)
    totals = {balance.asset: balance.total for balance in report.balances}
    signed = sum(fill.side.sign * fill.size_lots for fill in report.fills)
    cash = Decimal(start["USDC"])
    for fill in report.fills:
        cash -= fill.side.sign * instrument.notional_quote(fill.price_ticks, fill.size_lots) + fill.fee
    if instrument.kind == "spot":
        assert totals == {"SOL": Decimal(start["SOL"]) + instrument.to_size(signed), "USDC": cash}
        return
    (position,) = report.positions
    assert position.size_lots == signed
    entry_value = (position.entry_price or Decimal(0)) * instrument.to_size(signed)
    assert abs(totals["USDC"] - (cash + entry_value)) < Decimal("1e-12")  # the average price is a rounded quotient


def check_open_orders(report: VenueReport, told: list[list[Any]]) -> None:
    """Compare what is open with the last words about each order of this run."""
    open_ids = {order.client_order_id for order in report.open_orders}
    cancelled = {row[1] for row in told if row[0] == "canceled"}
    assert not open_ids & cancelled
    for order in report.open_orders:
        filled = sum(fill.size_lots for fill in report.fills if fill.client_order_id == order.client_order_id)
        assert order.filled_lots == filled < order.size_lots
