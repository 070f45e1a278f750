"""What all tests share."""

from __future__ import annotations

import gc
import os
import signal
import sys
import tempfile
from collections.abc import Generator, Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.long_data import left_out

# Time is no argument: a loaded machine may take ten times as long. Whether a change may land must not hang on the
# examples of the day either; at a desk each run looks for new ones. Sixty of them find what a hundred find (a property
# that needs more says so itself; `make fuzz` and `make simulate` take thousands).
_PATIENT = {"deadline": None, "max_examples": 60, "suppress_health_check": [HealthCheck.too_slow]}
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
    "cli",
    "backtest",
    "simulation",
)
# Files of minutes, before all others of their folder.
_LONGEST = (
    "test_live_faults.py",
    "test_live_lines.py",
    "test_live_fleet.py",
    "test_fleet.py",
    "test_live_secrets.py",
    "test_worker_commands.py",
    "test_worker_handover.py",
    "test_smoke_run.py",
    "test_left_behind.py",
    "test_long_recordings.py",
    "test_avellaneda_on_recordings.py",
)


# Daemons that the tests of a file share: those come last, so that bots work no longer than somebody looks at them.
_SHARED = frozenset({"crew", "live_crew", "pair", "served"})


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let the files that wait long begin first, and each file's tests of a shared daemon be its last.

    What plays recordings that are not there is deselected, and that is said.
    """
    long = [item for item in items if item.get_closest_marker("long_data")] if left_out() else []
    if long:
        items[:] = [item for item in items if item not in long]
        config.hook.pytest_deselected(items=long)
        print(f"\n{left_out()}")
    places = {folder: place for place, folder in enumerate(_BEGUN_FIRST)}
    files = {path: number for number, path in enumerate(dict.fromkeys(item.path for item in items))}

    def place(item: pytest.Item) -> tuple[int, bool, int, bool]:
        folder = places.get(item.path.parent.name, len(places))
        shares = bool(_SHARED & set(getattr(item, "fixturenames", ())))
        return folder, item.path.name not in _LONGEST, files[item.path], shares

    items.sort(key=place)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no garbage in what is collected, neither now nor later: it stays to the end."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session", autouse=True)
def _temporary_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Have what tests and their processes put among the temporary files in a folder that pytest clears away.

    It keeps those of the last three runs, and those of killed ones for three days.
    """
    folder = str(tmp_path_factory.mktemp("temp"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", folder)
        patch.setattr(tempfile, "tempdir", folder)
        yield
