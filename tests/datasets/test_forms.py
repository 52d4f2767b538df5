"""Tests of the table of forms: what has a form, and the sentence for what does not."""

from __future__ import annotations

import numpy as np
import pytest

from ntkbench.datasets.forms import FORMS, problem_of

MASK = np.array([[True, True, False], [True, False, False]])
VALUES = np.ones((2, 3, 4)) * MASK[:, :, None]
TOKENS = np.array([[1, 2, 0], [3, 0, 0]])
BERT = {"token_ids": TOKENS, "padding_mask": MASK, "segment_ids": TOKENS * 0}
RIGHT = {
    "vector": [np.ones((2, 3))],
    "image": [np.ones((2, 3, 3, 1))],
    "sequence": [np.ones((2, 3, 4))],
    "ragged": [{"values": VALUES, "mask": MASK}],
    "tokens": [TOKENS, {"token_ids": TOKENS, "padding_mask": MASK}, BERT],
    "graph": [{"nodes": np.ones((2, 3, 1)), "adjacency": np.zeros((2, 3, 3))}],
    "set": [np.ones((2, 3, 4))],
    "own": [np.ones(2), {"a": np.ones((2, 1)), "b": (np.ones((2, 5)), np.zeros(2, bool))}],
}
WRONG = [
    ("vector", np.ones((2, 3, 1)), "x has shape [2, 3, 1], but inputs of form 'vector' are [n, d]"),
    ("vector", np.array([["a"], ["b"]]), "x has dtype <U1"),
    ("ragged", VALUES, "x is a single array, but inputs of form 'ragged' are {'values': [n, T, a], 'mask': [n, T] of"),
    ("ragged", {"values": VALUES}, "x is the parts 'values'"),
    ("ragged", {"values": VALUES, "mask": MASK[:, :2]}, "x['mask'] has shape [2, 2]"),
    ("ragged", {"values": VALUES, "mask": MASK[:1]}, "x['mask'] has 1 samples, but x['values'] has 2"),
    ("ragged", {"values": VALUES, "mask": MASK.astype(int)}, "x['mask'] has dtype int64"),
    ("ragged", {"values": VALUES, "mask": MASK[:, ::-1]}, "padding must be on the right"),
    ("ragged", {"values": VALUES * 0, "mask": MASK & False}, "has no true entry for sample 0"),
    (
        "ragged",
        {"values": np.ones((2, 3, 4)), "mask": MASK},
        "x['values'] is not 0 where x['mask'] is false; padding must be 0",
    ),
    ("tokens", TOKENS.astype(float), "x has dtype float64, but inputs of form 'tokens' are [n, T] of integers or"),
    ("tokens", TOKENS - 1, "tokens range from -1 to 2; they must be from 0 to 3, as vocabulary=4 says"),
    ("tokens", TOKENS + 1, "tokens range from 1 to 4; they must be from 0 to 3"),
    ("graph", {"nodes": np.ones((2, 3, 1)), "adjacency": np.zeros((2, 3, 4))}, "x['adjacency'] has shape [2, 3, 4]"),
    ("vector", np.ones((2, 0)), "x has shape [2, 0], without a number"),
    ("tokens", TOKENS[:, :0], "x has shape [2, 0], without a number"),
    ("ragged", {"values": VALUES[:, :0], "mask": MASK[:, :0]}, "without a number"),
    ("graph", {"nodes": np.ones((2, 3, 0)), "adjacency": np.zeros((2, 3, 3))}, "x['nodes'] has shape [2, 3, 0], with"),
    ("own", {"a": np.ones((2, 0)), "b": np.ones((2, 0))}, "x['a'] has shape [2, 0] and x['b'] has shape [2, 0], witho"),
    ("own", {"a": np.ones((2, 1)), "b": np.ones((3, 1))}, "x['b'] has 3 samples, but x['a'] has 2"),
]


def test_every_form_has_an_example():
    assert RIGHT.keys() - {"own"} == FORMS.keys()


@pytest.mark.parametrize("form", RIGHT)
def test_right_inputs(form):
    assert [problem_of(form, x, 4) for x in RIGHT[form]] == [""] * len(RIGHT[form])


@pytest.mark.parametrize(("form", "x", "sentence"), WRONG)
def test_wrong_inputs(form, x, sentence):
    assert sentence in problem_of(form, x, 4)
