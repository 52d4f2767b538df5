"""Plans on several datasets and on groups of them, and plans of curves."""

from __future__ import annotations

import pytest

from ntkbench.errors import MissingData, NtkbenchError, RegistrationError, UnknownName
from ntkbench.plan.cost import estimate
from ntkbench.plan.datasets import choose_datasets
from ntkbench.plan.notes import left_out
from ntkbench.plan.options import RunOptions
from ntkbench.plan.plan import make_plan
from ntkbench.plan.quantities import choose_quantities
from ntkbench.registry.snapshot import entry_from_json, entry_to_json
from ntkbench.types import CurveSpec, Quantity


def plan(registry, **options):
    defaults = {"arch": "net", "widths": [4, 8], "seeds": 2, "measure": "all"}
    return make_plan(RunOptions(**defaults | options), registry)


@pytest.fixture
def grouped(registry):
    registry.register("datasets", "both", "", distribution="acme", members=["digits", "flat"])
    return registry


def keys(made):
    return [cell.key for cell in made.cells]


def test_each_dataset_has_the_cells_of_a_run_of_its_own(registry):
    both = plan(registry, dataset=["digits", "flat"])
    assert keys(both) == keys(plan(registry, dataset="digits")) + keys(plan(registry, dataset="flat"))
    assert [part.cells[0].dataset for part in both.parts] == ["digits", "flat"]
    assert plan(registry, dataset=["flat", "flat"]).parts == (), "a dataset is measured once"
    assert len(both.groups()) == 4


def test_a_group_stands_for_its_datasets(grouped):
    assert keys(plan(grouped, dataset="both")) == keys(plan(grouped, dataset=["digits", "flat"]))
    assert keys(plan(grouped, dataset=["flat", "both"])) == keys(plan(grouped, dataset=["flat", "digits"]))


def test_a_dataset_of_a_group_that_does_not_fit_is_left_out_with_a_note(grouped):
    made = plan(grouped, dataset="both", arch="conv")
    assert {cell.dataset for cell in made.cells} == {"digits"} and made.parts == ()
    assert any("Left out the dataset flat: 'conv' takes images" in note for note in made.notes)
    with pytest.raises(NtkbenchError, match="'conv' takes images"):
        plan(grouped, dataset=["digits", "flat"], arch="conv")
    grouped.register("datasets", "bad", "", distribution="acme", members=["broken"])
    with pytest.raises(NtkbenchError, match="not finite"):
        plan(grouped, dataset="bad")


def test_an_architecture_by_name_must_fit_one_of_several_datasets(registry):
    made = plan(registry, dataset=["digits", "flat"], arch=["net", "conv"])
    assert {(cell.label, cell.dataset) for cell in made.cells} == {
        ("net", "digits"), ("conv", "digits"), ("net", "flat"),
    }  # fmt: skip
    assert any(note.startswith("Left out conv: 'conv' takes images") for note in made.notes)
    registry.register("datasets", "level", registry.datasets["flat"].load(), distribution="acme", forms=["vector"])
    with pytest.raises(NtkbenchError, match="'conv' takes images"):
        plan(registry, dataset=["flat", "level"], arch=["net", "conv"])


def test_a_note_names_a_few_of_many_architectures_that_were_left_out():
    said = list(left_out({f"a{i}": NtkbenchError("no.") for i in range(40)}))
    assert said == ["Left out a0 (and also a1, a2, a3, a4, a5, a6, a7, a8, … (39 in all)): no."]


def test_architectures_of_all_are_left_out_where_they_do_not_fit(registry):
    made = plan(registry, dataset=["digits", "flat"], arch="all")
    fitting = {(cell.label, cell.dataset) for cell in made.cells}
    assert ("conv", "digits") in fitting and ("conv", "flat") not in fitting and ("net", "flat") in fitting
    assert [request.label for request in made.requests].count("net") == 1


def test_groups_are_checked(grouped):
    with pytest.raises(NtkbenchError, match="is a group of 2 datasets. Choose one of them, such as 'digits'"):
        grouped.get("datasets", "both").load()
    with pytest.raises(RegistrationError, match="has a target and members"):
        grouped.register("datasets", "odd", "a:b", distribution="acme", members=["digits"])
    with pytest.raises(RegistrationError, match="it must be a callable"):
        grouped.register("datasets", "none", "", distribution="acme", members=[])
    grouped.register("datasets", "nested", "", distribution="acme", members=["both"])
    with pytest.raises(NtkbenchError, match="names 'both', which is a group"):
        choose_datasets(["nested"], grouped)
    grouped.register("datasets", "lost", "", distribution="acme", members=["digit"])
    with pytest.raises(UnknownName, match="Did you mean 'digits'"):
        choose_datasets(["lost"], grouped)
    with pytest.raises(NtkbenchError, match="takes no parameters"):
        choose_datasets(["both:d=3"], grouped)


def test_a_group_survives_the_cache_of_plugins(grouped):
    entry = grouped.get("datasets", "both")
    assert entry_from_json("datasets", entry_to_json(entry), "acme", "1.0", lambda *_: None).members == entry.members


def test_the_options_hold_one_name_or_several():
    assert RunOptions().to_json()["dataset"] == "digits", "as in the manifests of earlier versions"
    assert RunOptions(dataset=["a", "b"]).to_json()["dataset"] == ["a", "b"]
    with pytest.raises(NtkbenchError, match="No dataset is given"):
        RunOptions(dataset=[])


def test_costs_are_those_of_each_dataset():
    from ntkbench.registry.current import registry as the_registry

    made = make_plan(
        RunOptions(arch="fc", dataset=["gaussian:d=4", "gaussian:d=8"], widths=[8], seeds=1), the_registry()
    )
    found = estimate(made, (8.0, "this machine"))
    assert [each.dataset for each in found] == ["gaussian:d=4", "gaussian:d=8"]
    assert found[0].parameters[0] < found[1].parameters[0] and sum(each.cells for each in found) == len(made.cells)


@pytest.fixture
def curved(registry):
    curves = [CurveSpec("loss_by_step", "L"), CurveSpec("path", "p")]
    registry.register(
        "measurements", "descent", "a:b", distribution="acme", quantities=[Quantity("T", "T")], curves=curves
    )
    return registry


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        (["descent"], {"descent": ("T",)}),
        (["descent:curves"], {"descent": ("loss_by_step", "path")}),
        (["loss_by_step"], {"descent": ("loss_by_step",)}),
        (["T", "descent:curves"], {"descent": ("T", "loss_by_step", "path")}),
        (["path"], {"path": ("loss", "steps")}),
    ],
)
def test_curves_are_chosen_by_name_only(curved, wanted, chosen):
    assert choose_quantities(wanted, curved) == chosen


def test_all_has_no_curves_and_keys_without_curves_stay(registry, curved):
    assert choose_quantities(["all"], curved)["descent"] == ("T",)
    with pytest.raises(UnknownName, match="Did you mean 'descent:curves'"):
        choose_quantities(["descent:curve"], curved)


def test_curves_have_names_of_their_own(registry):
    for curves in ([CurveSpec("T", "T")], [CurveSpec("a", "a"), CurveSpec("a", "a")]):
        with pytest.raises(RegistrationError, match="twice. Give the curve a name of its own"):
            registry.register(
                "measurements", "m", "a:b", distribution="x", quantities=[Quantity("T", "T")], curves=curves
            )
    with pytest.raises(RegistrationError, match=r"it must be a CurveSpec\(name, symbol\)"):
        registry.register("measurements", "m", "a:b", distribution="x", curves=[Quantity("T", "T")])
    with pytest.raises(RegistrationError, match="declares no quantities"):
        registry.register("measurements", "m", "a:b", distribution="x")


def test_curves_survive_the_cache_of_plugins(curved):
    entry = curved.get("measurements", "descent")
    assert entry_from_json("measurements", entry_to_json(entry), "acme", "1.0", lambda *_: None).curves == entry.curves


def test_datasets_whose_files_are_missing_are_left_out_with_one_note(registry):
    def load(**_):
        raise MissingData("the dataset 'x'", "Buy it.")

    for name in ("far", "away"):
        registry.register("datasets", name, load, distribution="acme", forms=["vector"])
    registry.register("datasets", "some", "", distribution="acme", members=["digits", "far", "away"])
    made = plan(registry, dataset="some")
    assert "Left out 2 datasets whose files were not found: far, away. Buy it." in made.notes
    with pytest.raises(MissingData, match="The files of the dataset 'x' were not found. Buy it."):
        plan(registry, dataset="far")
