"""`ntkbench plugin`: what is installed, a new package, and the checks of one."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence

import click

from ..errors import did_you_mean
from ..registry.collect import ONE_OF
from ..registry.manager import Plugin, Registry, registry
from ..report.escape import visible
from .columns import aligned
from .options import no_plugin

WIDTH = 100
TRUST = "Installing a plugin runs its code with your rights; ntkbench contains faults, not malice."


class Words(click.Group):
    """A group that answers a wrong word with the nearest ones."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command of the first word, or say which was perhaps meant."""
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            hint = did_you_mean(args[0], self.commands)
            raise click.UsageError(f"No command of {ctx.info_name} is called {args[0]!r}. {hint}")
        return super().resolve_command(ctx, args)


@click.group("plugin", cls=Words)
def command() -> None:
    """Show, make and check plugins."""


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Everything that is known, as JSON.")
@no_plugin
def list_(as_json: bool) -> None:
    """Show the installed plugins: where each comes from, what it registers, or why it was left out.

    Each version of a plugin is tried once, in a process of its own, for at most 10 seconds.
    """
    known = registry()
    plugins = installed(known)
    if as_json:
        click.echo(json.dumps([plugin.to_json() for plugin in plugins], indent=1, ensure_ascii=False))
    else:
        click.echo("\n".join(lines(plugins)))


def installed(known: Registry) -> list[Plugin]:
    """Return the plugins that are not ntkbench's own."""
    return [plugin for plugin in known.plugins if plugin.distribution != "ntkbench"]


def lines(plugins: Sequence[Plugin]) -> list[str]:
    """Return the plugins as lines of at most 100 columns."""
    if not plugins:
        return ["No plugins are installed. `ntkbench plugin new NAME` makes one."]
    rows = [("plugin", "version", "status", "registers, or why it was left out", "from")]
    for plugin in plugins:
        texts = [registers(plugin) or plugin.reason, *plugin.notes]
        rows.append((plugin.distribution, plugin.version, plugin.status, " ".join(texts), plugin.origin))
    visibly = [tuple(map(visible, row)) for row in rows]
    return [*aligned(visibly, limits={0: 22, 1: 9, 3: 34, 4: 19}), "", *textwrap.wrap(TRUST, WIDTH)]


def registers(plugin: Plugin) -> str:
    """Return what a plugin registers in words: "architectures glu, moe; data set stars"."""
    parts = []
    for kind, names in plugin.entries.items():
        word = ONE_OF[kind] if len(names) == 1 else ONE_OF[kind] + "s"
        parts.append(f"{word} {', '.join(names)}")
    return "; ".join(parts)
