"""The command `service`: a hardened systemd unit for the daemon of this home."""

from __future__ import annotations

import os
import pwd
import sys
from pathlib import Path

import click

from cli.service_unit import ServiceFacts, unit_text
from cli.shared import App, everywhere, pass_app
from utils.exit_statuses import DONE
from utils.home import CHECKOUT


@click.command()
@click.option("--user", is_flag=True, help="For the service manager of your own user, without root.")
@everywhere
@pass_app
def service(app: App, user: bool) -> int:
    """Print a systemd unit that runs the daemon of this home, as the owner of the home."""
    click.echo(unit_text(service_facts(app), user), nl=False)
    return DONE


def service_facts(app: App) -> ServiceFacts:
    """Return what the unit depends on; configs that are not valid do not count."""
    home = app.home
    owner = pwd.getpwuid(home.root.stat().st_uid if home.root.exists() else os.getuid())
    verdict = app.services.validate(home) if home.active.is_dir() else {"bots": [], "daemon": None}
    supervised = [bot["daemon"] for bot in verdict["bots"]]
    textfile = (verdict["daemon"] or {}).get("metrics", {}).get("textfile")
    return ServiceFacts(
        home=home.root,
        python=Path(sys.executable),
        door=CHECKOUT / "core" / "daemon_manager.py",
        claims=app.services.claims_folder(Path(owner.pw_dir)),
        claims_given="MAKERD_CLAIMS_DIR" in os.environ,
        account=owner.pw_name,
        memory_mb=sum(bot["memory_limit_mb"] for bot in supervised),
        stop_timeout_s=max((bot["stop_timeout_s"] for bot in supervised), default=20.0),
        writable=((home.root / textfile).parent,) if textfile else (),
    )
