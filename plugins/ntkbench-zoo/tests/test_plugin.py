"""The rows that the package registers: ntkbench's checks of each, public hooks only, and marked theory."""

from __future__ import annotations

import ast
from pathlib import Path

import keras
import pytest

import ntkbench_zoo
from ntkbench import layers, testing
from ntkbench_zoo.catalogue import FAMILIES
from ntkbench_zoo.catalogue.theory import RULES

PUBLIC = {"ntkbench", "ntkbench.layers", "ntkbench.testing"}
ROWS = {}
WITHOUT_CLAIMS = {"icnn"}


def _record(name, target, **spec):
    ROWS[name] = spec


ntkbench_zoo.ntkbench_register_architectures(_record)


@pytest.mark.parametrize("path", sorted(Path(ntkbench_zoo.__file__).parent.rglob("*.py")), ids=lambda path: path.name)
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


def _claims(spec):
    """Yield the claims of every row."""
    defaults = {name: param["default"] for name, param in spec.get("params", {}).items()}
    priority = spec["priority"]
    rows = [{}] if isinstance(priority, str) else [row for sets in priority.values() for row in sets]
    for row in rows:
        theory = spec["theory"]
        yield theory(defaults | row) if callable(theory) else theory


@pytest.mark.parametrize("name", ROWS)
def test_every_prediction_is_marked_as_derived_or_has_a_source(name):
    for claims in _claims(ROWS[name]):
        assert ("gradient_norm" in claims) == (name not in WITHOUT_CLAIMS)
        for claim in claims.values():
            source = claim["source"]
            rule = source.removeprefix("derived: rule R")
            if rule != source:
                number = int(rule[0])
                assert source.startswith(f"derived: rule R{number} ({RULES[number]})")
            else:
                assert source.startswith("derived: the tangent kernel") or "arXiv" in source


@pytest.mark.parametrize("name", ROWS)
def test_every_row_belongs_to_a_family_and_has_a_pair(name):
    spec = ROWS[name]
    assert spec["family"] in FAMILIES and spec["pair"] and spec["priority"] and spec["summary"]


@pytest.mark.parametrize("name", ROWS)
def test_networks_that_stay_non_linear_get_the_longer_search(name):
    """A floor of the Hessian needs bottleneck=True in the defaults, and nothing else does."""
    spec = ROWS[name]
    defaults = {field: param["default"] for field, param in spec.get("params", {}).items()}
    bottleneck, theory = (
        value(defaults) if callable(value) else value for value in (spec.get("bottleneck", False), spec["theory"])
    )
    floor = theory.get("hessian_norm", {"exponent": None})["exponent"] == 0
    assert bottleneck == floor


def test_all_weights_are_in_layers_with_a_rule():
    """Kernels and Hessians then take the structured routes. Names of layer types, in the smallest models."""
    known = (layers.Parametric, layers.Gain, layers.LayerNormalization, layers.GroupNormalization)
    shapes = {
        "vector": (5,),
        "image": (4, 4, 1),
        "sequence": (3, 2),
        "tokens": (3,),
        "set": (4, 3),
        "graph": {"nodes": (4, 2), "adjacency": (4, 4)},
    }
    for name, entry in testing_entries().items():
        for row in entry.rows:
            given = entry.resolve(row) | ({"vocabulary": 5} if entry.inputs[0] == "tokens" else {})
            model = entry.load()(16, input_shape=shapes[entry.inputs[0]], seed=1, **given)
            for layer in model.layers:
                if layer.trainable_weights:
                    assert isinstance(layer, (*known, keras.layers.BatchNormalization)), (name, layer)


def testing_entries():
    """Return the registered entries by name."""
    from ntkbench.registry.specs import Architecture

    found = {}
    ntkbench_zoo.ntkbench_register_architectures(
        lambda name, target, **spec: found.update({name: Architecture(name=name, target=target, **spec)})
    )
    return found


for _name in ROWS:
    _checks = type(f"Test_{_name}", (testing.ArchitectureChecks,), {"architecture": _name, "__module__": __name__})
    globals()[_checks.__name__] = _checks
