"""Every hook is documented where it stands and in plugins/README.md, with its exact signature, and has a test here."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from types import SimpleNamespace

import attrs
import pytest

from ntkbench import Quantity, hookimpl
from ntkbench.registry import hookspecs
from ntkbench.registry.collect import collect, hook_of
from ntkbench.registry.sources import Source
from ntkbench.registry.specs import KINDS, Entry

HOOKS = {name: value for name, value in vars(hookspecs).items() if hasattr(value, f"{hookspecs.PROJECT}_spec")}
README = (Path(__file__).parents[2] / "plugins/README.md").read_text(encoding="utf-8")
OWN = {field.name for field in attrs.fields(Entry)}
# One registration through each hook.
EXAMPLES = {
    "ntkbench_register_architectures": ("net", {"inputs": "image", "outputs": 2}),
    "ntkbench_register_measurements": ("size", {"quantities": [Quantity("q", "q")], "needs": ["ball"]}),
    "ntkbench_register_datasets": ("stars", {"forms": ["vector", "image"]}),
    "ntkbench_register_kernels": ("arc-cosine", {"params": {"order": 1}}),
    "ntkbench_register_suites": ("small", {"summary": "two nets"}),
    "ntkbench_register_layer_rules": ("acme.layers:Low", {}),
}


def test_every_hook_has_a_test_and_every_kind_a_hook():
    assert set(HOOKS) == set(EXAMPLES) == set(map(hook_of, KINDS))


@pytest.mark.parametrize("name", HOOKS)
def test_registration_through_the_hook(name):
    entry, spec = EXAMPLES[name]

    def implementation(register):
        register(entry, "acme.module:thing", **spec)

    plugin = SimpleNamespace(**{name: hookimpl(implementation, specname=name)})
    found = collect(plugin, Source("acme", "1.0", "acme", lambda: plugin))
    ((kind, registered),) = found.entries
    assert (hook_of(kind), registered.name, registered.distribution) == (name, entry, "acme")
    assert found.hooks == (name,)


@pytest.mark.parametrize("name", HOOKS)
def test_documentation_where_it_stands(name):
    text = inspect.getdoc(HOOKS[name])
    assert re.search(r"^Args:\n +register: ", text, flags=re.MULTILINE) and "``register(" in text
    (version,) = re.findall(r"^Added in version (\d+\.\d+)\.$", text, flags=re.MULTILINE)
    assert tuple(map(int, version.split("."))) <= tuple(map(int, hookspecs.VERSION.split(".")))
    (kind,) = [kind for kind in KINDS if hook_of(kind) == name]
    fields = {field.name for field in attrs.fields(KINDS[kind]) if field.init} - OWN
    assert [field for field in fields if not re.search(rf"\b{field}\b", text)] == []


@pytest.mark.parametrize("name", HOOKS)
def test_documentation_in_the_tutorial(name):
    arguments = ", ".join(inspect.signature(HOOKS[name]).parameters)
    assert f"`{name}({arguments})`" in README
