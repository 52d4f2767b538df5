"""kernel_convergence: the distance from the limit, and sentences where there is none."""

from __future__ import annotations

import numpy as np
import pytest
from measuring import FEW, cells, measured

from ntkbench.registry.current import registry
from ntkbench.runner.worker import GroupWorker
from ntkbench.types import Status

NAME = "kernel_convergence"


def test_is_the_distance_from_the_limit():
    from ntkbench import kernels as k

    cell = cells("fc", 32, measure=[NAME])[0]
    context = GroupWorker([cell], registry()).context(cell)
    limit = k.named("fully-connected", activation="tanh").matrix(np.asarray(context.x, "float64")).numpy()
    expected = np.linalg.norm(context.kernel - limit) / np.linalg.norm(limit)
    (found,) = measured("fc", 32, measure=[NAME])
    assert found.values[NAME].value == pytest.approx(expected, rel=1e-6)


def test_falls_with_width_and_seeds_have_their_own_inputs():
    found = [[r.values[NAME].value for r in measured("fc-relu", w, measure=[NAME], seeds=range(4))] for w in (64, 1024)]
    assert len(set(found[0])) == 4
    assert np.polyfit(np.log([64, 1024]), np.log(np.mean(found, 1)), 1)[0] == pytest.approx(-0.5, abs=0.25)


@pytest.mark.parametrize(
    ("name", "params", "why"),
    [
        ("fc-lazy", {}, "has no limit as its width grows"),
        ("fc-bottleneck", {}, "has a bottleneck"),
        ("fc-sigmoid-output", {}, "has a non-linear output"),
        ("mlp-mixer", {}, "Permute 'permute"),
        ("attention", {}, "softmax attention"),
        ("fc", {"parameterization": "standard"}, "grows with width in the standard parameterisation"),
        ("fc", {"two_copy": True}, "start from the same weights"),
    ],
)
def test_says_why_there_is_none(name, params, why):
    (found,) = measured(name, 8, measure=[NAME], settings=FEW, **params)
    assert found.status is Status.UNSUPPORTED and why in found.message and not found.values
