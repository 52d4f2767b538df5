"""Checks of a dataset."""

from __future__ import annotations

import keras
import numpy as np

from ..datasets.task import Task
from ..plan.data import load_data, load_task
from ..registry.current import registry
from ..registry.specs import Dataset
from ..types import FORMS
from .checks import Checks, numbered, require, require_registered, skip

ROUNDED = 1e-9  # distance from a mean of 0 and a variance of 1 that is taken for rounding
LARGEST = 100.0  # maximum size of an entry; networks in the NTK parameterisation expect entries of order 1


class DatasetChecks(Checks):
    """Checks D1 to D9 of one dataset, the last three of its task; subclass it in a test file.

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
        given = form or entry.forms[0]
        return load_data(entry, entry.resolve({}), form=given, n=self.n, seed=seed)  # type: ignore[arg-type]

    def task(self, form: str | None = None, *, seed: int = 0) -> Task:
        """Return the task of a seed, as a run loads it; end the check as skipped if the dataset has none."""
        entry = self.entry
        if entry.task is None:
            skip("the dataset has no task")
        return load_task(entry, entry.resolve({}), form=form or entry.forms[0], seed=seed)  # type: ignore[arg-type]

    @numbered("D1", stops=True)
    def test_d01_is_registered(self) -> None:
        """The name is registered, the function can be loaded, and the declared forms are known."""
        entry = self.entry
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

    @numbered("D7", stops=True)
    def test_d07_the_task_fits_the_probes(self) -> None:
        """In every form, the task has inputs of the shape of the probes, with entries of order 1."""
        for form in self.entry.forms:
            task, probes = self.task(form), self.load(form)[0]
            for x, _ in (task.train, task.test):
                require(
                    x.shape[1:] == probes.shape[1:],
                    f"As {form}, the task has inputs of shape {list(x.shape[1:])} and the probes of "
                    f"{list(probes.shape[1:])}; give both the same shape, because one model takes both.",
                )
                largest = np.abs(x).max()
                require(largest <= LARGEST, f"An entry is {largest:.3g}; scale inputs to entries of order 1.")

    @numbered("D8")
    def test_d08_one_seed_gives_one_split(self) -> None:
        """A seed fixes the split, in every form and regardless of earlier random numbers; its parts are disjoint."""
        first = self.task(seed=3)
        keras.utils.set_random_seed(1)
        for form in (self.entry.forms[0], *self.entry.forms):
            other = self.task(form, seed=3)
            for name in ("train", "test"):
                same = np.array_equal(getattr(first, name)[1], getattr(other, name)[1])
                require(same, f"The {name} labels of seed 3 changed. Draw the split from the seed and fold alone.")
        again = self.task(seed=3)
        require(
            np.array_equal(first.train[0], again.train[0]) and np.array_equal(first.test[0], again.test[0]),
            "The same seed gave different inputs. Draw from numpy.random.default_rng(seed).",
        )
        rows = {row.tobytes() for row in np.ascontiguousarray(first.train[0])}
        both = sum(row.tobytes() in rows for row in np.ascontiguousarray(first.test[0]))
        require(not both, f"{both} test inputs are also train inputs. Split without replacement.")

    @numbered("D9")
    def test_d09_nothing_is_estimated_on_the_test_part(self) -> None:
        """No real-valued column of inputs or labels is standardised over both parts together."""
        task = self.task()
        for what, place in (("inputs", 0), ("labels", 1)):
            train, test = (np.asarray(part[place]) for part in (task.train, task.test))
            if train.dtype.kind != "f":
                continue
            train, test = train.reshape(len(train), -1), test.reshape(len(test), -1)
            leaked = _standardised(np.concatenate([train, test])) & ~_standardised(train)
            require(
                not leaked.any(),
                f"{int(leaked.sum())} columns of the {what} have mean 0 and variance 1 over train and test part "
                "together. Estimate means and scales on the train part alone.",
            )


def _standardised(columns: np.ndarray) -> np.ndarray:
    """Return which columns have mean 0 and variance 1 to rounding and more than two values: bool [d]."""
    many = np.array([len(np.unique(column)) > 2 for column in columns.T])
    return many & (np.abs(columns.mean(0)) < ROUNDED) & (np.abs(columns.var(0) - 1) < ROUNDED)
