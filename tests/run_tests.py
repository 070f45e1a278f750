"""A thin wrapper over pytest: `python tests/run_tests.py all`, one suite by its folder's name, or `report`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
sys.path.insert(0, str(TESTS.parent))

from tests.web_browser.chromium import LEFT_OUT, find_chromium  # noqa: E402

SUITES = sorted(path.name for path in TESTS.iterdir() if path.is_dir() and any(path.glob("test_*.py")))

# Most tests of processes and sockets wait more than they work. A file stays in one process: it may share a simulator.
SIDE_BY_SIDE = ("-n", "6", "--dist", "loadfile", "--no-loadscope-reorder")


def main(arguments: list[str]) -> int:
    """Run what is asked for; return pytest's exit status, 2 for a wrong word."""
    status = _run(arguments)
    if find_chromium() is None:
        print(LEFT_OUT)
    return status


def _run(arguments: list[str]) -> int:
    what, rest = (arguments[0] if arguments else "all"), [*SIDE_BY_SIDE, *arguments[1:]]
    if what == "all":
        return int(pytest.main([str(TESTS), *rest]))
    if what == "report":
        reports = TESTS.parent / "reports"
        reports.mkdir(exist_ok=True)
        html, junit = reports / "tests.html", reports / "tests.xml"
        options = [f"--html={html}", "--self-contained-html", f"--junitxml={junit}"]
        status = int(pytest.main([str(TESTS), *options, *rest]))
        print(f"reports: {html} and {junit}")
        return status
    if what in SUITES:
        return int(pytest.main([str(TESTS / what), *rest]))
    print(f"unknown suite {what!r}; one of: all, report, {', '.join(SUITES)}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
