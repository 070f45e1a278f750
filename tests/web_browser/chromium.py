"""Where the browser of the browser tests is, and what is said when there is none."""

from __future__ import annotations

import os
import shutil

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
LEFT_OUT = (
    "browser tests are left out: no Chromium was found; apt-get install chromium, or name one in MAKERD_TEST_CHROMIUM"
)


def find_chromium() -> str | None:
    """Return the path of a Chromium, None when there is none."""
    given = os.environ.get("MAKERD_TEST_CHROMIUM")
    if given is not None:
        return given if os.access(given, os.X_OK) else None
    return next(filter(None, map(shutil.which, NAMES)), None)
