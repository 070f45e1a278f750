"""Real processes that write configs, and die while they do: `python -m tests.store_parts crash|count ...`.

A crash is a `kill -9` before or after the n-th call of what touches the disk, for every n until the writer gets
through.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from core.registry.history import file_digest
from core.registry.store import Change, ConfigStore, StaleChange, content_of
from utils.home import Home

TOUCHING = frozenset(
    ("open", "write", "fsync", "replace", "rename", "unlink", "execute", "executemany", "executescript", "flock")
)
OLD, NEW = b'{"old": 1}\n', b'{"new": 2}\n'


def kill_at(step: int) -> None:
    """Kill this process before or after the n-th call, from now on, of what touches the disk."""
    left = step

    def count(_frame: FrameType, event: str, called: Any) -> None:
        nonlocal left
        if event in ("c_call", "c_return") and called.__name__ in TOUCHING:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(count)


def killed(step: int, write: Callable[[], object]) -> bool:
    """Run a writer in a child that is killed at a step; tell whether it was, or got through."""
    pid = os.fork()
    if pid == 0:
        kill_at(step)
        write()
        sys.setprofile(None)
        os._exit(0)
    status = os.waitpid(pid, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


def edit_until_it_gets_through(home: Home) -> dict[str, int]:
    """Kill an edit of one file at every step; return how often the old and the new file were there afterwards."""
    file = home.active / "a.json"
    found = {"steps": 0, "old": 0, "new": 0}
    store, alive = ConfigStore(home, "writer"), True
    store.apply([Change("a", file, OLD, None)], "create")
    while alive:
        found["steps"] += 1
        change = Change("a", file, NEW, file_digest(OLD))
        alive = killed(found["steps"], lambda change=change: store.apply([change], "edit"))  # type: ignore[misc]
        content = file.read_bytes()
        assert content in (OLD, NEW), content
        with store.reading() as history:
            newest = history.newest("a")
        assert newest is not None
        assert newest.text == content == file.read_bytes()
        assert [path.name for path in file.parent.iterdir()] == ["a.json"]
        found["new" if content == NEW else "old"] += 1
        if content == NEW:
            store.apply([Change("a", file, OLD, file_digest(NEW))], "back")
    return found


def move_until_it_gets_through(home: Home) -> dict[str, int]:
    """Kill a move to the archive at every step; afterwards the file is in exactly one of the two folders."""
    here, there = home.active / "a.json", home.archived / "a.json"
    found = {"steps": 0, "old": 0, "new": 0}
    store, alive = ConfigStore(home, "writer"), True
    store.apply([Change("a", here, OLD, None)], "create")
    digest = file_digest(OLD)
    while alive:
        found["steps"] += 1
        steps = [Change("a", there, OLD, None), Change("a", here, None, digest)]
        alive = killed(found["steps"], lambda steps=steps: store.apply(steps, "archive"))  # type: ignore[misc]
        assert OLD in (content_of(here), content_of(there))
        with store.reading() as history:
            newest = history.newest("a")
        assert newest is not None
        is_moved = content_of(here) is None
        assert (content_of(there) == OLD) == is_moved
        assert newest.action == ("archive" if is_moved else "create" if found["new"] == 0 else "back")
        found["new" if is_moved else "old"] += 1
        if is_moved:
            store.apply([Change("a", here, OLD, None), Change("a", there, None, digest)], "back")
    return found


def count_up(home: Home, times: int) -> dict[str, int]:
    """Add one to the number in a file, again and again; whoever comes too late looks again."""
    file, refused = home.active / "a.json", 0
    store = ConfigStore(home, f"pid {os.getpid()}", patience_s=60)
    for _ in range(times):
        while True:
            content = content_of(file)
            assert content is not None
            number = json.loads(content)["number"]
            new = json.dumps({"number": number + 1}).encode()
            try:
                store.apply([Change("a", file, new, file_digest(content))], "count")
                break
            except StaleChange:
                refused += 1
    return {"refused": refused}


def main() -> None:
    """Do what the arguments say, and print what came of it as JSON."""
    what, home = sys.argv[1], Home(Path(sys.argv[2]))
    jobs = {
        "edit": lambda: edit_until_it_gets_through(home),
        "move": lambda: move_until_it_gets_through(home),
        "count": lambda: count_up(home, int(sys.argv[3])),
    }
    print(json.dumps(jobs[what]()))


if __name__ == "__main__":
    main()
