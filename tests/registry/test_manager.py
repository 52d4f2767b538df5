"""The registry takes plugins whole or not at all, and keeps working when one is broken."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest

from ntkbench import hookimpl
from ntkbench.errors import RegistrationError, UnknownName
from ntkbench.registry import sources as plugin_sources
from ntkbench.registry.manager import Registry
from ntkbench.registry.sources import Source
from ntkbench.types import Quantity


def plugin(*calls, hook="ntkbench_register_architectures"):
    """A plugin whose hook registers `calls`: (name, target, spec) each."""

    def implementation(register):
        for name, target, spec in calls:
            register(name, target, **spec)

    implementation.__name__ = hook
    return SimpleNamespace(**{hook: hookimpl(implementation)})


def load(registry, found, distribution="acme"):
    def get():
        if isinstance(found, BaseException):
            raise found
        return found

    registry.load(Source(distribution, "1.0", f"{distribution}:{id(found)}", get))


def test_entries_carry_their_distribution():
    registry = Registry()
    load(registry, plugin(("net", "acme.nets:build", {"summary": "a net", "params": {"depth": 2}})))
    entry = registry.architectures["net"]
    assert (entry.distribution, entry.version, entry.params["depth"].type) == ("acme", "1.0", "int")
    assert registry.get("architectures", "net") is entry


def test_unknown_name_offers_the_nearest():
    registry = Registry()
    load(registry, plugin(("resnet", "acme.nets:build", {})))
    with pytest.raises(UnknownName, match="Unknown architecture 'resnt'. Did you mean 'resnet'?"):
        registry.get("architectures", "resnt")


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (ImportError("no module acme"), "ImportError: no module acme"),
        (SystemExit(3), "SystemExit: 3"),
        (plugin(("good", "a:b", {}), ("bad name", "a:b", {})), "is not a valid architecture name"),
        (plugin(("good", "a:b", {}), ("x\x1b[31m", "a:b", {})), "is not a valid architecture name"),
        (plugin(("good", "a:b", {}), ("all", "a:b", {})), "is not a valid architecture name"),
        (plugin(("good", "a:b", {}), ("bad", 3, {})), "must be a callable"),
        (plugin(("good", "a:b", {}), ("bad", "a:b", {"sumary": ""})), "Did you mean 'summary'?"),
        (plugin(("good", "a:b", {}), ("bad", "a:b", {"inputs": "A picture"})), "'A picture' is not a form of data"),
        (plugin(("good", "a:b", {}), ("good", "a:b", {})), "already registered by acme"),
        (plugin(hook="ntkbench_register_architecture"), "Did you mean 'ntkbench_register_architectures'"),
        (SimpleNamespace(ntkbench_register_datasets=hookimpl(lambda registre: None)), "registre"),
        (SimpleNamespace(ntkbench_register_datasets=hookimpl(lambda register: 1 / 0)), "ZeroDivisionError"),
    ],
)
def test_a_broken_plugin_is_a_problem_and_registers_nothing(broken, reason):
    registry = Registry()
    load(registry, broken)
    load(registry, plugin(("fine", "a:b", {})), distribution="other")
    assert list(registry.architectures) == ["fine"]
    (problem,) = registry.problems
    assert problem.distribution == "acme"
    assert reason in problem.reason


def test_a_collision_names_both_distributions():
    registry = Registry()
    load(registry, plugin(("net", "a:b", {})), distribution="first")
    load(registry, plugin(("other", "a:b", {}), ("net", "a:b", {})), distribution="second")
    assert list(registry.architectures) == ["net"]
    assert "of second is already registered by first" in registry.problems[0].reason


def test_the_same_distribution_may_register_again_without_a_plugin():
    registry = Registry()
    for target in ("a:first", "a:second"):
        registry.register("measurements", "m", target, distribution="__main__", quantities=[Quantity("q", "q")])
    assert registry.measurements["m"].target == "a:second"
    with pytest.raises(RegistrationError, match="already registered by __main__"):
        registry.register("measurements", "m", "a:b", distribution="acme", quantities=[Quantity("q", "q")])


def test_a_copy_with_a_users_files_leaves_the_registry_alone():
    registry = Registry()
    load(registry, plugin(("net", "a:b", {})))
    copy = registry.with_architectures({"my.py:build": registry.architectures["net"]})
    assert "my.py:build" in copy.architectures
    assert list(registry.architectures) == ["net"]


@pytest.mark.parametrize(
    ("allowed", "blocked", "left"),
    [
        (None, (), ["acme", "Other.Plugin"]),
        ("", (), []),
        ("acme", (), ["acme"]),
        ("other_plugin", (), ["Other.Plugin"]),
        (None, ("ACME",), ["Other.Plugin"]),
    ],
)
def test_allowed_and_blocked_distributions(monkeypatch, allowed, blocked, left):
    sources = [Source(name, "1", name, lambda: None) for name in ("acme", "Other.Plugin")]
    monkeypatch.setattr(plugin_sources, "installed_sources", lambda: iter(sources))
    monkeypatch.delenv("NTKBENCH_PLUGINS", raising=False)
    if allowed is not None:
        monkeypatch.setenv("NTKBENCH_PLUGINS", allowed)
    found = list(plugin_sources.chosen_sources(blocked))
    assert [source.distribution for source, reason in found if not reason] == left
    assert len(found) == 2


def test_listing_imports_no_framework():
    code = (
        "import sys; from ntkbench.registry import registry; known = registry();"
        "assert known.architectures and known.measurements and known.datasets and not known.problems, known.problems;"
        "heavy = {'numpy', 'pandas', 'tensorflow', 'keras', 'rich', 'sklearn'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
