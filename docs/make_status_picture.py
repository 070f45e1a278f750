"""Save a running fleet's status table as docs/img/status.svg: `python docs/make_status_picture.py [--home DIR]`.

The table is the one that `status` prints (`cli/render.py`), in colour, asked from the daemon of the home. Of the home
only the last part of its path is shown.
"""

# ruff: noqa: E402  # the root of the project is put on the path first

from __future__ import annotations

import argparse
import io
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from rich.console import Console

from cli.render import status_view
from core.process.control import call
from utils.home import Home

WIDTH = 110
TARGET = ROOT / "docs" / "img" / "status.svg"


def main() -> int:
    """Ask the daemon and write the picture. Raises DaemonDown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", help="the home whose daemon is asked; default MAKERD_HOME")
    parser.add_argument("--output", type=Path, default=TARGET)
    options = parser.parse_args()
    home = Home.find(options.home)
    status = call(home, "status")
    status["daemon"]["home"] = home.root.name
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(picture(status))
    return 0


def picture(status: dict[str, object]) -> str:
    """Return the status as SVG that loads nothing from elsewhere."""
    console = Console(
        file=io.StringIO(),
        width=WIDTH,
        record=True,
        force_terminal=True,
        color_system="truecolor",
        highlight=False,
        markup=False,
        emoji=False,
    )
    console.print(status_view(status, WIDTH))
    svg = console.export_svg(title="core/daemon_manager.py status", unique_id="status")
    without_web_font = re.sub(r"@font-face\s*\{.*?\}\s*", "", svg, flags=re.DOTALL)
    return re.sub(r"[ \t]+$", "", without_web_font, flags=re.MULTILINE)


if __name__ == "__main__":
    raise SystemExit(main())
