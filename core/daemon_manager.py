"""The door to the daemon: start, stop, restart, status, logs, bot, reload, config.

Works by path from any folder, with `-P`, with `-m core.daemon_manager` and by import.
"""

import os
import sys

if not __package__:  # run by path: the project root goes first, core/ leaves
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [os.path.dirname(here)] + [p for p in sys.path if os.path.abspath(p or ".") != here]

from utils.system import missing_module, refuse_unsupported


def main(arguments: "list[str] | None" = None) -> int:
    """Run one command; return its exit status."""
    refuse_unsupported()
    try:
        from cli.commands import cli
        from cli.shared import App, guarded
        from core.door_services import DoorServices
    except ModuleNotFoundError as exc:
        sys.stderr.write("makerd: " + missing_module(str(exc.name)) + "\n")
        return 1
    return guarded(cli, App(DoorServices()), sys.argv[1:] if arguments is None else arguments, "daemon_manager.py")


if __name__ == "__main__":
    from core.daemon_manager import main  # the canonical copy, not this __main__ one

    raise SystemExit(main())
