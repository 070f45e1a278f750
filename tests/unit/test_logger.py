"""How log lines look, and that secrets never get into one."""

from __future__ import annotations

import io
import json
import logging
import math
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from core.logger import (
    ConsoleFormatter,
    ConsoleHandler,
    JsonFormatter,
    render_line,
    setup_daemon_logging,
    setup_worker_logging,
)
from core.market.order import Side
from core.redactor import Redactor


class Wrapped:
    """A secret as the registry hands it out."""

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __str__(self) -> str:
        return "***"


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    logger = logging.getLogger()
    before, level = logger.handlers[:], logger.level
    yield logger
    for handler in logger.handlers[:]:
        if handler not in before:
            logger.removeHandler(handler)
            handler.close()
    for handler in before:
        if handler not in logger.handlers:
            logger.addHandler(handler)
    logger.setLevel(level)
    logging.captureWarnings(False)


def record(event: str = "order_rejected", name: str = "makerd.orders", **extra: Any) -> logging.LogRecord:
    made = {"name": name, "msg": event, "levelno": logging.INFO, "levelname": "INFO", "created": 1767225600.000123}
    return logging.makeLogRecord(made | extra)


def line(redactor: Redactor | None = None, bot: str | None = "sol-mm", **extra: Any) -> dict[str, Any]:
    text = JsonFormatter(bot, redactor or Redactor()).format(record(**extra))
    assert "\n" not in text
    parsed = json.loads(text)
    assert isinstance(parsed, dict)
    return parsed


def raised(exc: BaseException) -> Any:
    try:
        raise exc
    except BaseException as caught:
        return (type(caught), caught, caught.__traceback__)


def test_a_line_has_time_level_bot_component_event_and_then_its_fields() -> None:
    text = JsonFormatter("sol-mm", Redactor()).format(record(fields={"side": Side.BUY, "price": Decimal("150.250")}))
    assert text == (
        '{"ts": "2026-01-01T00:00:00.000123Z", "level": "INFO", "bot": "sol-mm", "component": "orders", '
        '"event": "order_rejected", "side": "buy", "price": "150.250"}'
    )


def test_the_daemons_lines_belong_to_no_bot_unless_a_field_names_one() -> None:
    assert line(bot=None)["bot"] is None
    assert line(bot=None, fields={"bot": "sol-mm"})["bot"] == "sol-mm"


@pytest.mark.parametrize(
    ("logger", "component"),
    [
        ("makerd.risk", "risk"),
        ("makerd", "process"),
        ("root", "process"),
        ("urllib3.connectionpool", "process"),
        ("makerd.venue", "process"),
    ],
)
def test_the_component_comes_from_the_loggers_name(logger: str, component: str) -> None:
    assert line(name=logger)["component"] == component


def test_a_field_cannot_take_the_place_of_the_lines_own_keys() -> None:
    entry = line(fields={"event": "other", "ts": "never"})
    assert (entry["event"], entry["event_"], entry["ts_"]) == ("order_rejected", "other", "never")


def test_an_exception_is_one_field_with_line_breaks() -> None:
    entry = line(exc_info=raised(ValueError("no price")))
    assert entry["traceback"].startswith("Traceback (most recent call last):\n")
    assert entry["traceback"].endswith("ValueError: no price")


def test_numbers_that_json_does_not_know_become_text() -> None:
    text = JsonFormatter("b", Redactor()).format(record(fields={"mid": math.nan, "loss": math.inf}))
    assert json.loads(text, parse_constant=pytest.fail)["mid"] == "nan"


def test_arguments_that_do_not_fit_the_text_still_give_a_line() -> None:
    assert "%d orders" in line(event="%d orders", args=("three",))["event"]


def test_a_value_that_cannot_be_shown_costs_only_itself() -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError("no")

    assert line(fields={"it": Broken(), "n": 1})["it"] == "<Broken: RuntimeError>"


def test_a_value_that_contains_itself_is_cut() -> None:
    loop: list[Any] = []
    loop.append(loop)
    assert "..." in json.dumps(line(fields={"loop": loop}))


def test_a_huge_text_keeps_its_beginning_and_end() -> None:
    shown = line(fields={"body": "a" * 50_000 + "b" * 50_000})["body"]
    assert len(shown) < 40_000
    assert shown.startswith("aaa")
    assert shown.endswith("bbb")


SECRET = 'p@ss w"ord/+\\1é'


@pytest.mark.parametrize(
    "extra",
    [
        {"event": f"refused {SECRET}"},
        {"event": "refused %s", "args": (SECRET,)},
        {"event": "refused %r", "args": ({"key": SECRET},)},
        {"fields": {"headers": {"X-Key": [SECRET]}}},
        {"fields": {SECRET: 1}},
        {"fields": {"url": "https://venue/?key=p%40ss%20w%22ord%2F%2B%5C1%C3%A9"}},
        {"fields": {"body": json.dumps({"key": SECRET})}},
        {"fields": {"key": Wrapped(SECRET)}},
        {"exc_info": raised(ValueError(SECRET))},
        {"exc_info": raised(KeyError(SECRET))},
    ],
)
def test_a_secret_is_hidden_wherever_and_however_it_was_written(extra: dict[str, Any]) -> None:
    shown = json.dumps(line(Redactor([Wrapped(SECRET)]), **extra), ensure_ascii=False)
    assert "***" in shown
    for form in ("w\\\\\\", 'w"ord', "w%22ord", 'w\\"ord', 'w\\\\\\"ord'):
        assert form not in shown


def test_a_numeric_secret_is_hidden_as_a_number_too() -> None:
    assert line(Redactor(["8812345"]), fields={"id": 8812345, "n": 88123456})["id"] == "***"


def test_a_short_secret_is_hidden_as_a_word_only() -> None:
    entry = line(Redactor(["ab"]), fields={"text": "ab cabbage ab"})
    assert entry["text"] == "*** cabbage ***"


def test_a_key_file_is_hidden_line_by_line_and_the_password_of_a_proxy_alone() -> None:
    redactor = Redactor(["-----BEGIN KEY-----\nMIIabcdefgh\n-----END KEY-----", "http://me:letmein@proxy:3128"])
    assert redactor.text("bad line MIIabcdefgh, bad password letmein") == "bad line ***, bad password ***"


def test_without_secrets_nothing_is_hidden() -> None:
    assert Redactor(["", "  "]).text("plain text") == "plain text"


def test_the_console_shows_one_line_with_fields_and_the_traceback_below() -> None:
    formatter = ConsoleFormatter("sol-mm", Redactor(), colour=False)
    text = formatter.format(record(fields={"side": "buy", "why": "two words"}, exc_info=raised(ValueError("x"))))
    first, *trace = text.split("\n")
    assert first == '2026-01-01 00:00:00.000Z INFO    sol-mm orders order_rejected side=buy why="two words"'
    assert trace[-1].strip() == "ValueError: x"


def test_the_console_colours_the_level_only_when_asked() -> None:
    assert "\x1b[32mINFO" in ConsoleFormatter("b", Redactor(), colour=True).format(record())
    assert "\x1b" not in ConsoleFormatter("b", Redactor(), colour=False).format(record())


def test_no_value_can_move_the_cursor() -> None:
    entry = {"ts": "x", "level": "INFO", "bot": "a\x1b[2J", "event": "\x9b2J", "why": "\x1b]0;\x07\n\u202e"}
    shown = render_line(json.dumps(entry), colour=False)
    assert not any(c in shown for c in ("\x1b", "\x9b", "\x07", "\u202e", "\n"))


def test_a_torn_line_is_shown_as_it_is() -> None:
    assert render_line('{"ts": "2026-01', colour=True) == '{"ts": "2026-01'


def test_worker_logging_writes_the_file_and_drops_what_the_parent_had(root: logging.Logger, tmp_path: Path) -> None:
    inherited = logging.StreamHandler(io.StringIO())
    root.addHandler(inherited)
    setup_worker_logging(tmp_path / "b.log", "b", redact=["hunter22"])
    logging.getLogger("makerd.risk").warning("denied", extra={"fields": {"key": "hunter22"}})
    entry = json.loads((tmp_path / "b.log").read_text())
    assert (entry["bot"], entry["component"], entry["key"]) == ("b", "risk", "***")
    assert inherited not in root.handlers


def test_setting_up_again_adds_secrets_and_leaks_no_descriptor(root: logging.Logger, tmp_path: Path) -> None:
    def open_files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    for _ in range(2):
        setup_worker_logging(tmp_path / "b.log", "b")
        logging.getLogger("makerd.risk").info("one")
    before = open_files()
    setup_worker_logging(tmp_path / "b.log", "b", redact=["hunter22"])
    logging.getLogger("makerd.risk").info("hunter22")
    assert open_files() == before
    assert "hunter22" not in (tmp_path / "b.log").read_text()


def test_daemon_logging_shows_lines_on_the_console_too(
    root: logging.Logger, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    setup_daemon_logging(tmp_path / "daemon.log", console=True)
    logging.getLogger("makerd.process").info("started", extra={"fields": {"bots": 4}})
    assert "INFO    daemon process started bots=4" in capsys.readouterr().err
    assert json.loads((tmp_path / "daemon.log").read_text())["bots"] == 4


def test_a_console_that_went_away_is_forgotten() -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    handler = ConsoleHandler(Gone())
    handler.handle(record())
