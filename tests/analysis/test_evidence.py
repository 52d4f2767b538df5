"""Evidence: width effects and profiles, against explicit least squares and exact laws."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from ntkbench.analysis.evidence import MODEL_ERROR, SHARES, Evidence, interval

WIDTHS = (64, 128, 256, 512, 1024)


def points(law, widths=WIDTHS, seeds=4, noise=0.05, seed=0, trend=0.0):
    random = np.random.default_rng(seed)
    levels = random.normal(size=seeds)
    return [
        (m, s, law(m) * math.exp(levels[s] + noise * (m / widths[-1]) ** trend * random.normal()))
        for m in widths
        for s in range(seeds)
    ]


def design(given):
    """Return the explicit design of width effects (the first is 0) and seed levels, and the logarithms."""
    widths, seeds = sorted({m for m, *_ in given}), sorted({s for _, s, _ in given})
    matrix = np.zeros((len(given), len(widths) - 1 + len(seeds)))
    for row, (m, s, _) in enumerate(given):
        if m != widths[0]:
            matrix[row, widths.index(m) - 1] = 1
        matrix[row, len(widths) - 1 + seeds.index(s)] = 1
    return matrix, np.log([value for *_, value in given])


@given(seed=st.integers(0, 1000), gaps=st.sets(st.integers(0, 19), max_size=3))
@settings(max_examples=40, deadline=None)
def test_width_effects_and_their_slope_are_least_squares(seed, gaps):
    """With equal variances, effects are those of the two-way model, whichever points are missing."""
    given_ = [point for place, point in enumerate(points(lambda m: m**-0.5, seed=seed)) if place not in gaps]
    found = Evidence.of(given_)
    matrix, y = design(given_)
    fitted, residual, *_ = np.linalg.lstsq(matrix, y, rcond=None)
    if len(np.unique(found.variances)) > 1:  # it chose a trend of the noise: another weighting
        return
    effects = np.concatenate([[0.0], fitted[:4]])
    assert np.allclose(found.effects[0] - found.effects[0][0], effects, atol=1e-9)
    noise = float(residual[0]) / found.freedom
    covariance = np.linalg.inv(matrix.T @ matrix)[:4, :4] * noise
    # In contrasts with the first width, an error of the model at each width adds e²(I + 11ᵀ).
    softened = np.linalg.inv(covariance + MODEL_ERROR**2 * (np.eye(4) + 1))
    assert np.allclose(found.information[0][1:, 1:], softened, rtol=1e-6)
    assert found.freedom == len(given_) - len(WIDTHS) - 3


def test_leaving_widths_free_is_leaving_them_out():
    """The other widths' slope is that of the points without the smallest, up to the estimate of the noise."""
    given_ = points(lambda m: m**-0.5)
    found = Evidence.of(given_).from_width(2)
    alone = Evidence.of([point for point in given_ if point[0] >= WIDTHS[2]])
    assert found.line()[0] == pytest.approx(alone.line()[0], abs=1e-3) and len(found.x) == 3


def test_the_trend_of_the_noise_is_found():
    """Small widths that scatter more weigh less."""
    found = Evidence.of(points(lambda m: m**-0.5, seeds=30, noise=0.02, trend=-0.5))
    assert found.variances[0] / found.variances[-1] == pytest.approx(16, rel=0.6)
    assert np.ptp(Evidence.of(points(lambda m: m**-0.5, seeds=30)).variances) < 0.4 * 0.05**2


@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_an_exact_floor_is_found(power, share):
    def law(m):
        return ((1 - share) * (m / 1024) ** (-0.7 * power) + share) ** (1 / power)

    profile = Evidence.of(points(law, noise=1e-4)).floors()
    own = profile.distance[0, power - 1]
    best, low, high = interval(profile.shares, own, 4.0)
    assert best == pytest.approx(share, abs=0.03) and low <= share + 0.01 and high >= share - 0.01
    place = int(np.argmin(abs(np.array(SHARES) - share)))
    assert profile.slope[0, power - 1, place] == pytest.approx(-0.7, abs=0.02)


@pytest.mark.parametrize("b", [-0.3, 1.0, 3.0])
def test_an_exact_correction_is_found(b):
    """c·m^s·(1 + b·m^(-1/2)), b in units of the smallest width's square root."""
    found = Evidence.of(points(lambda m: m**-0.5 * (1 + b * (m / 64) ** -0.5), noise=1e-4))
    bs, distance, slope = found.corrections()
    best = int(distance[0].argmin())
    assert bs[best] == pytest.approx(b) and slope[0, best] == pytest.approx(-0.5, abs=0.01)
    assert found.corrections(-0.6)[1].min() > distance.min(), "a bound on the slope that excludes the truth costs"


@pytest.mark.parametrize(
    "given_",
    [[(64, 0, 1.0), (64, 1, 2.0)], [(64, 0, 1.0), (128, 1, 2.0)], [(64, 0, 1.0), (128, 0, 2.0)], []],
    ids=["one width", "no common seed", "no freedom", "nothing"],
)
def test_what_gives_no_evidence(given_):
    assert Evidence.of(given_) is None


def test_one_seed_is_judged_by_its_distance_from_the_line():
    found = Evidence.of(points(lambda m: m**-0.5, seeds=1))
    assert found.freedom == 3 and found.line()[0][0] == pytest.approx(-0.5, abs=0.1)
