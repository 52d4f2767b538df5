"""Options that several verbs share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from ..errors import did_you_mean
from ..registry.current import block, strict
from ..registry.manager import Registry
from ..report.escape import visible

Function = TypeVar("Function", bound=Callable[..., Any])


class Named(click.Choice[str]):
    """A choice that answers a wrong name with the nearest ones."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the choice, or fail with a sentence."""
        if value not in self.choices:
            self.fail(f"there is no {value!r}. {did_you_mean(str(value), map(str, self.choices))}", param, ctx)
        return str(value)


def no_plugin(function: Function) -> Function:
    """Add `--no-plugin NAME` and `--strict` to a command: both count before any plugin is loaded."""

    def leave_out(_: click.Context, __: click.Parameter, names: Sequence[str]) -> None:
        block(names)

    def insist(ctx: click.Context, _: click.Parameter, on: bool) -> None:
        strict(on)
        ctx.call_on_close(lambda: strict(False))

    function = click.option(
        "--strict",
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=insist,
        help="A plugin with a problem is an error, not a warning: for its author.",
    )(function)
    return click.option(
        "--no-plugin",
        multiple=True,
        metavar="NAME",
        expose_value=False,
        is_eager=True,
        callback=leave_out,
        help="Leave an installed plugin out (repeatable).",
    )(function)


def warn_of_plugins(known: Registry) -> None:
    """Say on standard error what is wrong with installed plugins."""
    for warning in known.warnings:
        click.echo(f"Warning: {visible(warning)}", err=True)
