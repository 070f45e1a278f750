"""Every key of the schemas as a flag of a direct run, made from the schema: its name, its help, its type."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import click

from cli.direct_config import OTHER_MARKETS, SECTIONS
from core.registry.references import value_of
from core.registry.schema import (
    BotSchema,
    expectation,
    known_exchanges,
    known_strategies,
    schema_for,
    types_of,
    venue_of,
)
from core.registry.schema_page import meaning
from core.registry.wording import nearest_of
from utils.input_validation import printable

KEYS = "makerd.keys"  # in the context's meta: path -> value of the flags that were given
DEFAULTS = {"exchange": "paper", "strategy": "market_maker"}
_OURS = (("metadata", "schema_version"),)  # a direct run says it itself


class KeyOption(click.Option):
    """A flag for one key of a config."""

    def __init__(self, flag: str, section: str, key: str, node: dict[str, Any]) -> None:
        self.path = (section, key)
        self.types = types_of(node)
        default = f" Default {json.dumps(node['default'])}." if "default" in node else ""
        text = f"{meaning(node)} Takes {expectation(node)}.{default}"
        super().__init__([f"--{flag}"], metavar="VALUE", help=text, expose_value=False, callback=_remember)
        self.name = f"{section}.{key}"  # as an attribute it would meet the names of other options


def _remember(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    if value is not None and isinstance(param, KeyOption):
        ctx.meta.setdefault(KEYS, {})[param.path] = value_of(value, param.types)


class KeyedCommand(click.Command):
    """A command whose flags are its own and those of the chosen exchange and strategy."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return all flags; which exchange and strategy are meant was read from the arguments before."""
        own = super().get_params(ctx)
        made: list[KeyOption] | None = ctx.meta.get("makerd.flags")
        if made is None:
            taken = {name for param in own for name in param.opts}
            chosen = {**DEFAULTS, **ctx.meta.get("makerd.chosen", {})}
            made = ctx.meta["makerd.flags"] = list(
                key_options(chosen["exchange"], chosen["strategy"], taken, chosen.get("hedge-venue"))
            )
        return [*own, *made]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments with the flags of what they choose. Raises click.UsageError."""
        ctx.meta["makerd.chosen"] = chosen = _chosen(args)
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as exc:
            _refuse_unknown({**DEFAULTS, **chosen}, ctx)
            raise _no_such_key(exc, [name for param in self.get_params(ctx) for name in param.opts], ctx) from exc

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the command's own flags, then those of each section."""
        own = [record for param in super().get_params(ctx) if (record := param.get_help_record(ctx)) is not None]
        with formatter.section("Options"):
            formatter.write_dl(own)
        keys = [param for param in self.get_params(ctx) if isinstance(param, KeyOption)]
        for section in SECTIONS:
            records = [record for one in keys if one.path[0] == section and (record := one.get_help_record(ctx))]
            if records:
                with formatter.section(f"Keys of {section}"):
                    formatter.write_dl(records)


def key_options(exchange: str, strategy: str, taken: set[str], hedge: str | None = None) -> Iterator[KeyOption]:
    """Yield a flag for every key; one that several sections have is called by its section, too: `--risk.KEY`.

    Those of another market always are: `--hedge-exchange.KEY`, `--reference.KEY`.
    """
    schema = schema_for("bot", exchange, strategy, hedge)
    assert isinstance(schema, BotSchema)
    owners: dict[str, list[str]] = {}
    for section in SECTIONS:
        for key in schema.keys(section) if section not in OTHER_MARKETS else ():
            owners.setdefault(key, []).append(section)
    for section in SECTIONS:
        for key in schema.keys(section):
            flag = key.replace("_", "-")
            if section in OTHER_MARKETS or len(owners[key]) > 1:
                flag = f"{section.removesuffix('_config').replace('_', '-')}.{flag}"
            if f"--{flag}" not in taken and (section, key) not in _OURS:
                yield KeyOption(flag, section, key, schema.node((section, key)) or {})


def _chosen(args: Sequence[str]) -> dict[str, str]:
    """Return exchange, strategy and the hedge leg's venue as the arguments name them, the last word first."""
    found = {}
    for place, arg in enumerate(args):
        name, equals, value = arg.partition("=")
        if name in ("--exchange", "--strategy", "--hedge-venue"):
            found[name[2:]] = value if equals else next(iter(args[place + 1 : place + 2]), "")
    return found


def _refuse_unknown(chosen: dict[str, str], ctx: click.Context) -> None:
    """Raise click.UsageError when a flag is unknown because nobody knows the exchange or the strategy."""
    for what, name, known in (
        ("exchange", venue_of(chosen["exchange"]), known_exchanges()),
        ("strategy", chosen["strategy"], known_strategies()),
    ):
        if name not in known:
            near = nearest_of(name, known)
            hint = f"did you mean {near}?" if near else f"there are: {', '.join(known)}"
            raise click.UsageError(f"--{what} {printable(name)}: there is no such {what}; {hint}", ctx)


def _no_such_key(exc: click.NoSuchOption, known: Sequence[str], ctx: click.Context) -> click.UsageError:
    """Return the error for an unknown flag, with the nearest one."""
    given = exc.option_name.lstrip("-").replace("_", "-")
    bare = {name.lstrip("-"): name for name in known if name.startswith("--")}
    near = nearest_of(given, list(bare))
    hint = f"; the nearest is {bare[near]}" if near else "; --help tells them all"
    return click.UsageError(f"there is no flag {printable(exc.option_name)}{hint}", ctx)
