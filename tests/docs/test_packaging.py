"""The package's metadata: floors that were tested, caps that have a reason, and a source archive that can be tested."""

from __future__ import annotations

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from pages import ROOT

TEXT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
PROJECT = tomllib.loads(TEXT)["project"]
CAPPED = {"tensorflow", "keras", "tf-keras", "tensorflow-probability"}
EXTRAS = [line for name in ("dask", "test") for line in PROJECT["optional-dependencies"][name]]
NEEDED = [Requirement(line) for line in [*PROJECT["dependencies"], *EXTRAS] if not line.startswith("ntkbench")]
LOWEST = dict(
    line.split("==")
    for line in (ROOT / "constraints/lowest.txt").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
)


@pytest.mark.parametrize("needed", [each for each in NEEDED if each.marker is None], ids=lambda each: each.name)
def test_the_floor_is_the_version_that_is_tested(needed):
    (floor,) = [each.version for each in needed.specifier if each.operator == ">="]
    tested = LOWEST[canonicalize_name(needed.name)]
    assert needed.specifier.contains(tested)
    lengths = len(floor.split("."))
    assert tested.split(".")[:lengths] == floor.split("."), f"{needed.name} {tested} was tested, and {floor} is allowed"


def test_only_tensorflow_and_what_follows_it_is_capped():
    capped = {each.name for each in NEEDED if any(one.operator in ("<", "<=", "==", "~=") for one in each.specifier)}
    assert capped == CAPPED


def test_the_pythons_are_those_of_the_classifiers_and_of_ci():
    named = {each.rpartition(" ")[2] for each in PROJECT["classifiers"] if re.search(r"3\.\d+$", each)}
    workflow = ROOT / ".github/workflows/ci.yml"
    assert named == {"3.11", "3.12", "3.13"}
    if workflow.exists():  # a source archive has none
        assert named == set(re.findall(r'"(3\.\d+)"', re.search(r"python: \[.*\]", workflow.read_text())[0]))


def test_the_source_archive_holds_what_tests_open():
    included = tomllib.loads(TEXT)["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    opened = set()
    for path in (ROOT / "tests").rglob("*.py"):
        opened |= set(re.findall(r"(?:ROOT|parents\[\d\]) / \"([\w.]+)", path.read_text(encoding="utf-8")))
    needed = {f"/{name}" for name in opened if (ROOT / name).exists()} - {"/ntkbench", "/LICENSE", "/.github"}
    assert len(needed) > 5 and needed <= set(included)
