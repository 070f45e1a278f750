"""The history as CSV: whole, and harmless in a spreadsheet."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.history.csv_text import cell, columns, csv_line, lines
from core.history.records import FillRow
from utils.moments import moment_text, utc_ns_of


def fill(**changes: object) -> FillRow:
    values = {
        "number": 1, "leg": "main", "trade_id": "t1", "client_order_id": "c", "venue_order_id": None, "side": "buy",
        "price": "1.5", "size": "2", "liquidity": "maker", "fee": "-0.01", "fee_asset": "USDC", "utc_ns": 5,
    }  # fmt: skip
    return FillRow(**{**values, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-cmd", "@SUM(A1)", "\t=1", "\r=1", " =1", "\u00a0=1", "-1-1", "-0.5e3"]
)
def test_what_a_spreadsheet_would_run_is_made_text(text: str) -> None:
    assert cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["-0.01", "12", "0.5", "buy.0", "a=b", "USDC", ""])
def test_numbers_and_plain_text_stay_as_they_are(text: str) -> None:
    assert cell(text) == text


@given(st.text())
def test_no_cell_begins_a_formula(text: str) -> None:
    (row,) = csv.reader(io.StringIO(csv_line(["x", text]), newline=""))
    made = row[1]
    assert made.lstrip(" \u00a0\ufeff")[:1] not in {"=", "+", "@", "\t", "\r", "\n"}
    assert not made.startswith("-") or float(made) <= 0
    assert made in (text, f"'{text}")


def test_a_line_has_the_time_first_and_all_fields_after_it() -> None:
    header, line = lines("fills", [fill(trade_id='=HYPERLINK("x","y"),1')])
    assert header.strip().split(",") == ["time", *columns("fills")[1:]]
    (row,) = csv.reader(io.StringIO(line, newline=""))
    found = dict(zip(columns("fills"), row, strict=True))
    assert found["trade_id"] == '\'=HYPERLINK("x","y"),1'
    assert (found["time"], found["fee"], found["venue_order_id"]) == ("1970-01-01T00:00:00.000000005Z", "-0.01", "")


@given(st.integers(0, 4 * 10**18))
def test_a_time_that_is_written_can_be_given_back(utc_ns: int) -> None:
    assert utc_ns_of(moment_text(utc_ns)) == utc_ns // 1000 * 1000
