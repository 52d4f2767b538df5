"""Which variables bend a series: medians over seeds, and the sentence that names them."""

from __future__ import annotations

import pytest
from factories import cell, failed, result

from ntkbench.analysis.bend import bend_of
from ntkbench.analysis.laws import result_keys, series
from ntkbench.types import Quantity, Value

QUANTITIES = {
    "kernel_slope": Quantity("kernel_slope", "κ₁", direction="lower"),
    **{name: Quantity(name, name, per="variable") for name in ("bend_share", "kernel_share", "variable_size")},
}


def of_seed(width, seed, **variables):
    """Return a cell's result. variables: name → (share of the bend, share of K, weights)."""
    values = {"kernel_slope": Value(0.5)}
    for name, numbers in variables.items():
        for quantity, number in zip(("bend_share", "kernel_share", "variable_size"), numbers, strict=True):
            values[f"{quantity}:{name}"] = Value(float(number))
    of = cell("net", width=width, seed=seed, measurement="bend", quantities=tuple(sorted(QUANTITIES)))
    return result(of, values=values)


def bend(*results):
    (found,) = map(bend_of, series(results))
    return found


def test_medians_at_both_ends_largest_first():
    found = bend(
        *(of_seed(64, seed, dense=(0.9, 0.8, 64), gain=(0.1, 0.2, 1)) for seed in range(3)),
        of_seed(128, 0, dense=(0.7, 0.9, 128), gain=(0.3, 0.1, 1)),
        *(
            of_seed(256, seed, dense=(1 - bent, 0.9, 256), gain=(bent, 0.1, 1))
            for seed, bent in enumerate((0.5, 0.8, 0.9))
        ),
        failed(cell("net", width=512, measurement="bend", quantities=tuple(sorted(QUANTITIES)))),
    )
    assert (found.first_width, found.last_width) == (64, 256)
    assert list(found.variables) == ["gain", "dense"]
    first, last = found.variables["gain"]
    assert (first.bend, first.kernel, first.size) == (0.1, 0.2, 1) and (last.bend, last.kernel) == (0.8, 0.1)
    assert found.variables["dense"][1].size == 256


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        (
            {"a": (0.5, 0.001, 1), "b": (0.47, 0.001, 1), "c": (0.03, 0.998, 64)},
            "2 scalars (a, b) have 0% of K but 97% of the bend at width 64.",
        ),
        ({"a": (0.9, 0.1, 1), "c": (0.1, 0.9, 64)}, "1 scalar (a) has 10% of K but 90% of the bend at width 64."),
        ({"mix": (0.64, 0.17, 64), "c": (0.36, 0.83, 64)}, "mix has 17% of K but 64% of the bend at width 64."),
        (
            {**{f"v{i}": (0.2, 0.05, 9) for i in range(4)}, "c": (0.2, 0.8, 64)},
            "4 variables (v0, v1, v2 and 1 more) have 20% of K but 80% of the bend at width 64.",
        ),
        ({"a": (0.5, 0.3, 64), "b": (0.5, 0.7, 64)}, ""),  # in proportion
        ({"a": (0.2, 0.01, 1), "b": (0.8, 0.99, 64)}, ""),  # far apart, and yet no reason for a verdict
        ({"a": (0.0, 1.0, 64)}, ""),  # nothing bends
    ],
)
def test_the_culprits(variables, reason):
    assert bend(of_seed(64, 0, **variables)).reason == reason


def test_a_variable_that_is_among_the_others_in_a_seed_counts_as_0_there():
    few, many = {"a": (0.9, 0.1, 1), "b": (0.1, 0.9, 4)}, {"a": (0.9, 0.1, 1), "others": (0.1, 0.9, 4)}
    found = bend(of_seed(64, 0, **few), of_seed(64, 1, **many), of_seed(64, 2, **many))
    assert found.variables["b"][1].bend == 0 and found.variables["a"][1].bend == 0.9


def test_what_was_not_measured():
    assert bend(result()) is None
    only = result(cell(quantities=("bend_share",)), values={"bend_share:a": Value(1.0)})
    assert bend(only).variables["a"][1].kernel is None and bend(only).reason == ""


def test_no_law_is_fitted_to_numbers_per_variable():
    results = [of_seed(width, 0, a=(0.9, 0.1, 1), b=(0.1, 0.9, width)) for width in (64, 128)]
    assert list(result_keys(results, {"bend": QUANTITIES})) == ["kernel_slope"]
