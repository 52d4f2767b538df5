"""Checks of a dataset."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from ..nests import data_hash, leaves
from ..plan.data import load_data
from ..registry.current import registry
from ..registry.specs import Dataset
from .checks import Checks, numbered, require, require_registered

LARGEST = 100.0  # maximum size of an entry; networks in the NTK parameterisation expect entries of order 1


class DatasetChecks(Checks):
    """Checks D1 to D6 of one dataset; subclass it in a test file.

    Attributes:
        dataset: Registered name of the dataset.
        n: Number of inputs requested.
    """

    dataset: str = ""
    n: int = 8

    @property
    def entry(self) -> Dataset:
        """The registered entry."""
        require(self.dataset, f'{type(self).__name__} has no dataset; set dataset = "NAME".')
        return registry().get("datasets", self.dataset)

    def load(self, form: str | None = None, *, seed: int = 0) -> tuple[Any, np.ndarray]:
        """Return the probes of a seed, as a run loads them."""
        entry = self.entry
        given = form or entry.forms[0]
        return load_data(entry, entry.resolve({}), form=given, n=self.n, seed=seed)

    @numbered("D1", stops=True)
    def test_d01_is_registered(self) -> None:
        """The name is registered, the function can be loaded, and forms are declared."""
        entry = self.entry
        require_registered(entry, "load(form, n, seed)")
        require(entry.forms, "No form is declared; use one or more, such as forms=['vector'].")

    @numbered("D2", stops=True)
    def test_d02_gives_every_form_it_declares(self) -> None:
        """Inputs of every declared form have its structure, shapes and types, and are finite."""
        for form in self.entry.forms:
            self.load(form)

    @numbered("D3")
    def test_d03_one_seed_gives_one_draw(self) -> None:
        """The same seed gives the same inputs, bit for bit, regardless of earlier random numbers."""
        found = []
        for other in (1, 2):
            keras.utils.set_random_seed(other)
            found.append({form: data_hash(*self.load(form, seed=3)) for form in self.entry.forms})
        require(found[0] == found[1], "The same seed gave different inputs. Draw from numpy.random.default_rng(seed).")

    @numbered("D4")
    def test_d04_another_seed_gives_another_draw(self) -> None:
        """Different seeds give different inputs."""
        require(
            len({data_hash(self.load(seed=seed)[0], np.zeros(0)) for seed in (3, 4)}) == 2,
            "Every seed gives the same inputs, so seeds do not measure the effect of the choice of probes. Use `seed`.",
        )

    @numbered("D5")
    def test_d05_targets_fit(self) -> None:
        """Targets lie within [-1, 1] and are not all equal, so that they can be mapped to the range of the outputs."""
        targets = np.concatenate([self.load(seed=seed)[1] for seed in range(3)])
        require(np.abs(targets).max() <= 1, f"A target is {np.abs(targets).max():.3g}; give numbers within [-1, 1].")
        require(
            targets.min() < targets.max(), "All targets are equal, so there is nothing to learn; give different ones."
        )

    @numbered("D6")
    def test_d06_inputs_differ_and_are_of_order_one(self) -> None:
        """All inputs are different in every form, and entries are of order 1."""
        for form in self.entry.forms:
            parts = [part for _, part in leaves(self.load(form)[0])]
            rows = np.concatenate([part.reshape(self.n, -1).astype(np.float64) for part in parts], 1)
            require(
                len(np.unique(rows, axis=0)) == self.n,
                f"An input of form {form!r} occurs twice, which makes the tangent kernel singular; draw without "
                "replacement.",
            )
            largest = max((np.abs(part).max() for part in parts if part.dtype.kind == "f"), default=0)
            require(largest <= LARGEST, f"An entry is {largest:.3g}; scale inputs to entries of order 1.")
