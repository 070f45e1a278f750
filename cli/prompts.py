"""Asking a person: arrow keys on a terminal that can, numbered lists and plain lines everywhere else.

Everything here raises KeyboardInterrupt on Ctrl-C and EOFError at the end of the input.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import click

from cli.shared import MAX_LINE
from utils.input_validation import printable
from utils.terminal import is_terminal

Choices = Sequence[tuple[str, str]]  # (what it means, what is shown)
Problem = Callable[[str], str | None]  # what is wrong with an answer, None when nothing is

MANY = 20  # choices; longer lists are narrowed down by typing
_menu_runs = False


@contextmanager
def menu_runs() -> Iterator[None]:
    """Have everything asked, terminal or not: whoever opened the menu answers questions."""
    global _menu_runs  # one process has one person
    before, _menu_runs = _menu_runs, True
    try:
        yield
    finally:
        _menu_runs = before


def in_menu() -> bool:
    """Tell whether a command was chosen in the menu, where no flag can be given."""
    return _menu_runs


def can_ask() -> bool:
    """Tell whether a person is there to answer; scripts are never asked."""
    return _menu_runs or (_is_tty(sys.stdin) and _is_tty(sys.stdout))


def has_arrows() -> bool:
    """Tell whether the terminal takes arrow keys; NO_COLOR and TERM=dumb ask for plain lines."""
    return is_terminal(sys.stdin) and is_terminal(sys.stdout) and not os.environ.get("NO_COLOR")


def _is_tty(stream: object) -> bool:
    try:
        return bool(stream.isatty())  # type: ignore[attr-defined]  # whatever took the place of stdin
    except ValueError:  # closed
        return False


def choose(title: str, choices: Choices) -> str:
    """Return the meaning of the chosen one."""
    title = printable(title, MAX_LINE)
    return _by_arrows(title, choices) if has_arrows() else choose_by_number(title, choices)


def _by_arrows(title: str, choices: Choices) -> str:
    import questionary

    picks = [questionary.Choice(printable(text, MAX_LINE), value=value) for value, text in choices]
    if len(title) + max(len(text) for _, text in choices) + 3 > shutil.get_terminal_size().columns:
        click.echo(title)  # the answer stands behind the question, on one line
        title = "Do what?"
    if len(picks) <= MANY:
        return str(questionary.select(title, picks, qmark="", instruction=" ").unsafe_ask())
    narrow = "(type to narrow down)"
    asked = questionary.select(title, picks, qmark="", instruction=narrow, use_search_filter=True, use_jk_keys=False)
    return str(asked.unsafe_ask())


def choose_by_number(title: str, choices: Choices) -> str:
    """Return the meaning of the one whose number, word or text was typed."""
    while True:
        click.echo(title)
        for number, (_value, text) in enumerate(choices, 1):
            click.echo(f"{number:>3}) {printable(text, MAX_LINE)}")
        given = input(f"1-{len(choices)}: ").strip()
        found = _meant(given, choices)
        if found is not None:
            return found
        click.echo(f"{printable(given)!r} is none of 1 to {len(choices)}")


def _meant(given: str, choices: Choices) -> str | None:
    """Return what a typed answer means, a number before a name; None for one that is none of the choices."""
    if given.isdecimal() and len(given) < 6 and 0 < int(given) <= len(choices):
        return choices[int(given) - 1][0]
    words = ((value, (value.lower(), text.lower())) for value, text in choices)
    return next((value for value, known in words if given and given.lower() in known), None)


def choose_several(title: str, choices: Choices) -> list[str]:
    """Return the meanings of all chosen ones, which may be none."""
    if has_arrows():
        import questionary

        picks = [questionary.Choice(text, value=value) for value, text in choices]
        return [
            str(one)
            for one in questionary.checkbox(
                title, picks, qmark="", instruction="(Space marks, Enter goes on)"
            ).unsafe_ask()
        ]
    while True:
        click.echo(title)
        for number, (_value, text) in enumerate(choices, 1):
            click.echo(f"{number:>3}) {text}")
        found = [_meant(one, choices) for one in input("Numbers, with spaces between: ").replace(",", " ").split()]
        if None not in found:
            return [one for one in found if one is not None]
        click.echo(f"numbers of 1 to {len(choices)}, please")


def type_in(title: str, problem: Problem = lambda _given: None) -> str:
    """Return what was typed, once nothing is wrong with it."""
    if has_arrows():
        import questionary

        def verdict(given: str) -> bool | str:
            return problem(given.strip()) or True

        return str(questionary.text(title, validate=verdict, qmark="").unsafe_ask()).strip()
    while True:
        given = input(f"{title} ").strip()
        wrong = problem(given)
        if wrong is None:
            return given
        click.echo(printable(wrong, MAX_LINE))


def type_hidden(title: str) -> str:
    """Return what was typed or pasted without showing it; on a terminal only."""
    if has_arrows():
        import questionary

        return str(questionary.password(title, qmark="").unsafe_ask()).strip()
    return getpass.getpass(f"{title} ").strip()


def pause() -> None:
    """Wait before a menu of arrows takes the place of what was shown; numbered ones only follow it."""
    if has_arrows():
        with contextlib.suppress(KeyboardInterrupt, EOFError):
            input("-- Enter goes on --")


def is_sure(question: str, default: bool = False) -> bool:
    """Ask for a yes or a no."""
    return click.confirm(printable(question, MAX_LINE), default=default)


def typed_word(text: str, word: str) -> bool:
    """Show what is at stake and have `word` typed; anything else is a no."""
    click.echo(text)
    given: str = click.prompt(f"Type {printable(word)} to agree", default="", show_default=False)
    return given.strip() == word
