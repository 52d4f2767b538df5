"""Cells and workers for tests: what a group of cells gives, registered architectures or not."""

from __future__ import annotations

from attrs import asdict

from ntkbench.registry.current import registry
from ntkbench.registry.specs import Architecture, Measurement
from ntkbench.runner.worker import GroupWorker
from ntkbench.types import Cell, Quantity, Settings

FEW = Settings(n_probes=4, ball_probes=2, draws=2)


class Extended:
    """The registry with entries of a test's own."""

    def __init__(self, *entries):
        self.entries = {entry.name: entry for entry in entries}

    def get(self, kind, name):
        return self.entries[name] if name in self.entries else registry().get(kind, name)

    @property
    def measurements(self):
        own = {name: entry for name, entry in self.entries.items() if isinstance(entry, Measurement)}
        return {**registry().measurements, **own}

    @property
    def layer_rules(self):
        return registry().layer_rules

    def subject(self, name):
        return self.entries[name] if name in self.entries else registry().subject(name)


def cells(name, width=8, *, measure=None, seeds=(0,), precision="float32", settings=FEW, known=None, **params):
    """Return one cell for each seed and measurement, of all its quantities."""
    known = known or registry()
    names = registry().measurements if measure is None else measure
    return [
        Cell(
            architecture=name,
            params=known.get("architectures", name).resolve(params),
            width=width,
            seed=seed,
            dataset="digits",
            dataset_params={},
            measurement=measurement,
            quantities=tuple(sorted(q.key for q in known.get("measurements", measurement).quantities)),
            settings=asdict(settings),
            precision=precision,
        )
        for seed in seeds
        for measurement in names
    ]


def measured(name, width=8, *, known=None, **options):
    """Return the results of all cells, in order."""
    known = known or registry()
    return list(GroupWorker(cells(name, width, known=known, **options), known).results())


def of_build(build, **spec):
    """Return the results of two measurements of a build function's model."""
    known = Extended(Architecture(name="own", target=build, **spec))
    return measured("own", known=known, measure=["gradient", "kernel"])


def of_measure(function):
    """Return the result of one measurement, of a quantity "size" in [0, 1], by `function`."""
    quantity = Quantity("size", "s", bounds=(0.0, 1.0))
    known = Extended(Measurement(name="own", target=function, quantities=[quantity]))
    return measured("linear", known=known, measure=["own"])[0]
