"""The words of --arch."""

from __future__ import annotations

import json
import os
import zipfile

import pytest

from ntkbench.errors import NtkbenchError
from ntkbench.plan.arch_spec import parse_arch, parse_arches
from ntkbench.plan.keras_file import read_inputs
from ntkbench.registry.code import Code, with_named_files

SOURCE = """
import math
raise SystemExit("planning runs nothing")
def build(width, *, input_shape, seed, depth=3, act="tanh", scale=None, **more): ...
def needy(width, rank): ...
def plain(width, depth=3): ...
def nothing(): ...
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "my_net.py"
    path.write_text(SOURCE)
    return path


def test_all_expands_to_every_variant(registry):
    requests = parse_arch("all", registry)
    assert [request.label for request in requests] == ["net", "neck:k=1", "neck:k=4", "conv", "attend"]


@pytest.mark.parametrize(
    ("spec", "labels"),
    [
        ("family:attention", ["attend", "attend:heads=grow", "attend:heads=8"]),
        ("family:conv", ["conv"]),
        ("priority:A", ["attend", "attend:heads=grow"]),
        ("priority:B", ["conv", "attend:heads=8"]),
    ],
)
def test_families_and_priorities_expand_to_their_rows(registry, spec, labels):
    requests = parse_arch(spec, registry)
    assert [request.label for request in requests] == labels
    assert all(request.expanded for request in requests)


def test_a_row_that_is_selected_twice_runs_once(registry):
    requests = parse_arches(["family:attention", "priority:A", "attend:heads=4"], registry)
    assert [request.label for request in requests] == ["attend", "attend:heads=grow", "attend:heads=8"]


def test_a_word_beside_numbers(registry):
    (request,) = parse_arch("attend:heads=grow", registry)
    assert request.params == {"heads": "grow"}
    with pytest.raises(NtkbenchError, match="heads=grew is not of type int, or grow; an example is 4"):
        parse_arch("attend:heads=grew", registry)


@pytest.mark.parametrize(
    ("spec", "label"),
    [
        ("net", "net"),
        ("net:depth=2", "net:depth=2"),
        ("net:depth=3,act=relu", "net:depth=3,act=relu"),
        (" net:bias=yes ", "net:bias=true"),
    ],
)
def test_labels_show_what_was_set(registry, spec, label):
    (request,) = parse_arch(spec, registry)
    assert request.label == label


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("nett", "Did you mean 'net'"),
        ("net:dept=3", "Did you mean 'depth'"),
        ("net:depth=0", "at least 1"),
        ("net:depth", "'depth' is not key=value"),
        ("net:depth=1,depth=2", "twice"),
        ("net:=1", "not key=value"),
        ("family:atention", "Unknown family 'atention' of architectures. Did you mean 'attention'"),
        ("family:", "Unknown family '' of architectures. Known: attention, conv."),
        ("priority:D", "Unknown priority 'D' of architectures. Known: A, B, C."),
        ("priority:C", "No installed architecture has the priority 'C'"),
    ],
)
def test_bad_specs(registry, spec, message):
    with pytest.raises(NtkbenchError, match=message):
        parse_arch(spec, registry)


def test_a_file_is_read_but_not_run(registry, file):
    (request,) = parse_arch(f"{file}:build:depth=5,inputs=image,extra=0.5,scale=2", registry)
    assert request.name == "my_net.py:build"
    assert request.params == {"depth": 5, "inputs": "image", "extra": 0.5, "scale": 2}
    assert request.entry.resolve({}) == {"inputs": "vector", "depth": 3, "act": "tanh"}
    assert request.label == "my_net.py:build:depth=5,inputs=image,extra=0.5,scale=2"
    before = request.code.fingerprint
    file.write_text(SOURCE + "#")
    assert parse_arch(f"{file}:build", registry)[0].code.fingerprint != before


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("{}", "name one of build, needy, plain, nothing"),
        ("{}:biuld", "Did you mean 'build'"),
        ("{}:nothing", "takes no width"),
        ("{}:needy", "needs 'rank'"),
        ("{}:plain:deph=3", "Did you mean 'depth'"),
        ("{}:plain:depth=x", "not of type int"),
        ("{}x.py:build", "File not found"),
    ],
)
def test_bad_files(registry, file, spec, message):
    with pytest.raises(NtkbenchError, match=message):
        parse_arch(spec.format(file), registry)


def test_a_parameter_without_a_default_is_given(registry, file):
    requests = parse_arches([f"{file}:needy:rank=2", f"{file}:needy:rank=3"], registry)
    assert [request.params for request in requests] == [{"rank": 2}, {"rank": 3}]
    assert [request.label for request in requests] == ["my_net.py:needy:rank=2", "my_net.py:needy:rank=3"]


def test_a_file_that_is_not_python(registry, tmp_path):
    path = tmp_path / "bad.py"
    path.write_text("def build(width:\n")
    with pytest.raises(NtkbenchError, match="not valid Python in line 1"):
        parse_arch(f"{path}:build", registry)


def test_a_file_that_stops_at_import_is_a_sentence(registry, tmp_path):
    path = tmp_path / "stops.py"
    path.write_text("import no_such_module\ndef build(width): ...\n")
    (request,) = parse_arch(f"{path}:build", registry)
    with pytest.raises(NtkbenchError, match="No module named 'no_such_module'"):
        request.entry.load()


def test_two_files_of_one_name_are_refused(registry, file, tmp_path):
    other = tmp_path / "other" / "my_net.py"
    other.parent.mkdir()
    other.write_text(SOURCE)
    with pytest.raises(NtkbenchError, match="would both be labelled"):
        parse_arches([f"{file}:plain", f"{other}:plain"], registry)


def test_a_file_that_a_parameter_names_counts(registry, tmp_path, monkeypatch):
    for folder in ("code/data", "elsewhere"):
        (tmp_path / folder).mkdir(parents=True)
    net, data = tmp_path / "code/net.py", tmp_path / "code/data/s.txt"
    net.write_text("def build(width, file='beside.txt'): pass")
    for path in (tmp_path / "elsewhere/beside.txt", tmp_path / "code/beside.txt", data):
        path.write_text("1")

    def code(*params):
        (request,) = parse_arch(":".join([f"{net}:build", *params]), registry)
        return request.code

    assert sorted(code().files) == ["beside.txt", "net.py"]
    assert sorted(code("file=s.txt").files) == ["beside.txt", "data/s.txt", "net.py"]
    assert sorted(code(f"file={tmp_path}/elsewhere/beside.txt").files) == [
        "beside.txt",
        "elsewhere/beside.txt",
        "net.py",
    ]
    monkeypatch.chdir(tmp_path)
    before = code("file=code/data/s.txt").fingerprint
    data.write_text("2")
    assert code("file=code/data/s.txt").fingerprint != before
    (tmp_path / "tanh").write_text("")
    assert with_named_files(Code(), {"activation": "tanh"}, None) == Code(), "built-in architectures read no files"


@pytest.mark.parametrize(
    ("body", "counts"),
    [
        ("open(log, 'a').write('x')", False),
        ("log = Path(log)\n    log.parent.mkdir()\n    if log:\n        print(log)\n    log.write_text('x')", False),
        ("with open(file=os.path.join('.', log), mode='w') as file:\n        file.write(log)", False),
        ("open(log, 'a').write('x')\n    return open(log).read()", True),
        ("open('other', 'a').write(Path(log).read_text())", True),
        ("np.save('other', np.load(log))", True),
        ("open(log, 'a').write('x')\n    helper(log)", True),
        ("open(log, 'a').write('x')\n    where = log\n    return np.load(where)", True),
        ("open(log, 'r+').write('x')", True),
        ("pass", True),
    ],
)
@pytest.mark.parametrize("given", [":log=log.txt", ""], ids=["given", "default"])
def test_a_file_that_is_only_written_does_not_count(registry, tmp_path, body, counts, given):
    default = "" if given else "='log.txt'"
    (tmp_path / "net.py").write_text(f"def build(width, log{default}):\n    {body}\ndef other(log): return load('x')")
    (tmp_path / "log.txt").write_text("1")
    (request,) = parse_arch(f"{tmp_path}/net.py:build{given}", registry)
    assert ("log.txt" in request.code.files) is counts


def test_the_same_architecture_counts_once(registry):
    assert next(request.label for request in parse_arches(["net", "all"], registry)) == "net"
    assert len(parse_arches(["net", "all", "net"], registry)) == 5


def saved(path, config):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(config))
    return path


def layer(*shape):
    return {"class_name": "InputLayer", "config": {"batch_shape": [None, *shape]}}


def test_saved_models_tell_their_input_shape(registry, tmp_path):
    path = saved(tmp_path / "net.keras", {"class_name": "Sequential", "config": {"layers": [layer(8, None)]}})
    assert read_inputs(path)[0] == (8, None)
    (request,) = parse_arch(str(path), registry)
    assert (request.name, request.entry.inputs) == ("net.keras", ("sequence", "set"))
    built = saved(tmp_path / "built.keras", {"config": {}, "build_config": {"input_shape": [None, 61]}})
    assert read_inputs(built)[0] == (61,)


def test_saved_models_with_several_inputs_tell_their_form(registry, tmp_path):
    def inputs(**shapes):
        layers = [
            {"class_name": "InputLayer", "config": {"name": f"in_{name}", "batch_shape": [None, *shape], "dtype": kind}}
            for name, (kind, *shape) in shapes.items()
        ]
        return {"layers": layers, "input_layers": {name: [f"in_{name}", 0, 0] for name in shapes}}

    ragged = {"config": inputs(values=("float32", 8, 2), mask=("bool", 8))}
    path = saved(tmp_path / "ragged.keras", ragged)
    assert read_inputs(path) == ({"values": (8, 2), "mask": (8,)}, {"values": "float32", "mask": "bool"})
    assert parse_arch(str(path), registry)[0].entry.inputs == ("ragged",)
    own = saved(tmp_path / "own.keras", {"config": inputs(left=("float32", 2), right=("float32", 3))})
    assert parse_arch(str(own), registry)[0].entry.inputs == ()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"config": {"layers": [layer(8), layer(8)]}}, "not a Keras 3 model"),
        ({"config": {"layers": []}}, "without an input shape"),
        ({"config": {"layers": [layer(1, 2, 3, 4)]}}, r"shape \[1, 2, 3, 4\]"),
        ([], "not a Keras 3 model"),
    ],
)
def test_bad_saved_models(registry, tmp_path, config, message):
    with pytest.raises(NtkbenchError, match=message):
        parse_arch(str(saved(tmp_path / "net.keras", config)), registry)


def archive(path, text="{}", compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as file:
        file.writestr("config.json", text)
    return path


@pytest.mark.parametrize("damage", ["nested", "encrypted", "compression", "deflated"])
def test_archives_that_cannot_be_read(registry, tmp_path, damage):
    path = archive(tmp_path / "net.keras", '{"a":' * 100_000 if damage == "nested" else "{}" * 99)
    data = bytearray(path.read_bytes())
    central = data.index(b"PK\x01\x02")
    if damage == "encrypted":
        data[6] = data[central + 8] = 1
    elif damage == "compression":
        data[8] = data[central + 10] = 99
    elif damage == "deflated":
        data[30 + len("config.json")] = 0xFF
    path.write_bytes(data)
    with pytest.raises(NtkbenchError, match="not a Keras 3 model"):
        parse_arch(str(path), registry)


@pytest.mark.parametrize("name", ["net.py", "net.keras"])
def test_what_is_there_but_is_no_file_is_said(registry, tmp_path, name):
    def says(words):
        with pytest.raises(NtkbenchError) as caught:
            parse_arch(str(path) + (":build" if name == "net.py" else ""), registry)
        assert words in str(caught.value) and "Did you mean" not in str(caught.value)
        path.rmdir() if path.is_dir() else path.unlink()

    path = tmp_path / name
    path.mkdir()
    says(f"{path} is a folder. Give the path of a {path.suffix} file.")
    os.mkfifo(path)
    says(f"{path} is not a regular file.")
    path.symlink_to(path)
    says(f"{path} is a link that leads to no file.")
    path.symlink_to(tmp_path / "nowhere")
    says(f"{path} is a link that leads to no file.")
    long = str(tmp_path / ("x" * 300 + name)) + (":build" if name == "net.py" else "")
    with pytest.raises(NtkbenchError, match="File not found"):
        parse_arch(long, registry)


def test_saved_models_that_are_no_archives(registry, tmp_path):
    (tmp_path / "net.keras").write_bytes(b"\x80\x04pickle")
    with pytest.raises(NtkbenchError, match="not a Keras 3 model"):
        parse_arch(str(tmp_path / "net.keras"), registry)
    with pytest.raises(NtkbenchError, match="Did you mean 'net.keras'"):
        parse_arch(str(tmp_path / "nett.keras"), registry)
    with pytest.raises(NtkbenchError, match="the only parameter"):
        parse_arch(f"{tmp_path / 'net.keras'}:depth=3", registry)
