"""What all tests share."""

from __future__ import annotations

import os

from hypothesis import settings

# Time is no argument: a loaded machine may take ten times as long. Whether a change may land must not hang on the
# examples of the day either; at a desk each run looks for new ones.
settings.register_profile("desk", deadline=None)
settings.register_profile("landing", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("landing" if os.environ.get("CI") else "desk")
