"""Files read without importing scikit-learn hold what scikit-learn returns."""

import subprocess
import sys

import numpy as np
from sklearn.datasets import load_digits

from ntkbench.datasets import bundled


def test_digits_are_those_of_scikit_learn():
    for ours, theirs in zip(bundled.digits(), load_digits(return_X_y=True), strict=True):
        np.testing.assert_array_equal(ours, theirs)
        assert ours.dtype == theirs.dtype


def test_digits_without_the_file(monkeypatch):
    monkeypatch.setattr(bundled.importlib.util, "find_spec", lambda name: None)
    for ours, theirs in zip(bundled.digits.__wrapped__(), load_digits(return_X_y=True), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_probes_are_loaded_without_scikit_learn():
    code = (
        "import sys; from ntkbench.datasets.digits import load; load(form='vector', n=8, seed=0); "
        "assert 'sklearn' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
