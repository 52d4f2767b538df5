"""A small registry whose data and architectures need no framework."""

from __future__ import annotations

import numpy as np
import pytest

from ntkbench.registry.manager import Registry
from ntkbench.types import Quantity


def load(*, form, n, seed):
    shape = {"vector": (n, 6), "image": (n, 2, 3, 1)}[form]
    return np.random.default_rng(seed).normal(size=shape), np.ones(n)


@pytest.fixture
def registry():
    known = Registry()

    def add(kind, name, target="a:b", **spec):
        known.register(kind, name, target, distribution="acme", version="1.0", **spec)

    add("architectures", "net", params={"depth": {"default": 2, "minimum": 1}, "act": "tanh", "bias": False})
    add("architectures", "neck", params={"k": 1}, variants=[{"k": 1}, {"k": 4}], widths={"standard": [8, 4]})
    add("architectures", "conv", inputs="image", family="conv", priority="B")
    rows = {"A": [{}, {"heads": "grow"}], "B": [{"heads": 8}]}
    heads = {"default": 4, "minimum": 1, "words": ["grow"]}
    later = {"default": "root", "choices": ["root", "inverse"], "later": True}
    attend = {"params": {"heads": heads, "scale": later}, "family": "attention", "priority": rows}
    add("architectures", "attend", **attend, decided_by=lambda given: ["loss"] if given["heads"] == "grow" else [])
    add("measurements", "curve", quantities=[Quantity("norm", "n"), Quantity("norm", "n", key="norm:max")])
    add("measurements", "path", quantities=[Quantity("steps", "T"), Quantity("loss", "L")])
    add("datasets", "digits", load, forms=["vector", "image"])
    add("datasets", "flat", load, forms=["vector"])
    add("datasets", "broken", lambda form, n, seed: (np.full((n, 6), np.nan), np.ones(n)))
    return known
