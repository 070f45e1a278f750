"""What all tests share."""

from __future__ import annotations

import os

from hypothesis import settings

# Whether a change may land must not hang on the examples of the day; at a desk each run looks for new ones.
settings.register_profile("steady", derandomize=True, print_blob=True)
if os.environ.get("CI"):
    settings.load_profile("steady")
