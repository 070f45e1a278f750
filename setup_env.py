"""The first setup: writes the keys of the venues into `.env`, hidden while they are typed, and checks their form."""

import os
import sys

if not __package__:  # the project root goes first, however this file was found
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [here] + [p for p in sys.path if os.path.abspath(p or ".") != here]

from utils.system import missing_module, refuse_unsupported


def main(arguments: "list[str] | None" = None) -> int:
    """Ask and write; return the exit status."""
    refuse_unsupported()
    try:
        from cli.env_setup import setup_env
        from cli.shared import App, guarded
        from core.door_services import DoorServices
    except ModuleNotFoundError as exc:
        sys.stderr.write("makerd: " + missing_module(str(exc.name)) + "\n")
        return 1
    return guarded(setup_env, App(DoorServices()), sys.argv[1:] if arguments is None else arguments, "setup_env.py")


if __name__ == "__main__":
    from setup_env import main  # the canonical copy, not this __main__ one

    raise SystemExit(main())
