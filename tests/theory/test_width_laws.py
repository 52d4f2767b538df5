"""Reference values of Liu, Zhu, Belkin 2020 (arXiv 2010.01092) that need several widths or radii."""

from __future__ import annotations

import numpy as np
import pytest
from attrs import evolve

from ntkbench.measurements import ball
from ntkbench.types import Settings

SETTINGS = Settings(n_probes=8)


def _slope(x, y):
    return np.polyfit(np.log(x), np.log(y), 1)[0]


def test_weights_move_as_far_at_every_width(context):
    """‖w_T − w_0‖ is of order one: measured 5.0, 4.9, 5.1, 5.4 for one hidden layer at 64 … 4096.

    Two copies, so that every width starts at f = 0 and has the same distance to go.
    """
    widths = (64, 256, 1024)
    moved = []
    for width in widths:
        options = {"precision": "float32", "settings": SETTINGS, "depth": 1, "two_copy": True}
        paths = [context("fc", width, seed=seed, **options).trajectory for seed in range(3)]
        assert all(path.reached for path in paths)
        moved.append(np.mean([np.linalg.norm(path.end - path.origin) for path in paths]))
    assert abs(_slope(widths, moved)) <= 0.1


def test_worst_kernel_change_is_linear_in_the_radius(context):
    """One hidden layer: R = 0.1, 0.3, 1 -> 0.0059, 0.0177, 0.060 at width 1024: linear until R of about 3."""
    radii = (0.1, 0.3, 1.0)
    found = []
    for radius in radii:
        ctx = context("fc", 256, depth=1, settings=evolve(SETTINGS, radius=radius))
        found.append(ball.kernel_change_worst(ctx)["kernel_change_worst"].value)
    assert 0.95 <= _slope(radii, found) <= 1.05


def test_worst_direction_is_worse_than_random_ones(context):
    ctx = context("fc", 64, settings=SETTINGS)
    worst = ball.kernel_change_worst(ctx)["kernel_change_worst"].value
    random = [ball._kernel_change_at(ctx, ctx.direction()) for _ in range(5)]
    assert worst > 5 * max(random)


@pytest.mark.parametrize("name", ["fc-square-output", "fc-bottleneck"])
def test_counter_examples_optimise_too(context, name):
    """Constancy of the kernel is not needed: gradient descent reaches a thousandth of the first loss."""
    path = context(name, 64, precision="float32", settings=SETTINGS).trajectory
    assert path.reached
    assert (np.diff(path.losses) <= 0).all()


def test_scale_is_not_width(context):
    """fc-lazy: the kernel moves less along gradient descent as α grows; in the ball it moves as much.

    One draw of weights at every α. Two copies cancel the first order along the path: α⁻².
    """
    alphas = (4, 16, 64)
    along, worst, weights = [], [], None
    for alpha in alphas:
        ctx = context("fc-lazy", alpha, settings=SETTINGS)
        weights = weights or ctx.model.get_weights()
        ctx.network.load(weights)
        ctx.theta = ctx.network.theta()
        kernels = ctx.trajectory.kernels
        along.append(max(np.linalg.norm(k - kernels[0]) for k in kernels.values()) / np.linalg.norm(kernels[0]))
        worst.append(ball.kernel_change_worst(ctx)["kernel_change_worst"].value)
    assert -2.1 <= _slope(alphas, along) <= -1.9
    assert abs(_slope(alphas, worst)) <= 0.01
