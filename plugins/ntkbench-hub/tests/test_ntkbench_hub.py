"""The models that the package registers: public hooks only, marked theory, scales of weights, and right derivatives.

Models of KerasHub are skipped where KerasHub is not installed.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

import ntkbench as nb
import ntkbench_hub
from ntkbench import testing
from ntkbench_hub import backbones
from ntkbench_hub.theory import RULES

PUBLIC = {"ntkbench", "ntkbench.layers", "ntkbench.testing"}
ROWS = {}
needs_keras_hub = pytest.mark.skipif(
    importlib.util.find_spec("keras_hub") is None,
    reason="KerasHub is not installed; install it with pip install 'ntkbench-hub[keras-hub]' to test its backbones",
)


def _record(name, target, **spec):
    ROWS[name] = spec | {"target": target}


ntkbench_hub.ntkbench_register_architectures(_record)
BACKBONES = [name for name in ROWS if name.startswith("hub-")]
IN_FLOAT32 = ("hub-llama", "hub-gemma")
"""Models whose norms and softmax compute in float32, whatever the precision."""
MODELS = [pytest.param(name, marks=needs_keras_hub) if name in BACKBONES else name for name in ROWS]


@pytest.mark.parametrize("path", sorted(Path(ntkbench_hub.__file__).parent.rglob("*.py")), ids=lambda path: path.name)
def test_only_public_hooks_are_used(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            modules = [node.module]
        else:
            continue
        for module in modules:
            assert module.split(".")[0] != "ntkbench" or module in PUBLIC, f"{path.name} imports {module}"


@pytest.mark.parametrize("name", ROWS)
def test_every_prediction_is_marked_as_derived(name):
    spec = ROWS[name]
    for given in ({"heads": 4, "layers": 1}, {"heads": "grow", "layers": 1}):
        values = (spec["theory"], spec.get("bottleneck", False))
        theory, bottleneck = (value(given) if callable(value) else value for value in values)
        for claim in theory.values():
            number = int(claim["source"].removeprefix("derived: rule R")[0])
            assert claim["source"].startswith(f"derived: rule R{number} ({RULES[number]})")
        assert theory["gradient_norm"]["exponent"] == 0
        assert bottleneck == (theory["hessian_norm"]["exponent"] == 0)
    assert spec["known_limit"] is False and spec["units"] == "init" and spec["redraw"] == "fan-in"


def test_without_keras_hub_the_reason_is_a_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras_hub", None)
    with pytest.raises(nb.NtkbenchError, match=r"pip install 'ntkbench-hub\[keras-hub\]'"):
        backbones.build_llama(8, input_shape=(3,), seed=0)


@needs_keras_hub
@pytest.mark.parametrize(
    ("build", "width", "heads", "reason"),
    [
        (backbones.build_llama, 12, 4, "an even number of channels in each of the 4 heads; use a multiple of 8"),
        (backbones.build_gpt2, 9, 4, "4 heads share it evenly; use a multiple of 4"),
        (backbones.build_vit, 12, "grow", "heads=grow takes 8 channels each; use a multiple of 8"),
    ],
)
def test_widths_that_do_not_fit(build, width, heads, reason):
    with pytest.raises(nb.NtkbenchError, match=reason):
        build(width, input_shape=(4, 4, 1), seed=0, heads=heads)


@functools.cache
def built(name):
    """A small model of an architecture in float64, in the units in which a run measures it, and two inputs."""
    checks = type(name, (testing.ArchitectureChecks,), {"architecture": name})()
    return checks.build(16), checks.x()


@pytest.mark.parametrize("name", MODELS)
def test_kernels_and_embeddings_have_unit_entries(name):
    model, _ = built(name)
    weights = [np.asarray(each) for each in model.trainable_variables]
    entries = np.concatenate([each.ravel() for each in weights if np.ptp(each) > 0])
    assert entries.std() == pytest.approx(1, abs=5 / np.sqrt(2 * entries.size))
    assert all((each == each.flat[0]).all() and each.flat[0] in (0, 1) for each in weights if np.ptp(each) == 0)


@pytest.mark.parametrize("name", MODELS)
def test_gradients_are_those_of_finite_differences(name):
    model, x = built(name)
    given = {key: part[:1] for key, part in x.items()} if isinstance(x, dict) else np.asarray(x[:1], "float64")
    rng = np.random.default_rng(0)
    start = [np.asarray(each) for each in model.trainable_variables]
    direction = [rng.standard_normal(each.shape) for each in start]
    h = 1e-3 if name in IN_FLOAT32 else 1e-9 if name == "keras-mobilenetv2" else 1e-6  # kinks are close

    def at(t):
        for variable, value, along in zip(model.trainable_variables, start, direction, strict=True):
            variable.assign(value + t * along)
        return float(np.asarray(model(given, training=False))[0, 0])

    difference = (at(h) - at(-h)) / (2 * h)
    at(0)
    linear = nb.linearize(model)
    slope, origin = (linear(given, [t * each for each in direction])[0, 0] for t in (1, 0))
    assert slope - origin == pytest.approx(difference, rel=0.02 if name in IN_FLOAT32 else 1e-5)


@needs_keras_hub
class TestGPT2(testing.ArchitectureChecks):
    architecture = "hub-gpt2"
