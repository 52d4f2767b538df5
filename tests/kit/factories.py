"""Synthetic cells and runs: power laws with seed effects, without TensorFlow."""

from __future__ import annotations

import math
import os
import random
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import asdict, evolve

from ntkbench.api import Run, load
from ntkbench.store.manifest import new_manifest
from ntkbench.store.run_store import RunStore
from ntkbench.types import Cell, CellResult, Quantity, Settings, Status, Theory, Value

QUANTITIES = {
    "gradient": [Quantity("gradient_norm", "‖∇f‖", reduction="rms")],
    "hessian": [
        Quantity("hessian_norm", "‖H‖", direction="lower", reduction="mean"),
        Quantity("hessian_norm", "‖H‖", direction="lower", reduction="max", key="hessian_norm:max"),
    ],
    "ball": [Quantity("kernel_change_worst", "ΔK worst", direction="lower")],
    "gd": [Quantity("kernel_change_gd", "ΔK gd", direction="lower", reduction="max")],
}
SLOPES = {"gradient_norm": 0.0, "hessian_norm": -0.5, "kernel_change_worst": -0.5, "kernel_change_gd": -1.0}


class Entry:
    """What a manifest needs to know of a registered architecture or measurement."""

    units = redraw = ""

    def __init__(self, **fields: Any):
        self.__dict__.update(fields)

    def resolved(self, params: Mapping[str, Any]) -> Entry:
        del params
        return self


def cell(architecture: str = "fc", **changes: Any) -> Cell:
    fields: dict[str, Any] = {
        "params": {"depth": 2, "activation": "tanh"},
        "width": 64,
        "seed": 0,
        "dataset": "digits",
        "dataset_params": {},
        "measurement": "gradient",
        "quantities": ("gradient_norm",),
        "settings": asdict(Settings(n_probes=8)),
        "precision": "float32",
        "architecture_plugin": "ntkbench",
        "architecture_version": "0.1",
        "measurement_plugin": "ntkbench",
        "measurement_version": "0.1",
        "data_hash": "d" * 32,
        "label": architecture,
    }
    return Cell(architecture=architecture, **(fields | changes))


def result(of: Cell | None = None, **changes: Any) -> CellResult:
    of = of or cell()
    fields: dict[str, Any] = {
        "status": Status.OK,
        "values": {key: Value(0.5, 1e-4, "rounding", "float32") for key in of.quantities},
        "seconds": 0.25,
        "n_parameters": 8321,
        "n_probes": 8,
        "device": "cpu",
        "provenance": {"tensorflow": "2.21.0"},
    }
    return CellResult(cell=of, **(fields | changes))


def failed(of: Cell | None = None, status: Status = Status.FAILED, message: str = "it broke") -> CellResult:
    return result(of, status=status, values={}, message=message)


def sweep(
    architecture: str = "fc",
    *,
    label: str | None = None,
    slopes: Mapping[str, float] | None = None,
    scale: float = 0.7,
    noise: float = 0.03,
    widths: Iterable[int] = (64, 128, 256, 512),
    seeds: int = 3,
    **changes: Any,
) -> list[CellResult]:
    """Results of the headline measurements that follow value = scale·e^(seed effect)·(width/64)^slope·e^noise."""
    slopes = SLOPES if slopes is None else slopes
    draw = random.Random(label or architecture)
    effects = [draw.gauss(0, 0.2) for _ in range(seeds)]
    results = []
    if label and label != architecture:  # what is called otherwise has other parameters
        changes.setdefault("params", {"as": label.removeprefix(architecture)})
    for width in widths:
        for seed in range(seeds):
            for measurement, quantities in QUANTITIES.items():
                values = {}
                for quantity in quantities:
                    power = slopes[quantity.name] * math.log(width / 64)
                    value = scale * math.exp(effects[seed] + power + draw.gauss(0, noise))
                    values[quantity.key] = Value(value, 1e-6, "rounding", "float32")
                of = cell(
                    architecture,
                    width=width,
                    seed=seed,
                    measurement=measurement,
                    quantities=tuple(sorted(values)),
                    label=label or architecture,
                )
                results.append(result(evolve(of, **changes), values=values))
    return results


def stored(path: str | os.PathLike[str], results: Iterable[CellResult]) -> Run:
    """The run of a folder into which `results` were written."""
    results = list(results)
    store = RunStore(path)
    store.create_or_open(manifest(results))
    for each in results:
        store.write(each)
    return load(path)


def manifest(results: Iterable[CellResult], theory: Mapping[str, Mapping[str, float]] | None = None) -> dict[str, Any]:
    """The manifest of a run that planned exactly `results`. theory: architecture → quantity → exponent."""
    cells = [each.cell for each in results]
    names = dict.fromkeys(cell.architecture for cell in cells)
    laws = {name: {} for name in names} | dict(theory or {})
    return new_manifest(
        cells,
        architectures={
            name: Entry(
                theory={key: Theory(exponent, "Liu et al. 2020") for key, exponent in laws[name].items()},
                width_means="channels" if "cnn" in name else "units in each hidden layer",
            )
            for name in names
        },
        measurements={name: Entry(quantities=quantities) for name, quantities in QUANTITIES.items()},
        command=["ntkbench", "run"],
    )


def finished(store: RunStore) -> set[str]:
    """Return the keys of the cells that need no further run."""
    return {each.cell.key for each in store.take_stock() if each.status in (Status.OK, Status.UNSUPPORTED)}
