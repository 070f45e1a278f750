"""Workers that tell what they are made of: a module that every interpreter of a fleet loads at its start.

What a fork copies can hardly be seen from outside. So each forked child looks at itself when it is born, and the
strategy of a bot writes down once a second how things are by then.
"""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

HALVES = ("s3cr3t-first-half-", "and-the-second-4711")  # apart, so that whoever looks for it does not find itself
SECRET = "".join(HALVES)

INSIDE = """
import atexit, gc, importlib.util, json, os, random, re, signal, sys, time

FOLDER, HALVES = {folder!r}, {halves!r}
BORN = {{}}


def has_secret():
    first, second = HALVES[0].encode(), HALVES[1].encode()
    with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as memory:
        for line in list(maps):
            start, end, modes, rest = re.match(r"(\\w+)-(\\w+) (\\S+) (.*)", line).groups()
            if not modes.startswith("rw") or "[v" in rest:
                continue
            memory.seek(int(start, 16))
            try:
                content = memory.read(int(end, 16) - int(start, 16))
            except OSError:
                continue
            at = content.find(first)
            while at >= 0:
                if content[at + len(first) : at + len(first) + len(second)] == second:
                    return True
                at = content.find(first, at + 1)
    return False


def born():
    BORN.update(modules=set(sys.modules), gc=gc.isenabled(), secret=has_secret(), pid=os.getpid())
    if os.path.exists(FOLDER + "/term") and "core.process.zygote" in sys.orig_argv:
        os.kill(os.getpid(), signal.SIGTERM)


def ended():
    with open(FOLDER + "/ended", "a") as file:
        file.write(f"{{os.getpid()}} {{os.getpid() == BORN.get('pid')}}\\n")


def told():
    name = os.path.basename(os.readlink("/proc/self/fd/1")).removesuffix(".out")
    if BORN.get("pid") != os.getpid() or name == "daemon":
        return  # the warm-up of the zygote
    if time.monotonic() < BORN.get("again", 0.0):
        return  # its whole memory is looked through each time
    BORN["again"] = time.monotonic() + 1.0
    BORN.setdefault("draws", [random.random(), sys.modules["numpy.random"].random()])
    said = {{
        "pid": os.getpid(),
        "draws": BORN["draws"],
        "gc": [BORN["gc"], gc.isenabled()],
        "frozen": gc.get_freeze_count(),
        "secret": [BORN["secret"], has_secret()],
        "grown": sorted(set(sys.modules) - BORN["modules"]),
        "library_threads": [value for name, value in os.environ.items() if name.endswith("_NUM_THREADS")],
    }}
    with open(f"{{FOLDER}}/{{name}}.new", "w") as file:
        json.dump(said, file)
    os.replace(f"{{FOLDER}}/{{name}}.new", f"{{FOLDER}}/{{name}}.json")


class Hook:
    def find_spec(self, name, path, target=None):
        if name != "strategies.market_maker":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        load = spec.loader.exec_module

        def exec_module(module):
            load(module)
            import numpy.random  # as some strategy may do

            print(f"buffered by {{os.getpid()}}", end=" ")  # no whole line: it waits in the buffer
            real = module.STRATEGY.on_event

            def on_event(self, event, view):
                if type(event).__name__ == "Timer":
                    told()
                return real(self, event, view)

            module.STRATEGY.on_event = on_event

        spec.loader.exec_module = exec_module
        return spec


atexit.register(ended)
os.register_at_fork(after_in_child=born)
sys.meta_path.insert(0, Hook())
"""


def look_inside(folder: Path) -> str:
    """Return the PYTHONPATH with which a fleet's processes write into `folder` what they are made of."""
    site = folder / "site"
    site.mkdir(parents=True)
    (site / "sitecustomize.py").write_text(textwrap.dedent(INSIDE).format(folder=str(folder), halves=HALVES))
    return str(site)


def told_by(folder: Path, name: str) -> dict[str, Any]:
    """Return what a bot's worker has told last, nothing when it has not."""
    path = folder / f"{name}.json"
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found
