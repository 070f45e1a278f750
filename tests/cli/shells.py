"""Which shells the tests of the Tab key need, and what is said where one is not installed."""

from __future__ import annotations

import os
import shutil

SHELLS = ("zsh", "fish")  # bash is everywhere


def missing_shells() -> list[str]:
    """Return the shells whose tests are left out; where a change is judged (CI) none is."""
    return [] if os.environ.get("CI") else [shell for shell in SHELLS if shutil.which(shell) is None]


def left_out() -> str:
    """Return what to say about tests that are left out, "" when none is."""
    shells = missing_shells()
    return f"tests of the Tab key in {' and '.join(shells)} are left out: apt-get install {' '.join(shells)}" * bool(
        shells
    )
