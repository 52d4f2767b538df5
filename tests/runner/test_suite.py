"""Claims that are checked by a function."""

import sys
import types

import pytest

from ntkbench.errors import Unsupported
from ntkbench.plan.suite import Claim
from ntkbench.runner.suite import _checked


@pytest.fixture
def claim(monkeypatch):
    """Return a function that returns a claim about what a check function returns."""

    def made(check):
        module = types.ModuleType("checks_of_the_test")
        module.check = check
        monkeypatch.setitem(sys.modules, module.__name__, module)
        words = {"id": "one", "says": "one", "source": "-", "status": "own", "law": "value"}
        return Claim(**words, expected=[0.9, 1.1], check=f"{module.__name__}:check")

    return made


def test_the_mean_is_judged(claim):
    assert _checked(claim(lambda seed: [1 + 0.001 * seed])).finding == "holds"
    assert _checked(claim(lambda seed: [2 + 0.001 * seed])).finding == "fails"


def test_a_check_whose_data_are_absent_leaves_the_claim_undecided(claim):
    def check(seed):
        raise Unsupported("The wheel is not installed.")

    judged = _checked(claim(check))
    assert judged.finding == "undecided" and judged.note == "The wheel is not installed."
