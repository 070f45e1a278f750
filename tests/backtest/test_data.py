from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from core.backtest.data import data_of, load_data
from tests.backtest.made_events import made_rows, save
from utils.errors import ConfigError
from utils.home import Home
from utils.moments import utc_ns_of

ROOT = Path(__file__).resolve().parents[2]


def two_files(folder: Path, gap_ns: int = 10**9) -> list[Path]:
    """Return two files of one market, the later one first."""
    first, second = made_rows(1, 200), made_rows(2, 200)
    shift = int(first["local_ns"][-1] - second["local_ns"][0]) + gap_ns
    for name in ("local_ns", "venue_ns"):
        second[name] += shift
    return [save(second, folder / "b.events"), save(first, folder / "a.events")]


def test_files_are_joined_by_time(tmp_path: Path) -> None:
    span = load_data(two_files(tmp_path), tmp_path)
    assert (np.diff(span.rows["local_ns"]) >= 0).all()
    assert span.events == len(made_rows(1, 200)) + len(made_rows(2, 200))


def test_files_that_overlap_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"b\.events begins before .*a\.events ends"):
        load_data(two_files(tmp_path, gap_ns=-5), tmp_path)


def test_a_span_has_its_beginning_and_not_its_end(tmp_path: Path) -> None:
    rows = made_rows(1, 200)
    times = rows["local_ns"]
    file = save(rows, tmp_path / "a.events")
    span = load_data([file], tmp_path, int(times[50]), int(times[100]))
    assert (span.first_ns, span.last_ns < int(times[100])) == (int(times[50]), True)
    with pytest.raises(ConfigError, match="no events"):
        load_data([file], tmp_path, int(times[-1]) + 1)


def test_a_name_is_looked_up_in_the_data_folders(tmp_path: Path) -> None:
    home = Home(tmp_path)
    Path(home.data_dirs[0]).mkdir(parents=True)
    save(made_rows(1, 50), Path(home.data_dirs[0]) / "mine.events")
    assert data_of(home, {"files": ["mine.events"]}).events == len(made_rows(1, 50))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1970-01-01T00:01:00", 60), ("1970-01-01T01:01:00+01:00", 60), ("1970-01-02", 86_400), ("60000000000", 60)],
)
def test_times_are_utc_unless_they_say_otherwise(text: str, seconds: int) -> None:
    assert utc_ns_of(text) == seconds * 10**9
    assert utc_ns_of("1970-01-01T00:00:00.250001") == 250_001_000


def test_a_recording_without_facts_is_refused_with_an_example_that_works(tmp_path: Path) -> None:
    shipped = ROOT / "data" / "recordings" / "slice20s_binance_usdm_btcusdt_20240808.csv.gz"
    link = tmp_path / "mine.csv.gz"
    link.symlink_to(shipped)
    with pytest.raises(ConfigError, match=r"what market it is of is not told: put mine\.json beside it") as told:
        load_data([link], tmp_path)
    example = re.search(r"\{.*\}(?= with)", str(told.value))
    assert example is not None
    (tmp_path / "mine.json").write_text(example[0])
    assert load_data([link], tmp_path).market.symbol == "BTC-USDT"
