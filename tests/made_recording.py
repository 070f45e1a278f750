"""A small recording with a known book and tape, for tests that need to know what will trade and when."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

HEADER = "msg,local_ts_ns,exch_ts_ns,event_ts_ns,kind,side,price,size,first_id,last_id,prev_id,flag"
START_NS = 1_700_000_000_000_000_000
FACTS: dict[str, Any] = {
    "symbol": "SOL-USDC",
    "venue_symbol": "SOLUSDC",
    "kind": "spot",
    "base": "SOL",
    "quote": "USDC",
    "tick_size": "0.01",
    "lot_size": "0.001",
    "min_notional": "5",
    "initial_balances": {"SOL": "100", "USDC": "10000"},
    "source": "made for the tests",
    "licence": "none needed",
}
PERP_FACTS = FACTS | {"symbol": "SOL-PERP", "kind": "perp", "initial_balances": {"USDC": "10000"}, "max_leverage": 10}


class RecordingWriter:
    """Collects messages in the recorded format; times are ms after the start, prices and sizes are text."""

    def __init__(self) -> None:
        self.rows: list[str] = []
        self._messages = 0
        self.last_id = 1000

    def message(self, at_ms: float, kind: str, levels: list[tuple[str, str, str]], ids: str) -> None:
        """Add one message; `ids` is `first,last,prev`."""
        stamp = START_NS + int(at_ms * 1_000_000)
        for number, (side, price, size) in enumerate(levels):
            row_ids = ids if number == 0 else ",,"
            self.rows.append(f"{self._messages},{stamp},{stamp},{stamp},{kind},{side},{price},{size},{row_ids},")
        self._messages += 1

    def snapshot(self, at_ms: float, levels: list[tuple[str, str, str]]) -> None:
        """Add the full book."""
        self.message(at_ms, "snapshot", levels, f",{self.last_id},")

    def depth(self, at_ms: float, levels: list[tuple[str, str, str]]) -> None:
        """Add a change of the book that continues the chain of ids (spot rule)."""
        first, self.last_id = self.last_id + 1, self.last_id + 2
        self.message(at_ms, "depth", levels, f"{first},{self.last_id},")

    def trade(self, at_ms: float, aggressor: str, price: str, size: str) -> None:
        """Add a print."""
        self.message(at_ms, "trade", [(aggressor, price, size)], f",{self._messages},")

    def text(self) -> str:
        """Return the whole file as text."""
        return "\n".join([HEADER, *self.rows]) + "\n"

    def save(self, folder: Path, name: str, facts: dict[str, Any] | None = None) -> Path:
        """Write recording and sidecar; return the recording's path."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.json").write_text(json.dumps(facts or FACTS))
        path = folder / f"{name}.csv.gz"
        path.write_bytes(gzip.compress(self.text().encode(), mtime=0))
        return path


BOOK = [
    ("bid", "100.00", "5.000"),
    ("bid", "99.99", "5.000"),
    ("bid", "99.98", "5.000"),
    ("ask", "100.02", "2.000"),
    ("ask", "100.03", "3.000"),
    ("ask", "100.04", "5.000"),
]


def calm_market(seconds: int = 10) -> RecordingWriter:
    """Return a market whose best prices stand at 100.00 / 100.02, with a 0.5 print at each of them every second."""
    writer = RecordingWriter()
    writer.snapshot(0, BOOK)
    for tenth in range(seconds * 10):
        at_ms = tenth * 100.0
        writer.depth(at_ms, [("bid", "99.90", f"{1 + tenth % 2}.000")])
        if tenth % 10 == 4:
            writer.trade(at_ms + 30, "sell", "100.00", "0.500")
        if tenth % 10 == 8:
            writer.trade(at_ms + 30, "buy", "100.02", "0.500")
    return writer
