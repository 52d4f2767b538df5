"""Options that several verbs share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from ..errors import did_you_mean
from ..registry.manager import block

Function = TypeVar("Function", bound=Callable[..., Any])


class Named(click.Choice[str]):
    """A choice that answers a wrong name with the nearest ones."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the choice, or fail with a sentence."""
        if value not in self.choices:
            self.fail(f"there is no {value!r}. {did_you_mean(str(value), map(str, self.choices))}", param, ctx)
        return str(value)


def no_plugin(function: Function) -> Function:
    """Add `--no-plugin NAME` to a command: the plugin is left out before any is loaded."""

    def leave_out(_: click.Context, __: click.Parameter, names: Sequence[str]) -> None:
        block(names)

    return click.option(
        "--no-plugin",
        multiple=True,
        metavar="NAME",
        expose_value=False,
        is_eager=True,
        callback=leave_out,
        help="Leave an installed plugin out (repeatable).",
    )(function)
