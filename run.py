"""The other door: the menu (--cli), the monitor (--web), one bot run directly, smoke, backtests, sweeps, reports."""

import os
import sys

if not __package__:  # the project root goes first, however this file was found
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [here] + [p for p in sys.path if os.path.abspath(p or ".") != here]

from utils.system import missing_module, refuse_unsupported


def main(arguments: "list[str] | None" = None) -> int:
    """Run the command; return its exit status."""
    refuse_unsupported()
    try:
        from cli.backtest import backtest, convert
        from cli.calibrate import calibrate, train_regime
        from cli.commands import cli
        from cli.direct import direct, second_door
        from cli.env_setup import setup_env
        from cli.history_commands import export, report
        from cli.menu.main import run_menu
        from cli.shared import App, command_arguments, guarded
        from cli.smoke import smoke
        from cli.sweep import sweep
        from cli.web_password import web_password
        from core.door_services import DoorServices
    except ModuleNotFoundError as exc:
        sys.stderr.write("makerd: " + missing_module(str(exc.name)) + "\n")
        return 1
    commands = (smoke, backtest, convert, sweep, calibrate, train_regime, export, report, web_password)
    own = {str(one.name): one for one in commands}
    if "_RUN_PY_COMPLETE" in os.environ:
        return guarded(second_door(direct, own), App(DoorServices()), (), "run.py")
    app = App(DoorServices(), commands=cli, open_menu=run_menu, beside={**own, "setup_env": setup_env})
    given = sys.argv[1:] if arguments is None else arguments
    for name, command in own.items():
        of_command = command_arguments(given, name)
        if of_command is not None:
            return guarded(command, app, of_command, "run.py " + name)
    if given and not given[0].startswith("-"):  # no command is called so: the group says which are
        return guarded(second_door(direct, own), app, given, "run.py")
    return guarded(direct, app, given, "run.py")


if __name__ == "__main__":
    from run import main  # the canonical copy, not this __main__ one

    raise SystemExit(main())
