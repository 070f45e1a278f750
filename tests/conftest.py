"""What all tests share."""

from __future__ import annotations

import os
import signal
import sys

import pytest
from hypothesis import HealthCheck, settings

# Time is no argument: a loaded machine may take ten times as long. Whether a change may land must not hang on the
# examples of the day either; at a desk each run looks for new ones.
_PATIENT = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("desk", **_PATIENT)
settings.register_profile("landing", derandomize=True, print_blob=True, **_PATIENT)
settings.load_profile("landing" if os.environ.get("CI") else "desk")

# Some hundred interpreters are started: where nobody may keep what was compiled, each of them compiles everything.
# So does each of the processes that run tests: three quarters of their collection is asserts that are rewritten.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# A shell starts what it puts into the background with SIGINT ignored, and every child of ours would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Folders whose tests wait for real processes and sockets, the longest first: begun last, they would end alone.
_BEGUN_FIRST = (
    "web_browser",
    "conformance",
    "process",
    "chaos",
    "web",
    "simulator",
    "venues",
    "transport",
    "trading",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the files that wait long begin first; the order within a file stays."""
    places = {folder: place for place, folder in enumerate(_BEGUN_FIRST)}
    items.sort(key=lambda item: places.get(item.path.parent.name, len(places)))
