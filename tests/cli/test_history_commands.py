"""`run.py export` and `run.py report` as a person uses them."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from cli.history_commands import export, report
from cli.history_view import fills_view
from cli.shared import App
from cli.sparkline import BLOCKS, sparkline
from core.history.records import FillRow
from tests.console_parts import Services
from tests.history.ledger_parts import BEGIN_NS, Past
from utils.home import Home

ROOT = Path(__file__).resolve().parents[2]
SPAN = ("--from", "2024-10-04", "--to", "2024-10-07")


@pytest.fixture
def past(home: Home) -> Past:
    folder = home.bot_state("one")
    folder.mkdir(parents=True)
    made = Past(folder)
    made.sample(0, "100")
    made.fill(5)
    made.order(5)
    made.sample(5, "101")
    made.sample(86_500, "102")
    return made


def invoke(command: object, *arguments: str) -> Result:
    return CliRunner().invoke(command, arguments, obj=App(Services()), standalone_mode=False)  # type: ignore[arg-type]


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_fills_orders_and_equity_come_as_csv_while_the_owner_has_the_ledger_open(past: Past) -> None:
    fills, orders, equity = (
        table(invoke(export, kind, "one", "--csv").output) for kind in ("fills", "orders", "equity")
    )
    assert [(row["time"], row["price"], row["side"]) for row in fills] == [
        ("2024-10-04T00:00:05.000000000Z", "100.00", "buy")
    ]
    assert [row["state"] for row in orders] == ["PENDING_NEW"]
    assert [row["mid"] for row in equity] == ["100", "101", "102"]


def test_an_export_is_of_the_span_that_is_asked_for_and_goes_to_a_file(past: Past, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    result = invoke(
        export, "equity", "one", "--from", "2024-10-04T00:00:05", "--to", str(BEGIN_NS + 9 * 10**9), "-o", str(out)
    )
    assert (result.exit_code, result.stdout) == (0, "")
    assert [row["mid"] for row in table(out.read_bytes().decode())] == ["101"]
    assert [path.name for path in tmp_path.glob("*.csv*")] == ["out.csv"]


def test_a_report_shows_each_day_what_was_earned_and_a_course(past: Past) -> None:
    text = invoke(report, "one", *SPAN).output
    assert "2024-10-04" in text and "2024-10-05" in text and "total" in text
    assert "spread 100.00 bps (1)" in text
    assert any(block in text for block in BLOCKS)


def test_a_report_of_all_is_json_and_html_too(past: Past, tmp_path: Path) -> None:
    html = tmp_path / "out.html"
    answer = json.loads(invoke(report, "--all", *SPAN, "--json", "--html", str(html)).output)
    (bot,) = answer["bots"]
    assert (bot["name"], bot["total"]["pnl"], [one["pnl"] for one in bot["days"]]) == ("one", "1.99", ["0.99", "1"])
    assert [one["pnl"] for one in answer["days"]["USDC"]] == ["0.99", "1"]
    assert "</svg>" in html.read_text()


def test_a_home_without_ledgers_is_told_so(home: Home) -> None:
    assert "no bot has a ledger" in invoke(report).output


def test_a_wrong_name_and_a_wrong_time_end_as_a_wrong_config_does(past: Past, home: Home) -> None:
    for arguments in (("report", "onee"), ("export", "fills", "one", "--from", "yesterday")):
        command = [sys.executable, "run.py", *arguments, "--home", str(home.root)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (78, "", 1)


@pytest.mark.parametrize(
    ("values", "width", "line"),
    [
        ([], 5, ""),
        ([1.0, 1.0], 5, "▁▁"),
        ([0.0, None, 7.0], 5, "▁ █"),
        ([float(at) for at in range(8)], 8, BLOCKS),
        ([float(at) for at in range(16)], 4, "▁▃▆█"),
    ],
)
def test_a_sparkline_is_as_wide_as_there_is_room(values: list[float | None], width: int, line: str) -> None:
    assert sparkline(values, width) == line


def test_the_last_fills_are_a_table_or_a_list_below_the_report(past: Past) -> None:
    past.fill(7)
    shown = invoke(report, "one", *SPAN, "--fills", "1").output.splitlines()
    assert [line.split()[:5] for line in shown if "10-04 00:00" in line] == [
        ["10-04", "00:00:07", "buy", "100.00", "1.0"]
    ]
    assert len(json.loads(invoke(report, "one", *SPAN, "--fills", "5", "--json").output)["fills"]) == 2
    assert "fills" not in json.loads(invoke(report, "one", *SPAN, "--json").output)


def test_a_fill_is_told_in_full_on_a_terminal_of_eighty_columns() -> None:
    one = FillRow(1, "main", "t", "mk1", None, "sell", "60154.0", "0.0200", "maker", "-0.618039", "USDC", 0)
    out = io.StringIO()
    Console(width=80, file=out).print(fills_view([one], {1: "-0.2064123"}))
    told = out.getvalue()
    assert all(word in told for word in ("sell", "60154.0", "0.0200", "-0.618039", "USDC", "maker", "-0.206412"))


def test_the_last_fills_are_in_the_page_too(past: Past, tmp_path: Path) -> None:
    past.fill(6)
    html = tmp_path / "out.html"
    invoke(report, "one", *SPAN, "--fills", "1", "--html", str(html))
    page = html.read_text()
    assert page.count("<td>buy</td>") == 1
    assert "2024-10-04T00:00:06" in page and "2024-10-04T00:00:05" not in page
    invoke(report, "one", *SPAN, "--html", str(html))
    assert "<td>buy</td>" not in html.read_text()


def test_fills_are_of_one_bot(past: Past) -> None:
    result = invoke(report, "--fills", "5")
    assert "--fills needs the NAME of one bot" in str(result.exception)
