"""Tests of tasks: what a Task refuses, its targets and errors, and the splits of the built-in datasets."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import r2_score

from ntkbench.datasets import diabetes, digits
from ntkbench.datasets.probes import standardised
from ntkbench.datasets.task import Task, margins
from ntkbench.errors import NtkbenchError, RegistrationError
from ntkbench.plan.data import load_task, task_hash
from ntkbench.registry.snapshot import entry_from_json, entry_to_json
from ntkbench.registry.specs import Dataset

X, LABELS = np.arange(12.0).reshape(6, 2), np.array([0, 1, 2, 0, 1, 2])


def classification(**changed):
    return Task(
        **{"train": (X, LABELS), "test": (X[:2] + 0.5, LABELS[:2]), "kind": "classification", "classes": 3} | changed
    )


def regression(y, y_test):
    return Task((X[: len(y)], y), (X[: len(y_test)] + 0.5, y_test), "regression")


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"kind": "ranking"}, "kind='ranking'"),
        ({"classes": 0}, "at least 2 classes"),
        ({"kind": "regression"}, "a regression has 0"),
        ({"folds": 0}, "folds=0"),
        ({"train": X}, "a pair"),
        ({"train": (X, LABELS + 1)}, "from 1 to 3; with classes=3 they must be integers from 0 to 2"),
        ({"train": (X, LABELS - 1)}, "from -1 to 1"),
        ({"train": (X, LABELS + 0.5)}, "dtype float64"),
        ({"train": (X, LABELS[:5])}, r"\[6, 2\] and labels \[5\]"),
        ({"test": (X[:0], LABELS[:0])}, "n ≥ 1"),
        ({"test": (X[:, :1], LABELS)}, "all but the number of samples must agree"),
        ({"test": (X * np.nan, LABELS)}, "test inputs are not all finite"),
        ({"train": (X, LABELS * 0)}, "single class"),
    ],
)
def test_a_task_that_cannot_be(changed, sentence):
    with pytest.raises(NtkbenchError, match=sentence):
        classification(**changed)


@pytest.mark.parametrize("task", [classification(), regression(X[:3, 0], X[:2, 1])])
def test_nobody_who_shares_a_task_can_change_it(task):
    for array in (*task.train, *task.test):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
    assert X.flags.writeable, "the arrays that it was made of are their owner's"


def test_regression_labels_are_checked():
    with pytest.raises(NtkbenchError, match="constant"):
        regression(np.ones(4), np.arange(2.0))
    with pytest.raises(NtkbenchError, match="test labels are not all finite"):
        regression(np.arange(4.0), np.array([np.nan]))


def test_targets_of_classes_are_one_hot_less_their_mean():
    task = classification()
    np.testing.assert_allclose(task.targets(np.array([2])), [[-1 / 3, -1 / 3, 2 / 3]])
    assert task.outputs == 3
    f = np.array([[1.0, 0, 0], [1, 0, 0], [0, 0, 0]])
    assert task.error(f, np.array([0, 1, 2])) == pytest.approx(2 / 3)  # a tie is wrong
    np.testing.assert_allclose(margins(f, np.array([0, 1, 2])), [1, -1, 0])


def test_the_error_of_a_regression_is_the_unexplained_share_of_the_variance():
    rng = np.random.default_rng(0)
    y, y_test = 50 + 7 * rng.standard_normal(6), 50 + 7 * rng.standard_normal(5)
    task = regression(y, y_test)
    np.testing.assert_allclose(task.targets(y[:, None]).mean(), 0, atol=1e-12)
    np.testing.assert_allclose(task.targets(y[:, None]).std(), 1)
    guess = 50 + 7 * rng.standard_normal(5)
    found = task.error((guess[:, None] - y.mean()) / y.std(), task.test[1])
    assert found == pytest.approx(1 - r2_score(y_test, guess), rel=1e-12)
    assert task.error(np.zeros((2, 1)), np.full((2, 1), y.mean())) is None


@pytest.mark.parametrize("n", [3, 20, 40, 100])
def test_a_constant_column_is_constant_although_its_deviation_is_rounding(n):
    """The deviation of 0.1, 0.1, 0.1 is 1.4e-17."""
    x, column, slope = np.ones((n, 2)), np.full((n, 1), 0.1), np.arange(n)[:, None] / 3
    with pytest.raises(NtkbenchError, match="constant"):
        Task((x, np.hstack([slope, column])), (x, np.hstack([slope, slope])), "regression")
    assert Task((x, slope), (x, column), "regression").error(np.zeros((n, 1)), column) is None
    np.testing.assert_array_equal(standardised(np.full((n, 2), 0.7), np.full((n, 2), 0.1)), 0)


@pytest.mark.parametrize("form", ["vector", "image", "sequence"])
def test_the_split_of_the_digits(form):
    task = digits.load_task(form=form, seed=3, fold=0)
    (x, y), (x_test, y_test) = task.train, task.test
    assert (len(y), len(y_test), task.classes, task.folds) == (1000, 400, 10, 1)
    counts, counts_test = np.bincount(y, minlength=10), np.bincount(y_test, minlength=10)
    np.testing.assert_allclose(counts / 1000, counts_test / 400, atol=0.005)
    np.testing.assert_allclose(np.mean(x**2), 1)
    assert x.shape[1:] == digits.load(form=form, n=2, seed=0)[0].shape[1:]
    assert not {row.tobytes() for row in x} & {row.tobytes() for row in np.ascontiguousarray(x_test)}
    assert not np.array_equal(y, digits.load_task(form=form, seed=4).train[1])


def test_diabetes_is_standardised_by_its_train_part():
    task = diabetes.load_task(form="vector", seed=0)
    assert task.train[0].shape == (342, 10) and task.test[0].shape == (100, 10)
    targets = task.targets(task.train[1])
    np.testing.assert_allclose([targets.mean(), targets.std()], [0, 1], atol=1e-12)
    assert abs(task.targets(task.test[1]).mean()) > 1e-3


@pytest.mark.parametrize("module", [digits, diabetes])
def test_test_samples_have_no_influence_on_train_inputs(module, monkeypatch):
    name, given = ("digits", {}) if module is digits else ("load_diabetes", {"return_X_y": True})
    features, labels = getattr(module, name)(**given)
    before = module.load_task(form="vector", seed=0)
    rng = np.random.default_rng(0)
    test = _test_rows(module, features, labels)
    changed, scrambled = features.copy(), labels.copy()
    changed[test] *= 2  # moves the means over all rows
    if module is diabetes:  # the split of the digits is stratified by the labels
        scrambled[test] = rng.permutation(scrambled[test])
    monkeypatch.setattr(module, name, lambda **given: (changed, scrambled))
    after = module.load_task(form="vector", seed=0)
    np.testing.assert_array_equal(before.train[0], after.train[0])
    np.testing.assert_array_equal(before.targets(before.train[1]), after.targets(after.train[1]))
    assert not np.array_equal(before.test[0], after.test[0])


def _test_rows(module, features, labels):
    """The rows of the test part, found by marking every row in a loader's labels."""
    from sklearn.model_selection import train_test_split

    from ntkbench.seeds import seed_for

    name = module.__name__.rpartition(".")[2]
    stratify = labels if module is digits else None
    seed = seed_for(0, name, "split", 0) % 2**32
    return train_test_split(
        np.arange(len(features)), train_size=module.TRAIN, test_size=module.TEST, stratify=stratify, random_state=seed
    )[1]


def of_folds(*, form, seed, fold):
    return classification(test=(X[fold : fold + 2] + 0.5, LABELS[fold : fold + 2]), folds=3)


def test_a_run_uses_the_fold_of_its_seed():
    dataset = Dataset(name="d", target="a:b", task=of_folds)
    hashes = [task_hash(load_task(dataset, {}, form="vector", seed=seed)) for seed in range(4)]
    assert hashes[0] == hashes[3] and len(set(hashes)) == 3


def test_a_loader_that_returns_no_task():
    with pytest.raises(NtkbenchError, match="must return an ntkbench.Task"):
        load_task(Dataset(name="d", target="a:b", task=lambda: (X, LABELS)), {}, form="vector", seed=0)
    with pytest.raises(NtkbenchError, match="no task to train on"):
        load_task(Dataset(name="d", target="a:b"), {}, form="vector", seed=0)


@pytest.mark.parametrize("task", [None, "acme.data:load_task", of_folds])
def test_the_task_survives_the_registry_snapshot(task):
    entry = Dataset(name="d", target="acme.data:load", task=task)
    found = entry_from_json("datasets", entry_to_json(entry), "acme", "1", lambda kind, name, field: of_folds)
    assert isinstance(found, Dataset)
    if task is of_folds:
        assert found.load_field("task") is of_folds
    else:
        assert found.task == task


def test_a_task_that_is_no_target():
    from ntkbench.registry.collect import entry_of

    with pytest.raises(RegistrationError, match="has the task 3; it must be a callable"):
        entry_of("datasets", "d", "a:b", "acme", "1", {"task": 3})
