"""ntkbench's checks of the measurement, and ridge regression against scikit-learn's."""

import numpy as np
import pytest
from sklearn.kernel_ridge import KernelRidge
from sklearn.model_selection import GridSearchCV, LeaveOneOut

import ntkbench as nb
from ntkbench.datasets import diabetes
from ntkbench.testing import MeasurementChecks
from ntkbench_features import (
    Comparison,
    Kernels,
    NTKRandomFeatures,
    covered_ridge,
    cross_validated_ridge,
    relu_ntk,
    statistical_dimension,
)

TASK = diabetes.load_task(form="vector", seed=0)
(X, Y), (X_TEST, Y_TEST) = TASK.train, TASK.test
TARGETS = TASK.targets(Y)
RIDGES = 10.0 ** np.arange(-2, 3)


@pytest.mark.slow
class TestKernelRidge(MeasurementChecks):
    measurement = "kernel_ridge"


def exact(x, y):
    """Return the kernel of one hidden layer on inputs of norm √10."""
    return 10 * relu_ntk(x @ y.T / 10, 1)


def kernels(features=None):
    """Return the values of the exact kernel, or of the kernel of features."""
    if features is None:
        return Kernels(exact(X, X), exact(X_TEST, X))
    z, z_test = features.fit_transform(X), features.transform(X_TEST)
    return Kernels(z @ z.T, z_test @ z.T)


def test_the_ridge_is_that_of_leaving_samples_out():
    """scikit-learn's grid search, with one fold for each of 60 samples."""
    k = exact(X[:60], X[:60])
    search = GridSearchCV(
        KernelRidge(kernel="precomputed"), {"alpha": 10 * RIDGES}, cv=LeaveOneOut(), scoring="neg_mean_squared_error"
    )
    found = cross_validated_ridge(k, TARGETS[:60], 10 * RIDGES / np.mean(np.diag(k)))
    assert found == pytest.approx(search.fit(k, TARGETS[:60]).best_params_["alpha"])
    assert 10 * RIDGES[0] < found < 10 * RIDGES[-1]


def test_predictions_and_errors():
    found = Comparison(TASK, kernels(), kernels(NTKRandomFeatures(100, random_state=0)), ridge=3.0)
    for k, prediction, error in zip((found.approximate, found.exact), found.predictions, found.errors, strict=True):
        reference = KernelRidge(alpha=3.0, kernel="precomputed").fit(k.train, TARGETS).predict(k.test)
        np.testing.assert_allclose(prediction, reference, rtol=1e-8, atol=1e-10)
        wanted = TASK.targets(Y_TEST)
        assert error == pytest.approx(np.mean((prediction - wanted) ** 2) / np.var(wanted))
    assert found.ratio == pytest.approx(found.errors[0] / found.errors[1])


def test_the_labels_of_the_test_part_choose_nothing():
    (x, y), (x_test, y_test) = TASK.train, TASK.test
    other = nb.Task((x, y), (x_test, y_test[::-1].copy()), "regression")
    assert Comparison(other, kernels(), kernels()).ridge == Comparison(TASK, kernels(), kernels()).ridge


def test_the_covered_ridge_needs_as_many_features_as_there_are():
    k = exact(X, X)
    for m in (300, 4096):
        dimension = statistical_dimension(k, covered_ridge(k, m, epsilon=0.5, delta=0.1))
        assert 8 / 3 * 4 * dimension * np.log(160 * dimension) == pytest.approx(m)
    assert covered_ridge(k, 10**9) < 1e-9 * np.mean(np.diag(k))


def test_features_are_as_good_as_the_kernel_at_the_chosen_ridge():
    """4096 features of diabetes, at the ridge that cross-validation on the train part chooses for the exact kernel."""
    ratios = [Comparison(TASK, kernels(), kernels(NTKRandomFeatures(4096, random_state=s))).ratio for s in range(3)]
    np.testing.assert_allclose(ratios, 1, atol=0.05)


def test_in_a_run(tmp_path):
    options = {"seeds": 1, "measure": "kernel_ridge", "dataset": "diabetes", "out": tmp_path / "run"}
    frame = nb.run(["ntk-features"], widths=[64, 4096, np.inf], **options).frame()
    values = frame.pivot_table(index="width", columns="quantity", values="value")
    assert values.test_ridge_ratio[np.inf] == 1 and values.ridge_spectral_error[np.inf] < 1e-9
    assert values.test_error_ridge[np.inf] == values.test_error_ridge_exact[64]
    assert abs(values.test_ridge_ratio[4096] - 1) < 0.05 < abs(values.test_ridge_ratio[64] - 1)
    assert values.ridge_spectral_error[4096] < 0.5 * values.ridge_spectral_error[64]
