"""Tests of the built-in datasets: what seeds draw, norms, forms and targets."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_digits

from ntkbench.datasets import entities, ntkbench_register_datasets
from ntkbench.datasets.forms import ARRAYS, problem_of
from ntkbench.datasets.probes import choose
from ntkbench.errors import NtkbenchError
from ntkbench.nests import data_hash, map_leaves, samples
from ntkbench.registry.specs import Dataset

DATASETS: dict[str, Dataset] = {}
ntkbench_register_datasets(
    lambda name, target, **spec: DATASETS.update({name: Dataset(name=name, target=target, **spec)})
)
ALL = [(name, form) for name, dataset in DATASETS.items() for form in dataset.forms]
BOTH = [(name, form) for name, form in ALL if form in ARRAYS]
SHAPES = {"vector": (64,), "image": (8, 8, 1), "sequence": (8, 8)}


def load(name, form=None, n=9, seed=0, **params):
    return DATASETS[name].load()(form=form or DATASETS[name].forms[0], n=n, seed=seed, **params)


def same(x, other):
    return data_hash(x, np.zeros(0)) == data_hash(other, np.zeros(0))


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


@pytest.mark.parametrize(("name", "form"), ALL)
def test_a_seed_fixes_the_probes(name, form):
    x, y = load(name, form, seed=3)
    again, labels = load(name, form, seed=3)
    assert same(x, again)
    np.testing.assert_array_equal(y, labels)
    assert not same(x, load(name, form, seed=4)[0])


@pytest.mark.parametrize("name", DATASETS)
def test_fewer_probes_are_the_first_of_more(name):
    assert same(load(name, n=4)[0], map_leaves(lambda part: part[:4], load(name, n=9)[0]))


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
        ("entities", {"n": 1902}, "at most 1901"),
        ("entities", {"form": "vector"}, "tokens only"),
        ("sphere", {"form": "image", "d": 10}, "square"),
    ],
)
def test_what_cannot_be_loaded_gets_a_sentence(name, options, sentence):
    with pytest.raises(NtkbenchError, match=sentence):
        load(name, **options)


def test_ragged_digits_are_the_inked_rows_of_the_sequences():
    x, y = load("digits", "ragged", n=50)
    rows, same_y = load("digits", "sequence", n=50)
    ink, digit = load_digits().images, load_digits().target
    chosen = choose("digits", len(digit), 50, 0)
    lengths = set()
    for n in range(50):
        row = ink[chosen[n]].sum(1)
        kept = rows[n][row >= 0.75 * row.mean()]
        np.testing.assert_array_equal(x["values"][n], np.vstack([kept, np.zeros((8 - len(kept), 8))]))
        assert x["mask"][n].tolist() == [True] * len(kept) + [False] * (8 - len(kept))
        lengths.add(len(kept))
    np.testing.assert_array_equal(y, same_y)
    assert len(lengths) > 3


def test_graphs_of_digits_are_grids_of_patches_without_edges_to_blank_ones():
    x, _ = load("digits", "graph", n=50)
    image, ink = load("digits", "image", n=50)[0][..., 0], load_digits().images
    chosen = choose("digits", len(ink), 50, 0)
    np.testing.assert_array_equal(x["nodes"][:, 4 * 1 + 2], image[:, 2:4, 4:6].reshape(50, 4))
    inked = ink[chosen].reshape(50, 4, 2, 4, 2).sum((2, 4)) > 0
    horizontal = [x["adjacency"][:, 4 * i + j, 4 * i + j + 1] for i in range(4) for j in range(3)]
    np.testing.assert_array_equal(horizontal, [inked[:, i, j] & inked[:, i, j + 1] for i in range(4) for j in range(3)])
    np.testing.assert_array_equal(x["adjacency"], x["adjacency"].transpose(0, 2, 1))
    assert x["adjacency"].sum((1, 2)).max() <= 2 * 24  # edges of the grid
    assert (x["adjacency"].sum(2) == 0).any()  # isolated nodes


def test_sets_of_digits_are_their_darkest_pixels():
    x, _ = load("digits", "set", n=20)
    ink = load_digits().images[choose("digits", 1797, 20, 0)]
    place = np.rint((x[..., :2] + 1) * 3.5).astype(int)
    shown = np.stack([ink[n][place[n, :, 0], place[n, :, 1]] for n in range(20)])
    np.testing.assert_allclose(shown, (x[..., 2] + 1) * 8)
    for n in range(20):
        assert len(set(map(tuple, place[n]))) == 16
        assert np.sort(shown[n]).tolist() == np.sort(ink[n].ravel())[-16:].tolist()


def test_entities_are_names_letter_by_letter():
    import html
    import unicodedata

    x, y = load("entities", n=1901)
    names = ["".join(entities.LETTERS[token - 1] for token in row if token) for row in x["token_ids"]]
    assert len(set(names)) == 1901
    assert (x["padding_mask"] == (x["token_ids"] > 0)).all()
    assert x["token_ids"].max() < DATASETS["entities"].vocabulary == entities.VOCABULARY
    for name, label in zip(names, y, strict=True):
        kind = unicodedata.category(html.unescape(f"&{name};")[0])
        assert label == (1 if kind[0] == "S" else -1)
    assert y[names.index("Sum")] == 1 and y[names.index("alpha")] == -1


@pytest.mark.parametrize(
    ("name", "form"), [("digits", "ragged"), ("digits", "graph"), ("digits", "set"), ("entities", "tokens")]
)
def test_tasks_of_nests(name, form):
    task = DATASETS[name].load_field("task")(form=form, seed=1, fold=0)
    assert (samples(task.train[0]), samples(task.test[0])) == (1000, 400)
    assert problem_of(form, task.train[0], DATASETS[name].vocabulary) == ""
    assert task.classes == {"digits": 10, "entities": 3}[name]
    again = DATASETS[name].load_field("task")(form=form, seed=1, fold=0)
    assert same(task.test[0], again.test[0])
    assert not same(task.test[0], DATASETS[name].load_field("task")(form=form, seed=2, fold=0).test[0])
