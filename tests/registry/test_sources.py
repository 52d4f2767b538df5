"""Installed distributions whose metadata are damaged: each is named, and the others are found all the same."""

from __future__ import annotations

import pytest

from ntkbench.registry import sources

GOOD = b"Metadata-Version: 2.1\nName: oddtool\nVersion: 1.0\n"
OURS = b"[ntkbench]\nodd = oddtool\n"


def put(folder, name, points=None, metadata=None):
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    for file, content in (("entry_points.txt", points), ("METADATA", metadata)):
        if content is not None:
            (info / file).write_bytes(content)
    return info


@pytest.fixture
def site(tmp_path, monkeypatch):
    folder = tmp_path / "site"
    put(folder, "sound", b"[ntkbench]\nsound = soundplug\n", GOOD.replace(b"oddtool", b"sound"))
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delenv(sources.ALLOWED, raising=False)
    return folder


def found(distribution):
    return [each for each in sources.installed_sources() if each.distribution == distribution]


@pytest.mark.parametrize(
    "points",
    [
        b"[console_scripts]\noddtool\n",
        b"\xff\xfe\x00[",
        b"no section = here\n[x",
        b"\xff\xfe" + "[ntkbench]\nodd = oddtool\n".encode("utf-16-le"),
    ],
)
def test_a_damaged_entry_points_file_is_one_row_that_names_it(site, monkeypatch, points):
    info = put(site, "oddtool", points, GOOD)
    assert [each.damage for each in found("sound")] == [""]
    for each in found("oddtool"):  # some Python versions read over the damage
        assert (each.version, each.origin) == ("1.0", "")
        assert "entry_points.txt could not be read" in each.damage and str(info) in each.damage
    monkeypatch.setenv(sources.ALLOWED, "")
    assert all(reason for _, reason in sources.chosen_sources())


def test_an_undecodable_entry_points_file_is_found(site):
    put(site, "oddtool", b"\xff\xfe\x00[", GOOD)
    assert len(found("oddtool")) == 1


def test_a_looping_link_is_found(site):
    info = put(site, "oddtool", None, GOOD)
    (info / "entry_points.txt").symlink_to("entry_points.txt")
    assert [each.damage for each in found("sound")] == [""]
    assert all("entry_points.txt" in each.damage for each in found("oddtool"))


def test_undecodable_metadata_of_a_plugin_and_of_another_package(site):
    put(site, "oddtool", OURS, b"Name: \xff\xfe\n")
    put(site, "stranger", b"[console_scripts]\nstranger = stranger\n", b"Name: \xff\xfe\n")
    (odd,) = found("oddtool")
    assert "METADATA could not be read" in odd.damage
    assert not found("stranger")  # nothing of it is needed


@pytest.mark.parametrize("metadata", [None, b"", b"Version: 1.0\n"])
def test_metadata_without_a_name(site, metadata):
    put(site, "oddtool", OURS, metadata)
    assert [each.damage for each in sources.installed_sources() if each.point and each.point.name == "odd"] == [""]


@pytest.mark.parametrize("value", ["oddtool:", ":odd", "odd-tool", "odd tool:x"])
def test_an_entry_point_that_cannot_be_loaded_says_how_to_write_it(site, value):
    put(site, "oddtool", f"[ntkbench]\nodd = {value}\n".encode(), GOOD)
    (odd,) = found("oddtool")
    assert odd.damage == f'Its entry point is "odd = {value}"; it must be a module or "module:object".'


def test_the_first_of_one_name_counts(site, tmp_path, monkeypatch):
    put(site, "oddtool", OURS, GOOD)
    assert len(found("oddtool")) == 1
    first = tmp_path / "first"
    put(first, "OddTool", b"[console_scripts]\nodd = oddtool:main\n", GOOD)
    monkeypatch.syspath_prepend(first)
    assert not found("oddtool")


@pytest.mark.parametrize("strict", [False, True])
def test_the_registry_goes_on_without_it(site, monkeypatch, strict):
    from ntkbench.errors import NtkbenchError
    from ntkbench.registry import current

    put(site, "oddtool", b"\xff\xfe\x00[", GOOD)
    monkeypatch.setattr(current, "_registry", None)
    monkeypatch.setattr(current, "_strict", strict)
    monkeypatch.setenv(sources.ALLOWED, "oddtool")
    if strict:
        with pytest.raises(NtkbenchError, match="oddtool 1.0"):
            current.registry()
        return
    known = current.registry()
    assert "fc" in known.architectures
    assert [problem.distribution for problem in known.problems] == ["oddtool"]
