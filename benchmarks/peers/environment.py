"""Other engines, each from its public package in an environment that is thrown away."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

PEERS = {"hftbacktest": "hftbacktest==2.4.4", "nautilus_trader": "nautilus_trader==1.221.0"}
_HERE = Path(__file__).resolve().parent


def run_peer(name: str, script: str, folder: Path, *arguments: str) -> dict[str, Any]:
    """Install a peer below `folder` where it is not, run a script of ours in it and return the JSON that it prints."""
    python = folder / name / "bin" / "python"
    if not python.exists():
        venv.create(python.parent.parent, with_pip=True)
        command = [python, "-m", "pip", "install", "--quiet", "--no-cache-dir", PEERS[name]]
        subprocess.run(command, check=True, stdout=sys.stderr)
    done = subprocess.run([python, str(_HERE / script), *arguments], stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
