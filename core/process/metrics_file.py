"""One-shot child: ask the daemon for its metrics and replace a file with them, in Prometheus' text format.

python -m core.process.metrics_file HOME PATH
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from core.metrics_text import render, write_textfile
from core.process.control import call
from utils.errors import MakerdError
from utils.exit_statuses import DONE, REFUSED
from utils.home import Home

WHOLE_S = 25  # the supervisor waits half a minute


def main(arguments: Sequence[str]) -> int:
    """Write one file; what goes wrong is one line on stdout, which is the daemon's `daemon.out`."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(WHOLE_S)
    os.nice(10)
    home, path = Home(Path(arguments[0])), Path(arguments[1])
    try:
        write_textfile(path, render(call(home, "metrics")))
    except (MakerdError, OSError) as exc:
        print(f"the metrics were not written to {path}: {exc}", flush=True)
        return REFUSED
    return DONE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
