"""A process of a sweep: a line of JSON in is a backtest, a line out is what came of it. It ends with its input.

python -m core.backtest.sweep_worker HOME
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from core.backtest.run import run_backtest
from utils.home import Home


def main(arguments: Sequence[str]) -> None:
    """Serve until the input ends, which ends the process at once."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the sweep itself ends us
    home = Home(Path(arguments[0]))
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what else is printed is no answer
    tasks: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_listen, args=(tasks,), daemon=True).start()
    while True:
        answers.write(json.dumps(_answer(home, json.loads(tasks.get()))).encode() + b"\n")
        answers.flush()


def _listen(tasks: SimpleQueue[bytes]) -> None:
    """Pass tasks on; whoever gave them is gone when the input ends, and nobody wants what is being worked out."""
    for line in sys.stdin.buffer:
        tasks.put(line)
    os._exit(0)


def _answer(home: Home, task: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"result": run_backtest(home, task["plain"], task["source"], task["span"], None)}
    except Exception as exc:  # whatever a strategy does with these values, the other sets are run
        return {"error": _told(exc)}


def _told(exc: Exception) -> str:
    said = [str(line) for entry in getattr(exc, "invalid", ()) for line in entry["complaints"]]
    return f"{type(exc).__name__}: {exc}" + (f" ({'; '.join(said)})" if said else "")


if __name__ == "__main__":
    main(sys.argv[1:])
