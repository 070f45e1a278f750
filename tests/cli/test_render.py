"""Tables for people: widths, colours, notes, and nothing that a value could do to a terminal."""

from __future__ import annotations

import io
from decimal import Decimal
from typing import Any

import pytest
from rich.console import RenderableType

from cli.figures import amount, duration, net_pnl
from cli.render import bot_view, console, fitted, rows_view, status_view
from tests.console_parts import row

DAEMON = {"state": "running", "pid": 4242, "uptime_s": 3725.0, "version": "0.1.0", "home": "/srv/makerd"}


def status(*bots: dict[str, Any], invalid: Any = (), **daemon: Any) -> dict[str, Any]:
    return {"daemon": {**DAEMON, **daemon}, "bots": list(bots), "invalid": list(invalid)}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(view: RenderableType, stream: io.StringIO | None = None) -> str:
    target = stream or io.StringIO()
    console(target).print(view)
    return target.getvalue()


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "COLUMNS", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def test_a_fleet_fits_80_columns_with_all_that_matters() -> None:
    bots = [
        row(name="btc-touch-1", symbol="BTC-USDT", position="-0.01234", fills=123456),
        row(name="a-bot-with-quite-a-long-name-for-a-table", restarts=3, state="BACKOFF", phase=None, pid=None),
    ]
    lines = shown(status_view(status(*bots), 80)).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0] == "makerd running, pid 4242, up 1h02m, version 0.1.0, home /srv/makerd"
    assert " ".join(lines[1].split()) == "bot state phase symbol mode position orders fills net PnL up"
    assert " ".join(lines[2].split()) == "btc-touch-1 RUNNING QUOTING BTC-USDT paper -0.01234 6 123456 1.2051 11s"
    assert "…" in lines[3]


@pytest.mark.parametrize(
    ("mode", "network", "told"),
    [("paper", None, "paper"), ("paper", "test", "paper"), ("live", "live", "live"), ("live", "test", "test")],
)
def test_the_table_tells_real_money_from_the_rest(mode: str, network: str | None, told: str) -> None:
    lines = shown(status_view(status(row(mode=mode, network=network)), 80)).splitlines()
    assert lines[2].split()[4] == told


def test_a_stopped_fleet_shows_no_times() -> None:
    stopped = row(state="STOPPED", pid=None, phase=None)
    text = shown(status_view(status(stopped, state="stopped", pid=None), 80))
    assert text.startswith("makerd stopped, version")
    assert text.splitlines()[2].split()[-1] == "-"


def test_notes_say_why_a_bot_does_not_quote_and_what_to_do() -> None:
    bots = [
        row(name="a", gates=["stale", "params"]),
        row(name="b", state="HALTED", last_exit={"reason": "max_loss was reached"}),
        row(name="c", state="FATAL", reason="the claim is held"),
        row(name="d", state="BACKOFF", last_exit={"reason": "killed by signal 9"}),
        row(name="e", restarts=2, last_exit={"reason": "crash"}),
        row(name="f", state="SWEEPING", last_exit={"reason": "killed by signal 9"}),
    ]
    notes = shown(status_view(status(*bots), 120)).splitlines()[-6:]
    assert notes == [
        "  a: gates stale, params",
        "  b: max_loss was reached; look at `logs b`, then `bot reset b`",
        "  c: the claim is held; look at `logs c`, then `bot reset c`",
        "  d: killed by signal 9",
        "  e: 2 restarts, last: crash",
        "  f: killed by signal 9; its orders are not confirmed to be gone yet",
    ]


def test_every_complaint_is_shown() -> None:
    invalid = [{"file": "x.json", "complaints": ["x.json:1: wrong", "x.json:2: wrong"]}]
    assert shown(status_view(status(invalid=invalid), 80)).count("wrong") == 2


def test_one_bot_is_shown_with_everything() -> None:
    last = {"status": 70, "signal": None, "reason": "crash", "at": "now", "log_tail": ["one", "two"]}
    text = shown(bot_view(status(row(last_exit=last, gates=["stale"]))))
    for part in ("quote_uptime_pct", "99.2", "dead_man=none", "status=70", "  one", "  two", "stale"):
        assert part in text


def test_colours_are_for_terminals_that_want_them(monkeypatch: pytest.MonkeyPatch) -> None:
    view = status_view(status(row()), 80)
    assert "\x1b[32m" in shown(view, Terminal())
    assert "\x1b" not in shown(view)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[3" not in shown(view, Terminal())
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert "\x1b" not in shown(view, Terminal())


def test_the_width_of_a_pipe_is_80_columns_or_what_columns_says(monkeypatch: pytest.MonkeyPatch) -> None:
    assert console(io.StringIO()).width == 80
    monkeypatch.setenv("COLUMNS", "132")
    assert console(io.StringIO()).width == 132
    monkeypatch.setenv("COLUMNS", "wide")
    assert console(io.StringIO()).width == 80


def test_no_value_can_move_the_cursor_or_style_the_text() -> None:
    evil = "\x1b[2J\x9b1m[bold red]:boom:\r\u202e"
    found = status(row(name=evil, gates=[evil], state="FATAL", reason=evil), invalid=[{"complaints": [evil]}])
    for view in (status_view(found, 200), bot_view(found), rows_view(("a",), [(evil,)])):
        text = shown(view)
        assert not any(char in text for char in "\x1b\x9b\r\u202e")
        assert "[bold red]" in text
        assert ":boom:" in text


def test_long_values_of_a_plain_table_are_folded_not_cut() -> None:
    text = shown(rows_view(("key", "value"), [("k", "v" * 200)], whole=("key",)))
    assert text.count("v") == 200 + len("value".replace("alue", ""))


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("0.40", "0.4"),
        ("-0.0000000001", "0"),
        ("100000000000", "100000000000"),
        ("12345.678901", "12345.679"),
        ("0.00001234", "0.000012"),
        ("-1.5", "-1.5"),
        ("100", "100"),
        ("NaN", "NaN"),
        ("what", "what"),
    ],
)
def test_amounts_are_short_and_true(given: str, wanted: str) -> None:
    assert amount(given) == wanted


@pytest.mark.parametrize(
    ("seconds", "wanted"), [(0, "0s"), (59.9, "59s"), (250, "4m10s"), (11_100, "3h05m"), (1_051_200, "12d04h")]
)
def test_durations_are_said_as_people_do(seconds: float, wanted: str) -> None:
    assert duration(seconds) == wanted


def test_profit_that_is_shown_has_the_funding_in_it() -> None:
    row = {"realised_pnl": "1.5", "unrealised_pnl": "0.5", "fees": "0.25"}
    assert net_pnl(row) == Decimal("1.75")  # of an older worker, that does not tell it
    assert net_pnl(row | {"funding": "-0.5"}) == Decimal("1.25")


def test_a_screen_too_small_for_all_bots_shows_those_with_a_fault_first() -> None:
    bots = [row(name=f"b{number}") for number in range(20)] + [row(name="ill", state="HALTED", reason="max_loss")]
    status = {"daemon": {"state": "running"}, "bots": bots, "invalid": []}
    fits, more = fitted(status, 16)
    assert [bot["name"] for bot in fits["bots"]] == ["ill", *(f"b{number}" for number in range(8))]  # ill has a note
    assert more == 12
    assert fitted(status, 60) == (status, 0)


def test_a_bot_that_is_watched_is_shown_without_what_is_empty() -> None:
    status = {"daemon": {"state": "running", "pid": 1, "uptime_s": 1.0}, "bots": [row()], "invalid": []}
    out = io.StringIO()
    console(out).print(bot_view(status, brief=True))
    keys = [line.split()[0] for line in out.getvalue().splitlines()[1:]]
    assert {"last_exit", "reason", "gates", "kind", "config_digest"}.isdisjoint(keys)
    assert {"state", "phase", "open_orders", "position", "realised_pnl"} <= set(keys)


def test_a_bot_that_quotes_round_its_own_mid_for_want_of_its_reference_says_so() -> None:
    stats = {"reference_stale": "the last word of it is 7.0 s old", "reference_age_s": 7.0}
    text = shown(status_view(status(row(name="a", stats=stats), row(name="b", stats={"reference_stale": ""})), 80))
    said = " ".join(text.split())
    assert "a: the price of its reference is stale: the last word of it is 7.0 s old; its own mid is used" in said
    assert "b: the price" not in said
