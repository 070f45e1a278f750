"""The figures in Prometheus' text format, read back by the official parser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from core.metrics_text import BOT, DAEMON, render, write_textfile

DAEMON_FIGURES = {figure.key: number for number, figure in enumerate(DAEMON, 1)}


def bot(name: str, **changes: Any) -> dict[str, Any]:
    """Return the figures of one bot."""
    row: dict[str, Any] = {figure.key: number for number, figure in enumerate(BOT, 1)}
    labels = {"exchange": "paper", "account": name, "symbol": "BTC-USDT", "strategy": "market_maker", "mode": "paper"}
    return {**row, **labels, "name": name, "state": "RUNNING", **changes}


def answer(*bots: dict[str, Any]) -> dict[str, Any]:
    """Return an answer to the verb `metrics`."""
    daemon = {**DAEMON_FIGURES, "version": "0.1.0", "pid": 7}
    return {"daemon": daemon, "alerts": {"halt": 2}, "states": ["RUNNING", "FATAL"], "bots": list(bots)}


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Return every sample by name and labels, as Prometheus reads them."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_every_figure_is_there_under_its_name() -> None:
    names = {name for name, _ in samples(render(answer(bot("a"))))}
    wanted = {f"{figure.name}_total" if figure.counter else figure.name for figure in (*DAEMON, *BOT)}
    assert (
        wanted | {"makerd_info", "makerd_bot_info", "makerd_bot_state", "makerd_bots", "makerd_alerts_total"} == names
    )


def test_units_are_those_that_prometheus_wants() -> None:
    found = samples(render(answer(bot("a", pss_mb=2.0, cpu_pct=50.0, quote_uptime_pct=99.0))))
    label = (("bot", "a"),)
    assert found["makerd_bot_memory_pss_bytes", label] == 2 * 2**20
    assert found["makerd_bot_cpu_ratio", label] == pytest.approx(0.5)
    assert found["makerd_bot_quote_uptime_ratio", label] == pytest.approx(0.99)


def test_what_is_not_known_is_left_out_and_never_zero() -> None:
    found = samples(render(answer(bot("a", pss_mb=None, realised_pnl=None), bot("b"))))
    assert [labels for name, labels in found if name == "makerd_bot_realised_pnl"] == [(("bot", "b"),)]


def test_a_bot_is_in_one_state_and_the_fleet_is_counted() -> None:
    found = samples(render(answer(bot("a"), bot("b", state="FATAL"), bot("c"))))
    assert found["makerd_bot_state", (("bot", "b"), ("state", "FATAL"))] == 1
    assert found["makerd_bot_state", (("bot", "b"), ("state", "RUNNING"))] == 0
    assert found["makerd_bots", (("state", "RUNNING"),)] == 2
    assert found["makerd_alerts_total", (("alert", "halt"),)] == 2


def test_a_fleet_without_bots_is_readable() -> None:
    assert samples(render(answer()))["makerd_bots", (("state", "RUNNING"),)] == 0


def test_names_that_need_quoting_survive() -> None:
    found = samples(render(answer(bot("a", symbol='x"\\\ny'))))
    assert any(dict(labels).get("symbol") == 'x"\\\ny' for _, labels in found)


def test_the_file_is_whole_and_readable_for_others(tmp_path: Path) -> None:
    path = tmp_path / "makerd.prom"
    path.write_text("old")
    write_textfile(path, render(answer(bot("a"))))
    assert samples(path.read_text())
    assert path.stat().st_mode & 0o777 == 0o644
    assert [entry.name for entry in tmp_path.iterdir()] == ["makerd.prom"]
