"""What a dataset may return, and what becomes of one that fails."""

from __future__ import annotations

import numpy as np
import pytest

from ntkbench.datasets.task import Task
from ntkbench.errors import MissingData, NtkbenchError
from ntkbench.plan.data import load_data, load_task
from ntkbench.registry.specs import Dataset

X = np.ones((3, 4))


def missing():
    raise MissingData("the dataset 'far'", "Download it.")


@pytest.mark.parametrize(
    ("load", "sentence"),
    [
        (lambda: 1 / 0, "The dataset 'far' could not be loaded: ZeroDivisionError: division by zero. Its author"),
        (lambda ctx: ctx, "could not be loaded: TypeError: .* missing 1 required positional argument"),
        (lambda: None, r"The dataset 'far' returned a NoneType; its load must return the pair \(x, y\)"),
        (lambda: (X, np.ones(3), 1), "returned 3 values; its load must return the pair"),
        (lambda: (X, np.array([None] * 3)), "y has dtype object, but targets are numbers"),
        (lambda: (X, np.array(["a"] * 3)), "y has dtype <U1, but targets are numbers"),
        (
            lambda: (X[:, :0], np.ones(3)),
            r"returned inputs \[3, 0\] .*: x has shape \[3, 0\], without a number.* and \[n\]\.$",
        ),
        (lambda: (X[:2], np.ones(2)), "for 3 vectors; .* It may have fewer samples: try fewer --probes"),
        (lambda: (X, np.full(3, np.nan)), "not finite"),
    ],
)
def test_a_dataset_that_fails_is_a_sentence(load, sentence):
    with pytest.raises(NtkbenchError, match=sentence):
        load_data(Dataset(name="far", target=load), {}, form="vector", n=3, seed=0)


def test_a_task_that_fails_is_a_sentence():
    dataset = Dataset(name="far", target=lambda: (X, np.ones(3)), task=lambda: 1 / 0)
    with pytest.raises(NtkbenchError, match="'far' could not be loaded: ZeroDivisionError"):
        load_task(dataset, {}, form="vector", seed=0)


@pytest.mark.parametrize(
    ("labels", "options", "sentence"),
    [
        ([0.5, 0.5, 0.5], {"kind": "regression"}, "A column of the train labels is constant"),
        ([1, 1, 1], {"kind": "classification", "classes": 2}, "The train part holds a single class"),
    ],
)
def test_a_task_that_is_not_valid_names_its_dataset(labels, options, sentence):
    part = (X, np.array(labels))
    dataset = Dataset(name="far", target=lambda: (X, np.ones(3)), task=lambda: Task(part, part, **options))
    with pytest.raises(NtkbenchError, match=f"In the task of the dataset 'far': {sentence}"):
        load_task(dataset, {}, form="vector", seed=0)


def test_missing_files_stay_what_they_are():
    with pytest.raises(MissingData):
        load_data(Dataset(name="far", target=missing), {}, form="vector", n=3, seed=0)
