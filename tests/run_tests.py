"""A thin wrapper over pytest: `python tests/run_tests.py all`, one suite by its folder's name, or `report`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
sys.path.insert(0, str(TESTS.parent))

from tests import long_data  # noqa: E402
from tests.cli.shells import left_out  # noqa: E402
from tests.web_browser.chromium import LEFT_OUT, find_chromium  # noqa: E402

SUITES = sorted(path.name for path in TESTS.iterdir() if path.is_dir() and any(path.glob("test_*.py")))

# Most tests of processes and sockets wait more than they work: there are more of them at once than cores.
# A file stays in one process: it may share a simulator.
SIDE_BY_SIDE = ("-n", "8", "--dist", "loadfile", "--no-loadscope-reorder")
SHARING = ("tests/web_browser/",)
COMPILERS = 2


def main(arguments: list[str]) -> int:
    """Run what is asked for; return pytest's exit status, 2 for a wrong word."""
    status = _run(arguments)
    for said in (LEFT_OUT if find_chromium() is None else "", left_out(), long_data.left_out()):
        if said:
            print(said)
    return status


class Together:
    """Keeps folders whose files share something slow in one process, when tests run side by side."""

    @staticmethod
    def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
        """Return what deals the tests out: by files, but such a folder as if it were one."""
        from xdist.scheduler import LoadFileScheduling

        class Rooms(LoadFileScheduling):
            def _split_scope(self, nodeid: str) -> str:
                shared = [folder for folder in SHARING if nodeid.startswith(folder)]
                return shared[0] if shared else str(super()._split_scope(nodeid))

        return Rooms(config, log)


def _pytest(*arguments: str) -> int:
    return int(pytest.main(list(arguments), plugins=[Together()]))


def _run(arguments: list[str]) -> int:
    what, rest = (arguments[0] if arguments else "all"), [*SIDE_BY_SIDE, *arguments[1:]]
    if what in ("all", "report"):
        _compile_once()
    if what == "all":
        return _pytest(str(TESTS), *rest)
    if what == "report":
        reports = TESTS.parent / "reports"
        reports.mkdir(exist_ok=True)
        html, junit = reports / "tests.html", reports / "tests.xml"
        options = [f"--html={html}", "--self-contained-html", f"--junitxml={junit}"]
        status = _pytest(str(TESTS), *options, *rest)
        print(f"reports: {html} and {junit}")
        return status
    if what in SUITES:
        return _pytest(str(TESTS / what), *rest)
    print(f"unknown suite {what!r}; one of: all, report, {', '.join(SUITES)}", file=sys.stderr)
    return 2


def _compile_once() -> None:
    """Let the asserts of new files be rewritten beforehand: side by side, every process would do it for all files."""
    new = [str(path) for path in _not_compiled()]
    command = [sys.executable, "-m", "pytest", "--collect-only", "-qq"]
    halves = [half for number in range(COMPILERS) if (half := new[number::COMPILERS])]
    running = [subprocess.Popen([*command, *half], cwd=TESTS.parent, stdout=subprocess.DEVNULL) for half in halves]
    for process in running:
        process.wait()  # what is wrong with a file is told by the run itself


def _not_compiled() -> Iterator[Path]:
    for path in sorted(TESTS.rglob("test_*.py")):
        made = [one.stat().st_mtime for one in path.parent.glob(f"__pycache__/{path.stem}.*-pytest-*.pyc")]
        if max(made, default=0.0) < path.stat().st_mtime:
            yield path


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
