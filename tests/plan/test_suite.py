"""Suites are read with a sentence for each mistake, and plan what their claims need."""

from __future__ import annotations

import importlib

import pytest

from ntkbench.errors import NtkbenchError
from ntkbench.plan.suite import load_suite, plans
from ntkbench.registry.current import registry

CLAIM = """
[[claim]]
id = "one"
says = "it falls"
source = "own"
status = "own"
arch = "fc"
quantity = "hessian_norm"
law = "exponent"
expected = [-1.0, 0.0]
widths = [8, 16]
seeds = 2
probes = 3
"""


def suite(tmp_path, text):
    (tmp_path / "s.toml").write_text(text, encoding="utf-8")
    return load_suite(str(tmp_path / "s.toml"), registry())


def test_claims_of_one_setting_share_a_plan(tmp_path):
    other = CLAIM.replace('"one"', '"two"').replace('"hessian_norm"', "{ hessian_norm = 1, gradient_norm = -2 }")
    apart = CLAIM.replace('"one"', '"three"') + "radius = 0.5\n"
    found = plans(suite(tmp_path, CLAIM + other + apart), registry())
    assert [[claim.id for claim in claims] for _, claims in found] == [["one", "two"], ["three"]]
    assert len(found[0][0].cells) == 2 * 2 * 2 and found[1][0].cells[0].settings["radius"] == 0.5
    assert {cell.measurement for cell in found[0][0].cells} == {"gradient", "hessian"}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('id = "one"', "", "missing 1 required keyword-only argument: 'id'"),
        ("quantity", "quantty", "unknown field 'quantty'. Did you mean 'quantity'"),
        ("[-1.0, 0.0]", "[1.0, 0.0]", "must be \\[low, high\\]"),
        ('status = "own"', 'status = "sure"', "unknown status 'sure'"),
        ('law = "exponent"', 'law = "check"', "a claim needs an arch and a quantity"),
        ("[[claim]]", "[[claims]]", "has no claims, but 'claims', which is unknown. Add them as"),
        ("[[claim]]", "[default]\nseeds = 2\n[[claim]]", "unknown key 'default'. Did you mean 'defaults'"),
        (CLAIM, "seeds = -1", "The number of seeds must be at least 1, got -1"),
        (CLAIM, "[options]\nseeds = 3", "has no claims, but 'options', which is unknown"),
        (CLAIM, "seeds = 3\nwidth = 8", "unknown option 'width'. Did you mean 'widths'"),
        (CLAIM, "seeds = 3\nclaim = 1", "has no claims, but 'seeds'"),
        ("probes = 3", "probes = ", "could not be read"),
    ],
)
def test_a_mistake_is_a_sentence(tmp_path, old, new, message):
    with pytest.raises(NtkbenchError, match=message):
        suite(tmp_path, CLAIM.replace(old, new))


def test_unknown_suites(tmp_path):
    with pytest.raises(NtkbenchError, match="suite file .* does not exist"):
        load_suite(str(tmp_path / "none.toml"), registry())
    with pytest.raises(NtkbenchError, match="Did you mean 'liu2020'"):
        load_suite("liu2002", registry())
    with pytest.raises(NtkbenchError, match="two claims with the id 'one'"):
        suite(tmp_path, CLAIM + CLAIM)


def test_liu2020_is_sound():
    found = load_suite("liu2020", registry())
    confirmed = [claim for claim in found.claims if claim.status != "unconfirmed"]
    assert len(confirmed) >= 20 and all(claim.source and claim.says for claim in found.claims)
    measured = {claim.id for _, claims in plans(found, registry()) for claim in claims}
    assert measured == {claim.id for claim in found.claims if claim.law != "check"}


@pytest.mark.parametrize("name", ["liu2020", "huang2020"])
def test_a_suite_is_found_after_its_checks_were_imported(name):
    importlib.import_module(f"ntkbench.suites.{name}")
    assert load_suite(name, registry()).name == name


def test_a_check_stands_in_for_arch_and_quantity(tmp_path):
    words = CLAIM.replace('arch = "fc"\nquantity = "hessian_norm"', 'check = "m:f"')
    assert plans(suite(tmp_path, words), registry()) == []
    with pytest.raises(NtkbenchError, match="or a check"):
        suite(tmp_path, CLAIM + 'check = "m:f"\n')


def test_over_is_planned_beside_and_written_as_its_label(tmp_path):
    over = CLAIM + 'over = "fc:init=orthogonal"\n'
    plan, _ = plans(suite(tmp_path, over), registry())[0]
    assert {cell.label for cell in plan.cells} == {"fc", "fc:init=orthogonal"}
    with pytest.raises(NtkbenchError, match="such as 'fc:depth=3,init=orthogonal'"):
        plans(suite(tmp_path, CLAIM + 'over = "fc:depth=3, init=orthogonal"\n'), registry())
