"""Protocols: families of kernels, the choice of a setting, alignment, and accuracies of whole runs."""

import itertools
import math
import sys

import numpy as np
import pytest
import tensorflow as tf

import ntkbench as nb
from ntkbench.testing import KernelChecks, MeasurementChecks, SuiteChecks
from ntkbench_recurrent import (
    alignment,
    classify,
    drawing,
    families,
    nearest,
    networks,
    protocols,
    reference,
    svm,
    trained,
)


class TestRntk2020(MeasurementChecks):
    measurement = "rntk2020"


class TestRntk2021(MeasurementChecks):
    measurement = "rntk2021"


class TestSuite2020(SuiteChecks):
    suite = "rntk2020"


class TestSuite2021(SuiteChecks):
    suite = "rntk2021"


class TestDtw(KernelChecks):
    kernel = "dtw"


RNG = np.random.default_rng(0)
X, Z = RNG.normal(size=(5, 4, 1)) / 3, RNG.normal(size=(3, 4, 1)) / 3


@pytest.mark.parametrize("name", ["rntk2020", "rntk2021"])
def test_a_family_has_the_kernels_of_its_settings(name, monkeypatch):
    """Computed in batches, with both directions and both kinds shared; here also in several calls."""
    settings = protocols.PROTOCOLS[name].settings("rntk", {})
    for numbers in (families.NUMBERS, 3 * 25):
        monkeypatch.setattr(families, "NUMBERS", numbers)
        family = families.Family("rntk", settings)
        for inputs in ((X,), (Z, X)):
            found = dict(family.matrices(*inputs))
            assert sorted(found) == list(range(len(settings)))
            for number in range(0, len(settings), 5):
                expected = reference.matrix(*inputs, **settings[number])
                np.testing.assert_allclose(found[number], expected, rtol=1e-7, atol=1e-9 * expected.max())
    assert list(dict(family.matrices(X, rows=[40, 3]))) == [3, 40]


def test_grids_are_those_of_the_papers():
    sizes = {name: len(protocols.PROTOCOLS[name].settings("rntk", {})) for name in protocols.PROTOCOLS}
    assert sizes == {"rntk2020": 48, "rntk2020-full": 900, "rntk2021": 96}
    assert protocols.PROTOCOLS["rntk2020"].settings("unknown", {}) == [{}]


def test_parameters_of_the_user_are_left_alone():
    settings = protocols.PROTOCOLS["rntk2020"].settings("rntk", {"weight_std": 1.2, "depth": 2})
    assert len(settings) == 12 and {(each["weight_std"], each["depth"]) for each in settings} == {(1.2, 2)}


def test_none_or_all_layers_are_frozen_at_any_depth():
    for fixed, frozen in (
        ({}, {1: {0, 1}, 2: {0, 2}}),
        ({"depth": 3}, {3: {0, 3}}),
        ({"depth": 3, "frozen": 1}, {3: {1}}),
    ):
        found = {}
        for each in protocols.PROTOCOLS["rntk2021"].settings("rntk", fixed):
            found.setdefault(each["depth"], set()).add(each["frozen"])
        assert found == frozen


def test_splits_are_stratified_and_hold_every_sample_once():
    y = np.repeat([0, 1, 2], [40, 25, 5])
    splits = protocols.PROTOCOLS["rntk2020"].splits(y, "draw")
    assert len(splits) == 10
    assert sorted(np.concatenate([held for _, held in splits])) == list(range(70))
    for kept, held in splits:
        assert not set(kept) & set(held) and len(kept) + len(held) == 70
        assert abs((y[held] == 0).sum() - 4) <= 1
    ((kept, held),) = protocols.PROTOCOLS["rntk2021"].splits(y, "draw")
    assert abs(len(kept) - len(held)) <= 1
    assert len(protocols.PROTOCOLS["rntk2020"].splits(y[:3], "draw")) == 3
    assert (drawing.stratified(y, 4, 1) == drawing.stratified(y, 4, 1)).all()
    assert (drawing.stratified(y, 4, 1) != drawing.stratified(y, 4, 2)).any()


def test_the_choice_is_the_best_on_the_validation_samples():
    """Only the second kernel separates the classes; the third is not usable."""
    y = np.tile([0, 1], 10)
    sides = np.where(y == 1, 1.0, -1.0)
    kernels = {0: np.eye(20), 1: np.outer(sides, sides), 2: np.full((20, 20), np.inf)}
    splits = protocols.PROTOCOLS["rntk2020"].splits(y, 0)
    choice = svm.choose(kernels.items(), y, splits, (1.0, 10.0))
    assert choice.accuracy == 1 and choice.best == [(1, 0), (1, 1)]


def test_voters_are_the_first_or_an_odd_number():
    best = [(0, 0), (0, 1), (3, 0), (4, 1)]
    assert svm.voters(best, vote=False) == [(0, 0)]
    assert svm.voters(best, vote=True) == best[:3]
    assert svm.voters(best[:3], vote=True) == best[:3] and svm.voters(best[:1], vote=True) == best[:1]
    votes = np.array([[0, 1, 2], [1, 1, 0], [1, 2, 1]])
    assert svm.majority(votes).tolist() == [1, 1, 0]


def alignments(n, m):
    """All alignments of n with m steps, as lists of pairs."""
    if n < 0 or m < 0:
        return []
    if (n, m) == (0, 0):
        return [[(0, 0)]]
    before = itertools.chain(*(alignments(*each) for each in ((n - 1, m - 1), (n - 1, m), (n, m - 1))))
    return [[*path, (n, m)] for path in before]


def test_dtw_is_the_sum_over_all_alignments():
    """Of series of different length, enumerated one by one."""
    series = [RNG.normal(size=(length, 2)) for length in (3, 1, 4)]
    values, mask = np.full((3, 5, 2), 9.0), np.arange(5) < np.array([3, 1, 4])[:, None]
    for row, each in zip(values, series, strict=True):
        row[: len(each)] = each

    def total(x, y):
        similar = np.exp(-((x[:, None] - y[None]) ** 2).sum(-1) / (2 * 0.7**2 * 2)) / 4
        local = similar / (1 - similar)
        return sum(np.prod([local[at] for at in path]) for path in alignments(len(x) - 1, len(y) - 1))

    sums = np.array([[total(x, y) for y in series] for x in series])
    expected = sums / np.sqrt(np.outer(sums.diagonal(), sums.diagonal()))
    kernel = alignment.dtw(bandwidth=0.7)
    np.testing.assert_allclose(kernel.matrix({"values": tf.constant(values), "mask": mask}), expected, rtol=1e-12)
    assert "0.7" in repr(kernel)
    with pytest.raises(nb.NtkbenchError, match="parts"):
        kernel.matrix({"values": values})


def log_sum(x, y, bandwidth):
    """The logarithm of the sum over alignments, cell by cell."""
    similar = -((x[:, None] - y[None]) ** 2).sum(-1) / (2 * bandwidth**2 * x.shape[1]) - np.log(4)
    local = (similar - np.log1p(-np.exp(similar))).tolist()
    above = [0.0] + [-math.inf] * len(y)
    for row in local:
        now = [-math.inf]
        for s, cell in enumerate(row):
            earlier = above[s], above[s + 1], now[s]
            now.append(cell + max(earlier) + math.log(sum(math.exp(each - max(earlier)) for each in earlier)))
        above = now
    return above[-1]


def test_dtw_of_long_series_does_not_underflow():
    """The sum over alignments of 700 unlike steps is below the smallest float64."""
    x, y = RNG.normal(size=(1, 700, 1)).cumsum(1), RNG.normal(size=(1, 690, 1))
    assert log_sum(x[0], x[0], 0.05) < math.log(np.finfo(np.float64).tiny)
    np.testing.assert_array_equal(alignment.dtw(bandwidth=0.05).matrix(x), [[1]])
    one, other, both = (log_sum(*each, 5.0) for each in ((x[0], x[0]), (y[0], y[0]), (x[0], y[0])))
    expected = math.exp(both - (one + other) / 2)
    np.testing.assert_allclose(alignment.dtw(bandwidth=5.0).matrix(x, y), [[expected]], rtol=1e-9)


def test_dtw_takes_the_steps_that_exist_wherever_they_are():
    series = [RNG.normal(size=(length, 2)) for length in (3, 1, 4)]
    found = []
    for places in (lambda n: slice(0, n), lambda n: slice(6 - n, 6), lambda n: [0, 2, 3, 5][4 - n :]):
        values, mask = np.full((3, 6, 2), 9.0), np.zeros((3, 6), bool)
        for each, row, exists in zip(series, values, mask, strict=True):
            row[places(len(each))], exists[places(len(each))] = each, True
        found.append(alignment.dtw().matrix({"values": values, "mask": mask}))
    np.testing.assert_array_equal(found[1:], [found[0]] * 2)


def test_dtw_of_integers_is_not_an_integer():
    whole = np.arange(6).reshape(2, 3, 1)
    found, expected = (alignment.dtw().matrix(each).numpy() for each in (whole, whole.astype(np.float32)))
    assert found.dtype == np.float32 and 0 < found[0, 1] < 1
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        (np.ones((2, 3)), None, "expected"),
        ({"values": np.ones((2, 3, 1)), "mask": np.ones((2, 4), bool)}, None, "expected"),
        ({"values": np.ones((2, 3, 1)), "mask": np.array([[True] * 3, [False] * 3])}, None, "no steps"),
        (np.ones((2, 3, 1)), np.ones((2, 3, 2)), "1 and of 2 channels"),
    ],
)
def test_what_cannot_be_aligned_is_a_sentence(first, second, words):
    with pytest.raises(nb.NtkbenchError, match=words):
        alignment.dtw().matrix(first, second)


@pytest.mark.parametrize("bandwidth", [0, -1.0, np.nan, np.inf, "wide", None])
def test_a_bandwidth_is_a_positive_number(bandwidth):
    with pytest.raises(nb.NtkbenchError, match="bandwidth="):
        alignment.dtw(bandwidth=bandwidth)


def test_distances_of_dtw_are_those_of_the_best_alignment():
    pytest.importorskip("tslearn")
    x, y = RNG.normal(size=(2, 4, 2)), RNG.normal(size=(3, 4, 2))
    mask = np.array([[True] * 4, [True, True, True, False]])
    found = nearest.distances({"values": x, "mask": mask}, y)
    for i, j in np.ndindex(2, 3):
        a = x[i][mask[i]]
        cost = ((a[:, None] - y[j][None]) ** 2).sum(-1)
        best = min(sum(cost[at] for at in path) for path in alignments(len(a) - 1, 3))
        np.testing.assert_allclose(found[i, j], best**0.5)


def test_without_tslearn_there_is_a_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "tslearn.metrics", None)
    with pytest.raises(nb.NtkbenchError, match=r"pip install 'ntkbench-recurrent\[dtw\]'"):
        nearest.distances(X, X)


def table(form, seed, fold=0):
    rng = np.random.default_rng(seed)
    y = np.arange(60) % 2
    x = rng.normal(size=(60, 6, 1)) + np.where(y, 0.8, -0.8)[:, None, None]
    x = x if form == "sequence" else x[..., 0]
    return nb.Task((x[:40], y[:40]), (x[40:], y[40:]), "classification", classes=2)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of both protocols on a table of scikit-learn."""
    return nb.run(
        ["rntk:depth=2", "rbf", "polynomial", "recurrent"],
        dataset="table:name=iris",
        measure=["rntk2020", "rntk2021"],
        widths=16,
        seeds=1,
        probes=4,
        out=tmp_path_factory.mktemp("run") / "run",
    )


def test_every_method_classifies_irises(run):
    rows = [row for row in run.rows() if row["quantity"] == "test_accuracy"]
    assert len(rows) == 8 and all(row["value"] > 0.85 for row in rows)


def test_a_method_is_a_row_of_the_method_table(run):
    with pytest.raises(nb.NtkbenchError, match="two values"):
        run.method_table("test_accuracy")


def test_training_keeps_to_its_validation_samples():
    """Labels of the test part change the test accuracy alone."""
    model = networks.recurrent(8, input_shape=(6, 1), outputs=2, seed=0)
    entry = type("Entry", (), {"targets": (-1.0, 1.0)})
    task = table("sequence", 0)
    test, validation, choice = trained.accuracies(model, entry, task, "draw")
    turned = nb.Task(task.train, (task.test[0], 1 - task.test[1]), "classification", classes=2)
    other = trained.accuracies(model, entry, turned, "draw")
    assert other == (pytest.approx(1 - test), validation, choice)
    assert test > 0.8


def test_inputs_are_divided_by_the_largest_norm_of_the_train_part():
    x = {"values": np.array([[[3.0], [4.0]], [[1.0], [0.0]]]), "mask": np.ones((2, 2), bool)}
    assert classify._scaled(x, 0.2)["values"].max() == pytest.approx(0.8)
