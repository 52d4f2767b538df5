"""Options are checked with sentences."""

from __future__ import annotations

import math

import pytest
from hypothesis import given as drawn, settings, strategies as st

from ntkbench.errors import NtkbenchError
from ntkbench.plan.options import RunOptions, parse_widths


def test_widths_are_sorted():
    assert parse_widths("128, 64") == parse_widths([128, 64]) == (64, 128)
    assert parse_widths(None) is None
    assert parse_widths(7) == (7,)


def test_infinite_width_is_the_largest():
    assert parse_widths("inf, 64") == parse_widths(["inf", "64"]) == parse_widths([math.inf, 64]) == (64, math.inf)
    assert parse_widths(math.inf) == parse_widths("Inf") == (math.inf,)
    assert [type(width) for width in parse_widths("inf,64")] == [int, float]


WIDTHS = st.lists(st.one_of(st.integers(1, 2**31), st.just(math.inf)), min_size=1, unique=True)


@drawn(WIDTHS, st.sampled_from(["", " ", "  "]))
@settings(max_examples=100, deadline=None)
def test_widths_survive_being_written(widths, space):
    text = f"{space},{space}".join("inf" if width == math.inf else str(width) for width in widths)
    assert parse_widths(text) == parse_widths(widths) == tuple(sorted(widths))
    assert parse_widths(RunOptions(widths=text).to_json()["widths"]) == tuple(sorted(widths))


@drawn(st.text(max_size=12))
@settings(max_examples=200, deadline=None)
def test_any_text_is_widths_or_a_sentence(text):
    try:
        widths = parse_widths(text)
    except NtkbenchError as error:
        assert str(error).endswith(".")
    else:
        assert widths == tuple(sorted(set(widths))) and all(width >= 1 for width in widths)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("64,abc", "expected an integer, got 'abc'"),
        ("64,,128", "got nothing"),
        ("", "got nothing"),
        ("1.5", "'1.5'"),
        ([1.5], "1.5"),
        ([True], "True"),
        ("0", "Invalid width 0"),
        ("-8", "Invalid width -8"),
        ("8,8", "Width 8 is given more than once"),
        (str(2**31 + 1), "the largest"),
        ([], "No width is given"),
        ("nan", "'nan'"),
        ([math.nan], "nan"),
        ("-inf", "'-inf'"),
        ([-math.inf], "expected an integer, got -inf"),
        ("inf,INF", "Width inf is given more than once"),
        (["inf", math.inf], "Width inf is given more than once"),
        ("infinity", "'infinity'"),
    ],
)
def test_bad_widths(given, message):
    with pytest.raises(NtkbenchError, match=message):
        parse_widths(given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"seeds": 0}, "at least 1"),
        ({"seeds": "many"}, "expected an integer"),
        ({"probes": -1}, "at least 1"),
        ({"preset": "quik"}, "Did you mean 'quick'"),
        ({"precision": "float16"}, "Did you mean 'float64'"),
        ({"device": "gpux"}, "Did you mean 'gpu'"),
        ({"arch": []}, "No architecture is given"),
        ({"seeds": 10**9}, "at most 10000, got 1000000000"),
        ({"retry": "none,failed"}, "none measures nothing again and must stand alone, got 'none,failed'"),
        ({"retry": ["timeout", "none"]}, "must stand alone"),
        ({"out": ""}, "--out is empty"),
        ({"out": " "}, "--out is empty"),
    ],
)
def test_bad_options(given, message):
    with pytest.raises(NtkbenchError, match=message):
        RunOptions(**given)


def test_options_are_plain_json():
    options = RunOptions(arch="fc", widths="8,4", seeds="2").to_json()
    assert (options["arch"], options["widths"], options["seeds"], options["measure"]) == (["fc"], [4, 8], 2, None)


def test_one_radius_or_several():
    radii = [RunOptions(radius=given).radius for given in (None, (), 5, "0.5", (5, 1, 5.0), ["1", 2.5])]
    assert radii == [None, None, (5.0,), (0.5,), (5.0, 1.0), (1.0, 2.5)]


@pytest.mark.parametrize("given", [0, -1, "wide", "", float("inf"), float("nan"), True, [1, None]])
def test_bad_radii(given):
    with pytest.raises(NtkbenchError, match="must be a positive number, got"):
        RunOptions(radius=given)


@pytest.mark.parametrize(
    ("radius", "precision"),
    [(1e39, "float32"), ([1, 1e308], "float32"), (1e-40, "float32"), (1e-320, "float64"), (1e-320, "float32")],
)
def test_a_radius_beyond_the_precision_is_refused(radius, precision):
    with pytest.raises(NtkbenchError, match=f"cannot be computed with in {precision}, which holds numbers from"):
        RunOptions(radius=radius, precision=precision)
    assert RunOptions(radius=[1e-37, 1e38, 1.0]).radius == (1e-37, 1e38, 1.0)
    assert RunOptions(radius=1e39, precision="float64").radius == (1e39,)
