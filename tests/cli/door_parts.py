"""A door run in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from click.testing import Result

Run = Callable[..., Result]
ROOT = Path(__file__).resolve().parents[2]
DOOR = ROOT / "core" / "daemon_manager.py"


def door(*arguments: str, python: tuple[str, ...] = (), cwd: Path | None = None, **env: str) -> Any:
    """Run the door by path in a process of its own."""
    command = [sys.executable, *python, *([] if "-m" in python else [str(DOOR)]), *arguments]
    environ = {**os.environ, **env}
    return subprocess.run(command, cwd=cwd, env=environ, check=False, capture_output=True, text=True, timeout=60)
