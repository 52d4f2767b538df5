"""What an entry may declare, and what becomes of a target that cannot be loaded."""

from __future__ import annotations

import json
import math
import sys

import pytest

from ntkbench.errors import NtkbenchError, RegistrationError
from ntkbench.registry.collect import entry_of
from ntkbench.registry.snapshot import entry_from_json, entry_to_json
from ntkbench.registry.specs import Architecture, Dataset, Kernel, KernelArchitecture, Late, Measurement
from ntkbench.types import CurveSpec, Quantity, Theory


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ({"quantities": []}, "declares no quantities"),
        ({"quantities": ["q"]}, "declares 'q'; it must be a Quantity"),
        ({"quantities": [Quantity("q", "q", direction="up")]}, "q has the unknown direction 'up'"),
        ({"quantities": [Quantity("q", "q", direction="lowr")]}, "Did you mean 'lower'?"),
        ({"quantities": [Quantity("q", "q", bounds=(1, 0))]}, r"bounds \(1, 0\); they must be \(low, high\)"),
        ({"quantities": [Quantity("q", "q", bounds=None)]}, "bounds None; they must be"),
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
        ("raise ValueError('no luck.')", "from 'broken_target:build': no luck. Its author must fix the target"),
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
            limit="a:limit",
            units="init",
            redraw="fan-in",
        ),
        Measurement(
            name="m",
            target="a:b",
            quantities=[Quantity("q", "q", "f", (0, math.inf), "lower", key="q:max")],
            needs="ball",
            at_infinity=True,
        ),
        Kernel(name="k", target="a:b", inputs=["ragged", "vector"]),
        Dataset(name="d", target="a:b", forms=["vector", "sequence"]),
    ],
)
def test_entries_survive_being_written_as_json(entry):
    kind = f"{type(entry).__name__.lower()}s"
    assert entry_from_json(kind, json.loads(json.dumps(entry_to_json(entry))), "", "", find=None) == entry


def test_a_function_target_is_found_on_first_use():
    entry = Architecture(name="net", target=build)
    known = {("architectures", "net"): build}
    again = entry_from_json("architectures", entry_to_json(entry), "acme", "1", lambda kind, name: known[kind, name])
    assert isinstance(again.target, Late) and again.load() is build and again.target(3) == 3


def test_a_function_limit_is_found_on_first_use():
    entry = Architecture(name="net", target="a:b", limit=build)
    asked = []

    def find(kind, name, field):
        asked.append((kind, name, field))
        return build

    again = entry_from_json("architectures", json.loads(json.dumps(entry_to_json(entry))), "acme", "1", find)
    assert again.has_limit and asked == [] and again.load_field("limit") is build
    assert asked == [("architectures", "net", "limit")]
    assert Architecture(name="net", target="a:b", limit="json:dumps").load_field("limit") is json.dumps


def test_a_kernel_is_a_subject():
    entry = Kernel(name="arc", target="json:dumps", inputs="image", params={"depth": 2}, distribution="acme")
    subject = entry.subject()
    assert isinstance(subject, KernelArchitecture) and subject.load_field("limit") is json.dumps and subject.has_limit
    assert (subject.inputs, subject.resolve({}), subject.distribution) == (("image",), {"depth": 2}, "acme")


def test_a_parameter_is_bounded_by_another():
    params = {"depth": 1, "frozen": {"type": "int", "default": 0, "words": ["all"], "at_most": "depth"}}
    entry = entry_from_json("kernels", entry_to_json(Kernel(name="k", target="a:b", params=params)), "", "", None)
    assert entry.resolve({"depth": "2", "frozen": "2"}) == {"depth": 2, "frozen": 2}
    assert entry.resolve({"frozen": "all"}) == {"depth": 1, "frozen": "all"}
    with pytest.raises(NtkbenchError, match="^frozen=2 is out of bounds: it must be at most depth=1.$"):
        entry.resolve({"frozen": 2})
    assert entry.params["frozen"].to_json()["at_most"] == "depth"


CLAIM = {"hessian_norm": {"exponent": -0.5, "source": "us"}}


def by_depth(params):
    return CLAIM if params["depth"] > 1 else {}


def net(**spec):
    return Architecture(name="net", target="a:b", params={"depth": {"default": 2, "minimum": 0}}, **spec)


def test_functions_of_the_parameters():
    entry = net(theory=by_depth, bottleneck=lambda params: params["depth"] < 2, known_limit=lambda params: True)
    assert set(entry.theory) == {"hessian_norm"} and entry.bottleneck is False and entry.has_limit is True
    shallow = entry.resolved({"depth": "1"})
    assert shallow.theory == {} and shallow.bottleneck is True and shallow.has_limit is False
    assert entry.theory and entry.resolved({}).theory == entry.theory
    plain = net(theory=CLAIM)
    assert plain.resolved({"depth": 1}) is plain and not plain.by_params
    with pytest.raises(NtkbenchError, match="no parameter 'dept'"):
        entry.resolved({"dept": 1})


def failing(params):
    return 1 / (params["depth"] - 1) and CLAIM


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ({"theory": 3}, "theory is 3; it must be"),
        ({"theory": {"q": 3}}, r"theory\['q'\] needs an exponent and a source, got 3"),
        ({"theory": {"q": {"exponent": "steep", "source": "us"}}}, "its exponent and from_width must be numbers"),
        ({"theory": {"q": {"exponent": -1, "source": "us", "kind": "uper bound"}}}, "Did you mean 'upper bound'?"),
        ({"bottleneck": "yes"}, "'yes' is neither True nor False"),
        ({"theory": lambda params: params["dpth"]}, "'net' defines theory as a function .* depth=2: KeyError: 'dpth'"),
        ({"theory": lambda params: {"q": -0.5}}, "needs an exponent and a source, got -0.5. Its author"),
        ({"theory": lambda params: by_depth}, "theory is <function by_depth"),
        ({"bottleneck": lambda params: params["depth"]}, "bottleneck as a function .* 2 is neither True nor False"),
        ({"known_limit": lambda params: sys.exit(3)}, "the function tried to end the process"),
        ({"theory": failing, "variants": [{}, {"depth": 1}]}, "depth=1: ZeroDivisionError: division by zero"),
    ],
)
def test_claims_that_cannot_be(spec, sentence):
    with pytest.raises(RegistrationError, match=sentence):
        net(**spec)


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ({"family": "Attention"}, "'Attention' is not a family"),
        ({"family": 3}, "3 is not a family"),
        ({"priority": "D"}, "'D' is not a priority; use one of A, B, C"),
        ({"priority": {"first": [{}]}}, "'first' is not a priority"),
        ({"priority": {"A": [{"depht": 2}]}}, "has no parameter 'depht'. Did you mean 'depth'"),
        ({"pair": ["fc"]}, "pair is .'fc'.; it must be the text"),
        ({"decided_by": [3]}, "decided_by is .3.; it must be names of quantities"),
    ],
)
def test_rows_that_cannot_be(spec, sentence):
    with pytest.raises(NtkbenchError, match=sentence):
        Architecture(name="a", target="a:b", params={"depth": 1}, **spec)


def test_rows_are_variants_and_parameter_sets_of_priorities():
    sets = {"A": [{}, {"k": 2}], "C": [{"k": 3}]}
    entry = Architecture(name="a", target="a:b", params={"k": 1}, variants=[{"k": 1}, {"k": 4}], priority=sets)
    assert entry.rows == ({"k": 1}, {"k": 4}, {"k": 2}, {"k": 3})
    assert [entry.priority_of(row) for row in ({}, {"k": 1}, {"k": 4}, {"k": 2}, {"k": 3})] == ["A", "A", "", "A", "C"]
    assert Architecture(name="a", target="a:b", priority="B").priority == {"B": ({},)}
    assert Architecture(name="a", target="a:b").priority == {}


def test_pairs_and_priorities_survive_being_written_as_json():
    entry = Architecture(
        name="a",
        target="a:b",
        params={"k": {"default": 1, "words": ["grow"]}, "late": {"default": "x", "later": True}},
        family="dense",
        pair=lambda given: "" if given["k"] == 1 else "a",
        priority={"A": [{}, {"k": "grow"}]},
        decided_by="kernel_slope",
    )
    plain = json.loads(json.dumps(entry_to_json(entry)))
    again = entry_from_json("architectures", plain, "acme", "1", lambda *_: pytest.fail("the plugin was loaded"))
    assert (again.family, again.priority, again.decided_by) == (entry.family, entry.priority, entry.decided_by)
    assert again.params == entry.params
    assert [again.resolved(row).pair for row in again.rows] == ["", "a"]


def test_a_function_without_a_value_elsewhere_is_a_sentence():
    entry = net(theory=failing)
    with pytest.raises(NtkbenchError, match="depth=1: ZeroDivisionError: division by zero. Its author must fix it"):
        entry.resolved({"depth": 1})


def test_functions_of_the_parameters_are_remembered_where_they_were_tried():
    entry = net(theory=by_depth, bottleneck=lambda params: params["depth"] == 0, variants=[{"depth": 1}])
    asked = []

    def find(kind, name, field):
        asked.append((kind, name, field))
        return entry.by_params[field]

    again = entry_from_json("architectures", json.loads(json.dumps(entry_to_json(entry))), "acme", "1", find)
    assert again.theory == entry.theory and again.resolved({"depth": 1}).theory == {} and asked == []
    assert again.resolved({"depth": 0}).bottleneck is True and again.resolved({"depth": 3}).theory == entry.theory
    assert asked == [("architectures", "net", "theory"), ("architectures", "net", "bottleneck")]


@pytest.mark.parametrize(("field", "word", "right"), [("units", "inti", "init"), ("redraw", "fan_in", "fan-in")])
def test_unknown_coordinates(field, word, right):
    with pytest.raises(NtkbenchError, match=f"'net' has {field}='{word}'. Did you mean '{right}'"):
        net(**{field: word})


NAN_CLAIM = {"hessian_norm": {"exponent": math.nan, "source": "us"}}


@pytest.mark.parametrize(
    ("kind", "spec", "sentence"),
    [
        ("architectures", {"width_means": 5}, "sets width_means=5, which is not valid: it must be text"),
        ("architectures", {"width_means": None}, "must be text"),
        ("architectures", {"outputs": "2"}, "outputs='2', which is not valid: it must be a positive integer"),
        ("architectures", {"outputs": True}, "positive integer"),
        ("architectures", {"inputs": 3}, "sets inputs=3, which is not valid: 'int' object is not iterable"),
        ("architectures", {"widths": {"quick": 4}}, "widths="),
        ("architectures", {"widths": {"quick": [8.5]}}, "positive integer"),
        ("architectures", {"variants": [3]}, "it must hold sets of parameters"),
        ("architectures", {"priority": {"A": [3]}}, "it must hold sets of parameters"),
        ("architectures", {"grows": "no"}, "neither True nor False"),
        ("architectures", {"seed_bits": 31.0}, "integer from 1 to 63"),
        ("architectures", {"targets": 1.0}, "sets targets=1.0"),
        ("architectures", {"units": [1.0]}, "it must be text"),
        ("architectures", {"theory": NAN_CLAIM}, "must be numbers, and finite"),
        ("architectures", {"theory": {"hessian_norm": Theory(math.inf, "us")}}, "must be numbers, and finite"),
        ("architectures", {"params": 3}, "sets params=3"),
        ("architectures", {"params": {"seed": 1}}, "'seed', which every run passes itself"),
        ("architectures", {"params": {"a=b": 1}}, "is not the name of a parameter"),
        ("architectures", {"params": {"depth": {"default": 5, "maximum": 3}}}, "has an invalid default: depth=5"),
        ("architectures", {"params": {"depth": math.nan}}, "is not a finite number"),
        ("architectures", {"params": {"depth": {"default": 5, "minimum": "a"}}}, "must be numbers"),
        ("architectures", {"params": {"depth": {"default": 5, "choices": [[5]]}}}, "must be text, numbers or Booleans"),
        ("architectures", {"params": {"depth": {"default": 5, "help": 5}}}, "must be text"),
        ("architectures", {"params": {"depth": {"default": "5", "type": "int"}}}, "which is not of type int"),
        ("architectures", {"params": {"frozen": {"default": 0, "at_most": "depth"}}}, "must name another parameter"),
        ("architectures", {"params": {"name": "fc", "frozen": {"default": 0, "at_most": "name"}}}, "must be numbers"),
        ("architectures", {"params": {"frozen": {"default": 0, "at_most": 3}}}, "must be text"),
        ("datasets", {"params": {"n": 1}}, "'n', which every run passes itself"),
        ("datasets", {"members": [3], "target": ""}, "it must be text"),
        ("measurements", {"quantities": 3}, "sets quantities=3"),
        ("measurements", {"curves": [CurveSpec("q", "q", axis=3)]}, "the axis of 'q' is not text"),
        ("measurements", {"quantities": [Quantity("q", "q", direction=["lower"])]}, "the direction of 'q' is not text"),
        ("measurements", {"quantities": [Quantity("q", "q")], "companions": {"q": [3]}}, "it must be text"),
        ("measurements", {"quantities": [Quantity("q", "q")], "needs": [3]}, "it must be text"),
    ],
)
def test_a_field_of_the_wrong_type_is_refused_by_name(kind, spec, sentence):
    """An entry that was accepted with it would break every command that lists or plans the others."""
    with pytest.raises(RegistrationError, match=sentence):
        entry_of(kind, "net", spec.pop("target", "a:b"), "acme", "1.0", spec)
