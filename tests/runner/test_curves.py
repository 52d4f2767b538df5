"""Curves that a measurement may return, and the sentences for those that it may not."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ntkbench.errors import NtkbenchError, Unsupported
from ntkbench.registry.specs import Measurement
from ntkbench.runner.curves import MOST_POINTS, checked_curves
from ntkbench.runner.worker import checked
from ntkbench.types import Curve, CurveSpec, Quantity, Value

ENTRY = Measurement(
    name="own",
    target="a:b",
    quantities=[Quantity("q", "q")],
    curves=[CurveSpec("loss", "L", "step", "f^2", (0, math.inf)), CurveSpec("other", "o", "time")],
)


def test_a_curve_gets_the_declared_name_and_unit():
    found = {"loss": Curve(np.arange(3), np.float32([4, 2, 1])), "other": Curve([0.5], [-1])}
    curves = checked_curves(ENTRY, found, ["loss", "other"])
    assert curves == {
        "loss": Curve((0, 1, 2), (4, 2, 1), "step", "loss"),
        "other": Curve((0.5,), (-1,), "time", "other"),
    }
    assert list(checked_curves(ENTRY, found, ["loss", "q"])) == ["loss"], "what is not requested is dropped"


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (3.0, r"as a float; it must be a Curve\(x, y\)"),
        (Curve([0, 1], [1]), "2 values of x and 1 of y"),
        (Curve([], []), "without a point"),
        (Curve([0, 1, 1], [1, 1, 1]), "x = 1 after 1; x must increase"),
        (Curve([0, 1], [1, math.nan]), r"the point \(1, nan\), which is not finite. End the curve before it"),
        (Curve([0, math.inf], [1, 1]), "not finite"),
        (Curve([0], [-1]), "y = -1 at x = 0, outside its bounds"),
        (Curve([0], [1], "time"), "with the x_unit 'time', but it declares 'step'"),
        (Curve([0], [1], name="lost"), "with the name 'lost', but it declares 'loss'"),
        (Curve(range(MOST_POINTS + 1), [1] * (MOST_POINTS + 1)), "10,001 points in its curves; a cell holds at most"),
    ],
)
def test_what_is_no_curve_is_a_sentence(given, sentence):
    with pytest.raises(NtkbenchError, match=sentence):
        checked_curves(ENTRY, {"loss": given}, ["loss"])


def test_all_curves_of_a_cell_share_the_limit():
    half = Curve(range(MOST_POINTS // 2), [1.0] * (MOST_POINTS // 2))
    assert len(checked_curves(ENTRY, {"loss": half, "other": half}, ["loss", "other"])) == 2
    more = Curve([*half.x, MOST_POINTS], [*half.y, 1.0])
    with pytest.raises(NtkbenchError, match="10,001 points"):
        checked_curves(ENTRY, {"loss": half, "other": more}, ["loss", "other"])


@pytest.mark.parametrize("found", [{}, {"loss": None}])
def test_a_model_may_have_no_such_curve(found):
    with pytest.raises(Unsupported, match="has no loss for this model"):
        checked_curves(ENTRY, found, ["loss"])


def test_numbers_and_curves_are_not_mixed_up():
    assert checked(ENTRY, {"q": 1.0, "loss": Curve([0], [1])}, ["q", "loss"], "float32") == {
        "q": Value(1.0, precision="float32")
    }
    with pytest.raises(NtkbenchError, match="returned q as a Curve; declare it as a CurveSpec"):
        checked(ENTRY, {"q": Curve([0], [1])}, ["q"], "float32")
    with pytest.raises(NtkbenchError, match="which it does not declare"):
        checked(ENTRY, {"q": 1.0, "lost": Curve([0], [1])}, ["q"], "float32")
