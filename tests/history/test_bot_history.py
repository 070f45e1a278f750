"""What a report says of bots: whole sums, apart by quote asset, and never silent about a ledger it cannot read."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from core.backtest.history_page import history_page
from core.history.bot_history import BotHistory, days_of_all, history_of, ledgers, total_of
from core.history.records import Day, SeriesPoint
from core.history.whole_bot import added
from tests.history.ledger_parts import BEGIN_NS, DAY_NS, Past

SPAN_NS = (BEGIN_NS, BEGIN_NS + 10 * DAY_NS)
MONEY = st.one_of(st.none(), st.decimals(-1000, 1000, places=4).map(str))


def with_past(folder: Path) -> Past:
    folder.mkdir(parents=True)
    past = Past(folder)
    for day in range(2):
        past.sample(day * 86_400, "100")
        past.fill(day * 86_400 + 1)
        past.sample(day * 86_400 + 1, "101")
    past.ledger.close()
    return past


def bot(name: str, quote: str, *days: Day) -> BotHistory:
    return BotHistory(name, "S", quote, days, total_of(days), (), (), ())


def day(name: str = "2026-01-01", pnl: str | None = "1", fees: str = "0") -> Day:
    return Day(name, pnl, pnl, fees, "0", 1, "10")


def test_every_folder_with_a_ledger_is_a_bot_also_when_its_config_is_gone(tmp_path: Path) -> None:
    with_past(tmp_path / "one")
    (tmp_path / "paper").mkdir()
    (tmp_path / "paper" / "x.db").touch()
    assert list(ledgers(tmp_path)) == ["one"]


def test_a_history_has_days_totals_markouts_and_course(tmp_path: Path) -> None:
    past = with_past(tmp_path / "one")
    found = history_of("one", past.path, *SPAN_NS)
    assert (found.symbol, found.quote, len(found.days), found.total.fills) == ("SOL-USDC", "USDC", 2, 2)
    assert found.total.pnl == str(sum((Decimal(one.pnl or "0") for one in found.days), Decimal(0)))
    assert (found.markouts[0].fills, [point.net for point in found.series]) == (2, ["0.99", "1.98"])


def test_a_ledger_that_cannot_be_read_is_told_and_the_others_go_on(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(b"broken" * 1000)
    found = history_of("one", path, *SPAN_NS)
    assert "cannot be read" in found.problem
    assert "cannot be read" in history_page([found], *SPAN_NS)


def test_amounts_of_different_assets_are_never_added() -> None:
    found = days_of_all([bot("a", "USDC", day()), bot("b", "USDT", day()), bot("c", "USDC", day(pnl="2"))])
    assert {quote: [one.pnl for one in days] for quote, days in found.items()} == {"USDC": ["3"], "USDT": ["1"]}


@given(st.lists(MONEY, max_size=8))
def test_a_total_is_the_exact_sum_of_what_is_known(amounts: list[str | None]) -> None:
    total = total_of(day(pnl=amount, fees=amount or "0") for amount in amounts)
    known = [Decimal(amount) for amount in amounts if amount is not None]
    assert total.pnl is None if not known else Decimal(total.pnl or "x") == sum(known)
    assert Decimal(total.fees) == sum(known)


def test_the_legs_of_a_bot_are_one_course_and_a_gap_of_one_is_a_gap() -> None:
    main = [SeriesPoint(at, "1", "100", "1", "0.1", "0", "2", "50") for at in (1, 2)]
    other = [replace(main[0], position="-1", net="-0.5", equity=None)]
    first, second = added(main, [other])
    assert (first.position, first.equity, first.realised, first.fees, first.net) == ("1", "50", "2", "0.2", "1.5")
    assert second.net is None


def test_the_page_is_whole_well_formed_and_safe(tmp_path: Path) -> None:
    past = with_past(tmp_path / "one")
    found = history_of("one", past.path, *SPAN_NS)
    evil = replace(found, name="<script>alert(1)</script>", problem="<img src=x>")
    page = history_page([found, evil], *SPAN_NS)
    assert not re.search(r"https?://|<script|<link|<img|@import|url\(", page)
    charts = [ElementTree.fromstring(chart) for chart in re.findall(r"<svg.*?</svg>", page, re.DOTALL)]
    assert len(charts) == 8
    assert page == history_page([found, evil], *SPAN_NS)
    assert "2024-10-05" in page and "All bots in USDC" in page
