"""What an entry may declare, and what becomes of a target that cannot be loaded."""

from __future__ import annotations

import math

import pytest

from ntkbench.errors import NtkbenchError, RegistrationError
from ntkbench.registry.snapshot import from_json, to_json
from ntkbench.registry.specs import Architecture, Dataset, Late, Measurement
from ntkbench.types import Quantity


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ({"quantities": []}, "declares no quantities"),
        ({"quantities": ["q"]}, "declares 'q'; give a Quantity"),
        ({"quantities": [Quantity("q", "q", direction="up")]}, "q has direction 'up'"),
        ({"quantities": [Quantity("q", "q", direction="lowr")]}, "Did you mean 'lower'?"),
        ({"quantities": [Quantity("q", "q", bounds=(1, 0))]}, r"bounds \(1, 0\); give \(low, high\)"),
        ({"quantities": [Quantity("q", "q", bounds=None)]}, "bounds None; give"),
        ({"quantities": [Quantity("q", "q", bounds=(math.nan, 1))]}, "bounds"),
        ({"quantities": [Quantity("q", "q", unit=1)]}, "the unit of 'q' is not text"),
        ({"quantities": [Quantity("q", "q"), Quantity("q", "q")]}, "declares 'q' twice"),
        ({"quantities": [Quantity("q", "q")], "needs": "trajectry"}, "Did you mean 'trajectory'?"),
    ],
)
def test_a_measurement_that_cannot_be(spec, sentence):
    with pytest.raises(RegistrationError, match=sentence):
        Measurement(name="m", target="a:b", **spec)


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("import sys; sys.exit(3)", "the import of broken_target tried to end the process .SystemExit: 3."),
        ("raise ValueError('no luck.')", "from 'broken_target:build': no luck. Its author has to mend the target"),
        ("raise ValueError", "from 'broken_target:build': ValueError. Its author"),
        ("x = 1", "has no attribute 'build'"),
    ],
)
def test_a_target_that_cannot_be_loaded(tmp_path, monkeypatch, code, sentence):
    (tmp_path / "broken_target.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(__import__("sys").modules, "broken_target", raising=False)
    with pytest.raises(NtkbenchError, match=sentence):
        Architecture(name="net", target="broken_target:build", distribution="acme").load()


def build(width):
    return width


@pytest.mark.parametrize(
    "entry",
    [
        Architecture(
            name="net",
            target="a:b",
            summary="a net",
            params={"depth": {"default": 2, "minimum": 1}, "act": {"default": "tanh", "choices": ["tanh", "relu"]}},
            inputs=["image", "vector"],
            theory={"hessian_norm": {"exponent": -0.5, "source": "us"}},
            targets=(0, 1),
            widths={"quick": [4, 8]},
            variants=[{"depth": 3}, {}],
            grows=False,
        ),
        Measurement(
            name="m",
            target="a:b",
            quantities=[Quantity("q", "q", "f", (0, math.inf), "lower", key="q:max")],
            needs="ball",
        ),
        Dataset(name="d", target="a:b", forms=["vector", "sequence"]),
    ],
)
def test_entries_survive_being_written_as_json(entry):
    import json

    kind = f"{type(entry).__name__.lower()}s"
    assert from_json(kind, json.loads(json.dumps(to_json(entry))), "", "", find=None) == entry


def test_a_function_target_is_found_on_first_use():
    entry = Architecture(name="net", target=build)
    known = {("architectures", "net"): build}
    again = from_json("architectures", to_json(entry), "acme", "1", lambda kind, name: known[kind, name])
    assert isinstance(again.target, Late) and again.load() is build and again.target(3) == 3
