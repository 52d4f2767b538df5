"""`check` of layer rules and suites: a right one passes, a wrong one fails, one that cannot be tried says so."""

from __future__ import annotations

import keras
import pytest
import tensorflow as tf

import ntkbench as nb
from ntkbench.engine.rules import Product, Rule, matrix, with_positions
from ntkbench.registry.current import registry as the_registry


class Plain(keras.layers.Layer):
    def __init__(self, units, **options):
        super().__init__(**options)
        self.units = units

    def build(self, shape):
        self.w = self.add_weight(shape=(shape[-1], self.units), name="w")

    def call(self, x):
        return keras.ops.matmul(x, self.w)


class Choosy(Plain):
    def __init__(self, units, **options):
        if not isinstance(units, str):
            raise TypeError("units is a word")
        super().__init__(len(units), **options)


class PlainRule(Rule):
    factor = 1.0

    def __init__(self, layer):
        super().__init__(layer)
        self.products = [Product(matrix(layer.w))]

    def call(self, apply, x, *args, **kwargs):
        return self.factor * tf.reshape(apply(self.products[0], with_positions(x, x.shape[-1])), [-1, self.layer.units])


class Tripled(PlainRule):
    factor = 3.0


@pytest.fixture
def registry(monkeypatch):
    known = the_registry()
    for kind in ("layer_rules", "suites"):
        monkeypatch.setitem(known._entries, kind, dict(known._entries[kind]))
    return known


@pytest.mark.parametrize(
    ("layer", "rule", "statuses", "message"),
    [
        ("Plain", PlainRule, {"ok"}, ""),
        ("Plain", Tripled, {"ok", "failed"}, "differ from the layer's by 0.67"),
        ("Choosy", PlainRule, {"skipped"}, "Subclass LayerRuleChecks"),
        ("Absent", PlainRule, {"failed"}, "cannot be imported"),
    ],
)
def test_a_layer_rule(registry, layer, rule, statuses, message):
    name = f"{__name__}:{layer}"
    registry.register("layer_rules", name, rule, distribution="test")
    found = nb.testing.check(name)
    assert {each.status for each in found} == statuses
    assert message in " ".join(each.message for each in found)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"arch": ["fc"], "widths": [8], "seeds": 1}, ""),
        ({"arch": ["fcc"]}, "Did you mean 'fc'"),
        ({"arch": ["fc"], "seads": 1}, "Did you mean 'seeds'"),
        ({}, "no claims"),
    ],
)
def test_a_suite(registry, options, message):
    registry.register("suites", "mine", lambda: options, distribution="test", summary="a suite")
    failed = [each.message for each in nb.testing.check("mine") if each.status == "failed"]
    assert bool(failed) == bool(message)
    assert message in " ".join(failed)


@pytest.mark.parametrize("name", ["liu2020", "huang2020"])
def test_the_suites_of_ntkbench_pass(name):
    assert [str(each) for each in nb.testing.check(name) if each.status != "ok"] == []
