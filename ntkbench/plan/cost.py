"""Predict the parameters, memory and time of a plan from small models."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from attrs import evolve, frozen

from ..errors import NtkbenchError
from ..gpu import gpu_of
from ..registry.calling import call_with_known_names, vocabulary_for
from ..types import Cell, Width, written_width
from .arch_spec import ArchitectureRequest
from .plan import Plan

GIB = 2**30
# Rough constants, measured on two cores with fully connected nets of 64 to 1024 units.
BASE_GIB = 0.8  # TensorFlow itself with its compiled functions
COPIES = 20  # arrays of the size of all parameters that exist at once, besides one gradient per probe
COMPILE_SECONDS = 2.0  # tracing for one architecture at one width
QUANTITY_SECONDS = {  # small nets
    "hessian_norm": 0.4,
    "hessian_norm_ball": 1.5,
    "kernel_change_worst": 0.1,
    "linearization_error_worst": 0.6,
    "kernel_convergence": 0.1,
    "test_error": 0.5,  # training on a task
    "linearization_gap": 1.0,  # training of the linearisation
}
OTHER_SECONDS = 0.03  # any other quantity
SIZE_OF_DOUBLE_TIME = 500_000  # parameters at which a quantity takes twice as long as on a small net
# Above this width, memory is predicted before a plan is run.
CHECKED_WIDTH = 4096
SMALL_WIDTHS = (8, 16, 24, 32)


@frozen(kw_only=True)
class Estimate:
    """The predicted cost of one architecture. Fields that need its size are empty if no small model could be built.

    Attributes:
        label: Label of the architecture.
        dataset: Label of the dataset.
        widths: Planned widths, ascending.
        cells: Number of planned cells.
        parameters: Number of trainable parameters at each finite width.
        memory_gib: Memory in GiB at each finite width.
        seconds: Rough time of all cells in seconds.
        fits: The largest power of two, up to the largest width, whose memory is within available_gib.
        available_gib: Available memory in GiB.
        where: Owner of that memory, such as "this machine".
    """

    label: str
    dataset: str
    widths: tuple[Width, ...]
    cells: int
    parameters: tuple[int, ...] = ()
    memory_gib: tuple[float, ...] = ()
    seconds: float | None = None
    fits: int | None = None
    available_gib: float = math.inf
    where: str = "this machine"

    def to_json(self) -> dict[str, Any]:
        """Return the estimate as plain JSON."""
        return {
            "architecture": self.label,
            "dataset": self.dataset,
            "widths": [written_width(width) for width in self.widths],
            "cells": self.cells,
            "parameters": list(self.parameters),
            "memory_gib": list(self.memory_gib),
            "seconds": self.seconds,
        }


def estimate(
    plan: Plan,
    memory: tuple[float, str] | None = None,
    sizes: Mapping[tuple[str, str], Mapping[int, int]] | None = None,
) -> list[Estimate]:
    """Return the predicted cost of each architecture of a plan on each dataset, with TensorFlow and small models.

    Args:
        plan: The plan.
        memory: Available memory in GiB, and its owner; default: the memory of the plan's device.
        sizes: For architectures that must not be built in this process, by their label and the dataset's: parameter
            counts at `small_widths`. An empty mapping if the architecture could not be built at all.
    """
    available, where = memory or device_memory_gib(plan.options.device)
    return [
        evolve(_estimate(part, request, available, sizes or {}), where=where)
        for part in plan.parts or (plan,)
        for request in part.requests
    ]


def _estimate(
    plan: Plan, request: ArchitectureRequest, available: float, sizes: Mapping[tuple[str, str], Mapping[int, int]]
) -> Estimate:
    dataset = plan.cells[0].dataset_label
    counts = sizes.get((request.label, dataset))
    cells = [cell for cell in plan.cells if cell.label == request.label]
    widths = tuple(sorted({cell.width for cell in cells}))
    finite = finite_widths(cells)
    if not finite:
        law = None
    elif counts is None:
        law = parameter_law(request, plan.input_shapes[request.label], finite, plan.vocabulary)
    else:
        law = polynomial(counts) if counts else None
    if law is None:
        return Estimate(label=request.label, dataset=dataset, widths=widths, cells=len(cells))
    probes, precision = plan.settings.n_probes, plan.options.precision

    def memory(width: int) -> float:
        return memory_gib(law(width), probes, precision)

    work = sum(_seconds(cell, 0 if cell.infinite else law(int(cell.width)), plan.seconds) for cell in cells)
    doublings = [2**power for power in range(max(finite).bit_length())]
    return Estimate(
        label=request.label,
        dataset=dataset,
        widths=widths,
        cells=len(cells),
        parameters=tuple(map(law, finite)),
        memory_gib=tuple(map(memory, finite)),
        seconds=COMPILE_SECONDS * len(widths) + work,
        fits=max((width for width in doublings if memory(width) <= available), default=None),
        available_gib=available,
    )


def _seconds(cell: Cell, parameters: int, declared: Mapping[str, float]) -> float:
    """Return the predicted time of a cell in seconds. declared: times by measurement, see `Measurement.seconds`."""
    if cell.measurement in declared:
        return declared[cell.measurement] * _times(parameters)
    return quantity_seconds(cell.quantities, parameters)


def _times(parameters: int) -> float:
    return 1 + parameters / SIZE_OF_DOUBLE_TIME


def quantity_seconds(quantities: Iterable[str], parameters: int) -> float:
    """Return the predicted time in seconds of measuring quantities of a compiled model with `parameters` parameters."""
    small = sum(QUANTITY_SECONDS.get(quantity, OTHER_SECONDS) for quantity in quantities)
    return small * _times(parameters)


def finite_widths(cells: Iterable[Cell]) -> list[int]:
    """Return the finite widths of cells, ascending."""
    return sorted({int(cell.width) for cell in cells if not cell.infinite})


def rough_parameters(cell: Cell) -> int:
    """Return the rough number of weights of a cell's network, of two hidden layers; 0 at infinite width."""
    return 0 if cell.infinite else int(cell.width) ** 2


def memory_gib(parameters: int, n_probes: int, precision: str) -> float:
    """Return the predicted resident memory in GiB of measuring a model with `parameters` parameters."""
    itemsize = 8 if precision == "float64" else 4
    return BASE_GIB + itemsize * parameters * (COPIES + n_probes) / GIB


def parameter_law(
    request: ArchitectureRequest, input_shape: Any, widths: Sequence[int], vocabulary: int | None = None
) -> Callable[[int], int] | None:
    """Return the number of trainable parameters as a function of width, None if no small model can be built.

    Layers of m units have at most on the order of m² weights, and there are at most on the order of m layers, so the
    count is the cubic through four small widths.
    """
    try:
        return polynomial({width: _count(request, input_shape, width, vocabulary) for width in small_widths(widths)})
    except Exception:  # the run reports what the build function raises as the reason of its failed cells
        return None


def small_widths(widths: Sequence[int]) -> Sequence[int]:
    """Return the widths at which models are built to predict a cost: `widths` itself if they are few and small."""
    few = len(widths) < len(SMALL_WIDTHS)
    return widths if few and max(widths) <= 4 * SMALL_WIDTHS[-1] else SMALL_WIDTHS


def polynomial(counts: Mapping[int, int]) -> Callable[[int], int]:
    """Return the number of parameters as a function of width, from the counts at up to four widths."""
    return lambda width: counts[width] if width in counts else _through(counts, width)


def _count(request: ArchitectureRequest, input_shape: Any, width: int, vocabulary: int | None) -> int:
    entry = request.entry
    params = entry.resolve(request.params)
    build = entry.load()
    given = {"input_shape": input_shape, "outputs": entry.outputs, "seed": 0}
    model = call_with_known_names(build, width, **{**given, **vocabulary_for(build, vocabulary), **params})
    if getattr(model, "built", True) is False:
        import numpy as np

        model(np.zeros((1, *input_shape), "float32"))
    return sum(math.prod(variable.shape) for variable in model.trainable_variables)


def _through(counts: Mapping[int, int], width: int) -> int:
    """Return the value at `width` of the polynomial through `counts` (Lagrange, exact)."""
    total = Fraction(0)
    for node, count in counts.items():
        term = Fraction(count)
        for other in counts:
            if other != node:
                term *= Fraction(width - other, node - other)
        total += term
    return max(round(total), 0)


def machine_memory_gib() -> float:
    """Return the memory in GiB that this process may use: the machine's or its container's, whichever is less."""
    import psutil

    total = psutil.virtual_memory().total
    limit = Path("/sys/fs/cgroup/memory.max")
    if os.access(limit, os.R_OK) and (text := limit.read_text().strip()).isdigit():
        total = min(total, int(text))
    return total / GIB


def device_memory_gib(device: str) -> tuple[float, str]:
    """Return the memory in GiB of a `--device` and its owner: a GPU known to its driver, or else the machine."""
    gpu = gpu_of(device)
    return (machine_memory_gib(), "this machine") if gpu is None else (gpu.gib, f"its GPU ({gpu.name})")


def available_memory_gib() -> float:
    """Return the free memory in GiB of the machine or of its container, whichever is less."""
    import psutil

    left = psutil.virtual_memory().available
    folder = Path("/sys/fs/cgroup")
    try:
        limit, current = ((folder / name).read_text().strip() for name in ("memory.max", "memory.current"))
        if limit.isdigit():
            statistics = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
            # The kernel frees the page cache when memory is needed.
            cached = int(statistics.get("inactive_file", 0)) + int(statistics.get("active_file", 0))
            left = min(left, int(limit) - int(current) + cached)
    except (OSError, ValueError):
        pass  # not in a container, or its limits cannot be read
    return left / GIB


def refuse_what_cannot_fit(estimates: Sequence[Estimate]) -> None:
    """Raise NtkbenchError for the first architecture whose predicted memory exceeds what is available."""
    for each in estimates:
        for width, gib in zip(each.widths, each.memory_gib, strict=False):
            if gib > each.available_gib:
                advice = f"Width {each.fits} fits" if each.fits else "No width fits"
                raise NtkbenchError(
                    f"{each.label} at width {width} needs about {gib:.3g} GiB of memory, but {each.where} has "
                    f"{each.available_gib:.3g} GiB. {advice}; fewer --probes and --precision float32 need less."
                )
