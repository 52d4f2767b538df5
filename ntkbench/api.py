"""The Python API for runs: `run`, `load` and `Run`.

The packages that measure, analyse and plot are imported inside the functions that need them, so that reading a run
imports none of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from .errors import NtkbenchError, did_you_mean
from .store.manifest import catalogue, theory
from .store.stored_run import StoredRun

if TYPE_CHECKING:
    import pandas

    from .report.table import Table
    from .types import Width


class Run(StoredRun):
    """A finished or unfinished run: its results, tables, plots, scaling laws and verdicts.

    The folder is read once, when results are first requested.

    Args:
        path: The run's folder.
        store: An open store of the folder, to reuse the results that it has read.

    Raises:
        NtkbenchError: There is no run in the folder.
    """

    def table(self, quantities: Sequence[str] = ()) -> Table:
        """Return the standard table of `ntkbench table`.

        Args:
            quantities: Quantities to show; default: the four headline quantities.

        Returns:
            A table: print its `text()`, or use `to_json()`.
        """
        from .report.standard_table import standard_table

        problems = [*self.problems, *self.set_aside]
        return standard_table(self.results, self.manifest, quantities, problems, self.missing_plugins())

    def why(self, label: str) -> Table:
        """Return each variable's share of the bend and of the tangent kernel, which shows what makes it non-linear.

        Args:
            label: Label of the architecture, as printed in the table.

        Returns:
            A table: print its `text()`, or use `to_json()`.

        Raises:
            NtkbenchError: The label is unknown, or the run did not measure `bend_share`.
        """
        from .report.why import why_table

        return why_table(self.results, self.manifest, label, str(self.path))

    def method_table(self, quantity: str = "", better: Literal["lower", "higher"] | None = None) -> Table:
        """Return the comparison of methods over datasets, of `ntkbench table --by dataset`.

        A method is an architecture at a width. The table holds its mean over seeds on each dataset, the mean over
        datasets, P90, P95 and PMA (for accuracies and for errors from 0 to 1), its mean Friedman rank with the critical
        difference, and wins, ties and losses.

        Args:
            quantity: Quantity to compare; default: test_error, otherwise kernel_change_gd.
            better: Whether lower or higher values are better; default: as the quantity declares.

        Returns:
            A table: print its `text()`, or use `to_json()`.

        Raises:
            NtkbenchError: The quantity was not measured, or it is not known which of its values are better.
        """
        from .analysis.laws import series
        from .report.method_table import method_table, named

        declared = [each for keys in catalogue(self.manifest).values() for each in keys.values()]
        directions = {each.name: each.direction for each in declared}
        return method_table(named(self.rows(), series(self.results)), quantity, better, directions)

    def fits(self, posterior: bool = False) -> pandas.DataFrame:
        """Return the scaling laws, one row per architecture and quantity.

        Args:
            posterior: Add the posterior of slope, floor and tail; needs TensorFlow.

        Returns:
            A pandas.DataFrame: the exponent `slope` with its 95 % interval `low` to `high`, theory and agreement,
                floors.
        """
        from .analysis.laws import fits_frame

        return fits_frame(self.results, catalogue(self.manifest), theory(self.manifest), posterior)

    def verdicts(self) -> pandas.DataFrame:
        """Return the verdict on each architecture over its widths.

        Returns:
            A pandas.DataFrame with the verdict (linear, falling, non-linear or open), its reason, and which further
                cells would decide it.
        """
        from .analysis.verdicts import verdicts, verdicts_frame

        return verdicts_frame(verdicts(self.results, catalogue(self.manifest), theory(self.manifest)))

    def plot(self, path: str | os.PathLike[str], quantities: Sequence[str] = ()) -> None:
        """Draw quantities against width into a file.

        Args:
            path: Path of a .png, .svg or .pdf file.
            quantities: Quantities to draw; default: the four headline quantities.
        """
        from .report.figure import figure

        figure(self.results, path, self.manifest, quantities)

    def plot_map(self, path: str | os.PathLike[str]) -> None:
        """Draw the map of linearity into a file.

        x is the exponent of kernel_change_worst, or of kernel_slope where no kernel change was measured; y is the
        median over seeds at the largest width. Lines join rows of which one fixes what grows with width in the other,
        and rows of one family with their registered pair if one of them falls and the other does not.

        Args:
            path: Path of a .png, .svg or .pdf file.

        Raises:
            NtkbenchError: No row has an exponent.
        """
        from .analysis.verdicts import verdicts
        from .registry.current import registry
        from .report.linearity_map import place_of
        from .report.map_figure import map_figure
        from .report.pairs import compared, entry_of, family_of, joined

        found = verdicts(self.results, catalogue(self.manifest), theory(self.manifest))
        families = [family_of(entry_of(each.series, registry())) for each in found]
        drawn = {i: place for i, each in enumerate(found) if (place := place_of(each, families[i])) is not None}
        index = {i: number for number, i in enumerate(drawn)}
        lines = joined(found, families, compared([each.series for each in found], registry()))
        pairs = [(index[i], index[j]) for i, j in lines if i in index and j in index]
        map_figure(list(drawn.values()), path, pairs)

    def plot_curves(self, path: str | os.PathLike[str], names: Sequence[str] = ()) -> None:
        """Draw the measured curves into a file, and those that a suite stored with the run.

        Each line is the median over the seeds of one width; its band extends from the smallest to the largest value.
        Heat maps are medians over the seeds of the smallest and of the largest width.

        Args:
            path: Path of a .png, .svg or .pdf file.
            names: The curves to draw, in this order; by default all, with those of the suite.

        Raises:
            NtkbenchError: The run holds no curves, or not the named ones.
        """
        from .analysis.bands import curve_panels
        from .analysis.heat_maps import heat_maps
        from .report.panels import panels_figure

        panels = [*(() if names else self.panels), *curve_panels(self.results, self.manifest, names)]
        maps = heat_maps(self.results, self.manifest, names)
        known = {name for result in self.results for name in result.curves}
        if unknown := [name for name in names if name not in known]:
            raise NtkbenchError(f"{self.path} holds no curve {unknown[0]!r}. {did_you_mean(unknown[0], known)}")
        if not panels and not maps:
            raise NtkbenchError(
                f"{self.path} holds no curves. Measure some, such as `--measure gd:curves`, or run a suite that stores "
                "them, such as huang2020."
            )
        panels_figure(panels, path, maps)


def load(path: str | os.PathLike[str]) -> Run:
    """Return the run stored in a folder.

    Args:
        path: The run's folder.

    Returns:
        The run.

    Raises:
        NtkbenchError: There is no run in the folder.
    """
    return Run(path)


def run(
    arch: str | Iterable[str] = "all",
    *,
    widths: str | Iterable[Width] | None = None,
    seeds: int | None = None,
    measure: str | Iterable[str] | None = None,
    dataset: str | Iterable[str] = "digits",
    out: str | Path | None = None,
    preset: str = "quick",
    precision: str = "float32",
    device: str = "auto",
    probes: int | None = None,
    radius: float | Iterable[float] | None = None,
    reinit: bool = False,
    units: Literal["init", "none"] | None = None,
    redraw: Literal["fan-in", "none"] | None = None,
    force: bool = False,
    retry: str | Iterable[str] | None = None,
) -> Run:
    """Measure architectures over widths and seeds, store every cell, and return the run.

    The arguments are the options of `ntkbench run`. Nothing is printed, and failed cells are rows of the result. If the
    folder already holds cells, only the missing ones are measured.

    Args:
        arch: One or several SPECs: "all", "NAME", "NAME:key=value", "family:NAME", "priority:A", "FILE.py:FUNCTION" or
            "MODEL.keras". NAME is an architecture, or a kernel, which exists at infinite width only.
        widths: Widths to measure, `math.inf` for the limit of infinite width; default: the preset's.
        seeds: Number of seeds; default: the preset's.
        measure: Measurements or quantities, or "all"; default: the preset's.
        dataset: One or several datasets, with parameters as "NAME:key=value", or groups of datasets.
        out: The run's folder; default: a new one below `runs/`.
        preset: Size of the run: "quick", "zoo", "standard", "board" or "full".
        precision: Floating-point precision of all computations: "float32" or "float64".
        device: "auto", "cpu", "gpu[:i]" or "tpu[:NAME]".
        probes: Number of inputs at which everything is measured; default: the preset's.
        radius: Radius of the ball around the initial weights, one or several; default: 1.
        reinit: Redraw the weights of a MODEL.keras for each seed.
        units: "init" measures Keras models in units of their initial weights: every variable is divided by its standard
            deviation, which makes a model in the standard parameterisation one in the NTK parameterisation. Default: as
            the architecture declares, which is "none" for most.
        redraw: "fan-in" draws the weights of Keras models for each seed with standard deviation 1/√fan-in, whatever
            their own initializers, and calibrates BatchNormalization on 64 inputs. Default: as for `units`.
        force: Measure again the cells that the folder already holds.
        retry: Statuses of cells to measure again; default: all except "ok" and "unsupported".

    Returns:
        The run, with all cells in its folder.

    Raises:
        NtkbenchError: An option is invalid, or the run cannot be carried out.
        KeyboardInterrupt: The run was interrupted; finished cells are kept.
    """
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
        units=units,
        redraw=redraw,
        force=force,
        retry=retry,
    )
    registry = the_registry()
    plan = make_plan(options, registry)
    name = prepare(options.device)
    executor = Serial(registry.with_architectures(plan.own_architectures()), name, plan.code)
    lost = check(plan, executor)
    with closing(open_store(plan, registry)) as store:
        if run_plan(plan, store, executor, lost=lost).interrupted:
            raise KeyboardInterrupt
    return Run(store.path, store)
