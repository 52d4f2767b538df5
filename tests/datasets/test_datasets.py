"""Tests of the built-in datasets: what seeds draw, norms, forms and targets."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_digits

from ntkbench.datasets import ntkbench_register_datasets
from ntkbench.errors import NtkbenchError
from ntkbench.registry.specs import Dataset

DATASETS: dict[str, Dataset] = {}
ntkbench_register_datasets(
    lambda name, target, **spec: DATASETS.update({name: Dataset(name=name, target=target, **spec)})
)
BOTH = [(name, form) for name, dataset in DATASETS.items() for form in dataset.forms]
SHAPES = {"vector": (64,), "image": (8, 8, 1), "sequence": (8, 8)}


def load(name, form="vector", n=9, seed=0, **params):
    return DATASETS[name].load()(form=form, n=n, seed=seed, **params)


@pytest.mark.parametrize(("name", "form"), BOTH)
def test_shapes_norms_and_targets(name, form):
    x, y = load(name, form)
    shape = {("digits", "vector"): (61,), ("diabetes", "vector"): (10,)}.get((name, form), SHAPES[form])
    assert x.shape == (9, *shape)
    assert y.shape == (9,)
    assert x.dtype == y.dtype == np.float64
    assert np.abs(y).max() <= 1
    if name != "gaussian":
        np.testing.assert_allclose(np.linalg.norm(x.reshape(9, -1), axis=1), math.sqrt(math.prod(shape)), rtol=1e-12)


@pytest.mark.parametrize(("name", "form"), BOTH)
def test_a_seed_fixes_the_probes(name, form):
    x, y = load(name, form, seed=3)
    again, labels = load(name, form, seed=3)
    np.testing.assert_array_equal(x, again)
    np.testing.assert_array_equal(y, labels)
    assert not np.array_equal(x, load(name, form, seed=4)[0])


@pytest.mark.parametrize("name", DATASETS)
def test_fewer_probes_are_the_first_of_more(name):
    np.testing.assert_array_equal(load(name, n=4)[0], load(name, n=9)[0][:4])


def test_every_form_shows_the_same_digits():
    image, even = load("digits", "image")
    sequence, same = load("digits", "sequence")
    vector, again = load("digits")
    np.testing.assert_array_equal(image[..., 0], sequence)
    np.testing.assert_array_equal(even, same)
    np.testing.assert_array_equal(even, again)
    varying = load_digits().data.std(0) > 0
    np.testing.assert_allclose(vector / math.sqrt(61), image.reshape(9, 64)[:, varying] / 8, rtol=1e-12)
    assert not image.reshape(9, 64)[:, ~varying].any()


def test_all_digits_are_drawn_once():
    x, y = load("digits", n=1797)
    raw = load_digits()
    assert len(np.unique(x, axis=0)) == len(np.unique(raw.data, axis=0))
    assert (y == 1).sum() == (raw.target % 2 == 0).sum()
    assert set(y) == {-1.0, 1.0}


def test_diabetes_targets_keep_their_order():
    _, y = load("diabetes", n=442)
    np.testing.assert_allclose(np.corrcoef(np.sort(y), np.sort(load_diabetes().target))[0, 1], 1)
    assert y.mean() == pytest.approx(0, abs=1e-12)
    assert np.abs(y).max() == 1


@pytest.mark.parametrize("name", ["sphere", "gaussian"])
def test_random_inputs_take_a_dimension(name):
    x, y = load(name, n=400, d=5)
    assert x.shape == (400, 5)
    np.testing.assert_allclose((x**2).mean(0), 1, atol=5 * math.sqrt(2 / 400))
    assert abs(y.mean()) < 0.25


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("digits", {"n": 1798}, "1797"),
        ("digits", {"n": 0}, "at least 1"),
        ("diabetes", {"n": 443}, "at most 442"),
        ("diabetes", {"form": "image"}, "vectors only"),
        ("sphere", {"form": "image", "d": 10}, "square"),
    ],
)
def test_what_cannot_be_loaded_gets_a_sentence(name, options, sentence):
    with pytest.raises(NtkbenchError, match=sentence):
        load(name, **options)
