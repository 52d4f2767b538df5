"""`ntkbench answers`: answer the questions of a suite from finished runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import NtkbenchError
from ..streams import answer, answering
from .options import no_plugin, warn_of_plugins

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ..analysis.answers import Answers, Found
    from ..plan.options import RunOptions
    from ..registry.manager import Registry
    from ..types import CellResult

    Run = tuple[Sequence[CellResult], Mapping[str, Any]]


@click.command("answers")
@click.argument("suite", metavar="SUITE|FILE.toml")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN|RECEIPT.json...")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE.md",
    help="Page to write; its pictures are written to a folder of the same name beside it.",
)
@no_plugin
@answering
def command(suite: str, runs: tuple[Path, ...], output: Path) -> int:
    """Answer the questions of SUITE from runs or receipts.

    The page holds the suite's controls, each question with what was predicted and found, and every prediction. Exit
    code 1: a control did not come out right, so the answers must not be published.
    """
    from ..analysis.answers import answers
    from ..atomic import write_atomically
    from ..plan.suite import load_suite
    from ..registry.current import registry
    from ..report.answers import answers_page, publishable_words

    if output.suffix.lower() != ".md":
        raise NtkbenchError(f"Unsupported file extension {output.suffix!r} of {output}. Use .md.")
    known = registry()
    warn_of_plugins(known)
    found = load_suite(suite, known)
    if not found.questions:
        raise NtkbenchError(f"The suite {suite} asks no questions. Add them as [[question]].")
    loaded = [_read(path) for path in runs]
    answered = answers(found.questions, found.controls, [run for run, _ in loaded])
    pictures = _draw(answered, [run for run, _ in loaded], output.with_suffix(""))
    options = _options(found.options, answered.rows, known)
    page = answers_page(found.summary or found.name, answered, [source for _, source in loaded], options, pictures)
    write_atomically(output, page.encode())
    if not answered.publishable:
        click.echo(publishable_words(answered).replace("*", ""), err=True)
    answer(str(output))
    return int(not answered.publishable)


def _read(path: Path) -> tuple[Run, str]:
    """Return the results and the manifest of a run or a receipt, and a sentence about it."""
    from .._version import __version__
    from ..api import load
    from ..leaderboard.receipt import load_receipt

    known: Mapping[str, Any]
    if path.is_dir():
        run = load(path)
        results, known, name = run.results, run.manifest.get("provenance", {}), path.name
        manifest: Mapping[str, Any] = run.manifest
    else:
        receipt = load_receipt(path)
        results, manifest, known = receipt.results, receipt.manifest, receipt.environment
        name = f"{receipt.name} (receipt {receipt.hash[:12]})"
    if not results:
        raise NtkbenchError(f"{path} holds no results. Finish its run first.")
    cell = results[0].cell
    seeds = len({result.cell.seed for result in results})
    datasets = " and ".join(dict.fromkeys(result.cell.dataset_label for result in results))
    sentence = (
        f"{name}: {len(results)} cells, {seeds} {'seed' if seeds == 1 else 'seeds'}, "
        f"{cell.settings.get('n_probes')} probes, {datasets}, {cell.precision}; "
        f"ntkbench {known.get('ntkbench', __version__)}, TensorFlow {known.get('tensorflow')}, {known.get('cpu')}."
    )
    return (results, manifest), sentence


def _draw(answered: Answers, runs: Sequence[Run], folder: Path) -> dict[str, str]:
    """Draw each question's quantity against width, and return the links by id."""
    from ..atomic import create_folder
    from ..report.figure import figure

    links = {}
    create_folder(folder)
    claims = {label: claim for _, manifest in reversed(runs) for label, claim in manifest.get("theory", {}).items()}
    for each in answered.answers:
        key = each.question.quantity
        found = [result for row in each.rows if row.found is not None for result in row.found.series.results]
        results = [result for result in found if key in result.cell.quantities]
        path = folder / f"{each.question.id}.svg"
        try:
            figure(results, path, {**runs[0][1], "theory": claims}, (key,))
        except NtkbenchError:  # nothing to draw: zeros, or a single width
            path.unlink(missing_ok=True)
        else:
            links[each.question.id] = f"{folder.name}/{path.name}"
    return links


def _options(given: RunOptions | None, rows: Iterable[Found], known: Registry) -> dict[str, list[str]]:
    """Return the options of `ntkbench run` with which each label was measured; sizes only if they are not the preset's.

    Args:
        given: Options of the suite.
        rows: What was found; the first one of each label counts.
        known: The registered entries.
    """
    from ..plan.preset import preset
    from ..types import written_width

    sizes = None if given is None or not given.preset else preset(given.preset)
    found: dict[str, list[str]] = {}
    for row in rows:
        of = row.series
        cell = of.results[0].cell
        words = [] if sizes is None else ["--preset", sizes.name]
        words += ["--dataset", cell.dataset_label]
        entry = known.subjects.get(cell.architecture)
        widths = sorted({result.cell.width for result in of.results})
        if sizes is None or widths != sorted(sizes.widths_for({} if entry is None else entry.widths)):
            words += ["--widths", ",".join(str(written_width(width)) for width in widths)]
        if sizes is None or len(of.seeds) != sizes.seeds:
            words += ["--seeds", str(len(of.seeds))]
        found.setdefault(of.label, words)
    return found
