"""What avellaneda_stoikov goes by when some of it comes from a file: the newest good one, while it is fresh."""

from __future__ import annotations

from typing import Any

from core.market.as_params import AvellanedaStoikovParams, with_file
from core.market.instrument import Instrument
from core.market.model_file import FileText, ModelFile, parse_model_file
from utils.errors import ConfigError


class GivenParams:
    """The config's parameters with those of the file in their place; a bad file changes nothing."""

    def __init__(self, params: AvellanedaStoikovParams) -> None:
        self.params = self.now = params
        self.is_usable = params.params_file is None
        self.error: str | None = None
        self._file: ModelFile | None = None
        self._version: int | None = None
        self._age_s: float | None = None

    def look(self, text: FileText | None, instrument: Instrument, mid_ticks: float, utc_ns: int) -> bool:
        """Take what was read last; return whether `now` is another object than before."""
        before = self.now
        if self.params.params_file is None:
            return False
        if text is None:
            self._file, self._version, self.error = None, None, "there is no such file"
        elif text.version != self._version:
            self._version = text.version
            self._take(text.text, instrument, mid_ticks, utc_ns)
        self._age_s = None if self._file is None else self._file.age_s(utc_ns)
        self.is_usable = self._age_s is not None and self._age_s <= self.params.params_max_age_s
        return self.now is not before

    def _take(self, text: str, instrument: Instrument, mid_ticks: float, utc_ns: int) -> None:
        try:
            found = parse_model_file(text, (instrument.symbol, instrument.venue_symbol), self.params.unit, utc_ns)
            merged = with_file(self.params, found.values)
            complaint = merged.complaint(mid_ticks, float(instrument.tick_size))
        except (ValueError, ConfigError) as exc:
            self.error = str(exc)
            return
        self.error = complaint
        if complaint is None:
            self._file, self.now = found, merged

    @property
    def missing(self) -> str:
        """Return why there is nothing to go by."""
        if self._age_s is not None:
            return f"the parameter file is {self._age_s:.0f} s old"
        return self.error or "the parameter file is not read yet"

    def stats(self) -> dict[str, Any]:
        """Return what is wrong with the file, and how old what it said last is."""
        return {"params_error": self.error, "params_age_s": self._age_s}
