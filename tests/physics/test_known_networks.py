"""No verdict is the wrong way round on networks with a known answer: quick, zoo, standard and --until-decided."""

from __future__ import annotations

import inspect
from pathlib import Path

import falling_networks
import pytest
import staying_networks

import ntkbench as nb

FOLDER = Path(__file__).parents[1] / "kit"
STAYS, FALLS = ("non-linear", "open", "falling"), ("linear", "falling", "open")
KINK = "the output's derivative jumps where f = 0, and f moves by O(1) at every width"
FLOOR = "a part of fixed width carries a share of the output that does not shrink"
SLOW = "the narrowest layer has a power of m units, so that the bend decays like that power's root"
WIDE = "wide, smooth, linear output: Zhu, Liu, Belkin 2022 (arXiv 2205.11786), theorem 3.6"
TIED = "a matrix that is used a fixed number of times is still a sum over m units"
DEEP = "a fixed depth changes constants, no powers"
STANDARD = (
    "the readout has the norm 1, and a step of length 1 along it doubles it: tests/theory/test_standard_by_hand.py"
)
SCALE = "relative changes in a ball do not notice a constant factor"
FEATURES = "f/√m learns features at every width: Yang, Hu 2021 (arXiv 2011.14522)"

ANSWERS = {
    "relu_output": (STAYS, KINK),
    "leaky_output": (STAYS, KINK),
    "absolute_output": (STAYS, KINK),
    "larger_of_two": (STAYS, KINK),
    "hard_routing": (STAYS, "the output multiplies two functions of order 1, and switches between experts"),
    "wide_and_narrow": (STAYS, FLOOR),
    "wide_and_a_third_narrow": (STAYS, FLOOR),
    "neck:k=1": (STAYS, FLOOR),
    "neck:k=4": (STAYS, FLOOR),
    "neck:k=256": (STAYS, FLOOR),
    "root_neck": (FALLS, SLOW),
    "two_thirds_neck": (FALLS, SLOW),
    "root_experts": (FALLS, SLOW),
    "gelu_net": (FALLS, WIDE),
    "sine_net": (FALLS, WIDE),
    "one_hidden": (FALLS, WIDE),
    "tied_in_depth": (FALLS, TIED),
    "siamese": (FALLS, TIED),
    "tied_residual": (FALLS, TIED),
    "deep_linear": (FALLS, DEEP),
    "deep_tanh": (FALLS, DEEP),
    "deep_residual": (FALLS, DEEP),
    "plain_keras": (STAYS, STANDARD),
    "plain_keras_shallow": (FALLS, "a step of length R changes h by R, and ‖h‖ grows as √m"),
    "mean_field": (STAYS, FEATURES),
    "scaled": (FALLS, SCALE),
}


def _told_by(module, allowed):
    """Return the answers of a module's build functions, whose docstrings are their arguments."""
    known = {name: f for name, f in vars(module).items() if inspect.isfunction(f) and f.__module__ == module.__name__}
    public = {name: f for name, f in known.items() if not name.startswith("_")}
    return {
        f"{module.__name__}.py:{name}" + (f":inputs={module.FORMS[name]}" if name in module.FORMS else ""): (
            allowed,
            inspect.getdoc(f),
        )
        for name, f in public.items()
    }


ANSWERS = {f"known_networks.py:{name}": answer for name, answer in ANSWERS.items()}
ANSWERS |= _told_by(staying_networks, STAYS) | _told_by(falling_networks, FALLS)
DECIDED = {f"known_networks.py:{name}": "non-linear" for name in ("relu_output", "absolute_output")}
"""Verdicts that the quick preset is expected to reach."""
FAST = [
    f"known_networks.py:{name}"
    for name in (
        "relu_output",
        "wide_and_a_third_narrow",
        "root_neck",
        "one_hidden",
        "tied_in_depth",
        "plain_keras",
        "mean_field",
    )
]
"""One of each kind, run with the fast tests."""


def verdict(name, out, **options):
    run = nb.run([f"{FOLDER / name}"], out=out, **options)
    found = run.verdicts()
    assert len(found) == 1
    return found.iloc[0]


def check(name, found):
    allowed, why = ANSWERS[name]
    assert found.verdict in allowed, f"{found.verdict} ({found.reason}); {why}"


@pytest.mark.parametrize("name", FAST)
def test_quick_is_never_the_wrong_way_round(name, tmp_path):
    found = verdict(name, tmp_path)
    check(name, found)
    assert found.verdict == DECIDED.get(name, found.verdict)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", [name for name in ANSWERS if name not in FAST])
def test_quick_on_the_others(name, tmp_path):
    found = verdict(name, tmp_path)
    check(name, found)
    assert found.verdict == DECIDED.get(name, found.verdict)


MEASURE = ("gradient_norm", "hessian_norm", "kernel_change_worst", "kernel_change_gd")


@pytest.mark.slow
@pytest.mark.timeout(2400)
@pytest.mark.parametrize("name", ANSWERS)
def test_standard_is_never_the_wrong_way_round(name, tmp_path):
    check(name, verdict(name, tmp_path, preset="standard", measure=MEASURE))


@pytest.mark.slow
@pytest.mark.timeout(2400)
@pytest.mark.parametrize("name", ANSWERS)
def test_zoo_without_kernel_changes_is_never_the_wrong_way_round(name, tmp_path):
    check(name, verdict(name, tmp_path, preset="zoo"))


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", ANSWERS)
def test_until_decided_is_never_the_wrong_way_round(name, tmp_path):
    from ntkbench.cli.main import main

    words = ["run", "--arch", f"{FOLDER / name}", "--out", str(tmp_path / "run"), "--quiet"]
    assert main([*words, "--until-decided", "--budget", "5"]) == 0
    check(name, nb.load(tmp_path / "run").verdicts().iloc[0])
