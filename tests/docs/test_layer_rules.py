"""docs/layer-rules.md executed: its example is right, and its table names what is registered."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

import ntkbench as nb
from ntkbench.engine.rules import RULES
from ntkbench.registry.current import registry
from ntkbench.registry.sources import GROUP, Source

TEXT = (Path(__file__).parents[2] / "docs/layer-rules.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, flags=re.MULTILINE | re.DOTALL)
WORDS = set(re.findall(r"[A-Za-z0-9/]+", TEXT.partition("## What has no rule")[0]))


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """The module of the example, registered while the test lasts."""
    module, _, _ = (text for _, text in BLOCKS)
    name = re.match(r"# (\w+)\.py\n", module)[1]
    (tmp_path / f"{name}.py").write_text(module, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    entries = registry()._entries["layer_rules"]
    monkeypatch.setitem(registry()._entries, "layer_rules", dict(entries))
    source = Source("example", "0", name, lambda: __import__(name))
    registry().load(source)
    yield name
    sys.modules.pop(name, None)


def test_the_example_runs_and_is_right(plugin):
    names: dict[str, object] = {}
    exec(compile(BLOCKS[2][1], "docs/layer-rules.md", "exec"), names)
    assert f"{plugin}:LowRank" in registry().layer_rules
    model, x = names["model"], names["x"]
    np.testing.assert_allclose(names["kernel"], nb.empirical_ntk(model, x, method="jacobian"), rtol=1e-4, atol=1e-5)
    dense = nb.hessian_norm(model, x, method="dense")
    np.testing.assert_allclose(names["norms"].value, dense.value, rtol=1e-3)


def test_the_entry_point_is_in_the_group_that_is_read():
    assert list(tomllib.loads(BLOCKS[1][1])["project"]["entry-points"]) == [GROUP]


@pytest.mark.parametrize("layer", sorted({key.partition(":")[2] for key in RULES}))
def test_every_layer_is_in_the_table(layer):
    stem = re.sub(r"[123]D", "", layer)
    several = [word for word in WORDS if "/" in word and re.sub(r"[123]D(/[123]D)*", "", word) == stem]
    listed = any(re.search(r"[123]D", layer)[0] in word for word in several) if several else False
    assert layer in WORDS or listed
