"""Rebuild every recording in a folder and compare its top of book with the recorded one; print figures and JSON.

`python benchmarks/bench_recordings.py [FOLDER] [--json FILE]`; the folder is by default `../shared/data/recordings`
beside the checkout, else the shipped recordings. A file without a sidecar gets its tick and lot from its name.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from api.market_facts import load_market  # noqa: E402
from api.recording import RecordingReader, check_top_of_book  # noqa: E402
from api.replay_feed import compile_recording  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results" / "recordings.json"
# part of a file name -> tick size, lot size
KNOWN = {
    "coinm_btcusd": ("0.1", "1"),
    "usdm_btcusdt": ("0.1", "0.001"),
    "spot_btcusdt": ("0.01", "0.00001"),
    "spot_ethusdt": ("0.01", "0.0001"),
}


@dataclass(slots=True)
class Figures:
    """What one recording gave."""

    file: str
    messages: int
    dropped: int
    compared: int
    agreed: int
    exceptions: list[tuple[int, int]]  # id of the depth message, id of the bbo that it was compared with
    final_bid: str
    final_ask: str
    off_lot_sizes: int
    rebuild_s: float
    us_per_message: float
    compile_s: float
    compiled_bytes: int
    prints: int


def measure(path: Path) -> Figures:
    """Rebuild, compare and compile one recording. Raises ConfigError."""
    tick, lot = increments(path)
    reader = RecordingReader(path, tick, lot)
    started = time.perf_counter()
    check = check_top_of_book(reader)
    rebuilt = time.perf_counter()
    off_lot = reader.off_lot
    compiled = compile_recording(reader, 100_000_000, 10)
    ended = time.perf_counter()
    return Figures(
        file=path.name,
        messages=check.messages,
        dropped=check.dropped,
        compared=check.compared,
        agreed=check.compared - len(check.differing),
        exceptions=check.differing,
        final_bid=str(tick * check.final_bid_ticks),
        final_ask=str(tick * check.final_ask_ticks),
        off_lot_sizes=off_lot,
        rebuild_s=round(rebuilt - started, 3),
        us_per_message=round((rebuilt - started) / check.messages * 1e6, 2),
        compile_s=round(ended - rebuilt, 3),
        compiled_bytes=int(compiled.nbytes),
        prints=int(compiled[5]),
    )


def increments(path: Path) -> tuple[Decimal, Decimal]:
    """Return tick size and lot size of a recording."""
    sidecar = path.with_name(path.name.removesuffix(".csv.gz") + ".json")
    if sidecar.exists():
        market = load_market(sidecar)
        return market.tick_size, market.lot_size
    for part, (tick, lot) in KNOWN.items():
        if part in path.name:
            return Decimal(tick), Decimal(lot)
    raise SystemExit(f"{path.name}: no sidecar, and its name tells neither tick nor lot")


def main(arguments: list[str]) -> int:
    """Measure a folder of recordings."""
    results = RESULTS
    if "--json" in arguments:
        at = arguments.index("--json")
        results = Path(arguments[at + 1])
        arguments = arguments[:at] + arguments[at + 2 :]
    beside = ROOT.parent / "shared" / "data" / "recordings"
    default = beside if beside.is_dir() else ROOT / "data" / "recordings"
    folder = Path(arguments[0]) if arguments else default
    figures = [measure(path) for path in sorted(folder.glob("*.csv.gz"))]
    for item in figures:
        print(
            f"{item.file}: {item.agreed} of {item.compared} tops agree, {item.dropped} dropped, exceptions "
            f"{item.exceptions}, final {item.final_bid} / {item.final_ask}, off-lot {item.off_lot_sizes}, "
            f"{item.messages} messages in {item.rebuild_s} s ({item.us_per_message} us each), compiled in "
            f"{item.compile_s} s to {item.compiled_bytes} bytes, {item.prints} prints"
        )
    results.parent.mkdir(parents=True, exist_ok=True)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    plain = {"peak_rss_mb": round(peak_mb, 1), "recordings": [asdict(item) for item in figures]}
    results.write_text(json.dumps(plain, indent=1) + "\n")
    print(f"peak memory {peak_mb:.0f} MB; written to {results}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
