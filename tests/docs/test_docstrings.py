"""The docstrings of public names: every argument described, every example right."""

from __future__ import annotations

import doctest
import inspect
import re

import attrs
import pytest

import ntkbench as nb

ROOMS = ("kernels", "layers", "testing", "training")
NAMES = [name for name in nb.__all__ if name not in ROOMS] + [
    f"{room}.{name}" for room in ROOMS for name in getattr(nb, room).__all__
]


def public(name):
    """Return the public object of a name such as "kernels.Dense"."""
    found = nb
    for part in name.split("."):
        found = getattr(found, part)
    return found


def described(docstring, heading):
    """Return the names that a section of a Google-style docstring describes."""
    section = re.search(rf"^{heading}:\n((?:    .*\n|\n)+)", docstring + "\n", re.MULTILINE)
    return re.findall(r"^    \*{0,2}(\w+): ", section[1], re.MULTILINE) if section else []


@pytest.mark.parametrize("name", NAMES)
def test_a_summary_and_every_argument(name):
    found = public(name)
    if name == "hookimpl" or isinstance(found, dict):  # pluggy's own; a constant
        return
    docstring = inspect.getdoc(found)
    assert docstring, f"{name} has no docstring"
    assert re.match(r".*[.:?]$", docstring.splitlines()[0]), "the first line is a sentence"
    if inspect.isclass(found) and issubclass(found, Exception):
        return
    if inspect.isclass(found) and attrs.has(found):
        own = [each.name for each in attrs.fields(found) if not each.inherited]
        assert described(docstring, "Attributes")[: len(own)] == own
    elif not name.endswith("Checks"):
        own = list(inspect.signature(found).parameters)
        assert described(docstring, "Args") == own


@pytest.mark.parametrize("name", NAMES)
def test_every_example_is_right(name):
    found = public(name)
    if not (inspect.isfunction(found) or inspect.isclass(found)) or ">>>" not in (inspect.getdoc(found) or ""):
        return
    module = inspect.getmodule(inspect.unwrap(found))
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    tests = doctest.DocTestFinder(recurse=False).find(inspect.unwrap(found), name, globs={**vars(module)})
    assert sum(len(test.examples) for test in tests) > 0
    for test in tests:
        report: list[str] = []
        runner.run(test, out=report.append)
        assert not report, "".join(report)


def test_there_are_examples():
    assert sum(">>>" in (inspect.getdoc(public(name)) or "") for name in NAMES) >= 7
