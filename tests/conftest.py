"""What all tests share."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# Time is no argument: a loaded machine may take ten times as long. Whether a change may land must not hang on the
# examples of the day either; at a desk each run looks for new ones.
_PATIENT = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("desk", **_PATIENT)
settings.register_profile("landing", derandomize=True, print_blob=True, **_PATIENT)
settings.load_profile("landing" if os.environ.get("CI") else "desk")
