"""Hashes and shapes of the data that a run measures on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .. import nests
from ..errors import NtkbenchError
from ..registry.specs import Architecture, Dataset
from ..types import Form, digest
from .data import form_for, load_data, load_task, task_hash
from .keras_file import KerasArchitecture

Before = Callable[[Dataset, Mapping[str, Any], Form, int, int, bool], None]
"""Called with (dataset, params, form, n, seed, with_task) before the data of a form, or its task, are first loaded."""


class Probes:
    """Hashes of the data and the shape of one input, for each form; the data of a form and seed are loaded once."""

    def __init__(
        self,
        dataset: Dataset,
        params: Mapping[str, Any],
        n: int,
        seeds: Sequence[int],
        before: Before | None = None,
    ):
        self.dataset, self.params, self.n, self.seeds = dataset, params, n, seeds
        self._before = before
        self._refused: dict[tuple[str, bool], NtkbenchError] = {}
        self._known: dict[str, tuple[dict[int, str], Any]] = {}
        self._tasks: dict[str, dict[int, str]] = {}

    def of(self, architecture: Architecture, params: Mapping[str, Any]) -> tuple[dict[int, str], Any]:
        """Return {seed: hash} and the shape of one input, in the form of this architecture."""
        form = form_for(architecture, params, self.dataset)
        if form not in self._known:
            self._announce(form, with_task=False)
            hashes = {}
            for seed in self.seeds:
                x, y = load_data(self.dataset, self.params, form=form, n=self.n, seed=seed)
                hashes[seed] = nests.data_hash(x, y)
            self._known[form] = hashes, nests.shapes(x)
        hashes, shape = self._known[form]
        if isinstance(architecture, KerasArchitecture) and not fits(shape, architecture.input_shape):
            raise NtkbenchError(
                f"{architecture.name} takes inputs of shape {_shape(architecture.input_shape)}, but the dataset "
                f"{self.dataset.name!r} provides {_shape(shape)}. Choose another --dataset."
            )
        return hashes, shape

    def with_task(self, architecture: Architecture, params: Mapping[str, Any]) -> dict[int, str]:
        """Return {seed: hash of the probes and of the task}, in the form of this architecture."""
        hashes, shape = self.of(architecture, params)
        form = form_for(architecture, params, self.dataset)
        if form not in self._tasks:
            self._announce(form, with_task=True)
            found = {}
            for seed in self.seeds:
                task = load_task(self.dataset, self.params, form=form, seed=seed)
                if (found_shape := nests.shapes(task.train[0])) != shape:
                    raise NtkbenchError(
                        f"The task of {self.dataset.name!r} has inputs of shape {_shape(found_shape)}, but "
                        f"its probes have {_shape(shape)}; they must agree. Its author must fix this."
                    )
                found[seed] = digest([hashes[seed], task_hash(task)])
            self._tasks[form] = found
        return self._tasks[form]

    def _announce(self, form: Form, *, with_task: bool) -> None:
        if self._before is None or not self.seeds:
            return
        if (form, with_task) not in self._refused:
            try:
                self._before(self.dataset, self.params, form, self.n, self.seeds[0], with_task)
            except NtkbenchError as error:
                self._refused[form, with_task] = error
        if (form, with_task) in self._refused:
            raise self._refused[form, with_task]


def fits(shape: Any, wanted: Any) -> bool:
    """Return whether the shape of one input, or of each part of a nest, is the wanted one (None: any size)."""
    if isinstance(wanted, dict):
        return (
            isinstance(shape, dict) and shape.keys() == wanted.keys() and all(fits(shape[k], wanted[k]) for k in wanted)
        )
    if isinstance(wanted, list) or not isinstance(shape, tuple):
        return type(shape) is type(wanted) and len(shape) == len(wanted) and all(map(fits, shape, wanted))
    return len(shape) == len(wanted) and all(w in (None, s) for s, w in zip(shape, wanted, strict=True))


def _shape(shape: Any) -> str:
    if isinstance(shape, tuple):
        return "×".join("any" if size is None else str(size) for size in shape)
    pairs = shape.items() if isinstance(shape, dict) else enumerate(shape)
    return " and ".join(f"{key!r} {_shape(each)}" for key, each in pairs)
