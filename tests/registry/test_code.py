"""The code that numbers rest on: what counts, what does not, and that one hash follows every change of it."""

from __future__ import annotations

import functools
import importlib
import sys

import pytest

from ntkbench.registry import code as code_module
from ntkbench.registry.code import Code, code_of_entry, code_of_file, with_layer_rules
from ntkbench.registry.specs import Architecture, LayerRules


def write(folder, **files):
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/', 1)}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.mark.parametrize(
    "line",
    [
        "import helper",
        "from helper import act",
        "from helper import *",
        "def build(width):\n    import helper",
        "import importlib\nhelper = importlib.import_module('helper')",
        "helper = __import__('helper')",
        "try:\n    import helper\nexcept ImportError:\n    pass",
        "from .helper import act",
        "from . import helper",
    ],
)
def test_a_neighbour_counts_however_it_is_imported(tmp_path, line):
    write(tmp_path, one=line, helper="act = 'tanh'", other="act = 'relu'")
    before = code_of_file(tmp_path / "one.py")
    assert list(before.files) == ["helper.py", "one.py"]
    write(tmp_path, helper="act = 'softplus'")
    assert code_of_file(tmp_path / "one.py").fingerprint != before.fingerprint
    write(tmp_path, helper="act = 'tanh'", other="changed = True")
    assert code_of_file(tmp_path / "one.py").fingerprint == before.fingerprint


def test_neighbours_of_neighbours_and_packages_count_whole(tmp_path):
    write(tmp_path, one="import nets.wide", nets____init__="", nets__wide="import deeper", deeper="x = 1")
    write(tmp_path, nets__narrow="")
    assert list(code_of_file(tmp_path / "one.py").files) == [
        "deeper.py",
        "nets/__init__.py",
        "nets/narrow.py",
        "nets/wide.py",
        "one.py",
    ]


def test_what_was_installed_does_not_count(tmp_path):
    write(tmp_path, one="import json, numpy, keras\nfrom ntkbench import layers", json="this is never imported")
    code = code_of_file(tmp_path / "one.py")
    assert list(code.files) == ["one.py"]
    assert code.fingerprint == code.files["one.py"]


def test_what_lies_on_the_path_counts_where_nobody_installed_it(tmp_path, monkeypatch):
    write(tmp_path, work__one="import shared_nets", lib__shared_nets="x = 1")
    monkeypatch.syspath_prepend(str(tmp_path / "lib"))
    importlib.invalidate_caches()
    assert list(code_of_file(tmp_path / "work/one.py").files) == ["one.py", "shared_nets.py"]


def test_the_folder_s_place_does_not_count(tmp_path):
    for folder in ("a", "b/c"):
        write(tmp_path / folder, one="import helper", helper="")
    first, second = (code_of_file(tmp_path / folder / "one.py") for folder in ("a", "b/c"))
    assert first == second


def test_a_plugin_rests_on_every_file_of_its_package(tmp_path, monkeypatch):
    write(tmp_path, plug____init__="", plug__net="import plug_beside", plug_beside="")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    entry = Architecture(name="plug", target="plug.net:build", distribution="plug", version="1.0")
    before = code_of_entry(entry)
    assert list(before.files) == ["plug/__init__.py", "plug/net.py", "plug_beside.py"]
    (tmp_path / "plug/table.json").write_text("{}")
    assert code_of_entry(entry).fingerprint != before.fingerprint
    (tmp_path / "plug/table.json").unlink()
    (tmp_path / "plug/__pycache__").mkdir()
    (tmp_path / "plug/__pycache__/net.pyc").write_bytes(b"x")
    assert code_of_entry(entry) == before
    assert "plug" not in sys.modules


def test_ntkbench_s_own_code_is_counted_by_the_numerics_version():
    entry = Architecture(name="fc", target="ntkbench.architectures.fc:build", distribution="ntkbench", version="9")
    assert code_of_entry(entry).fingerprint == ""


def test_a_function_without_a_file_counts_by_what_it_does():
    def made(text):
        scope = {}
        exec(text, scope)
        return Architecture(name="f", target=scope["f"], distribution="__main__", version="")

    first = code_of_entry(made("def f(width): return [width + k for k in (1, 2)]"))
    again = code_of_entry(made("\n\ndef f(width): return [width + k for k in (1, 2)]"))
    other = code_of_entry(made("def f(width): return [width - k for k in (1, 2)]"))
    assert first.fingerprint and first.fingerprint == again.fingerprint != other.fingerprint


@pytest.mark.parametrize(
    ("line", "counts"),
    [
        ("import numpy; numpy.load('data/scale.npy')", True),
        ("open('data/scale.npy', 'rb').read()", True),
        ("from pathlib import Path; Path(__file__).parent.joinpath('data/scale.npy').read_bytes()", True),
        ("NAME = 'data/scale.npy'", True),
        ("open('data/scale.npy', 'wb')", False),
        ("open('data/scale.npy', mode='a+')", False),
        ("__import__('pathlib').Path('data/scale.npy').write_bytes(b'')", False),
        ("'''It once read data/scale.npy, see there.'''", False),
    ],
)
def test_a_data_file_counts_where_the_text_names_it_and_does_not_write_it(tmp_path, line, counts):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "scale.npy").write_bytes(b"1")
    file = tmp_path / "net.py"
    file.write_text(f"{line}\n")
    before = code_of_file(file)
    assert ("data/scale.npy" in before.files) == counts
    (tmp_path / "data" / "scale.npy").write_bytes(b"2")
    assert (code_of_file(file).fingerprint != before.fingerprint) == counts


def test_a_data_file_in_the_working_folder_counts(tmp_path, monkeypatch):
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "net.py").write_text("import json\nS = json.load(open('scale.json'))\n")
    (tmp_path / "scale.json").write_text("1")
    monkeypatch.chdir(tmp_path)
    assert set(code_of_file(tmp_path / "code" / "net.py").files) == {"net.py", "scale.json"}


HERE = "import os, sys, json, pathlib\nfrom pathlib import Path\nHERE = Path(__file__).parent\nNAME = 's.txt'\n"


def beside(data, line):
    """A Python file next to the folder of a data file, which it may name."""
    data.parent.mkdir()
    data.write_text("1")
    file = data.parent.parent / "net.py"
    file.write_text(HERE + line)
    return file


@pytest.mark.parametrize(
    "line",
    [
        "(Path(__file__).parent / 'data' / 's.txt').read_text()",
        "(HERE / 'data' / NAME).read_text()",
        "DATA: Path = HERE / 'data'\n(DATA / NAME).read_text()",
        "HERE.joinpath('data', 's.txt').read_text()",
        "pathlib.Path(HERE, 'data', NAME).read_text()",
        "(Path(__file__).resolve().parents[0] / 'data/s.txt').read_text()",
        "open(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'data', 's.txt')).read()",
        "open(os.path.dirname(__file__) + '/data/s.txt').read()",
        "open(f'{HERE}/data/{NAME}').read()",
        "def read(folder): return (folder / 'data' / 's.txt').read_text()",
        "def read(name): return (HERE / 'data' / name).read_text()\nread('s.txt')",
        "(HERE / 'data' / 'other.json').with_name('s.txt').read_text()",
    ],
)
def test_a_data_file_in_a_subfolder_counts_however_it_is_named(tmp_path, line):
    file = beside(tmp_path / "data" / "s.txt", line)
    before = code_of_file(file)
    assert sorted(before.files) == ["data/s.txt", "net.py"]
    (tmp_path / "data" / "s.txt").write_text("2")
    assert code_of_file(file).fingerprint != before.fingerprint


def test_a_data_file_that_is_named_after_the_python_file_counts(tmp_path):
    file = tmp_path / "net.py"
    file.write_text(HERE + "json.loads(Path(__file__).with_suffix('.json').read_text())")
    (tmp_path / "net.json").write_text("1")
    assert sorted(code_of_file(file).files) == ["net.json", "net.py"]


@pytest.mark.parametrize(
    "line",
    [
        "LOG = HERE / 'out' / 'log.txt'\nopen(LOG, 'a').write('x')",
        "LOG = HERE / 'out' / 'log.txt'\nLOG.write_text('x')",
        "(HERE / 'out' / 'log.txt').write_text('x')",
        "open(os.path.join(HERE, 'out', 'log.txt'), 'w').write('x')",
    ],
)
def test_a_file_that_is_written_does_not_count(tmp_path, line):
    file = beside(tmp_path / "out" / "log.txt", line)
    assert list(code_of_file(file).files) == ["net.py"]


def test_a_file_that_is_read_in_a_call_that_writes_counts(tmp_path):
    file = beside(tmp_path / "data" / "s.txt", "(HERE / 'out.txt').write_text((HERE / 'data' / 's.txt').read_text())")
    assert sorted(code_of_file(file).files) == ["data/s.txt", "net.py"]


def test_runs_environments_and_deep_folders_are_not_searched_for_data(tmp_path):
    for folder, mark in (("runs/one", "manifest.json"), ("env", "pyvenv.cfg"), (".git", "HEAD"), ("a/b/c/d", "far")):
        (tmp_path / folder / "cells").mkdir(parents=True)
        (tmp_path / folder / mark).write_text("")
        (tmp_path / folder / "s.txt").write_text("")
    file = tmp_path / "net.py"
    file.write_text("NAME = 's.txt'")
    assert list(code_of_file(file).files) == ["net.py"]


def test_names_that_refer_to_one_another_end(tmp_path):
    file = tmp_path / "net.py"
    file.write_text("A = B + '/a.txt'\nB = A + '/b.txt'\n" + "C0 = 'x'\n" + "".join(
        f"C{i + 1} = C{i} + C{i}\n" for i in range(60)
    ) + "D = " + " + ".join(["'long'"] * 400))  # fmt: skip
    assert list(code_of_file(file).files) == ["net.py"]


@pytest.mark.parametrize(
    "line",
    [
        "sys.path.insert(0, str(Path(__file__).parent / 'lib'))",
        "sys.path.append(os.path.join(os.path.dirname(__file__), 'lib'))",
        "LIB = str(HERE / 'lib')\nif LIB not in sys.path:\n    sys.path[:0] = [LIB]",
        "sys.path += [str(HERE / 'lib')]",
        "for each in ('lib', 'src'):\n    sys.path.insert(0, str(HERE / each))",
    ],
)
def test_a_module_in_a_folder_that_the_file_adds_to_the_path_counts(tmp_path, line):
    write(tmp_path, net=f"{HERE}{line}\nimport helper", lib__helper="import deeper", lib__deeper="S = 1.0")
    before = code_of_file(tmp_path / "net.py")
    assert sorted(before.files) == ["deeper.py", "helper.py", "net.py"]
    write(tmp_path, lib__deeper="S = 3.0")
    assert code_of_file(tmp_path / "net.py").fingerprint != before.fingerprint


def test_a_folder_beside_that_of_the_file_may_be_on_the_path(tmp_path):
    line = "sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + '/lib')"
    write(tmp_path, nets__net=f"{HERE}{line}\nimport helper", lib__helper="")
    assert sorted(code_of_file(tmp_path / "nets/net.py").files) == ["helper.py", "net.py"]


def test_a_helper_beside_the_file_that_a_link_points_to_counts(tmp_path):
    write(tmp_path, real__net="import helper", real__helper="S = 1.0", link__helper="S = 2.0")
    (tmp_path / "link/net.py").symlink_to(tmp_path / "real/net.py")
    code = code_of_file(tmp_path / "link/net.py")
    assert code == code_of_file(tmp_path / "real/net.py")
    assert code.paths["helper.py"] == tmp_path / "real/helper.py"


def test_a_layer_rule_counts_for_the_code_that_imports_its_layer(tmp_path, monkeypatch):
    write(
        tmp_path, work__net="from acme_nets import layers", work__other="import keras", lib__acme_rules="FACTOR = 1.0"
    )
    monkeypatch.syspath_prepend(str(tmp_path / "lib"))
    importlib.invalidate_caches()

    def fingerprint(file, layer, distribution=""):
        rule = LayerRules(name=layer, target="acme_rules:Rule", distribution="acme-rules", version="1.0")
        return with_layer_rules(code_of_file(tmp_path / "work" / file), [rule], distribution).fingerprint

    cases = [("net.py", "acme_nets.layers:Low"), ("net.py", "keras.layers:Odd"), ("other.py", "acme_nets.layers:Low")]
    without = [code_of_file(tmp_path / "work" / file).fingerprint for file, _ in cases]
    before = [fingerprint(*case) for case in cases]
    assert [b != w for b, w in zip(before, without, strict=True)] == [True, True, False]
    assert fingerprint(*cases[0], "acme-rules") == without[0], "the plugin's own files are in its code already"
    write(tmp_path, lib__acme_rules="FACTOR = 3.0")
    assert [fingerprint(*case) != b for case, b in zip(cases, before, strict=True)] == [True, True, False]


def test_a_layer_rule_leaves_built_in_architectures_alone():
    rule = LayerRules(name="keras.layers:Odd", target="acme_rules:Rule", distribution="acme-rules", version="1.0")
    assert with_layer_rules(Code(), [rule], "ntkbench").fingerprint == ""


CHANGES = {
    "a constant": ("SCALE = 1.0", "SCALE = 2.0", "SCALE"),
    "a helper": ("def scale(): return 1.0", "def scale(): return 2.0", "scale()"),
    "a helper's constant": ("A = 1.0\ndef scale(): return A", "A = 2.0\ndef scale(): return A", "scale()"),
    "an array": ("import numpy\nA = numpy.ones(3)", "import numpy\nA = 2 * numpy.ones(3)", "A[0]"),
    "a class": ("class S:\n  def of(self): return 1", "class S:\n  def of(self): return 2", "S().of()"),
    "an object's field": (
        "class S:\n  def __init__(self, f): self.f = f\nA = S(1.0)",
        "class S:\n  def __init__(self, f): self.f = f\nA = S(2.0)",
        "A.f",
    ),
    "a nested list": ("A = {'b': [1, (2, {3})]}", "A = {'b': [1, (2, {4})]}", "A['b'][0]"),
    "a partial": (
        "import functools\nscale = functools.partial(max, 1)",
        "import functools\nscale = functools.partial(max, 2)",
        "scale(0)",
    ),
}


@pytest.mark.parametrize(("before", "after", "use"), CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("inside", [False, True], ids=["", "in a nested function"])
def test_a_function_of_a_session_counts_with_what_it_refers_to(before, after, use, inside):
    body = f"    def inner(): return width * {use}\n    return inner()" if inside else f"    return width * {use}"

    def fingerprint(*cells):
        scope = {"__name__": "__main__"}
        for cell in cells:
            exec(cell, scope)
        return code_of_entry(Architecture(name="f", target=scope["f"], distribution="__main__", version="")).fingerprint

    function = f"def f(width):\n{body}"
    first = fingerprint(before, function, "UNUSED = 1")
    assert first == fingerprint(before, function, "UNUSED = 2") == fingerprint(function, before)
    assert first != fingerprint(after, function)


def test_defaults_closures_and_partials_count():
    def made(scale, power):
        scope = {"__name__": "__main__", "scale": scale, "power": power}
        exec("def outer(k):\n  def f(width, p=power): return k * width ** p\n  return f\nf = outer(scale)", scope)
        return scope["f"]

    def fingerprint(target):
        return code_of_entry(Architecture(name="f", target=target, distribution="__main__", version="")).fingerprint

    assert fingerprint(made(1, 2)) == fingerprint(made(1, 2))
    assert len({fingerprint(made(1, 2)), fingerprint(made(2, 2)), fingerprint(made(1, 3))}) == 3
    assert fingerprint(functools.partial(made(1, 2), p=2)) != fingerprint(functools.partial(made(1, 2), p=3))


def test_what_a_function_changes_itself_does_not_count():
    scope = {"__name__": "__main__", "calls": 0}
    exec("def f(width):\n    global calls\n    calls += 1\n    return f if width else calls", scope)
    entry = Architecture(name="f", target=scope["f"], distribution="__main__", version="")
    before = code_of_entry(entry).fingerprint
    scope["f"](1)
    assert scope["calls"] == 1 and code_of_entry(entry).fingerprint == before


def test_a_function_of_a_session_counts_with_the_files_that_it_imports(tmp_path, monkeypatch):
    write(tmp_path, session_helper="def scale(): return 1.0")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()

    def fingerprint(line, use):
        scope = {"__name__": "__main__"}
        exec(f"{line}\ndef f(width): return width * {use}", scope)
        return code_of_entry(Architecture(name="f", target=scope["f"], distribution="__main__", version="")).fingerprint

    uses = [("from session_helper import scale", "scale()"), ("import session_helper", "session_helper.scale()")]
    before = [fingerprint(*use) for use in uses]
    write(tmp_path, session_helper="def scale(): return 2.0")
    assert all(fingerprint(*use) != b for use, b in zip(uses, before, strict=True))
    sys.modules.pop("session_helper")


def test_a_package_is_walked_once_however_often_it_is_imported(tmp_path, monkeypatch):
    lines = "import big\nfrom big import m1\nimport big.m2"
    write(tmp_path, work__one="import big.m0")
    write(tmp_path / "lib", big____init__=lines, **{f"big__m{i}": lines for i in range(50)})
    monkeypatch.syspath_prepend(str(tmp_path / "lib"))
    importlib.invalidate_caches()
    walked = []
    files = code_module.files_of
    monkeypatch.setattr(
        code_module, "files_of", lambda place, **options: walked.append(place) or files(place, **options)
    )
    assert len(code_of_file(tmp_path / "work/one.py").files) == 1 + 51
    assert walked == [tmp_path / "lib/big"]
