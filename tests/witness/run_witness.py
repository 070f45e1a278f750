"""Let software that nobody here wrote speak to our simulators: `run_witness.py all`, or the names of some folders.

Each folder beside this file is one witness: `requirements.txt` (pinned; it gets an environment of its own, because
such libraries do not always agree with ours or with each other) and `witness_<folder>.py`, which is run there with the
simulator's first line as its argument and says by its exit status whether all was well. The folder's name up to the
first `_` is the venue.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import venv
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_CHECKOUT = _HERE.parent.parent
_SECONDS = 300
sys.path.insert(0, str(_CHECKOUT))  # run by path


def witnesses() -> list[str]:
    """Return the names of all witnesses."""
    return sorted(path.parent.name for path in _HERE.glob("*/requirements.txt"))


def environment(name: str) -> Path:
    """Return the Python of a witness's environment, made anew when its requirements changed."""
    home, requirements = _HERE / f".venv-{name}", _HERE / name / "requirements.txt"
    python, mark = home / "bin" / "python", home / "installed"
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()
    if not mark.is_file() or mark.read_text() != digest:
        print(f"installing pinned requirements of the witness {name}", flush=True)
        venv.create(home, clear=True, with_pip=True)
        options = ["--quiet", "--disable-pip-version-check", "--no-deps", "-r", str(requirements)]
        subprocess.run([python, "-m", "pip", "install", *options], check=True)
        mark.write_text(digest)
    return python


def run(name: str) -> bool:
    """Run one witness against a fresh simulator; return whether it was content."""
    from tests.sim_process import start_simulator

    python = environment(name)
    extra = _HERE / name / "simulator_args.txt"
    arguments = extra.read_text().split() if extra.is_file() else []
    with start_simulator(name.partition("_")[0], *arguments) as simulator:
        script = _HERE / name / f"witness_{name}.py"
        command = [python, "-W", "error::ResourceWarning", script, json.dumps(simulator.hello)]
        direct = dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1")  # loopback never goes through a proxy
        try:
            status = subprocess.run(command, timeout=_SECONDS, check=False, env=os.environ | direct).returncode
        except subprocess.TimeoutExpired:
            status = -1
        errors = simulator.state()["counters"]["violations"].get("simulator_error", 0)
    good = status == 0 and not errors
    print(f"witness {name}: {'content' if good else f'status {status}, simulator errors {errors}'}", flush=True)
    return good


def main(names: list[str]) -> int:
    """Run the witnesses that are named; 0 when all were content."""
    known = witnesses()
    wanted = known if names in ([], ["all"]) else names
    unknown = [name for name in wanted if name not in known]
    if unknown:
        print(f"no such witness: {', '.join(unknown)}; there are: {', '.join(known)}", file=sys.stderr)
        return 2
    results = [run(name) for name in wanted]
    return 0 if all(results) else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
