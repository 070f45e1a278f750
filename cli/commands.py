"""The commands of `core/daemon_manager.py`. Slow things are imported where they are used: `status` is asked often."""

from __future__ import annotations

import click

from cli.bot_commands import bot
from cli.completion_scripts import completion
from cli.config_commands import config
from cli.daemon_commands import reload, restart, start, stop
from cli.doctor_commands import doctor
from cli.event_commands import events
from cli.flatten import flatten
from cli.log_commands import logs
from cli.metrics_commands import metrics
from cli.service_commands import service
from cli.shared import Door, everywhere
from cli.status_commands import status
from cli.upgrade import upgrade
from utils.version import __version__


@click.group(cls=Door, no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="makerd", message="%(prog)s %(version)s")
@everywhere
def cli() -> None:
    """Run a folder of configs as a supervised fleet of market-making bots."""


for _command in (
    start, stop, restart, reload, bot, status, logs,
    config, events, flatten, upgrade, metrics, service, doctor, completion,
):  # fmt: skip
    cli.add_command(_command)
