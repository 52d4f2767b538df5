"""Checks of a dataset."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from ..datasets.forms import FORMS
from ..datasets.task import Task
from ..errors import MissingData, did_you_mean
from ..nests import data_hash, leaves, shapes
from ..plan.data import load_data, load_task, providers, task_hash
from ..plan.datasets import choose_datasets
from ..registry.current import registry
from ..registry.specs import Dataset
from .checks import Checks, numbered, require, require_registered, skip

ROUNDED = 1e-9  # distance from a mean of 0 and a variance of 1 that is taken for rounding
MOST_COPIES = 0.5  # share of test inputs that may be in the train part too, because data may hold repeated samples
LARGEST = 100.0  # maximum size of an entry; networks in the NTK parameterisation expect entries of order 1


def dataset_of(form: str) -> Dataset:
    """Return a dataset that provides a form: digits, or the first registered one that does."""
    found = providers(form)
    require(found, f"No registered dataset provides inputs of form {form!r}. {did_you_mean(form, FORMS)}")
    return found[0]


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

    def load(self, form: str | None = None, *, seed: int = 0) -> tuple[Any, np.ndarray]:
        """Return the probes of a seed, as a run loads them."""
        entry = self.entry
        if entry.members:
            skip("it is a group, whose datasets are checked by themselves")
        given = form or entry.forms[0]
        try:
            return load_data(entry, entry.resolve({}), form=given, n=self.n, seed=seed)
        except MissingData as error:
            skip(str(error))

    def task(self, form: str | None = None, *, seed: int = 0) -> Task:
        """Return the task of a seed, as a run loads it; end the check as skipped if the dataset has none."""
        entry = self.entry
        if entry.task is None:
            skip("the dataset has no task")
        try:
            return load_task(entry, entry.resolve({}), form=form or entry.forms[0], seed=seed)
        except MissingData as error:
            skip(str(error))

    @numbered("D1", stops=True)
    def test_d01_is_registered(self) -> None:
        """The name is registered, the function can be loaded, and forms are declared."""
        entry = self.entry
        if entry.members:
            choose_datasets([self.dataset], registry())
            return
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

    @numbered("D7", stops=True)
    def test_d07_the_task_fits_the_probes(self) -> None:
        """In every form, the task has inputs of the shape of the probes, with entries of order 1."""
        for form in self.entry.forms:
            task, probes = self.task(form), self.load(form)[0]
            for x, _ in (task.train, task.test):
                require(
                    shapes(x) == shapes(probes),
                    f"In form {form!r}, the task has inputs of shape {shapes(x)} and the probes of {shapes(probes)}; "
                    "give both the same shape, because one model takes both.",
                )
                largest = max((np.abs(part).max() for _, part in leaves(x) if part.dtype.kind == "f"), default=0)
                require(largest <= LARGEST, f"An entry is {largest:.3g}; scale inputs to entries of order 1.")

    @numbered("D8")
    def test_d08_one_seed_gives_one_split(self) -> None:
        """A seed fixes the split, in every form and regardless of earlier random numbers; its parts are disjoint."""
        first, found = self.task(seed=3), task_hash(self.task(seed=3))
        keras.utils.set_random_seed(1)
        require(
            task_hash(self.task(seed=3)) == found,
            "The same seed gave another task. Draw from numpy.random.default_rng(seed).",
        )
        for form in self.entry.forms:
            other = self.task(form, seed=3)
            for name in ("train", "test"):
                same = np.array_equal(getattr(first, name)[1], getattr(other, name)[1])
                require(same, f"The {name} part of seed 3 has other labels in form {form!r}. Split before the form.")
        train, test = set(_samples(first.train[0])), _samples(first.test[0])
        both = sum(row in train for row in test)
        require(
            both <= MOST_COPIES * len(test),
            f"{both} of {len(test)} test inputs are also train inputs. Split without replacement.",
        )

    @numbered("D9")
    def test_d09_nothing_is_estimated_on_the_test_part(self) -> None:
        """No real-valued column of inputs or labels is standardised over both parts together."""
        task = self.task()
        columns = [("inputs", *both) for both in zip(_parts(task.train[0]), _parts(task.test[0]), strict=True)]
        for what, train, test in [*columns, ("labels", task.train[1], task.test[1])]:
            if train.dtype.kind != "f":
                continue
            leaked = _standardised(np.concatenate([train, test])) & ~_standardised(train)
            require(
                not leaked.any(),
                f"{int(leaked.sum())} columns of the {what} have mean 0 and variance 1 over train and test part "
                "together. Estimate means and scales on the train part alone.",
            )


def _parts(x: Any) -> list[np.ndarray]:
    return [part.reshape(len(part), -1) for _, part in leaves(x)]


def _samples(x: Any) -> list[bytes]:
    """Return the numbers of each sample as bytes."""
    parts = [np.ascontiguousarray(part) for part in _parts(x)]
    return [b"".join(row.tobytes() for row in rows) for rows in zip(*parts, strict=True)]


def _standardised(columns: np.ndarray) -> np.ndarray:
    """Return which columns have mean 0 and variance 1 to rounding and more than two values: bool [d]."""
    many = np.array([len(np.unique(column)) > 2 for column in columns.T])
    return many & (np.abs(columns.mean(0)) < ROUNDED) & (np.abs(columns.var(0) - 1) < ROUNDED)
