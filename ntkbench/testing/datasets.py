"""Checks of a dataset."""

from __future__ import annotations

import keras
import numpy as np

from ..plan.data import load_data
from ..plan.plan import choose_datasets
from ..registry.current import registry
from ..registry.specs import Dataset
from ..types import FORMS
from .checks import Checks, numbered, require, require_registered, skip

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

    def load(self, form: str | None = None, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Return the probes of a seed, as a run loads them."""
        entry = self.entry
        if entry.members:
            skip("it is a group, whose datasets are checked by themselves")
        given = form or entry.forms[0]
        return load_data(entry, entry.resolve({}), form=given, n=self.n, seed=seed)  # type: ignore[arg-type]

    @numbered("D1", stops=True)
    def test_d01_is_registered(self) -> None:
        """The name is registered, the function can be loaded, and the declared forms are known."""
        entry = self.entry
        if entry.members:
            choose_datasets([self.dataset], registry())
            return
        require_registered(entry, "load(form, n, seed)")
        require(
            set(entry.forms) <= set(FORMS) and entry.forms,
            f"The declared forms are {entry.forms}; use one or more of {', '.join(FORMS)}.",
        )

    @numbered("D2", stops=True)
    def test_d02_gives_every_form_it_declares(self) -> None:
        """Inputs of every declared form have the right shape and are finite."""
        for form in self.entry.forms:
            self.load(form)

    @numbered("D3")
    def test_d03_one_seed_gives_one_draw(self) -> None:
        """The same seed gives the same inputs, bit for bit, regardless of earlier random numbers."""
        found = []
        for other in (1, 2):
            keras.utils.set_random_seed(other)
            found.append(self.load(seed=3))
        same = all(map(np.array_equal, *found))
        require(same, "The same seed gave different inputs. Draw from numpy.random.default_rng(seed).")

    @numbered("D4")
    def test_d04_another_seed_gives_another_draw(self) -> None:
        """Different seeds give different inputs."""
        require(
            not np.array_equal(self.load(seed=3)[0], self.load(seed=4)[0]),
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
        """All inputs are different, and entries are of order 1."""
        x = self.load()[0].reshape(self.n, -1)
        require(
            len(np.unique(x, axis=0)) == self.n,
            "An input occurs twice, which makes the tangent kernel singular; draw without replacement.",
        )
        require(np.abs(x).max() <= LARGEST, f"An entry is {np.abs(x).max():.3g}; scale inputs to entries of order 1.")
