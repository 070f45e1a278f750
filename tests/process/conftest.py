"""Fixtures of the tests with real processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.process.fleet_parts import Fleet


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    """A home without configs; whatever runs in it at the end is stopped."""
    fleet = Fleet(tmp_path / "home")
    yield fleet
    fleet.end()
