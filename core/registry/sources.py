"""Every file that what the daemon runs depends on: what a watcher watches."""

from __future__ import annotations

from pathlib import Path

from utils.home import Home


def source_files(home: Home) -> list[Path]:
    """Return the files that are there, each folder's in the order of their names; a link counts as itself."""
    single = [home.daemon_file, home.legacy_file, home.env_file]
    folders = [path for folder in (home.active, home.bases) for path in sorted(folder.glob("[!.]*.json"))]
    return [*folders, *(path for path in single if path.exists() or path.is_symlink())]
