"""`ntkbench compare`: what moved between two runs."""

from __future__ import annotations

import click

from ..errors import NtkbenchError
from ..streams import answer, answer_json, answering


@click.command("compare")
@click.argument("run_a", type=click.Path())
@click.argument("run_b", type=click.Path())
@click.option("--json", "as_json", is_flag=True, help="Every quantity as JSON, with every digit.")
@answering
def command(run_a: str, run_b: str, as_json: bool) -> int:
    """Say what moved between RUN_A and RUN_B, whether by more than noise, and what else differs between them.

    Cells are matched by architecture, parameters, width, seed, data set and measurement. Verdicts that differ are
    listed; each rests on all cells of its own run. Exits with 0 when no quantity moved beyond noise, 1 when one did.
    """
    from ..analysis.compare import compare
    from ..api import load
    from ..report.comparison import comparison_json, comparison_table

    a, b = load(run_a), load(run_b)
    found = compare(a.results, b.results, a.manifest, b.manifest)
    if not found.changes and not found.statuses:
        raise NtkbenchError(
            f"{run_a} and {run_b} have no finished cell in common: the same architecture, parameters, width, seed, "
            "data set and measurement. Compare runs that overlap."
        )
    if as_json:
        answer_json(comparison_json(found, run_a, run_b))
    else:
        answer(comparison_table(found, run_a, run_b).text().rstrip("\n"))
    for problem in (*a.problems, *b.problems):
        click.echo(f"Warning: {problem}", err=True)
    return 1 if any(change.moved for change in found.changes) or found.statuses else 0
