"""The measurements `barrier` and `onset`: ntkbench's checks, their definitions, and what a kill leaves."""

import numpy as np
import pytest

import ntkbench as nb
import ntkbench_dynamics as dyn
from ntkbench.testing import MeasurementChecks
from ntkbench.types import Settings
from ntkbench_dynamics import onset, spawning
from ntkbench_dynamics.training import Training

FEW = Settings(n_probes=4, ball_probes=2, draws=2, max_steps=16)


class TestBarrier(MeasurementChecks):
    measurement = "barrier"
    curved = "fc"
    settings = FEW


class TestOnset(MeasurementChecks):
    measurement = "onset"
    curved = "fc"
    settings = FEW


def context(tmp_path, name="fc", seed=0, steps=30, dataset="parity", form="vector"):
    """The context of one cell, with a workspace that stays."""
    from attrs import asdict, evolve

    from ntkbench.registry.current import registry
    from ntkbench.runner.worker import GroupWorker
    from ntkbench.types import Cell

    settings = evolve(FEW, n_probes=8, max_steps=steps)
    known = registry().with_architectures(
        {"own": evolve(registry().get("architectures", name), name="own", inputs=(form,))}
    )
    keys = tuple(each.key for each in registry().get("measurements", "onset").quantities)
    cell = Cell(
        architecture="own",
        params=known.get("architectures", "own").resolve({}),
        width=12,
        seed=seed,
        dataset=dataset,
        dataset_params={},
        measurement="onset",
        quantities=keys,
        settings=asdict(settings),
        precision="float64",
    )
    found = GroupWorker([cell], known).context(cell)
    found.start("onset", frozenset(keys), settings, tmp_path)
    return found


def test_barriers_and_distances_are_those_of_children(tmp_path):
    ctx = context(tmp_path)
    found = spawning.measure(ctx)
    training = Training(ctx)
    trainer, (x, labels) = training.trainer, ctx.task.train
    parent = training.track.state(0)
    ends = dyn.children(trainer, parent, [1000, 2000, 3000], training.track.steps[-1])

    def wrong(w):
        f = trainer.outputs(trainer.start(w), x)
        return np.mean(f[np.arange(len(x)), labels] <= f[np.arange(len(x)), 1 - labels])

    assert found["barrier_initial"] == pytest.approx(np.mean(dyn.barriers(wrong, ends)))
    assert found["children_train_error"] >= max(wrong(each.weights) for each in ends)
    apart = [
        np.linalg.norm(one.weights - two.weights) for one, two in ((ends[0], ends[1]), (ends[0], ends[2]), ends[1:])
    ]
    assert found["children_distance"].y[0] == pytest.approx(np.mean(apart) / np.linalg.norm(parent.weights))
    assert found["train_barrier_by_spawn"].x == (0.0, 0.4, 0.8, 1.6) and found["barrier_early_epoch"] == pytest.approx(
        1.6
    )


def test_errors_are_those_of_linear_and_slow_training(tmp_path):
    ctx = context(tmp_path)
    found = onset.measure(ctx)
    training = Training(ctx)
    x, labels = ctx.task.test
    options = training.options | {"learning_rate": training.rate / 10}
    state = training.track.state(training.track.steps[-1])
    linear, end = dyn.linearized(ctx.model, training.x, training.y, state, training.track.steps[-1], **options)
    slow = nb.training.Trainer(ctx.model, training.x, training.y, **options)
    slow_end = slow.advance(slow.start(state.weights), training.track.steps[-1])
    right = [np.mean(each.argmax(1) != labels) for each in (linear.outputs(end, x), slow.outputs(slow_end, x))]
    assert [
        found[name].y[-1] for name in ("test_error_linearized_by_onset", "test_error_slow_by_onset")
    ] == pytest.approx(right)
    assert found["test_advantage_by_onset"].y[-1] == pytest.approx(right[0] - right[1])
    assert found["test_advantage_initial"] == found["test_error_linearized_initial"] - found["test_error_slow_initial"]
    assert found["test_error_probe_by_onset"].y[0] == found["test_error_probe_initial"]


@pytest.mark.parametrize("module", [spawning, onset])
def test_only_what_is_lost_is_computed_again(tmp_path, monkeypatch, module):
    first = module.measure(context(tmp_path))
    kept = {each: each.stat().st_mtime_ns for each in tmp_path.rglob("*.npz")}
    lost = next(each for each in kept if each.name in ("barrier-4.npz", "linear-4.npz"))
    lost.unlink()
    calls = []
    advance = nb.training.Trainer.advance
    monkeypatch.setattr(
        nb.training.Trainer, "advance", lambda self, state, n: calls.append(n) or advance(self, state, n)
    )
    again = module.measure(context(tmp_path))
    assert again == first
    assert len(calls) == (module is onset)  # the children are kept, the last state of linear training is not
    assert {each: each.stat().st_mtime_ns for each in kept if each != lost} == {
        each: time for each, time in kept.items() if each != lost
    }


def test_children_of_full_batches_are_refused(tmp_path, monkeypatch):
    from ntkbench.errors import Unsupported

    monkeypatch.setattr("ntkbench_dynamics.training.BATCH", 10**6)
    with pytest.raises(Unsupported, match="would be the same"):
        spawning.measure(context(tmp_path))


def test_inputs_may_be_nested(tmp_path):
    """Padded sequences, {"values", "mask"}: every measure of one training."""
    from ntkbench_dynamics import measurement

    ctx = context(tmp_path, "rnn", dataset="digits", form="ragged", steps=14)
    assert set(ctx.task.train[0]) == {"values", "mask"}
    numbers = spawning.measure(ctx) | onset.measure(ctx) | measurement.measure(ctx)
    for name in (
        "barrier_initial",
        "test_error_linearized_initial",
        "test_error_probe_initial",
        "kernel_velocity_first",
    ):
        assert np.isfinite(numbers[name])


def test_one_of_several_outputs_is_measured():
    import keras

    from ntkbench_dynamics.chosen import Chosen

    rng, inputs = np.random.default_rng(0), keras.Input((4,), dtype="float64")
    h = nb.layers.Dense(5, "tanh", seed=0, dtype="float64")(inputs)
    last = [nb.layers.Dense(outputs, seed=outputs, dtype="float64")(h) for outputs in (2, 3)]
    model, x = keras.Model(inputs, {"a": last[0], "b": last[1]}), rng.standard_normal((6, 4))
    alone = keras.Model(inputs, last[1])
    np.testing.assert_allclose(dyn.gram(Chosen(model, "b"), x), dyn.gram(alone, x), rtol=1e-10)
    np.testing.assert_array_equal(dyn.activation_pattern(Chosen(model, "b"), x), dyn.activation_pattern(alone, x))
    y = rng.standard_normal((6, 3))
    one, two = (dyn.linear_probe(each, x, y, x[:2]) for each in (Chosen(model, "b"), alone))
    np.testing.assert_allclose(one, two, rtol=1e-8)
    pair = keras.Model(inputs, last)
    np.testing.assert_allclose(dyn.gram(Chosen(pair, 1), x), dyn.gram(alone, x), rtol=1e-10)
