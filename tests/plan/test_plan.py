"""Plans: which cells, in which order, with which identity."""

from __future__ import annotations

import itertools

import pytest

from ntkbench.errors import NtkbenchError, RegistrationError, UnknownName
from ntkbench.plan.options import RunOptions
from ntkbench.plan.plan import make_plan
from ntkbench.plan.quantities import choose_quantities
from ntkbench.types import Quantity


def plan(registry, **options):
    defaults = {"arch": "net", "widths": [4, 8], "seeds": 2, "measure": "all"}
    return make_plan(RunOptions(**defaults | options), registry)


def test_cells_of_a_group_are_adjacent_and_widths_ascend(registry):
    cells = plan(registry, arch="all", widths=[8, 4]).cells
    assert len(cells) == 5 * 2 * 2 * 2 == len({cell.key for cell in cells})
    groups = [group for group, _ in itertools.groupby(cell.group for cell in cells)]
    assert len(groups) == len(set(groups)) == 10
    assert [(c.width, c.seed, c.measurement) for c in cells[:5]] == [
        (4, 0, "curve"), (4, 0, "path"), (4, 1, "curve"), (4, 1, "path"), (8, 0, "curve"),
    ]  # fmt: skip


def test_the_key_knows_what_moves_numbers(registry):
    base = plan(registry).cells[0]
    assert base.params == {"depth": 2, "act": "tanh", "bias": False}
    assert (base.architecture_plugin, base.measurement_version) == ("acme", "1.0")
    assert plan(registry, arch="net:depth=2").cells[0].key == base.key  # the label is no part of it
    others = ({"probes": 3}, {"dataset": "flat"}, {"precision": "float64"}, {"measure": "norm:max"})
    assert len({base.key, *(plan(registry, **other).cells[0].key for other in others)}) == 5
    assert plan(registry, device="cpu", out="x").cells[0].key == base.key


def test_a_later_parameter_at_its_default_moves_no_key(registry):
    base, other = (plan(registry, arch=arch).cells[0] for arch in ("attend", "attend:scale=inverse"))
    assert base.params == {"heads": 4} and other.params == {"heads": 4, "scale": "inverse"}
    assert plan(registry, arch="attend:scale=root").cells[0].key == base.key != other.key


def test_the_preset_zoo_measures_what_an_architecture_is_judged_by(registry):
    for name in ("gradient_norm", "hessian_norm", "kernel_slope", "kink_share"):
        registry.register("measurements", name, "a:b", quantities=[Quantity(name, "q")], distribution="acme")
    arch = ["attend", "attend:heads=grow"]
    cells = plan(registry, arch=arch, preset="zoo", measure=None, widths=None, seeds=None).cells
    everywhere = {"gradient_norm", "hessian_norm", "kernel_slope", "kink_share"}
    measured = {label: {cell.measurement for cell in cells if cell.label == label} for label in arch}
    assert measured == {"attend": everywhere, "attend:heads=grow": everywhere | {"path"}}
    assert {cell.width for cell in cells} == {64, 128, 256, 512, 1024} and {cell.seed for cell in cells} == set(
        range(5)
    )
    cells = plan(registry, arch=arch, preset="zoo", measure="steps").cells
    assert {cell.measurement for cell in cells} == {"path"}


def test_adding_an_architecture_moves_no_key(registry):
    before = {cell.key for cell in plan(registry, arch="all").cells}
    registry.register("architectures", "new", "a:b", distribution="acme")
    assert before < {cell.key for cell in plan(registry, arch="all").cells}


def test_widths_come_from_the_user_the_architecture_or_the_preset(registry):
    def widths(**options):
        return sorted({cell.width for cell in plan(registry, measure="loss", seeds=1, **options).cells})

    assert widths(widths=None, preset="standard") == [32, 64, 128, 256, 512, 1024]
    assert widths(widths=None, preset="board", arch="neck") == [4, 8]
    assert widths(widths="3", arch="neck") == [3]


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        (["all"], {"curve": ("norm", "norm:max"), "path": ("loss", "steps")}),
        (["path"], {"path": ("loss", "steps")}),
        (["norm"], {"curve": ("norm", "norm:max")}),
        (["norm:max", "loss"], {"curve": ("norm:max",), "path": ("loss",)}),
    ],
)
def test_measurements_and_their_quantities(registry, wanted, chosen):
    assert choose_quantities(wanted, registry) == chosen


def test_an_unknown_quantity(registry):
    with pytest.raises(UnknownName, match="Did you mean 'norm'"):
        plan(registry, measure=["nrom"])


def test_a_named_architecture_that_the_data_cannot_feed(registry):
    with pytest.raises(NtkbenchError, match="'conv' takes images, but the dataset 'flat' provides vectors"):
        plan(registry, arch="conv", dataset="flat")


def test_all_leaves_it_out_with_a_note(registry):
    made = plan(registry, arch="all", dataset="flat")
    assert {cell.architecture for cell in made.cells} == {"net", "neck", "attend"}
    (note,) = made.notes
    assert note.startswith("Left out conv: ")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dataset": "digit"}, "dataset .*'digit'. Did you mean 'digits'"),
        ({"dataset": "flat:d=3"}, "has no parameter 'd'"),
        ({"dataset": "broken"}, "not finite"),
        ({"reinit": True}, "no MODEL.keras"),
    ],
)
def test_bad_plans(registry, options, message):
    with pytest.raises(NtkbenchError, match=message):
        plan(registry, **options)


def test_a_users_file_gets_the_form_it_asks_for(registry, tmp_path):
    path = tmp_path / "my_net.py"
    path.write_text("def build(width): ...\n")
    made = plan(registry, arch=[f"{path}:build", f"{path}:build:inputs=image"])
    assert made.input_shapes == {"my_net.py:build": (6,), "my_net.py:build:inputs=image": (2, 3, 1)}
    assert list(made.own_architectures()) == ["my_net.py:build"]
    assert all(cell.source_hash and cell.architecture_plugin == "" for cell in made.cells)


def test_what_needs_a_limit_is_planned_where_there_may_be_one(registry):
    """Asked for by name it is planned everywhere, and then says why it has no meaning."""

    def add(kind, name, **spec):
        registry.register(kind, name, "a:b", distribution="acme", version="1.0", **spec)

    add("measurements", "far", quantities=[Quantity("distance", "d")], needs="limit")
    add("architectures", "narrow", bottleneck=True)
    add("architectures", "odd", known_limit=False)
    arches = ("net", "narrow", "odd")
    everything = plan(registry, arch=arches)
    assert {cell.label for cell in everything.cells if cell.measurement == "far"} == {"net"}
    assert {cell.label for cell in everything.cells} == set(arches)
    assert everything.notes == ("No infinite-width kernel is known for narrow, odd; skipped for them: far.",)
    named = plan(registry, arch=arches, measure="distance")
    assert {cell.label for cell in named.cells} == set(arches) and not named.notes


def test_only_what_depends_on_the_radius_is_planned_for_each(registry):
    for name, needs in (("far", "radius"), ("sphere", "ball")):
        quantity = Quantity(f"{name}_change", "c")
        registry.register("measurements", name, "a:b", distribution="acme", quantities=[quantity], needs=needs)
    one, several = plan(registry, radius=2), plan(registry, radius=[2, 5, 0.5])
    assert {cell.settings["radius"] for cell in one.cells} == {2.0} and several.settings.radius == 2
    keys = {cell.key for cell in several.cells}
    assert {cell.key for cell in one.cells} < keys and len(keys) == len(several.cells)
    radii: dict[str, set[float]] = {}
    for cell in several.cells:
        radii.setdefault(cell.measurement, set()).add(cell.settings["radius"])
    assert radii == {"curve": {2}, "path": {2}, "far": {2, 5, 0.5}, "sphere": {2, 5, 0.5}}
    assert [group[0].width for group in several.groups()] == [4, 8]
    default = plan(registry)
    assert {cell.key for cell in default.cells} == {cell.key for cell in plan(registry, radius=1).cells}


def test_radii_without_a_measurement_that_depends_on_them(registry):
    made = plan(registry, radius=[2, 5])
    assert made.notes == ("None of these measurements depends on the radius; they run once, with R = 2.",)
    assert made.cells == plan(registry, radius=2).cells and not plan(registry, radius=2).notes


def test_what_depends_on_parameters_is_planned_for_each(registry):
    registry.register("measurements", "far", "a:b", distribution="acme", quantities=[Quantity("distance", "d")],
                      needs="limit")  # fmt: skip
    registry.register("architectures", "neck", "a:b", distribution="acme", params={"k": {"default": 1, "minimum": 0}},
                      bottleneck=lambda params: 16 // params["k"] > 1)  # fmt: skip
    made = plan(registry, arch=("neck", "neck:k=32"))
    assert {cell.label for cell in made.cells if cell.measurement == "far"} == {"neck:k=32"}
    with pytest.raises(NtkbenchError, match="bottleneck .* failed for k=0: ZeroDivisionError"):
        plan(registry, arch="neck:k=0")


def test_a_note_says_how_long_declared_measurements_take(registry):
    spec = {"quantities": [Quantity("gain", "G")], "distribution": "acme", "seconds": 20}
    registry.register("measurements", "train", "a:b", **spec)
    assert (
        not plan(registry, measure=["path"]).notes and not plan(registry, measure=["gain"], widths=[4], seeds=1).notes
    )
    (note,) = plan(registry, measure=["gain", "path"]).notes
    assert note.startswith("Rough time of a cell of a small network on one core: train 20 s; 1:20 for all of them")
    with pytest.raises(RegistrationError, match="seconds is -1; it must be a number, 0 or more"):
        registry.register("measurements", "other", "a:b", **(spec | {"seconds": -1}))
