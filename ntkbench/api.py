"""ntkbench from Python: run, load, and what can be shown of a run.

The rooms that measure, analyse and draw are entered inside the functions that need them, so that reading a run takes
none of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import NtkbenchError
from .store.manifest import catalogue, theory
from .store.stored_run import StoredRun

if TYPE_CHECKING:
    import pandas

    from .report.table import Table


class Run(StoredRun):
    """A finished or half-finished run: its results, and what they say. Reads the directory once, when first asked.

    path: the run's directory.   store: one of it that may have read it already.
    Raises NtkbenchError when there is no run in it.
    """

    def table(self, quantities: Sequence[str] = ()) -> Table:
        """Return the standard table. quantities: those to show, the headline ones without any."""
        from .report.standard_table import standard_table

        problems = [*self.problems, *self.set_aside]
        return standard_table(self.results, self.manifest, quantities, problems, self.missing_plugins())

    def why(self, label: str) -> Table:
        """Return which variables bend an architecture: their shares of the bend and of the tangent kernel.

        label: of the architecture, as the table prints it.   Raises NtkbenchError for an unknown one, and where the
        run did not measure bend_share.
        """
        from .report.why import why_table

        return why_table(self.results, self.manifest, label, str(self.path))

    def fits(self, posterior: bool = False) -> pandas.DataFrame:
        """Return the scaling laws, one row for each architecture and quantity.

        posterior: add the posterior of slope, floor and tail; needs TensorFlow.
        """
        from .analysis.laws import fits_frame

        return fits_frame(self.results, catalogue(self.manifest), theory(self.manifest), posterior)

    def verdicts(self) -> pandas.DataFrame:
        """Return the verdict on each architecture over its widths: linear, falling, non-linear or open; and why."""
        from .analysis.verdicts import verdicts, verdicts_frame

        return verdicts_frame(verdicts(self.results, catalogue(self.manifest), theory(self.manifest)))

    def plot(self, path: str | os.PathLike[str], quantities: Sequence[str] = ()) -> None:
        """Draw the quantities against width into `path`, a .png, .svg or .pdf file."""
        from .report.figure import figure

        figure(self.results, path, self.manifest, quantities)

    def plot_curves(self, path: str | os.PathLike[str]) -> None:
        """Draw the curves that a suite left here into `path`, a .png, .svg or .pdf file."""
        from .report.curves import curves_figure

        if not self.curves:
            raise NtkbenchError(f"{self.path} holds no curves; suites such as huang2020 leave them.")
        curves_figure(self.curves, path)


def load(path: str | os.PathLike[str]) -> Run:
    """Return the run in the directory `path`. Raises NtkbenchError when there is none."""
    return Run(path)


def run(
    arch: str | Iterable[str] = "all",
    *,
    widths: str | Iterable[int] | None = None,
    seeds: int | None = None,
    measure: str | Iterable[str] | None = None,
    dataset: str = "digits",
    out: str | Path | None = None,
    preset: str = "quick",
    precision: str = "float32",
    device: str = "auto",
    probes: int | None = None,
    radius: float | Iterable[float] | None = None,
    reinit: bool = False,
    force: bool = False,
    retry: str | Iterable[str] | None = None,
) -> Run:
    """Measure architectures over widths and seeds, store every cell, and return the run.

    The arguments are the options of `ntkbench run` (see `ntkbench.plan.options.RunOptions`); a size that is None is
    the preset's. Nothing is printed; failed cells are rows of the result. A run in a folder that already holds
    cells does what is missing. Raises NtkbenchError for what cannot be run, and KeyboardInterrupt on Ctrl-C, with
    everything finished kept.
    """
    from ..api import Run
    from .plan.options import RunOptions
    from .plan.plan import make_plan
    from .registry.current import registry as the_registry
    from .runner.device import prepare
    from .runner.executors.serial import Serial
    from .runner.run import check, open_store, run_plan

    options = RunOptions(
        arch=arch,
        widths=widths,
        seeds=seeds,
        measure=measure,
        dataset=dataset,
        out=out,
        preset=preset,
        precision=precision,
        device=device,
        probes=probes,
        radius=radius,
        reinit=reinit,
        force=force,
        retry=retry,
    )
    registry = the_registry()
    plan = make_plan(options, registry)
    name = prepare(options.device)
    check(plan, registry, name)
    executor = Serial(registry.with_architectures(plan.own_architectures()), name)
    with closing(open_store(plan, registry)) as store:
        if run_plan(plan, store, executor).interrupted:
            raise KeyboardInterrupt
    return Run(store.path, store)
