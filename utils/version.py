"""The version, semantic; `pyproject.toml` and `CHANGELOG.md` say the same (a test compares them)."""

__version__ = "0.1.0"
