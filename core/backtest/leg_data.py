"""Which events belong to which leg of a bot, all cut to the span that every leg has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from api.event_convert import load_events
from api.event_file import EventFile, EventSpan
from core.backtest.event_spans import cache_of, cut, find_data, joined, row_at, times_of
from core.bot_config import Leg
from utils.errors import ConfigError
from utils.home import Home
from utils.moments import moment_text


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file of events and the leg that it was said to be of, empty where none was said."""

    leg: str
    path: Path


def data_file(home: Home, text: str) -> DataFile:
    """Return what `FILE` or `LEG=FILE` means. Raises ConfigError when there is no such file."""
    leg, equals, name = text.partition("=")
    try:
        return DataFile("", find_data(home, text))
    except ConfigError:
        if not (equals and leg and name):
            raise
    return DataFile(leg, find_data(home, name))


def spans_of(home: Home, legs: Sequence[Leg], span: Mapping[str, Any]) -> tuple[EventSpan, ...]:
    """Return the events of each leg, in the order of the legs, all from one moment to another. Raises ConfigError.

    `span`: files, from, to. A file is of the leg that it names, else of the one leg that trades its market.
    """
    if not legs:
        raise ConfigError("the config is that of a job: it trades nothing, and no events can be played to it")
    files = [data_file(home, text) for text in span["files"]]
    _check_names(files, legs)
    opened = [load_events(file.path, cache_of(home)) for file in files]
    if len(legs) == 1:
        return (cut(joined(opened), *times_of(span)),)
    found: dict[str, list[EventFile]] = {leg.leg: [] for leg in legs}
    for file, events in zip(files, opened, strict=True):
        found[file.leg or _leg_of(events, legs)].append(events)
    return _cut(legs, [_whole(leg, found[leg.leg]) for leg in legs], *times_of(span))


def _check_names(files: Sequence[DataFile], legs: Sequence[Leg]) -> None:
    names = [leg.leg for leg in legs]
    for file in files:
        if file.leg and file.leg not in names:
            raise ConfigError(f"--data {file.leg}={file.path.name}: there is no leg {file.leg!r}; {_told(legs)}")


def _leg_of(file: EventFile, legs: Sequence[Leg]) -> str:
    """Return the one leg that trades a file's market. Raises ConfigError when there is none, or more than one."""
    trading = [leg.leg for leg in legs if file.market.lists(leg.symbol)]
    if len(trading) == 1:
        return trading[0]
    name, symbol = file.path.name, file.market.symbol
    if not trading:
        raise ConfigError(f"{name} is of {symbol}, which no leg trades; {_told(legs)}")
    ways = " or ".join(f"{leg}={name}" for leg in trading)
    raise ConfigError(f"{name} is of {symbol}, as more than one leg is: say --data {ways}")


def _whole(leg: Leg, files: Sequence[EventFile]) -> EventSpan:
    if not files:
        raise ConfigError(f"there are no data for the leg {leg.leg} ({leg.symbol}): add --data {leg.leg}=FILE")
    whole = joined(files)
    if not whole.market.lists(leg.symbol):
        raise ConfigError(f"the data of the leg {leg.leg} are of {whole.market.symbol}, the config trades {leg.symbol}")
    return whole


def _cut(
    legs: Sequence[Leg], wholes: Sequence[EventSpan], from_ns: int | None, to_ns: int | None
) -> tuple[EventSpan, ...]:
    """Return spans cut to the time in which there are events of all of them, [from, to) at most."""
    begin_ns = max([whole.first_ns for whole in wholes] + ([] if from_ns is None else [from_ns]))
    end_ns = min([whole.last_ns for whole in wholes] + ([] if to_ns is None else [to_ns - 1]))
    if begin_ns >= end_ns:
        spans = ", ".join(
            f"{leg.leg} {moment_text(whole.first_ns)} to {moment_text(whole.last_ns)}"
            for leg, whole in zip(legs, wholes, strict=True)
        )
        within = "" if from_ns is None and to_ns is None else " within --from and --to"
        raise ConfigError(f"there is no time{within} of which all legs have events: {spans}")
    return tuple(_cut_one(leg, whole, begin_ns, end_ns) for leg, whole in zip(legs, wholes, strict=True))


def _cut_one(leg: Leg, whole: EventSpan, begin_ns: int, end_ns: int) -> EventSpan:
    begin, end = row_at(whole.rows, begin_ns), row_at(whole.rows, end_ns + 1)
    if begin == end:
        span = f"from {moment_text(begin_ns)} to {moment_text(end_ns)}, the span of all legs"
        raise ConfigError(f"there are no events of the leg {leg.leg} {span}")
    return EventSpan(whole.market, whole.rows[:end], begin, begin_ns, end_ns)


def _told(legs: Sequence[Leg]) -> str:
    known = ", ".join(f"{leg.leg} ({leg.symbol})" for leg in legs)
    return f"the config has {known}"
