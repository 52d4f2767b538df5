"""Tests of the measurement on a task: closed forms, a linear network, the limit, and the test labels' influence."""

from __future__ import annotations

import math

import numpy as np
import pytest
from attrs import asdict, evolve

from ntkbench import kernels
from ntkbench.architectures import fully_connected
from ntkbench.datasets.task import Task
from ntkbench.errors import NtkbenchError
from ntkbench.measurements import TASK
from ntkbench.measurements.task import GradientFlow, at_infinity, loss, loss_of_constant
from ntkbench.plan.data import load_task
from ntkbench.plan.options import RunOptions
from ntkbench.plan.plan import make_plan
from ntkbench.registry.current import registry
from ntkbench.runner.worker import GroupWorker
from ntkbench.types import Cell, Settings, Status

KEYS = tuple(sorted(quantity.key for quantity in TASK))


def small_digits(*, form, seed, fold):
    """Return 120 and 60 digits, so that training takes a second."""
    task = load_task(registry().datasets["digits"], {}, form=form, seed=seed)
    (x, y), (x_test, y_test) = task.train, task.test
    return evolve(task, train=(x[:120], y[:120]), test=(x_test[:60], y_test[:60]))


def known():
    found = registry().with_architectures({})
    digits = found.datasets["digits"]
    found.register("datasets", "small", digits.load(), distribution="tests", forms=digits.forms, task=small_digits)
    return found


def cell_of(architecture, width=16, precision="float64", dataset="small", **params):
    entry = registry().architectures[architecture]
    return Cell(
        architecture=architecture,
        params=entry.resolve(params),
        width=width,
        seed=0,
        dataset=dataset,
        dataset_params={},
        measurement="task",
        quantities=KEYS,
        settings=asdict(Settings(n_probes=4)),
        precision=precision,
    )


def measured(cell):
    (result,) = GroupWorker([cell], known()).results()
    assert result.status is Status.OK, result.message
    return {key: value.value for key, value in result.values.items()}


def test_a_network_that_is_linear_equals_its_linearisation():
    found = measured(cell_of("linear", 64))
    assert found["linearization_gap"] < 1e-10 and found["disagreement"] == 0
    assert found["test_error"] == found["test_error_linearized"]
    assert found["train_error"] == found["train_error_linearized"]
    assert found["train_loss"] <= 0.25
    # The readout is all of the network: gradient flow and gradient descent to the same loss nearly agree.
    assert abs(found["test_error_nngp"] - found["test_error"]) <= 0.05


def test_a_narrow_network_differs_from_its_linearisation_and_a_scaled_one_does_not():
    narrow, lazy = measured(cell_of("fc", 16)), measured(cell_of("fc-lazy", 256, hidden=16))
    assert narrow["linearization_gap"] > 0.05 and narrow["epochs"] > 1
    assert 0 < lazy["linearization_gap"] < 1e-3
    assert lazy["disagreement"] == 0


def test_the_linearised_training_is_gradient_descent_on_the_linear_model():
    """Plain NumPy, with the full tangent kernel of all outputs: f ← f − η K (f − y) on minibatches."""
    from ntkbench.measurements import task as measurement

    worker, cell = GroupWorker([cell_of("fc", 8)], known()), cell_of("fc", 8)
    ctx = worker.context(cell)
    ctx.start("task", frozenset(KEYS), Settings(**cell.settings))
    (x, y), (x_test, _) = ctx.task.train, ctx.task.test
    targets = ctx.task.targets(y)
    training = measurement.Training(ctx, targets)
    found = training.linearized()(x_test)

    everything = np.concatenate([x, x_test])
    ctx.network.assign(ctx.theta)
    k = ctx.empirical_ntk(everything, x, outputs="full")
    size = k.shape[2]
    k = k.transpose(0, 2, 1, 3).reshape(len(everything) * size, len(x) * size)
    f = training.initial(everything).astype(np.float64).ravel()
    from ntkbench.training.order import batches

    order = batches(len(x), training.batch, training.state.step, 0, ctx.seed)
    for rows in np.asarray(order):
        columns = (rows[:, None] * size + np.arange(size)).ravel()
        residual = f[columns] - targets[rows].ravel()
        f = f - training.step_size / training.batch * k[:, columns] @ residual
    expected = f.reshape(-1, size)[len(x) :]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9 * np.abs(expected).max())


def test_gradient_flow_in_closed_form_is_the_limit_of_small_steps():
    rng = np.random.default_rng(0)
    features, other = rng.standard_normal((12, 20)), rng.standard_normal((5, 20))
    residual = rng.standard_normal((12, 3))
    flow = GradientFlow(features @ features.T, residual)
    time = 0.3
    w, steps = np.zeros((20, 3)), 20000
    for _ in range(steps):
        w += time / steps * features.T @ (residual - features @ w)
    np.testing.assert_allclose(flow.predict(other @ features.T, time), other @ w, atol=1e-3 * np.abs(other @ w).max())
    assert flow.loss(time) == pytest.approx(loss(features @ w, residual), rel=1e-2)
    reached = flow.time_of(flow.loss(time), most=10.0)
    assert reached == pytest.approx(time, rel=1e-5)
    assert flow.time_of(flow.loss(time), most=0.1) == 0.1


def test_gradient_flow_of_a_singular_kernel_moves_nothing_in_its_null_space():
    flow = GradientFlow(np.diag([2.0, 0.0]), np.array([[1.0], [1.0]]))
    np.testing.assert_allclose(flow.predict(np.diag([2.0, 0.0]), 50.0), [[1], [0]], atol=1e-12)


def test_the_limit_is_the_mean_of_the_ensemble():
    task = small_digits(form="vector", seed=0, fold=0)
    kernel = kernels.infinite_width(fully_connected.build(8, input_shape=(61,), seed=0))
    found = at_infinity(kernel, task, frozenset(KEYS))
    (x, y), (x_test, y_test) = task.train, task.test
    k, cross = kernel.matrix(x).numpy(), kernel.matrix(x_test, x).numpy()
    mean = cross @ np.linalg.solve(k, task.targets(y))
    ensemble = kernels.Ensemble(kernel, x, task.targets(y)).predict(x_test).mean
    np.testing.assert_allclose(ensemble, mean, atol=1e-8)
    assert found["test_error"].value == pytest.approx(task.error(mean, y_test), abs=1e-6)
    nngp = kernel.nngp.matrix(x_test, x).numpy() @ np.linalg.solve(kernel.nngp.matrix(x).numpy(), task.targets(y))
    assert found["test_error_nngp"].value == pytest.approx(task.error(nngp, y_test), abs=1e-6)
    assert found["train_error"].value == 0 and found["linearization_gap"].value is None


def test_the_limit_s_matrices_are_computed_once(monkeypatch):
    task = small_digits(form="vector", seed=0, fold=0)
    kernel = kernels.infinite_width(fully_connected.build(8, input_shape=(61,), seed=0))
    computed = []
    both = type(kernel).both

    def counted(self, x1, x2=None):
        computed.append((len(x1), None if x2 is None else len(x2)))
        return both(self, x1, x2)

    monkeypatch.setattr(type(kernel), "both", counted)
    at_infinity(kernel, task, frozenset(KEYS))
    assert computed == [(120, None), (120, 60)]


def test_a_regression_whose_answer_is_known():
    """Labels that are linear in x: the limit of a linear network finds them exactly."""
    rng = np.random.default_rng(0)
    x, x_test, a = rng.standard_normal((40, 5)), rng.standard_normal((30, 5)), rng.standard_normal((5, 1))
    x -= x.mean(0)  # so that the labels have no intercept
    task = Task((x, x @ a), (x_test, x_test @ a), "regression")
    model = fully_connected.build(8, input_shape=(5,), seed=0, activation="linear", depth=1)
    found = at_infinity(kernels.infinite_width(model), task, frozenset(KEYS))
    assert found["test_error"].value < 1e-12
    assert found["margin"].value is None and found["disagreement"].value is None


def test_test_labels_change_test_errors_alone():
    worker = GroupWorker([cell_of("fc", 8)], known())
    cell = cell_of("fc", 8)
    before = measured(cell)
    ctx = worker.context(cell)
    x, y = ctx.task.test
    ctx._task = evolve(ctx.task, test=(x, np.random.default_rng(1).permutation(y)))
    after = worker.measure(cell, ctx, 0.0).values
    changed = {key for key, value in before.items() if after[key].value != value}
    assert changed == {"test_error", "test_error_linearized", "test_error_nngp"}


def test_a_network_with_other_outputs_is_unsupported():
    def build(width, input_shape, seed):
        return fully_connected.build(width, input_shape=input_shape, seed=seed)

    one = evolve(registry().architectures["fc"], name="one", target=build, params={}, variants=({},), priority={})
    cell = evolve(cell_of("fc"), architecture="one", params={})
    (result,) = GroupWorker([cell], known().with_architectures({"one": one})).results()
    assert result.status is Status.UNSUPPORTED
    assert "one has 1 output, but the task of 'small' needs 10" in result.message


def plan(**options):
    return make_plan(RunOptions(seeds=2, **{"arch": "fc", "widths": "8,16", **options}), registry())


def test_the_task_is_planned_by_name_only():
    assert "task" not in {cell.measurement for cell in plan(measure="all").cells}
    found = plan(measure=["task", "gd"], widths="8,inf")
    assert "task" in {cell.measurement for cell in found.cells if cell.width == math.inf}
    of_seed = [cell.measurement for cell in found.cells if cell.width == 8]
    assert of_seed == ["gd", "task"] * 2
    gd, task = found.cells[:2]
    assert gd.data_hash != task.data_hash


def test_a_dataset_without_a_task():
    with pytest.raises(NtkbenchError, match="'sphere' has none. Choose one of these with --dataset: digits"):
        plan(measure="task", dataset="sphere")


def test_the_loss_of_the_best_constant_is_half_the_variance():
    targets = np.random.default_rng(0).standard_normal((50, 3)) + 4
    assert loss_of_constant(targets) == pytest.approx(targets.var(0).sum() / 2)
