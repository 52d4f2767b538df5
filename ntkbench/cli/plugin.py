"""`ntkbench plugin`: list installed plugins, create a plugin package, and check one."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Iterator, Sequence
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
from .options import Named, no_plugin, time_limit

if TYPE_CHECKING:
    from ..testing.checks import Finding

WIDTH = 100
TRY = {
    "architecture": "run --arch {entry}",
    "measurement": "run --arch fc --measure {entry}",
    "dataset": "run --arch fc --dataset {entry}",
    "kernel": "plugin check {name}",
    "suite": "run --suite {entry}",
    "rule": "plugin check {name}",
}
"""The command that tries a new package, by its kind."""
TRUST = "Plugins run with your permissions. ntkbench isolates faulty plugins, but not malicious ones."


class Subcommands(click.Group):
    """A Click group that suggests the closest subcommands for an unknown one."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the subcommand, or fail with a suggestion."""
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            hint = did_you_mean(args[0], self.commands)
            raise click.UsageError(f"Unknown {ctx.info_name} command {args[0]!r}. {hint}")
        return super().resolve_command(ctx, args)


@click.group("plugin", cls=Subcommands)
def command() -> None:
    """List, create and check plugins."""


@command.command("list", short_help="List the installed plugins, and why any were left out.")
@click.option("--json", "as_json", is_flag=True, help="Print all information as JSON.")
@no_plugin
@answering
def list_(as_json: bool) -> None:
    """List the installed plugins: what each registers, or why it was left out, and where it comes from.

    Each version of a plugin is tried once, in a separate process, for at most 10 seconds.
    """
    known = registry()
    plugins = installed(known)
    if as_json:
        answer_json([plugin.to_json() for plugin in plugins])
    else:
        answer("\n".join(lines(plugins)))


def installed(known: Registry) -> list[Plugin]:
    """Return the plugins that do not belong to ntkbench itself."""
    return [plugin for plugin in known.plugins if plugin.distribution != "ntkbench"]


def lines(plugins: Sequence[Plugin]) -> list[str]:
    """Return the plugins as lines of at most 100 columns."""
    if not plugins:
        return ["No plugins are installed. `ntkbench plugin new NAME` creates one."]
    rows = [("plugin", "version", "status", "registers, or why it was left out", "from")]
    for plugin in plugins:
        texts = [registers(plugin) or plugin.reason, *plugin.notes]
        rows.append((plugin.distribution, plugin.version, plugin.status, ". ".join(texts), plugin.origin))
    visibly = [tuple(map(visible, row)) for row in rows]
    return [*aligned(visibly, limits={0: 24, 1: 10, 3: 40, 4: 30}, fitting=3), "", *textwrap.wrap(TRUST, WIDTH)]


def registers(plugin: Plugin) -> str:
    """Return what a plugin registers as text, such as "architectures glu, moe; dataset stars"."""
    parts = []
    for kind, names in plugin.entries.items():
        word = ONE_OF[kind] if len(names) == 1 else ONE_OF[kind] + "s"
        parts.append(f"{word} {', '.join(names)}")
    return "; ".join(parts)


@command.command("check", short_help="Run the numbered checks of a plugin, or of one of its entries.")
@click.argument("name", metavar="NAME")
@time_limit("each check")
@click.option("--json", "as_json", is_flag=True, help="Print only the findings, as JSON, to standard output.")
@no_plugin
@answering
def check(name: str, timeout: float, as_json: bool) -> int:
    """Run the numbered checks of NAME, and show how to fix those that fail.

    NAME is an installed plugin (everything that it registers), a registered architecture, measurement, dataset,
    kernel, suite or layer rule, or FILE.py:FUNCTION. Exits with 0 when all checks pass, with 1 when one fails, and
    with 2 when the command is invalid.
    """
    found: list[Finding] = []
    for finding in _findings_apart(name, timeout):
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
        skipped = sum(finding.status == "skipped" for finding in found)
        ending = "All of them passed." if not failed else f"{failed} of them failed."
        answer(f"{len(found) - skipped} checks{f', and {skipped} that do not apply' if skipped else ''}. {ending}")
    return 1 if failed else 0


def _findings_apart(name: str, timeout: float) -> Iterator[Finding]:
    """Yield the findings on NAME from a separate process. If the process ends early, the last finding says so."""
    from ..runner.executors.apart import ProcessEnded, apart
    from ..runner.limits import Limits
    from ..testing.checks import Finding

    subject = name
    try:
        for finding in apart(_findings, name, device="cpu", limits=Limits(timeout)):
            subject = finding.subject
            yield finding
    except ProcessEnded as error:
        yield Finding(
            subject,
            "P2",
            "Its checks finish and leave the process running.",
            "failed",
            f"{error} Later checks did not run.",
        )


def _findings(name: str) -> Iterator[Finding]:
    from ..testing.subjects import findings  # needs TensorFlow

    yield from findings(name)


@command.command("new", short_help="Write a new plugin package.")
@click.argument("name", metavar="NAME")
@click.option(
    "--kind",
    default="architecture",
    type=Named(list(TRY)),
    help="What the package registers.",
)
@click.option(
    "-o", "--output", type=click.Path(), metavar="DIR", help="Folder of the package [default: NAME in this folder]."
)
@no_plugin
@answering
def new(name: str, kind: str, output: str | None) -> None:
    """Write a plugin package NAME that registers one entry of the given kind and passes all checks.

    The package is installable. It contains the entry point, one working example, tests that run ntkbench's checks, and
    a continuous-integration workflow. A package named ntkbench-wavy registers "wavy".
    """
    from pathlib import Path

    from ..scaffold.new import Names, new_plugin

    written = new_plugin(name, kind, Path(output) if output else None)  # type: ignore[arg-type]
    folder, entry = output or name, Names.of(name).entry
    for path in written:
        answer(f"{folder}/{path}")
    answer("\nTo install, test and use it:\n")
    use = TRY[kind].format(name=name, entry=entry)
    answer(f'  cd {shlex.quote(folder)}\n  pip install -e ".[test]"\n  pytest\n  ntkbench {use}')
