"""Options and warnings shared by several commands."""

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
    """A `click.Choice` that suggests the closest names for an unknown one."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the choice, or fail with a suggestion."""
        if value not in self.choices:
            self.fail(f"unknown value {value!r}. {did_you_mean(str(value), map(str, self.choices))}", param, ctx)
        return str(value)


def time_limit(of: str) -> Callable[[Function], Function]:
    """Return the decorator that adds `--timeout SECONDS` to a command that runs a user's code in another process.

    Args:
        of: What the limit is for, as a noun phrase for the help text.
    """
    return click.option(
        "--timeout",
        type=float,
        default=600.0,
        show_default=True,
        metavar="SECONDS",
        help=f"Time limit in seconds for {of}; the process of what exceeds it is killed.",
    )


def no_plugin(function: Function) -> Function:
    """Add `--no-plugin NAME` and `--strict` to a command; both take effect before any plugin is loaded."""

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
        help="Treat a plugin with a problem as an error instead of a warning.",
    )(function)
    return click.option(
        "--no-plugin",
        multiple=True,
        metavar="NAME",
        expose_value=False,
        is_eager=True,
        callback=leave_out,
        help="Installed plugin to leave out (repeatable).",
    )(function)


def warn_of_plugins(known: Registry) -> None:
    """Print warnings about installed plugins to standard error."""
    for warning in known.warnings:
        click.echo(f"Warning: {visible(warning)}", err=True)
