"""Registration without a package."""

from __future__ import annotations

import pytest

import ntkbench as nb
from ntkbench.errors import RegistrationError
from ntkbench.registry import registry, use


@pytest.fixture
def own_registry():
    with use(None):
        yield registry()


def test_the_decorated_function_is_registered_and_returned(own_registry):
    @nb.architecture("mine", inputs="image")
    def build(width):
        return width

    @nb.measurement("size", quantities=[nb.Quantity("n", "n")])
    def measure(ctx):
        return {"n": 1.0}

    assert own_registry.get("architectures", "mine").load() is build
    assert own_registry.get("measurements", "size").load()(None) == {"n": 1.0}
    assert own_registry.architectures["mine"].distribution == __name__


def test_a_builtin_name_is_refused(own_registry):
    with pytest.raises(RegistrationError, match="already registered by ntkbench"):
        nb.architecture("fc")(lambda width: None)


def test_a_function_of_no_module_has_a_distribution_that_is_text(own_registry):
    """`exec` without a module's name leaves __module__ at None, which a stored cell could not hold."""
    names = {"nb": nb}
    exec("@nb.architecture('mine')\ndef build(width):\n    return width", names)
    assert names["build"].__module__ is None
    assert own_registry.architectures["mine"].distribution == "__main__"
