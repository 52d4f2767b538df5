"""`ntkbench plugin`: what is installed, a new package, and the checks of one."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click
from attrs import asdict

from ..errors import did_you_mean
from ..registry.collect import ONE_OF
from ..registry.current import registry
from ..registry.manager import Plugin, Registry
from ..report.escape import visible
from ..streams import answer, answer_json, answering
from .columns import aligned
from .options import Named, no_plugin

if TYPE_CHECKING:
    from ..testing.checks import Finding

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


@command.command("list", short_help="Show what is installed, and why something was left out.")
@click.option("--json", "as_json", is_flag=True, help="Everything that is known, as JSON.")
@no_plugin
@answering
def list_(as_json: bool) -> None:
    """Show the installed plugins: where each comes from, what it registers, or why it was left out.

    Each version of a plugin is tried once, in a process of its own, for at most 10 seconds.
    """
    known = registry()
    plugins = installed(known)
    if as_json:
        answer_json([plugin.to_json() for plugin in plugins])
    else:
        answer("\n".join(lines(plugins)))


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
        rows.append((plugin.distribution, plugin.version, plugin.status, ". ".join(texts), plugin.origin))
    visibly = [tuple(map(visible, row)) for row in rows]
    return [*aligned(visibly, limits={0: 24, 1: 10, 3: 40, 4: 30}, fitting=3), "", *textwrap.wrap(TRUST, WIDTH)]


def registers(plugin: Plugin) -> str:
    """Return what a plugin registers in words: "architectures glu, moe; data set stars"."""
    parts = []
    for kind, names in plugin.entries.items():
        word = ONE_OF[kind] if len(names) == 1 else ONE_OF[kind] + "s"
        parts.append(f"{word} {', '.join(names)}")
    return "; ".join(parts)


@command.command("check", short_help="Run the numbered checks of a plugin, or of one of its entries.")
@click.argument("name", metavar="NAME")
@click.option("--json", "as_json", is_flag=True, help="The findings as JSON on standard output, nothing else there.")
@no_plugin
@answering
def check(name: str, as_json: bool) -> int:
    """Run the numbered checks of NAME and say what to do about those that fail.

    NAME is an installed plugin (everything that it registers), a registered architecture, measurement, data set,
    kernel, suite or layer rule, or FILE.py:FUNCTION. Exits with 0 when all checks hold, 1 when one fails, 2 when the
    command was wrong.
    """
    from ..runner.device import prepare
    from ..testing.subjects import findings

    prepare("cpu", quiet=True)
    found: list[Finding] = []
    for finding in findings(name):
        if not as_json:
            if not found or found[-1].subject != finding.subject:
                answer(visible(finding.subject))
            text = textwrap.fill(visible(str(finding)), WIDTH, initial_indent="  ", subsequent_indent="       ")
            answer(text)
        found.append(finding)
    failed = sum(finding.status == "failed" for finding in found)
    if as_json:
        answer_json([asdict(finding) for finding in found])
    else:
        ending = "All of them hold." if not failed else f"{failed} of them failed."
        answer(f"{len(found)} checks. {ending}")
    return 1 if failed else 0


@command.command("new", short_help="Write a new plugin package.")
@click.argument("name", metavar="NAME")
@click.option(
    "--kind", default="architecture", type=Named(["architecture", "measurement"]), help="What the package registers."
)
@click.option("-o", "--output", type=click.Path(), metavar="DIR", help="The folder; without it, one called NAME here.")
@no_plugin
@answering
def new(name: str, kind: str, output: str | None) -> None:
    """Write a package called NAME that registers an architecture or a measurement and passes its checks.

    It is installable, and holds the entry point, one working example, tests that run the checks of ntkbench, and a
    file for continuous integration. A name such as ntkbench-wavy registers "wavy".
    """
    from pathlib import Path

    from ..scaffold.new import Names, new_plugin

    written = new_plugin(name, kind, Path(output) if output else None)  # type: ignore[arg-type]
    folder, entry = output or name, Names.of(name).entry
    option = "--arch" if kind == "architecture" else "--arch fc --measure"
    for path in written:
        answer(f"{folder}/{path}")
    answer("\nTo install it, test it and use it:\n")
    answer(f'  cd {shlex.quote(folder)}\n  pip install -e ".[test]"\n  pytest\n  ntkbench run {option} {entry}')
