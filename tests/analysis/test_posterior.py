"""The posterior agrees with Monte Carlo, and says what least squares says where the data are clear."""

from __future__ import annotations

import math

import numpy as np
import pytest
from law_coverage import CASES, NOISES, draw, rates

from ntkbench.analysis.posterior import enough, posteriors
from ntkbench.analysis.scaling import fit_power_law

DECAYS, FLOOR, FLAT = CASES[0], CASES[4], CASES[5]


@pytest.fixture(scope="module")
def clear():
    random = np.random.default_rng(3)
    cases = (DECAYS, FLOOR, FLAT)
    points = [draw(case, 0.02, "Gaussian", random) for case in cases]
    return points, posteriors([*points, points[0][:17]])


def test_clear_cases(clear):
    _, found = clear
    assert [each.tail for each in found[:3]] == ["decays", "plateaus", "plateaus"]
    assert found[0].floor_low == found[0].floor == 0 and 0 < found[1].floor_low < 0.75 < found[1].floor_high
    for each in found:
        assert each.low < each.slope < each.high
        assert each.decays + each.plateaus + each.grows == pytest.approx(1)


def test_on_gaussian_noise_it_is_the_t_interval(clear):
    points, found = clear
    for series, each in zip((points[0], points[2], points[0][:17]), (found[0], found[2], found[3]), strict=True):
        fit = fit_power_law(*zip(*series, strict=True))
        assert each.slope == pytest.approx(fit.slope, abs=0.7 * fit.stderr)
        assert each.high - each.low == pytest.approx(fit.high - fit.low, rel=0.25)


def test_it_is_the_same_alone_and_in_a_batch(clear):
    points, found = clear
    alone = posteriors([points[0][:17]])[0]
    assert alone.slope == pytest.approx(found[3].slope, abs=1e-9)
    assert alone.decays == pytest.approx(found[3].decays, abs=1e-9)


def test_an_outlier_moves_it_less_than_least_squares():
    points = draw(DECAYS, 0.03, "Gaussian", np.random.default_rng(1))
    moved = [(w, s, value * (2 if (w, s) == (1024, 2) else 1)) for w, s, value in points]
    before, after = posteriors([points, moved])
    shift = fit_power_law(*zip(*moved, strict=True)).slope - fit_power_law(*zip(*points, strict=True)).slope
    assert abs(after.slope - before.slope) < 0.35 * abs(shift)


def test_few_points_have_no_posterior():
    points = draw(DECAYS, 0.1, "Gaussian", np.random.default_rng(0))
    assert enough(points) and not enough(points[:7]) and not enough(points[:10])


def test_hamiltonian_monte_carlo_agrees():
    """The second route: NUTS on c·width^slope with the same priors; 3 Monte-Carlo standard errors."""
    import tensorflow as tf
    import tensorflow_probability as tfp

    tfd, tfb = tfp.distributions, tfp.bijectors
    points = draw(DECAYS, 0.1, "t3", np.random.default_rng(5))
    width, seed, value = (np.array(column) for column in zip(*points, strict=True))
    x, y = np.log(width / 1024.0), np.log(value)
    means = np.array([(y + 0.5 * x)[seed == s].mean() for s in range(5)])
    scale = tfb.Exp()

    def log_prob(slope, effects, log_sigma):
        noise = [tfd.StudentT(np.float64(nu), tf.gather(effects, seed) + slope * x, scale(log_sigma)) for nu in (3, 30)]
        likelihood = tf.reduce_logsumexp([tf.reduce_sum(each.log_prob(y)) for each in noise])
        spread = tfd.Normal(means.mean(), means.std(ddof=1) + 0.1)
        return likelihood + tf.reduce_sum(spread.log_prob(effects))

    @tf.function(jit_compile=False)
    def sample():
        kernel = tfp.mcmc.DualAveragingStepSizeAdaptation(
            tfp.mcmc.HamiltonianMonteCarlo(log_prob, step_size=np.float64(0.02), num_leapfrog_steps=12), 400
        )
        start = (np.float64(-0.5), means, np.float64(math.log(0.1)))
        return tfp.mcmc.sample_chain(3000, start, kernel=kernel, num_burnin_steps=500, trace_fn=None, seed=1)

    slopes = sample()[0].numpy()
    error = 3 * slopes.std() / math.sqrt(float(tfp.mcmc.effective_sample_size(slopes)))
    found = posteriors([points])[0]
    assert found.slope == pytest.approx(np.median(slopes), abs=1.3 * error + 0.002)
    low, high = np.quantile(slopes, (0.025, 0.975))
    assert found.high - found.low == pytest.approx(high - low, rel=0.15)


def test_a_floor_that_may_be_none_begins_at_none():
    found = posteriors([draw(FLOOR, 0.5, "Gaussian", np.random.default_rng(seed)) for seed in range(8)])
    assert all(each.floor_low == 0 < each.floor_high < 1 for each in found if 0.05 < each.decays < 0.6)
    assert any(0.05 < each.decays < 0.6 for each in found)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["Gaussian", "t3"])
@pytest.mark.parametrize("noise", NOISES)
def test_intervals_cover_over_2000_draws(noise, kind):
    found = rates(DECAYS, noise, kind, 2000, "posterior")
    assert 0.925 <= found.slope <= 0.975 and found.floor >= 0.925 and found.wrong <= 0.05
