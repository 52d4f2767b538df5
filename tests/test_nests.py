"""Tests of nests of arrays: names, structure, number of samples and hash."""

from __future__ import annotations

import hashlib
from collections import namedtuple

import numpy as np
import pytest

from ntkbench import nests
from ntkbench.errors import NtkbenchError

Pair = namedtuple("Pair", ["left", "right"])
A, B = np.arange(6.0).reshape(2, 3), np.array([True, False])
NEST = {"a": A, "more": [B, (A, None)], "pair": Pair(A, B)}


def test_parts_have_the_names_by_which_they_are_reached():
    names = ["x['a']", "x['more'][0]", "x['more'][1][0]", "x['pair'][0]", "x['pair'][1]"]
    assert [name for name, _ in nests.leaves(NEST)] == names
    assert all(eval(name, {"x": NEST}) is part for name, part in nests.leaves(NEST))


def test_a_map_keeps_the_structure():
    found = nests.map_leaves(len, NEST)
    assert found == {"a": 2, "more": [2, (2, None)], "pair": (2, 2)}
    assert type(found["pair"]) is Pair
    assert nests.shapes(NEST) == {"a": (3,), "more": [(), ((3,), None)], "pair": ((3,), ())}


def test_read_only_parts_share_the_numbers_and_nothing_can_change_them():
    found = nests.read_only(NEST)
    assert type(found["pair"]) is Pair and found["more"][1][1] is None
    for (_, part), (_, given) in zip(nests.leaves(found), nests.leaves(NEST), strict=True):
        assert np.shares_memory(part, given) and given.flags.writeable
        with pytest.raises(ValueError, match="read-only"):
            part[...] = 0


@pytest.mark.parametrize("x", [A, [[1, 2], [3, 4]], [1.0, 2.0], (np.float64(1), 2), 3.0, None])
def test_arrays_and_numbers_are_no_nests(x):
    assert not nests.is_nest(x)


def test_all_parts_have_the_same_number_of_samples():
    assert nests.samples(NEST) == nests.samples(A) == 2
    with pytest.raises(NtkbenchError, match=r"z\['b'\] has 1 samples, but z\['a'\] has 2"):
        nests.samples({"a": A, "b": B[:1]}, "z")
    with pytest.raises(NtkbenchError, match=r"x\['b'\] has shape \[\]"):
        nests.samples({"a": A, "b": np.array(1)})


def test_the_hash_of_an_array_is_that_of_dtype_shape_and_bytes():
    text = b"<f8(2, 3)" + A.tobytes() + b"<f8(2,)" + np.ones(2).tobytes()
    assert nests.data_hash(A, np.ones(2)) == hashlib.sha256(text).hexdigest()[:32]


def test_the_hash_of_a_nest_depends_on_names_but_not_on_their_order():
    y = np.ones(2)
    x = {"a": A, "b": B}
    assert nests.data_hash(x, y) == nests.data_hash({"b": B, "a": A}, y)
    others = [{"a": A, "c": B}, {"a": A, "b": ~B}, {"a": A, "b": B.astype(int)}, [A, B], A]
    assert len({nests.data_hash(each, y) for each in [x, *others]}) == 6
