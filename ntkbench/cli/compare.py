"""`ntkbench compare`: compare the results of two runs."""

from __future__ import annotations

import click

from ..errors import NtkbenchError
from ..streams import answer, answer_json, answering


@click.command("compare")
@click.argument("run_a", type=click.Path())
@click.argument("run_b", type=click.Path())
@click.option("--json", "as_json", is_flag=True, help="Print every quantity as JSON, at full precision.")
@answering
def command(run_a: str, run_b: str, as_json: bool) -> int:
    """Show which quantities moved between RUN_A and RUN_B, whether beyond noise, and what else differs.

    Cells are matched by architecture, parameters, width, seed, dataset and measurement. Differing verdicts are
    listed; each verdict uses all cells of its own run. Exits with 0 when no quantity moved beyond noise, with 1
    otherwise.
    """
    from ..analysis.compare import compare
    from ..api import load
    from ..report.comparison import comparison_json, comparison_table

    a, b = load(run_a), load(run_b)
    found = compare(a.results, b.results, a.manifest, b.manifest)
    if not found.changes and not found.statuses:
        raise NtkbenchError(
            f"{run_a} and {run_b} have no finished cell in common. Compare runs that share at least one architecture, "
            "with the same parameters, width, seed, dataset and measurement."
        )
    if as_json:
        answer_json(comparison_json(found, run_a, run_b))
    else:
        answer(comparison_table(found, run_a, run_b).text().rstrip("\n"))
    for problem in (*a.problems, *b.problems):
        click.echo(f"Warning: {problem}", err=True)
    return 1 if any(change.moved for change in found.changes) or found.statuses else 0
