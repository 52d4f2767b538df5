"""The measurement `sensitivity`: its checks, finite differences, and the switch at σ_w = √2."""

import numpy as np
import pytest
import tensorflow as tf

import ntkbench as nb
from ntkbench.testing import MeasurementChecks
from ntkbench_recurrent import reference, rntk, sensitivity


class TestSensitivity(MeasurementChecks):
    measurement = "sensitivity"


def test_gradients_of_the_kernel_are_finite_differences_of_the_reference():
    """Of sequences of different length; masked steps have no influence."""
    sequences = [np.random.default_rng(n).normal(size=(n, 2)) for n in (3, 2, 4)]
    params = {"bias_std": 0.3, "weight_std": 1.3, "activation": "erf"}
    values = np.zeros((3, 4, 2))
    for row, sequence in zip(values, sequences, strict=True):
        row[: len(sequence)] = sequence
    mask = np.arange(4) < np.array([3, 2, 4])[:, None]
    found = sensitivity._of_kernel(rntk(**params), {"values": tf.constant(values), "mask": mask}, tf.constant(values))
    h = 1e-5
    for n, sequence in enumerate(sequences):
        others = [other for m, other in enumerate(sequences) if m != n]
        assert not found[n, len(sequence) :].any()
        for t, channel in np.ndindex(*sequence.shape):
            ends = []
            for sign in (1, -1):
                moved = sequence.copy()
                moved[t, channel] += sign * h
                ends.append(sum(reference.pair(moved, other, **params) for other in others))
            np.testing.assert_allclose(found[n, t, channel], (ends[0] - ends[1]) / (2 * h), rtol=1e-6, atol=1e-8)


def test_gradients_of_a_network_are_finite_differences_of_its_kernel():
    """Inputs of one network, in float64."""
    run_cell = TestSensitivity()
    context = run_cell.context("fc-square-output")
    x = context.x.numpy()
    found, h, n = sensitivity._of_network(context, context.x), 1e-5, 1
    others = np.delete(x, n, axis=0)
    for t in (0, 17, 60):
        ends = []
        for sign in (1, -1):
            moved = x[n : n + 1].copy()
            moved[0, t] += sign * h
            ends.append(nb.empirical_ntk(context.model, moved, others).sum())
        np.testing.assert_allclose(found[n, t], (ends[0] - ends[1]) / (2 * h), rtol=1e-5, atol=1e-9)


def test_the_summary_scales_each_sequence_to_its_own_length():
    gradients = np.array([[[3.0], [4.0], [0.0]], [[0.0], [0.0], [-2.0]], [[0.0]] * 3])
    mask = np.array([[True, True, False], [True, True, True], [True, True, True]])
    found = sensitivity.summary(gradients, mask, with_curve=True)
    assert found["sensitivity_centre"] == pytest.approx((4 / 7 + 1) / 2)
    np.testing.assert_allclose(found["step_sensitivity"].y, [(0.75 + 0) / 2, (0.875 + 0) / 2, 1])


@pytest.mark.parametrize(("weight_std", "low", "high"), [(1.2, 0.8, 1.0), (2**0.5, 0.3, 0.7), (1.6, 0.0, 0.2)])
def test_the_kernel_looks_at_the_last_steps_below_root_two_and_at_the_first_ones_above(weight_std, low, high, tmp_path):
    run = nb.run(
        f"rntk:weight_std={weight_std}",
        dataset="tones:steps=50",
        measure=["sensitivity", "sensitivity:curves"],
        seeds=1,
        probes=10,
        precision="float64",
        out=tmp_path / "run",
    )
    (centre,) = [row["value"] for row in run.rows() if row["quantity"] == "sensitivity_centre"]
    assert low < centre < high
    assert len(run.curves()) == 50


def test_a_single_probe_has_no_value(tmp_path):
    run = nb.run("fc", measure="sensitivity", seeds=1, probes=1, widths=8, out=tmp_path / "run")
    assert {result.status.value for result in run.results} == {"unsupported"}


def test_the_picture_is_drawn(tmp_path):
    sensitivity.plot(tmp_path / "picture.png", weight_stds=(1.2, 1.6), steps=8, samples=3)
    assert (tmp_path / "picture.png").read_bytes()[:4] == b"\x89PNG"
